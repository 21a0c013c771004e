/**
 * The leaf of the log tree: what the log says of one event (docs/protocol.md, Log). Inclusion of a leaf
 * proves the outcome and the effects of the event, not only that it is there.
 *
 *     u8 version = 1   u64 index   u64 height   batchId(32)   u32 position
 *     u8 outcome (0 accepted, 1 refused)   u16 length || code (ASCII)   effectsHash(32)   event bytes
 */
import { DecodeError, Reader } from "../crypto/codec.ts";
import { ScratchViews, sha256Into } from "../crypto/hash.ts";
import { fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { decodeEvent } from "./event.ts";
import type { EncodedEvent, Hash, LogEntry, Outcome } from "./types.ts";

const LEAF_VERSION = 1;
/** All fields of fixed width: 1 + 8 + 8 + 32 + 4 + 1 + 2 + 32. */
const FIXED_BYTES = 88;
const CODE_PATTERN = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+$/;

/** Whether a text can be the code of a refusal: dotted lower-case ASCII words, at most 64 bytes. */
export const isRefusalCode = (code: string): boolean =>
  code.length <= LIMITS.refusalCodeBytesMax && CODE_PATTERN.test(code);

export type LeafFields = Omit<LogEntry, "event"> & { readonly event: Pick<EncodedEvent, "bytes"> };

const codeOf = (outcome: Outcome): string => (outcome.kind === "refused" ? outcome.code : "");

/** The hash's prefix byte (zero, never written) and room for any leaf: hashing allocates nothing. */
const views = new ScratchViews(1 + LIMITS.leafBytesMax);
const scratch = views.bytes;
/** Views are kept for leaves up to this length. */
const VIEWED_BYTES_MAX = 4096;

/**
 * SHA256(0x00 || leaf) (RFC 6962, 2.1) into `target` from `at` on. Throws RangeError where a field breaks
 * its limit: whoever executes has checked the event and the code before.
 */
export const hashLeafInto = (entry: LeafFields, target: Uint8Array, at: number): void => {
  const length = 1 + writeLeaf(entry);
  const input = length > VIEWED_BYTES_MAX ? scratch.subarray(0, length) : views.first(length);
  sha256Into(input, target, at);
};

/** The same as a hash of its own. */
export const hashLeaf = (entry: LeafFields): Hash => {
  const hash = new Uint8Array(32);
  hashLeafInto(entry, hash, 0);
  return hash;
};

/** The leaf's bytes: what inclusion proofs are about. They are not stored. Throws as `hashLeaf`. */
export const encodeLeaf = (entry: LeafFields): Uint8Array => {
  const length = writeLeaf(entry);
  return scratch.slice(1, 1 + length);
};

/** Lays the leaf out behind the first byte of the scratch buffer; its length. */
function writeLeaf(entry: LeafFields): number {
  const code = codeOf(entry.outcome);
  const event = entry.event.bytes;
  const length = FIXED_BYTES + code.length + event.length;
  if (length > LIMITS.leafBytesMax) throw new RangeError(`leaf of ${length} bytes`);
  if (entry.batchId.length !== 32 || entry.effectsHash.length !== 32) {
    throw new RangeError("a hash has 32 bytes");
  }
  const buffer = scratch;
  buffer[1] = LEAF_VERSION;
  setU64(buffer, 2, entry.index);
  setU64(buffer, 10, entry.height);
  buffer.set(entry.batchId, 18);
  setU32(buffer, 50, entry.position);
  buffer[54] = entry.outcome.kind === "refused" ? 1 : 0;
  buffer[55] = code.length >>> 8;
  buffer[56] = code.length;
  for (let i = 0; i < code.length; i++) buffer[57 + i] = code.charCodeAt(i);
  buffer.set(entry.effectsHash, 57 + code.length);
  buffer.set(event, 89 + code.length);
  return length;
}

function setU64(bytes: Uint8Array, at: number, value: number): void {
  setU32(bytes, at, Math.floor(value / 0x1_0000_0000));
  setU32(bytes, at + 4, value % 0x1_0000_0000);
}

function setU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Reads a leaf from bytes that nobody vouches for: "encoding.malformed" or "encoding.version". */
export const decodeLeaf = (bytes: Uint8Array): Result<LogEntry> => {
  if (bytes.length > LIMITS.leafBytesMax) {
    return fail("encoding.malformed", `leaf of ${bytes.length} bytes`);
  }
  try {
    return readLeaf(new Reader(bytes));
  } catch (error) {
    if (error instanceof DecodeError) return fail("encoding.malformed", `leaf: ${error.message}`);
    throw error;
  }
};

function readLeaf(reader: Reader): Result<LogEntry> {
  const version = reader.u8();
  if (version !== LEAF_VERSION) return fail("encoding.version", `leaf version ${version}`);
  const index = reader.u64();
  const height = reader.u64();
  const batchId = reader.hash();
  const position = reader.u32();
  const kind = reader.u8();
  const codeBytes = reader.fixed(reader.u16());
  const code = codeBytes.length === 0 ? "" : String.fromCharCode(...codeBytes.subarray(0, 128));
  const effectsHash = reader.hash();
  const refused = kind === 1 && codeBytes.length <= 128 && isRefusalCode(code);
  if (!refused && !(kind === 0 && codeBytes.length === 0)) {
    return fail("encoding.malformed", "leaf: outcome and code do not fit");
  }
  const event = decodeEvent(reader.rest());
  if (!event.ok) return event;
  const outcome: Outcome = refused ? { kind: "refused", code } : { kind: "accepted" };
  return ok({ index, height, batchId, position, outcome, effectsHash, event: event.value });
}
