/**
 * Addresses of peers: `[ipv6]:port`, or `name:port` whose name has AAAA records. IPv4 is refused in every
 * form, mapped addresses included, because a deployment must not come to rest on it by accident.
 */
import { lookup } from "node:dns/promises";
import { isIPv4, isIPv6, SocketAddress } from "node:net";
import { fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { HostPort } from "./quiche-binding.ts";

export type PeerAddress =
  | { readonly kind: "literal"; readonly host: string; readonly port: number }
  | { readonly kind: "name"; readonly host: string; readonly port: number };

/** True for `::ffff:0:0/96` in the canonical spelling that the system gives. */
export const isMappedIpv4 = (host: string): boolean =>
  host.startsWith("::ffff:") && host.includes(".");

/** The one spelling of an IPv6 address that sockets report, so that addresses compare as strings. */
const canonicalIpv6 = (text: string): string =>
  new SocketAddress({ address: text, family: "ipv6" }).address;

/** The first 64 bits of an IPv6 address in any spelling, as text: what one host or one link has for itself. */
export const networkOf = (host: string): string => {
  const [head = "", tail] = host.split("::");
  const before = head === "" ? [] : head.split(":");
  // What is left out stands for zeros, and what follows it ends at the last bit.
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const isDotted = after.at(-1)?.includes(".") === true;
  const zeros = new Array<string>(
    Math.max(0, 8 - before.length - after.length - (isDotted ? 1 : 0)),
  );
  const groups = tail === undefined ? before : [...before, ...zeros.fill("0"), ...after];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
};

/** How far an address in its one spelling reaches (RFC 4291, 2.4). */
export const scopeOf = (host: string): "loopback" | "link" | "multicast" | "wide" => {
  if (host === "::1") return "loopback";
  const first = Number.parseInt(networkOf(host), 16);
  if (first >= 0xff00) return "multicast";
  return first >= 0xfe80 && first <= 0xfebf ? "link" : "wide";
};

const LABEL = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/;
const PORT = /^(0|[1-9][0-9]{0,4})$/;

const isName = (text: string): boolean => {
  const labels = text.split(".");
  const last = labels[labels.length - 1] ?? "";
  return labels.every((label) => LABEL.test(label)) && !/^[0-9]+$/.test(last);
};

const parsePort = (text: string): number | undefined => {
  const port = PORT.test(text) ? Number(text) : Number.NaN;
  return port <= 65_535 ? port : undefined;
};

/**
 * Reads `[ipv6]:port` or `name:port`. Port 0 is read; whether it makes sense is the caller's matter.
 * Codes: transport.ipv4 for IPv4 in any form, transport.address for everything else.
 */
export const parseAddress = (text: string): Result<PeerAddress> => {
  if (text.length > LIMITS.addressBytesMax) {
    return fail("transport.address", `address over ${LIMITS.addressBytesMax} characters`);
  }
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]+)$/.exec(text);
  const port = match === null ? undefined : parsePort(match[3] ?? "");
  if (match === null || port === undefined) {
    return fail("transport.address", `not [ipv6]:port or name:port: ${JSON.stringify(text)}`);
  }
  const [, literal, name = ""] = match;
  if (literal === undefined) {
    if (isIPv4(name)) return fail("transport.ipv4", `${name} is an IPv4 address`);
    if (!isName(name)) return fail("transport.address", `${JSON.stringify(name)} is no host name`);
    return ok({ kind: "name", host: name.toLowerCase(), port });
  }
  if (isIPv4(literal)) return fail("transport.ipv4", `${literal} is an IPv4 address`);
  if (!isIPv6(literal) || literal.includes("%")) {
    return fail(
      "transport.address",
      `${JSON.stringify(literal)} is no IPv6 address without a zone`,
    );
  }
  const host = canonicalIpv6(literal);
  if (isMappedIpv4(host)) return fail("transport.ipv4", `${host} is an IPv4-mapped address`);
  return ok({ kind: "literal", host, port });
};

export const formatAddress = (address: HostPort): string => `[${address.host}]:${address.port}`;

/** Addresses of one family for a name; an empty list when there are none. */
export type NameLookup = (name: string, family: 4 | 6) => Promise<readonly string[]>;

/** The system's resolver, so that the hosts file and search domains work as everywhere else. */
export const systemLookup: NameLookup = async (name, family) => {
  try {
    return (await lookup(name, { family, all: true })).map((entry) => entry.address);
  } catch {
    return [];
  }
};

/**
 * The address to send to. A name is asked for AAAA records only; one that has only A records is told apart
 * from one that has none, because the operator has to change something different.
 */
export const resolveAddress = async (
  address: PeerAddress,
  names: NameLookup,
): Promise<Result<HostPort>> => {
  if (address.kind === "literal") return ok({ host: address.host, port: address.port });
  for (const candidate of await names(address.host, 6)) {
    if (!isIPv6(candidate) || candidate.includes("%")) continue;
    const host = canonicalIpv6(candidate);
    if (!isMappedIpv4(host)) return ok({ host, port: address.port });
  }
  const ipv4 = await names(address.host, 4);
  return fail(
    "transport.address",
    ipv4.length > 0
      ? `${address.host} has only IPv4 addresses; give it an AAAA record`
      : `${address.host} has no AAAA record`,
  );
};
