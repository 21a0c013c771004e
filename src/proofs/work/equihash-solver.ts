/**
 * Finds all solutions of an Equihash(96,5) instance by Wagner's algorithm, in ten MiB that are allocated
 * once. Rows are kept as three 32-bit words. On each of four levels, rows that agree in 16 bits are paired
 * and their sums are the rows of the next level; on the last, sums must agree in the 32 bits that are left.
 *
 * A level has about 2^17 pairs: rows are found by chains through a table of 2^16 heads, in one pass.
 */
import {
  EQUIHASH_INDICES,
  EQUIHASH_ROWS,
  HASH_BYTES,
  ROW_BYTES,
  ROWS_PER_HASH,
  type RowHash,
} from "./equihash.ts";

/**
 * Rows that a level has room for: a quarter more than expected. The number of pairs varies by 2.5 % (one
 * standard deviation) on the last level, so ten of those fit; pairs past it are not looked at.
 */
const CAPACITY = EQUIHASH_ROWS + EQUIHASH_ROWS / 4;
const KEYS = 65_536;
const LEVELS = 4;
const NONE = -1;

type Words = { readonly a: Int32Array; readonly b: Int32Array; readonly c: Int32Array };
type Chains = { readonly head: Int32Array; readonly next: Int32Array };
/** Which two rows of the level below a row is the sum of. */
type Parents = { readonly left: Int32Array; readonly right: Int32Array };

export type EquihashSolver = {
  /** Every solution, each 32 indices in the one order that the check accepts; two on average. */
  solve(rows: RowHash): Uint32Array[];
};

const wordsOf = (): Words => ({
  a: new Int32Array(CAPACITY),
  b: new Int32Array(CAPACITY),
  c: new Int32Array(CAPACITY),
});

/** One solver serves one run after the other. */
export const createEquihashSolver = (): EquihashSolver => {
  const even = wordsOf();
  const odd = wordsOf();
  const chains = { head: new Int32Array(KEYS), next: new Int32Array(CAPACITY) };
  const parents = Array.from({ length: LEVELS }, () => ({
    left: new Int32Array(CAPACITY),
    right: new Int32Array(CAPACITY),
  }));
  const level = (at: number): Parents => {
    const found = parents[at];
    if (found === undefined) throw new RangeError(`no level ${at}`);
    return found;
  };
  return {
    solve(rows) {
      fillRows(rows, even);
      let count = pairThree(even, EQUIHASH_ROWS, 16, chains, odd, level(0));
      count = pairThree(odd, count, 0, chains, even, level(1));
      count = pairTwo(even, count, 16, chains, odd, level(2));
      count = pairTwo(odd, count, 0, chains, even, level(3));
      const found: Uint32Array[] = [];
      eachEqual(even.c, count, chains, (left, right) => {
        const indices = new Uint32Array(EQUIHASH_INDICES);
        writeTree(parents, LEVELS, left, indices, 0);
        writeTree(parents, LEVELS, right, indices, EQUIHASH_INDICES / 2);
        leadWithSmaller(indices, 0, EQUIHASH_INDICES / 2);
        if (areDistinct(indices)) found.push(indices);
      });
      return found;
    },
  };
};

const fillRows = (rows: RowHash, { a, b, c }: Words): void => {
  const hash = new Uint8Array(HASH_BYTES);
  const view = new DataView(hash.buffer);
  for (let row = 0, group = 0; row < EQUIHASH_ROWS; group++) {
    rows(group, hash);
    const end = Math.min(row + ROWS_PER_HASH, EQUIHASH_ROWS);
    for (let at = 0; row < end; row++, at += ROW_BYTES) {
      a[row] = view.getInt32(at);
      b[row] = view.getInt32(at + 4);
      c[row] = view.getInt32(at + 8);
    }
  }
};

/** Pairs by 16 bits of the first word; returns how many there are. */
const pairThree = (
  { a, b, c }: Words,
  count: number,
  shift: number,
  { head, next }: Chains,
  to: Words,
  { left, right }: Parents,
): number => {
  const { a: toA, b: toB, c: toC } = to;
  head.fill(NONE);
  let made = 0;
  for (let i = 0; i < count; i++) {
    const word = a[i] as number;
    const key = (word >>> shift) & 0xffff;
    const first = head[key] as number;
    for (let j = first; j !== NONE && made < CAPACITY; j = next[j] as number) {
      toA[made] = word ^ (a[j] as number);
      toB[made] = (b[i] as number) ^ (b[j] as number);
      toC[made] = (c[i] as number) ^ (c[j] as number);
      left[made] = j;
      right[made] = i;
      made += 1;
    }
    next[i] = first;
    head[key] = i;
  }
  return made;
};

/** Pairs by 16 bits of the second word, where the first is zero for all. */
const pairTwo = (
  { b, c }: Words,
  count: number,
  shift: number,
  { head, next }: Chains,
  to: Words,
  { left, right }: Parents,
): number => {
  const { b: toB, c: toC } = to;
  head.fill(NONE);
  let made = 0;
  for (let i = 0; i < count; i++) {
    const word = b[i] as number;
    const key = (word >>> shift) & 0xffff;
    const first = head[key] as number;
    for (let j = first; j !== NONE && made < CAPACITY; j = next[j] as number) {
      toB[made] = word ^ (b[j] as number);
      toC[made] = (c[i] as number) ^ (c[j] as number);
      left[made] = j;
      right[made] = i;
      made += 1;
    }
    next[i] = first;
    head[key] = i;
  }
  return made;
};

/** Every pair of equal words. */
const eachEqual = (
  c: Int32Array,
  count: number,
  { head, next }: Chains,
  onPair: (left: number, right: number) => void,
): void => {
  head.fill(NONE);
  for (let i = 0; i < count; i++) {
    const word = c[i] as number;
    const key = word >>> 16;
    const first = head[key] as number;
    for (let j = first; j !== NONE; j = next[j] as number) if (c[j] === word) onPair(j, i);
    next[i] = first;
    head[key] = i;
  }
};

/** The 2^level indices that a row is the sum of, in order. */
const writeTree = (
  parents: readonly Parents[],
  level: number,
  row: number,
  target: Uint32Array,
  at: number,
): void => {
  const below = level === 0 ? undefined : parents[level - 1];
  if (below === undefined) {
    target[at] = row;
    return;
  }
  const half = 2 ** (level - 1);
  writeTree(parents, level - 1, below.left[row] as number, target, at);
  writeTree(parents, level - 1, below.right[row] as number, target, at + half);
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
