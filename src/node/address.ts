/** IPv6 socket addresses as people write them: "[::1]:4440". IPv4 has no place here, mapped or not. */
import { isIPv4, isIPv6 } from "node:net";
import { TetradError } from "../errors.ts";

export type SocketAddress = { readonly host: string; readonly port: number };

/**
 * Parses "[ipv6]:port". Port 0 is allowed only where a listener may choose its own.
 * Throws transport.ipv4 for an IPv4 (also mapped) address, transport.address for anything else wrong.
 */
export const parseAddress = (
  text: string,
  what: string,
  options: { readonly zeroPort?: boolean } = {},
): SocketAddress => {
  const match = /^\[([0-9a-fA-F:.]+)\]:([0-9]{1,5})$/.exec(text);
  if (match === null) {
    const host = text.replace(/:[0-9]+$/, "");
    if (isIPv4(host)) throw ipv4(what, text);
    const hint = isIPv6(host) || isIPv6(text) ? "; an IPv6 address stands in brackets" : "";
    throw new TetradError("transport.address", `${what} "${text}" is not [ipv6]:port${hint}`);
  }
  const [, host = "", portText = ""] = match;
  if (!isIPv6(host)) {
    throw new TetradError("transport.address", `${what} "${text}" has no valid IPv6 address`);
  }
  if (isMappedIpv4(host)) throw ipv4(what, text);
  const port = Number(portText);
  if (port > 65_535 || (port === 0 && options.zeroPort !== true)) {
    throw new TetradError("transport.address", `${what} "${text}" has a port outside 1..65535`);
  }
  return { host, port };
};

const ipv4 = (what: string, text: string): TetradError =>
  new TetradError(
    "transport.ipv4",
    `${what} "${text}" is IPv4; only IPv6 is spoken here, for example [::1]:4440`,
  );

/** ::ffff:0:0/96, however it is written: the URL parser brings every form to one. */
export const isMappedIpv4 = (host: string): boolean => {
  const canonical = canonicalHost(host);
  return canonical.startsWith("::ffff:") || canonical === "::ffff";
};

/** The one shortest form (RFC 5952) of an IPv6 address. */
export const canonicalHost = (host: string): string =>
  new URL(`http://[${host}]/`).hostname.slice(1, -1);

export const isLoopback = (host: string): boolean => canonicalHost(host) === "::1";

export const formatAddress = (address: SocketAddress): string =>
  `[${canonicalHost(address.host)}]:${address.port}`;
