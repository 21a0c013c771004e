/**
 * What two members say to each other, sealed (stoq/sealing.ts), to open connections for bulk beside their session.
 * The dialler shows a key; the listener answers where it listens, the certificate of its authority, and a
 * certificate over that key. Trust in both is trust in the sealed session that carried them. Pure.
 *
 *     ask     u8 3   u32 number   publicKey(91, SubjectPublicKeyInfo of a P-256 key)
 *     grant   u8 4   u32 number   u32 length || host (IPv6 literal)   u8 count (1..4)   count * u16 port
 *             u32 length || authority certificate (DER)   u32 length || certificate over the key (DER)
 *     none    u8 5   u32 number   u8 reason (1 no such thing here, 2 not now)
 *     gone    u8 6
 *
 * `host` is the address that the listener is bound to; empty, the one that the session is with.
 * `gone` says that nothing listens any more where grants said so. Kinds 1 and 2 are questions and answers
 * (stoq/probe.ts).
 */
import { DecodeError, Reader, utf8, Writer } from "../../crypto/codec.ts";
import { LIMITS } from "../../limits.ts";
import { parseAddress, scopeOf } from "../address.ts";

export const PUBLIC_KEY_BYTES = 91;

/** Of the longest spelling of an IPv6 address. */
const HOST_BYTES_MAX = 45;

const KINDS = { ask: 3, grant: 4, none: 5, gone: 6 } as const;
const REASONS = { absent: 1, later: 2 } as const;

export type NoneReason = keyof typeof REASONS;

export type BulkGrant = {
  /** An IPv6 literal, or empty. */
  readonly host: string;
  readonly ports: readonly number[];
  readonly authority: Uint8Array;
  readonly certificate: Uint8Array;
};

export type BulkNote =
  | { readonly kind: "ask"; readonly number: number; readonly publicKey: Uint8Array }
  | ({ readonly kind: "grant"; readonly number: number } & BulkGrant)
  | { readonly kind: "none"; readonly number: number; readonly reason: NoneReason }
  | { readonly kind: "gone" };

export const encodeNote = (note: BulkNote): Uint8Array => {
  const writer = new Writer(1024).u8(KINDS[note.kind]);
  if (note.kind === "gone") return writer.finish();
  writer.u32(note.number);
  if (note.kind === "ask") return writer.fixed(note.publicKey, PUBLIC_KEY_BYTES).finish();
  if (note.kind === "none") return writer.u8(REASONS[note.reason]).finish();
  if (note.ports.length < 1 || note.ports.length > LIMITS.bulkConnectionsMax) {
    throw new RangeError("a grant has one to four ports");
  }
  writer.bytes(utf8(note.host)).u8(note.ports.length);
  for (const port of note.ports) writer.u16(port);
  return writer.bytes(note.authority).bytes(note.certificate).finish();
};

/** In the one spelling that sockets report, no IPv4 in disguise, and of one host. */
const isHost = (host: string): boolean => {
  const parsed = parseAddress(`[${host}]:0`);
  if (!parsed.ok || parsed.value.host !== host) return false;
  return host !== "::" && scopeOf(host) !== "multicast";
};

const readGrant = (reader: Reader): BulkGrant | undefined => {
  const host = Buffer.from(reader.bytes(HOST_BYTES_MAX)).toString("latin1");
  if (host !== "" && !isHost(host)) return undefined;
  const count = reader.u8();
  if (count < 1 || count > LIMITS.bulkConnectionsMax) return undefined;
  const ports: number[] = [];
  for (let i = 0; i < count; i++) ports.push(reader.u16());
  if (ports.includes(0) || new Set(ports).size < count) return undefined;
  const authority = reader.bytes(LIMITS.bulkCertificateBytesMax).slice();
  const certificate = reader.bytes(LIMITS.bulkCertificateBytesMax).slice();
  if (authority.length === 0 || certificate.length === 0) return undefined;
  return { host, ports, authority, certificate };
};

const readNote = (reader: Reader): BulkNote | undefined => {
  const kind = reader.u8();
  if (kind === KINDS.gone) return { kind: "gone" };
  const number = reader.u32();
  if (kind === KINDS.ask) {
    return { kind: "ask", number, publicKey: reader.fixed(PUBLIC_KEY_BYTES).slice() };
  }
  if (kind === KINDS.grant) {
    const grant = readGrant(reader);
    return grant === undefined ? undefined : { kind: "grant", number, ...grant };
  }
  if (kind !== KINDS.none) return undefined;
  const code = reader.u8();
  const reason = (Object.keys(REASONS) as NoneReason[]).find((name) => REASONS[name] === code);
  return reason === undefined ? undefined : { kind: "none", number, reason };
};

/** Undefined for anything that is no note; there is one encoding of each. */
export const decodeNote = (bytes: Uint8Array): BulkNote | undefined => {
  try {
    const reader = new Reader(bytes);
    const note = readNote(reader);
    reader.end();
    return note;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
};

/** Is it the beginning of a note at all, and not of something else that is sealed? */
export const isNote = (bytes: Uint8Array): boolean => {
  const kind = bytes[0] ?? 0;
  return kind >= KINDS.ask && kind <= KINDS.gone;
};
