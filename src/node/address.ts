/** Addresses to bind: literal IPv6 socket addresses, "[::1]:4440". IPv4 has no place here, mapped or not. */
import { TetradError } from "../errors.ts";
import { parseNodeAddress } from "../ledger/address.ts";
import { formatAddress as format, parseAddress } from "../transport/address.ts";

export type SocketAddress = { readonly host: string; readonly port: number };

/**
 * Reads "[ipv6]:port" that a listener is to bind; `what` names the setting in messages. Port 0 only where
 * the listener may choose. Throws transport.ipv4 for IPv4 in any form, transport.address for the rest.
 */
export const parseBindAddress = (
  text: string,
  what: string,
  options: { readonly zeroPort?: boolean } = {},
): SocketAddress => {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new TetradError(parsed.code, `${what}: ${parsed.detail}`);
  const { kind, host, port } = parsed.value;
  if (kind !== "literal") {
    throw new TetradError("transport.address", `${what}: "${text}" is not a literal [ipv6]:port`);
  }
  if (port === 0 && options.zeroPort !== true) {
    throw new TetradError("transport.address", `${what}: "${text}" has port 0`);
  }
  return { host, port };
};

/**
 * Reads "[ipv6]:port" where others reach a node: what may be bound and also dialled, so neither the
 * unspecified address nor a multicast one. Throws transport.ipv4, transport.address.
 */
export const parsePeerAddress = (text: string, what: string): SocketAddress => {
  const address = parseBindAddress(text, what);
  const dialled = parseNodeAddress(formatAddress(address));
  if (!dialled.ok) {
    const detail = `${what}: "${text}": ${dialled.detail}; say where the others reach the node`;
    throw new TetradError(dialled.code, detail);
  }
  return address;
};

/** `host` in the canonical spelling of parseBindAddress. */
export const isLoopback = (host: string): boolean => host === "::1";

/**
 * Whether a Host header is a literal address or localhost: another name may be one whose owner has pointed it
 * here, so that a page of theirs in a browser on this machine reads what is served (DNS rebinding).
 */
export const isLocalHost = (header: string | undefined): boolean =>
  header !== undefined && /^(\[[0-9a-fA-F:]+\]|localhost)(:[0-9]{1,5})?$/.test(header);

export const formatAddress = (address: SocketAddress): string => format(address);
