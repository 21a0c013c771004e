/**
 * Equihash(96,5) (Biryukov and Khovratovich, NDSS 2016): 32 different rows out of 2^17 whose 96 bits sum
 * (XOR) to zero, found as Wagner's algorithm finds them, 16 bits a level. Checking costs 32 hashes; finding
 * takes 2^17 rows of memory. Here is the check, and how rows come from a challenge.
 *
 * Rows are cut from 64-byte hashes, five a hash: row i is bytes 12·(i mod 5) … of hash ⌊i/5⌋.
 */
import { sha512Into } from "../../crypto/hash.ts";

export const EQUIHASH_ROWS = 131_072;
export const EQUIHASH_INDICES = 32;
export const ROWS_PER_HASH = 5;
export const ROW_BYTES = 12;
export const HASH_BYTES = 64;

/** Words of 16 bits in a row: one for each level, and one that must be zero as well in the end. */
const WORDS = 6;
const LEVELS = 5;

/** Writes hash `group` into the beginning of `target`, which has room for 64 bytes. */
export type RowHash = (group: number, target: Uint8Array) => void;

/** Rows of a challenge: hash g is SHA-512(challenge || u32le g). */
export const sha512Rows = (challenge: Uint8Array): RowHash => {
  const message = new Uint8Array(challenge.length + 4);
  message.set(challenge);
  const at = challenge.length;
  return (group, target) => {
    message[at] = group;
    message[at + 1] = group >>> 8;
    message[at + 2] = group >>> 16;
    message[at + 3] = group >>> 24;
    sha512Into(message, target, 0);
  };
};

/**
 * Why indices are no solution: not 32 of 0..2^17-1; a subtree before the one with the smaller first index;
 * an index twice; a pair of subtrees that does not agree in its level's 16 bits; a sum that is not zero.
 */
export type EquihashFault = "range" | "order" | "duplicate" | "collision" | "sum";

/**
 * Checks a solution, cheapest first: what needs no hash, then pair by pair, so that nonsense costs two
 * hashes and a solution 32. Undefined when it is right.
 */
export const checkEquihash = (rows: RowHash, indices: Uint32Array): EquihashFault | undefined =>
  shapeFault(indices) ?? sumFault(rows, indices);

/** The order makes the writing of a tree unique: of two siblings the one with the smaller first index leads. */
const shapeFault = (indices: Uint32Array): EquihashFault | undefined => {
  if (indices.length !== EQUIHASH_INDICES) return "range";
  const sorted = indices.slice().sort();
  if ((sorted[EQUIHASH_INDICES - 1] ?? EQUIHASH_ROWS) >= EQUIHASH_ROWS) return "range";
  for (let i = 1; i < EQUIHASH_INDICES; i++) if (sorted[i] === sorted[i - 1]) return "duplicate";
  for (let width = 1; width < EQUIHASH_INDICES; width *= 2) {
    for (let at = 0; at < EQUIHASH_INDICES; at += 2 * width) {
      if ((indices[at] ?? 0) > (indices[at + width] ?? 0)) return "order";
    }
  }
  return undefined;
};

const sumFault = (rows: RowHash, indices: Uint32Array): EquihashFault | undefined => {
  const words = new Uint16Array(EQUIHASH_INDICES * WORDS);
  const hash = new Uint8Array(HASH_BYTES);
  for (let slot = 0; slot < EQUIHASH_INDICES; slot++) {
    loadRow(rows, indices[slot] ?? 0, hash, words, slot);
    const differs = words[slot * WORDS] !== words[(slot - 1) * WORDS];
    if (slot % 2 === 1 && differs) return "collision";
  }
  for (let level = 0, pairs = EQUIHASH_INDICES / 2; level < LEVELS; level++, pairs /= 2) {
    for (let pair = 0; pair < pairs; pair++) {
      // Sums replace their first operands from the front, behind which nothing is read any more.
      for (let word = level; word < WORDS; word++) {
        const left = words[2 * pair * WORDS + word] ?? 0;
        const right = words[(2 * pair + 1) * WORDS + word] ?? 0;
        words[pair * WORDS + word] = left ^ right;
      }
      if (words[pair * WORDS + level] !== 0) return "collision";
    }
  }
  return words[WORDS - 1] === 0 ? undefined : "sum";
};

const loadRow = (
  rows: RowHash,
  index: number,
  hash: Uint8Array,
  words: Uint16Array,
  slot: number,
): void => {
  rows(Math.floor(index / ROWS_PER_HASH), hash);
  const from = (index % ROWS_PER_HASH) * ROW_BYTES;
  for (let word = 0; word < WORDS; word++) {
    const high = hash[from + 2 * word] ?? 0;
    words[slot * WORDS + word] = (high << 8) | (hash[from + 2 * word + 1] ?? 0);
  }
};
