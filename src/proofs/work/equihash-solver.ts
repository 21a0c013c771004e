/**
 * Finds the solutions of an Equihash(96,5) instance by Wagner's algorithm, in nine MiB that are allocated
 * once. Rows are three 32-bit words. On each of four levels, rows that agree in 16 bits are paired and their
 * sums are the rows of the next level; on the last, sums must agree in the 32 bits that are left.
 *
 * A level has about 2^17 rows. They lie in 256 buckets by the first eight of the bits that they must agree
 * in, so that those to compare are in a few KiB next to each other; a sum goes into its bucket at once.
 *
 * This is the solver in JavaScript: for rows of any hash, and where there is no WebAssembly (wasm-solver.ts).
 */
import {
  EQUIHASH_INDICES,
  EQUIHASH_ROWS,
  HASH_BYTES,
  ROW_BYTES,
  ROWS_PER_HASH,
  type RowHash,
} from "./equihash.ts";

export const BUCKETS = 256;
/**
 * Rows that a bucket has room for: half more than the 512 that are expected. The rows of the last level
 * vary by 2.5 % (one standard deviation) and those of a bucket by 5 %; what is past it is not looked at.
 */
export const SLOTS = 768;
const ROOM = BUCKETS * SLOTS;
export const ROW_WORDS = 3;
export const LEVELS = 4;
const NONE = -1;

/** The rows of a level by where they are: bucket · 768 + slot. */
type Table = {
  readonly words: Int32Array;
  /** Rows that are in each bucket. */
  readonly sizes: Int32Array;
};

/**
 * Which two rows of the level below each row is the sum of: both are of one bucket, so its number and two slots
 * of ten bits are 28 bits.
 */
type Parents = Int32Array;

/** The 16 bits that rows of a level must agree in: a word of the row, from a bit on. */
export type Key = { readonly word: 0 | 1 | 2; readonly shift: 0 | 16 };

export const KEYS: readonly Key[] = [
  { word: 0, shift: 16 },
  { word: 0, shift: 0 },
  { word: 1, shift: 16 },
  { word: 1, shift: 0 },
  { word: 2, shift: 16 },
];

/** Rows of one bucket by the other eight bits of their key. */
type Chains = { readonly head: Int32Array; readonly next: Int32Array };

export type EquihashSolver = {
  /**
   * Solutions, each 32 indices in the one order that the check accepts; two on average. All that have room in the
   * tables and are no sum of two that are zero by themselves, which is all but for one in many thousands.
   */
  solve(rows: RowHash): Uint32Array[];
};

const tableOf = (): Table => ({
  words: new Int32Array(ROOM * ROW_WORDS),
  sizes: new Int32Array(BUCKETS),
});

/** One solver serves one run after the other. */
export const createEquihashSolver = (): EquihashSolver => {
  let from = tableOf();
  let to = tableOf();
  const chains = { head: new Int32Array(BUCKETS), next: new Int32Array(SLOTS) };
  const leaves = new Int32Array(ROOM);
  const parents = Array.from({ length: LEVELS }, () => new Int32Array(ROOM));
  return {
    solve(rows) {
      fillRows(rows, from, leaves);
      for (const [level, into] of parents.entries()) {
        pairUp(from, KEYS[level] as Key, chains, to, KEYS[level + 1] as Key, into);
        [from, to] = [to, from];
      }
      const found: Uint32Array[] = [];
      eachEqual(from, chains, (left, right) => {
        const indices = solutionOf(leaves, parents, left, right);
        if (indices !== undefined) found.push(indices);
      });
      return found;
    },
  };
};

/** The solution of two rows of the last level that are equal; undefined where a row is in it twice. */
export const solutionOf = (
  leaves: Int32Array,
  parents: readonly Parents[],
  left: number,
  right: number,
): Uint32Array | undefined => {
  const indices = new Uint32Array(EQUIHASH_INDICES);
  const half = EQUIHASH_INDICES / 2;
  writeTree(leaves, parents, LEVELS, left, indices, 0);
  writeTree(leaves, parents, LEVELS, right, indices, half);
  leadWithSmaller(indices, 0, half);
  return areDistinct(indices) ? indices : undefined;
};

