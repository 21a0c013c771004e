/**
 * Names that a certificate may have: DNS names and IPv6 addresses, each in its one form.
 *
 * What stands in a certificate is believed by every verifier, so what is unusual is refused instead of
 * interpreted: wildcards, IPv4 in its known disguises, internationalised labels, names with a final dot.
 */
import { toHex } from "../crypto/bytes.ts";
import { utf8 } from "../crypto/codec.ts";
import { LIMITS } from "../limits.ts";
import { CaRefusal, DerReader, der, TAG } from "./der.ts";

export type SubjectName = {
  readonly kind: "dns" | "ip6";
  /** Lower-case ASCII; an address as RFC 5952 writes it. */
  readonly text: string;
  /** As a GeneralName has it: ASCII, or 16 bytes. */
  readonly bytes: Uint8Array;
};

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A DNS name. Throws CaRefusal. Upper case becomes lower case: DNS does not tell them apart. */
export const dnsName = (bytes: Uint8Array): SubjectName => {
  if (bytes.length === 0 || bytes.length > LIMITS.caNameBytesMax) {
    throw new CaRefusal("ca.name-refused", `a DNS name has 1 to ${LIMITS.caNameBytesMax} bytes`);
  }
  if (bytes.some((byte) => byte <= 0x20 || byte >= 0x7f)) {
    throw new CaRefusal("ca.name-refused", "a DNS name is printable ASCII without spaces");
  }
  const text = String.fromCharCode(...bytes).toLowerCase();
  if (text.includes("*")) {
    throw new CaRefusal("ca.name-wildcard", `${text} is a wildcard, which this issuer never signs`);
  }
  const labels = text.split(".");
  const bad = labels.find((label) => !LABEL.test(label) || label.slice(2, 4) === "--");
  if (bad !== undefined) {
    throw new CaRefusal("ca.name-refused", `${text} has the label "${bad}"`);
  }
  // A last label of digits is how resolvers recognise IPv4 (WHATWG URL, "ends in a number").
  if (/^(?:[0-9]+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? "")) {
    throw new CaRefusal("ca.name-ipv4", `${text} would be read as an IPv4 address`);
  }
  if (labels.length === 1 && text !== "localhost") {
    throw new CaRefusal("ca.name-refused", `${text} has no domain`);
  }
  return { kind: "dns", text, bytes: utf8(text) };
};

/**
 * Whether an address has an IPv4 address in it by its form: compatible, mapped and translated (RFC 4291,
 * RFC 6052, RFC 8215: all that begins with 64 zero bits is theirs or unused), 6to4, Teredo, ISATAP. A network's
 * own prefix for NAT64 looks like any other.
 */
const standsForIp4 = (groups: readonly number[]): boolean => {
  const [a, b, c, , e = 0, f] = groups;
  if (groups.slice(0, 4).every((group) => group === 0)) return true;
  if (a === 0x64 && b === 0xff9b && (c === 1 || groups.slice(2, 6).every((one) => one === 0))) {
    return true;
  }
  if (a === 0x2002 || (a === 0x2001 && b === 0)) return true;
  return (e === 0 || e === 0x200) && f === 0x5efe;
};

/** An address of 16 bytes. Throws CaRefusal for IPv4 in its known forms and for what nobody can be reached at. */
export const ip6Name = (bytes: Uint8Array): SubjectName => {
  if (bytes.length === 4) {
    throw new CaRefusal("ca.name-ipv4", `${bytes.join(".")} is an IPv4 address`);
  }
  if (bytes.length !== 16) throw new CaRefusal("ca.name-refused", "an IPv6 address has 16 bytes");
  const groups = Array.from({ length: 8 }, (_, i) => {
    return (bytes[2 * i] ?? 0) * 256 + (bytes[2 * i + 1] ?? 0);
  });
  const text = ip6Text(groups);
  if (text === "::") throw new CaRefusal("ca.name-refused", "nobody is at ::");
  if (text !== "::1" && standsForIp4(groups)) {
    throw new CaRefusal("ca.name-ipv4", `${text} stands for an IPv4 address`);
  }
  if ((groups[0] ?? 0) >= 0xff00) {
    throw new CaRefusal("ca.name-refused", `${text} is a multicast address`);
  }
  return { kind: "ip6", text, bytes };
};

/** RFC 5952: lower case, the longest run of two or more zero groups shortened, the first of equals. */
const ip6Text = (groups: readonly number[]): string => {
  let from = 0;
  let length = 0;
  for (let at = 0; at < groups.length; at++) {
    let end = at;
    while (groups[end] === 0) end += 1;
    if (end - at > length) [from, length] = [at, end - at];
  }
  const text = (part: readonly number[]): string =>
    part.map((group) => group.toString(16)).join(":");
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, from))}::${text(groups.slice(from + length))}`;
};

/**
 * The names of a SubjectAltName extension's value, without repeats, in their order. Throws CaRefusal and
 * DecodeError.
 */
export const readNames = (value: Uint8Array): readonly SubjectName[] => {
  const outer = new DerReader(value);
  const list = outer.enter(TAG.sequence);
  outer.end();
  const names: SubjectName[] = [];
  const seen = new Set<string>();
  for (let count = 1; !list.done; count++) {
    if (count > LIMITS.caNamesMax) {
      throw new CaRefusal("ca.names-too-many", `at most ${LIMITS.caNamesMax} names`);
    }
    const { tag, content } = list.next();
    const name =
      tag === TAG.dnsName ? dnsName(content) : tag === TAG.ipAddress ? ip6Name(content) : undefined;
    if (name === undefined) {
      const kind = `0x${toHex(Uint8Array.of(tag))}`;
      throw new CaRefusal("ca.name-refused", `a name of the kind ${kind}: only DNS and IPv6`);
    }
    if (!seen.has(name.text)) names.push(name);
    seen.add(name.text);
  }
  if (names.length === 0) throw new CaRefusal("ca.name-missing", "the list of names is empty");
  return names;
};

/** The value of a SubjectAltName extension. */
export const namesValue = (names: readonly SubjectName[]): Uint8Array =>
  der(
    TAG.sequence,
    ...names.map(({ kind, bytes }) => der(kind === "dns" ? TAG.dnsName : TAG.ipAddress, bytes)),
  );

/**
 * A name such that names of one domain stand together: "org.example.www." and "org.example.". Addresses
 * begin with a colon, which no domain does.
 */
export const sortableName = (text: string): string =>
  text.includes(":") ? `:${text}` : `${text.split(".").reverse().join(".")}.`;

/** What `sortableName` was made of. */
export const plainName = (sortable: string): string =>
  sortable.startsWith(":")
    ? sortable.slice(1)
    : sortable.slice(0, -1).split(".").reverse().join(".");

/** Whether a name is of the domain: the domain itself, "*.example.org" for all below it, or "*". */
export const matchesDomain = (name: string, pattern: string): boolean => {
  if (pattern === "*") return true;
  if (!pattern.startsWith("*.")) return name === pattern;
  return name.endsWith(pattern.slice(1));
};
