/**
 * Proofs against a root of the state tree (state-tree.ts has its definition): that a key has a value, or
 * that it has none. Pure and browser-safe: what a client checks without trusting the node that answers.
 *
 *     u8 version = 1   u8 end   u16 depth   ceil(depth / 8) bytes bitmap   siblings   [keyHash   valueHash]
 *
 * end: 0 the path of the key ends at an empty subtree; 1 it ends at the leaf of another key, whose two
 * hashes follow the siblings; 2 it ends at the key's own leaf. `depth` is the number of binary levels
 * from the root to that end, at most 256. Bit i (of byte i >> 3, 1 << (i & 7)) says that the sibling at
 * level i, from the root down, is not empty; those siblings follow in order. There is one encoding of a
 * proof: unused bits are zero, no listed sibling is zero, and the last sibling is never empty (the tree
 * has no node with one leaf below it).
 */
import { equalBytes, isZero, ZERO_HASH } from "../crypto/bytes.ts";
import { DecodeError, Reader, Writer } from "../crypto/codec.ts";
import type { Hasher } from "../crypto/hash.ts";
import { fail, ok, type Result } from "../errors.ts";
import { stateHashes } from "./state-hashes.ts";

const VERSION = 1;
const END_EMPTY = 0;
const END_OTHER = 1;
const END_OWN = 2;
const DEPTH_MAX = 256;

type Proof = {
  readonly end: number;
  /** From the root down; 32 zero bytes for an empty one. */
  readonly siblings: readonly Uint8Array[];
  /** keyHash || valueHash of the other key's leaf. */
  readonly other: Uint8Array | undefined;
};

/** `leaf` is the content of the leaf where the path ends; undefined when it ends at nothing. */
export const encodeStateProof = (
  keyHash: Uint8Array,
  siblings: readonly Uint8Array[],
  leaf: Uint8Array | undefined,
): Uint8Array => {
  const own = leaf !== undefined && equalBytes(leaf.subarray(0, 32), keyHash);
  const end = leaf === undefined ? END_EMPTY : own ? END_OWN : END_OTHER;
  const bitmap = new Uint8Array(Math.ceil(siblings.length / 8));
  const used = siblings.filter((sibling, level) => {
    if (isZero(sibling)) return false;
    bitmap[level >>> 3] = (bitmap[level >>> 3] ?? 0) | (1 << (level & 7));
    return true;
  });
  const writer = new Writer(1024).u8(VERSION).u8(end).u16(siblings.length).raw(bitmap);
  for (const sibling of used) writer.hash(sibling);
  if (leaf !== undefined && !own) writer.raw(leaf);
  return writer.finish();
};

function decodeProof(bytes: Uint8Array): Proof {
  const reader = new Reader(bytes);
  const refuse = (detail: string): DecodeError => new DecodeError("tag", reader.offset, detail);
  if (reader.u8() !== VERSION) throw refuse("unknown version of a state proof");
  const end = reader.u8();
  if (end > END_OWN) throw refuse("unknown end of a state proof");
  const depth = reader.u16();
  if (depth > DEPTH_MAX) throw refuse("state proof too deep");
  const bitmap = reader.fixed(Math.ceil(depth / 8));
  const siblings: Uint8Array[] = [];
  for (let level = 0; level < bitmap.length * 8; level++) {
    const listed = ((bitmap[level >>> 3] ?? 0) & (1 << (level & 7))) !== 0;
    if (level >= depth && listed) throw refuse("unused bit set in a state proof");
    if (level >= depth) continue;
    const sibling = listed ? reader.hash() : ZERO_HASH;
    if (listed && isZero(sibling)) throw refuse("an empty sibling is listed in a state proof");
    siblings.push(sibling);
  }
  const last = siblings.at(-1);
  if (last !== undefined && isZero(last)) throw refuse("last sibling of a state proof is empty");
  const other = end === END_OTHER ? reader.fixed(64) : undefined;
  reader.end();
  return { end, siblings, other };
}

const bitAt = (hash: Uint8Array, level: number): number =>
  ((hash[level >>> 3] ?? 0) >>> (7 - (level & 7))) & 1;

/** True when two hashes have the same first `bits` bits. */
const sharePath = (a: Uint8Array, b: Uint8Array, bits: number): boolean => {
  for (let level = 0; level < bits; level++) if (bitAt(a, level) !== bitAt(b, level)) return false;
  return true;
};

/**
 * Checks that the tree with this root has `value` under `key`, or, with `value` undefined, that it has
 * no row under `key`.
 * Failures: encoding.malformed (not a proof in the one encoding), proof.invalid (it proves something else).
 */
export const verifyStateProof = (
  hasher: Hasher,
  root: Uint8Array,
  key: Uint8Array,
  value: Uint8Array | undefined,
  proof: Uint8Array,
): Result<"present" | "absent"> => {
  let decoded: Proof;
  try {
    decoded = decodeProof(proof);
  } catch (error) {
    if (error instanceof DecodeError) return fail("encoding.malformed", error.message);
    throw error;
  }
  const hashes = stateHashes(hasher);
  const keyHash = hashes.key(key);
  const { end, siblings, other } = decoded;
  if ((end === END_OWN) !== (value !== undefined)) {
    return fail("proof.invalid", end === END_OWN ? "the key is present" : "the key is absent");
  }
  let hash = ZERO_HASH;
  if (value !== undefined) hash = hashes.leaf(hashes.leafContent(keyHash, value));
  if (other !== undefined) {
    const otherKey = other.subarray(0, 32);
    if (equalBytes(otherKey, keyHash) || !sharePath(otherKey, keyHash, siblings.length)) {
      return fail("proof.invalid", "the leaf shown does not stand in the key's place");
    }
    hash = hashes.leaf(other);
  }
  for (let level = siblings.length - 1; level >= 0; level--) {
    const sibling = siblings[level] ?? ZERO_HASH;
    hash = bitAt(keyHash, level) === 0 ? hashes.node(hash, sibling) : hashes.node(sibling, hash);
  }
  if (!equalBytes(hash, root)) return fail("proof.invalid", "the path does not lead to the root");
  return ok(value === undefined ? "absent" : "present");
};