/** Puts the rows of a hash into their buckets. */
export const fillRows = (rows: RowHash, { words, sizes }: Table, leaves: Int32Array): void => {
  const hash = new Uint8Array(HASH_BYTES);
  const view = new DataView(hash.buffer);
  sizes.fill(0);
  for (let row = 0, group = 0; row < EQUIHASH_ROWS; group++) {
    rows(group, hash);
    const end = Math.min(row + ROWS_PER_HASH, EQUIHASH_ROWS);
    for (let at = 0; row < end; row++, at += ROW_BYTES) {
      const bucket = hash[at] as number;
      const size = sizes[bucket] as number;
      if (size === SLOTS) continue;
      sizes[bucket] = size + 1;
      const place = bucket * SLOTS + size;
      leaves[place] = row;
      words[place * ROW_WORDS] = view.getInt32(at);
      words[place * ROW_WORDS + 1] = view.getInt32(at + 4);
      words[place * ROW_WORDS + 2] = view.getInt32(at + 8);
    }
  }
};

/** Pairs the rows that agree in `key`, and puts their sums where `toKey` has them. */
const pairUp = (
  { words, sizes }: Table,
  key: Key,
  { head, next }: Chains,
  { words: toWords, sizes: toSizes }: Table,
  toKey: Key,
  parents: Parents,
): void => {
  const toShift = toKey.shift + 8;
  toSizes.fill(0);
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const base = bucket * SLOTS;
    const size = sizes[bucket] as number;
    head.fill(NONE);
    for (let slot = 0; slot < size; slot++) {
      const at = (base + slot) * ROW_WORDS;
      const rest = ((words[at + key.word] as number) >>> key.shift) & 0xff;
      const first = head[rest] as number;
      for (let other = first; other !== NONE; other = next[other] as number) {
        const second = (base + other) * ROW_WORDS;
        const word = (words[at + toKey.word] as number) ^ (words[second + toKey.word] as number);
        const toBucket = (word >>> toShift) & 0xff;
        const toSize = toSizes[toBucket] as number;
        if (toSize === SLOTS) continue;
        toSizes[toBucket] = toSize + 1;
        const place = toBucket * SLOTS + toSize;
        const target = place * ROW_WORDS;
        toWords[target] = (words[at] as number) ^ (words[second] as number);
        toWords[target + 1] = (words[at + 1] as number) ^ (words[second + 1] as number);
        toWords[target + 2] = (words[at + 2] as number) ^ (words[second + 2] as number);
        parents[place] = (bucket << 20) | (other << 10) | slot;
      }
      next[slot] = first;
      head[rest] = slot;
    }
  }
};

/**
 * Every pair of rows whose last words are equal, and not zero: a sum that is zero already nearly always has rows
 * in it twice, there may be hundreds of them, and each two would be a pair.
 */
const eachEqual = (
  { words, sizes }: Table,
  { head, next }: Chains,
  onPair: (left: number, right: number) => void,
): void => {
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const base = bucket * SLOTS;
    const size = sizes[bucket] as number;
    head.fill(NONE);
    for (let slot = 0; slot < size; slot++) {
      const word = words[(base + slot) * ROW_WORDS + 2] as number;
      if (word === 0) continue;
      const rest = (word >>> 16) & 0xff;
      const first = head[rest] as number;
      for (let other = first; other !== NONE; other = next[other] as number) {
        if (words[(base + other) * ROW_WORDS + 2] === word) onPair(base + other, base + slot);
      }
      next[slot] = first;
      head[rest] = slot;
    }
  }
};

/** The 2^level indices that a row is the sum of, in order. */
const writeTree = (
  leaves: Int32Array,
  parents: readonly Parents[],
  level: number,
  place: number,
  target: Uint32Array,
  at: number,
): void => {
  const below = level === 0 ? undefined : parents[level - 1];
  if (below === undefined) {
    target[at] = leaves[place] as number;
    return;
  }
  const half = 2 ** (level - 1);
  const pair = below[place] as number;
  const base = (pair >>> 20) * SLOTS;
  writeTree(leaves, parents, level - 1, base + ((pair >>> 10) & 0x3ff), target, at);
  writeTree(leaves, parents, level - 1, base + (pair & 0x3ff), target, at + half);
  leadWithSmaller(target, at, half);
};

/** Of two neighbouring subtrees the one with the smaller first index goes first. */
const leadWithSmaller = (indices: Uint32Array, at: number, half: number): void => {
  if ((indices[at] as number) < (indices[at + half] as number)) return;
  const first = indices.slice(at, at + half);
  indices.copyWithin(at, at + half, at + 2 * half);
  indices.set(first, at + half);
};

const areDistinct = (indices: Uint32Array): boolean => {
  const sorted = indices.slice().sort();
  return sorted.every((index, i) => i === 0 || index !== sorted[i - 1]);
};
