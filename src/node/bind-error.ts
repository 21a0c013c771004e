/** What the system refused when an address was bound, in words that say what to change. */
import { TetradError } from "../errors.ts";
import { formatAddress, type SocketAddress } from "./address.ts";

/** Why, and what to do; undefined for a code that has no better words. */
export const bindReason = (code: string | undefined): string | undefined => {
  if (code === "EADDRINUSE") return "another process uses this port; stop it, or choose another";
  if (code === "EACCES") return "not allowed to bind this port; choose one from 1024 up";
  if (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT") {
    return (
      "this machine has no such address; [::1] needs IPv6 on the loopback interface " +
      "(sysctl net.ipv6.conf.lo.disable_ipv6=0)"
    );
  }
  return undefined;
};

/** The system's code: of its own error, or of one that the transport made of it. */
const codeOf = (error: unknown): string | undefined => {
  if (error instanceof TetradError) {
    const { errno } = error.data;
    return typeof errno === "string" ? errno : undefined;
  }
  return (error as NodeJS.ErrnoException | undefined)?.code;
};

/** config.invalid that names the setting, where a bind was what failed; else the error itself. */
export const bindError = (setting: string, address: SocketAddress, error: unknown): unknown => {
  const reason = bindReason(codeOf(error));
  if (reason === undefined) return error;
  return new TetradError("config.invalid", `${setting} ${formatAddress(address)}: ${reason}`);
};
