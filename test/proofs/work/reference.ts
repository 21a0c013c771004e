/**
 * Equihash(96,5) by its definition and nothing else: rows as big integers, a check that recurses over the
 * tree, and a search that keeps everything in maps. Slow, and shares no code with what it checks.
 */
import { createHash } from "node:crypto";

const BITS = 96n;

export type ReferenceRow = (index: number) => bigint;

/** Row i of a challenge: 96 bits of SHA-512(challenge || u32le ⌊i/5⌋), big-endian. */
export const referenceRows = (challenge: Uint8Array): ReferenceRow => {
  const hashes = new Map<number, Buffer>();
  return (index) => {
    const group = Math.floor(index / 5);
    let hash = hashes.get(group);
    if (hash === undefined) {
      const counter = Buffer.alloc(4);
      counter.writeUInt32LE(group);
      hash = createHash("sha512").update(challenge).update(counter).digest();
      hashes.set(group, hash);
    }
    const from = (index % 5) * 12;
    return BigInt(`0x${hash.toString("hex", from, from + 12)}`);
  };
};

type Subtree = { readonly sum: bigint; readonly indices: readonly number[] };

/** Whether the first 16·height of the 96 bits are zero. */
const agrees = (sum: bigint, height: number): boolean =>
  sum >> (BITS - 16n * BigInt(height)) === 0n;

const subtree = (row: ReferenceRow, indices: readonly number[]): Subtree | undefined => {
  const [only] = indices;
  if (only === undefined) return undefined;
  if (indices.length === 1) return { sum: row(only), indices };
  const half = indices.length / 2;
  const left = subtree(row, indices.slice(0, half));
  const right = subtree(row, indices.slice(half));
  if (left === undefined || right === undefined) return undefined;
  const sum = left.sum ^ right.sum;
  const inOrder = (left.indices[0] ?? 0) < (right.indices[0] ?? 0);
  return inOrder && agrees(sum, Math.log2(indices.length)) ? { sum, indices } : undefined;
};

export const referenceCheck = (row: ReferenceRow, indices: readonly number[]): boolean =>
  indices.length === 32 &&
  new Set(indices).size === 32 &&
  indices.every((index) => Number.isInteger(index) && index >= 0 && index < 2 ** 17) &&
  subtree(row, indices)?.sum === 0n;

/** All solutions, by joining subtrees level by level. */
export const referenceSolve = (row: ReferenceRow): number[][] => {
  let level: Subtree[] = Array.from({ length: 2 ** 17 }, (_, i) => ({ sum: row(i), indices: [i] }));
  for (let height = 1; height <= 5; height++) {
    const shift = BITS - 16n * BigInt(height);
    const groups = Map.groupBy(level, ({ sum }) => sum >> shift);
    level = [...groups.values()].flatMap((group) =>
      group.flatMap((one, i) =>
        group.slice(i + 1).flatMap((other): Subtree[] => {
          if (one.indices.some((index) => other.indices.includes(index))) return [];
          const leads = (one.indices[0] ?? 0) < (other.indices[0] ?? 0);
          const [left, right] = leads ? [one, other] : [other, one];
          return [{ sum: one.sum ^ other.sum, indices: [...left.indices, ...right.indices] }];
        }),
      ),
    );
  }
  return level.filter(({ sum }) => sum === 0n).map(({ indices }) => [...indices]);
};
