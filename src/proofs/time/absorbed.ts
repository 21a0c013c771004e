/**
 * The list of block hashes that a run has taken in, each in one leaf, in ascending order of height and leaf.
 * Its Merkle root is part of phi, so where a block stands cannot be chosen later.
 */
import { isZero } from "../../crypto/bytes.ts";
import { Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { merklePath, merkleRoot, type NodeHash, verifyMerklePath } from "../../crypto/merkle.ts";
import { LIMITS } from "../../limits.ts";
import type { AbsorbedRoot } from "./statement.ts";

/** Block `height`, whose hash went into leaf `leaf`. */
export type Absorbed = {
  readonly height: number;
  readonly leaf: number;
  readonly hash: Uint8Array;
};

/** Depth of the longest list. */
export const ABSORBED_PATH_MAX = 16;

const nodeHash =
  (hasher: Hasher): NodeHash =>
  (left, right) =>
    hasher.ht("time/absorbed/node", left, right);

const leafHash = (hasher: Hasher, { height, leaf, hash }: Absorbed): Uint8Array =>
  hasher.ht("time/absorbed", new Writer(48).u64(height).u64(leaf).hash(hash).finish());

export const absorbedRoot = (hasher: Hasher, list: readonly Absorbed[]): AbsorbedRoot => ({
  count: list.length,
  root: merkleRoot(
    list.map((entry) => leafHash(hasher, entry)),
    nodeHash(hasher),
  ),
});

/** Path of the entry at `index`, from the leaf upwards. Throws RangeError where there is none. */
export const absorbedPath = (
  hasher: Hasher,
  list: readonly Absorbed[],
  index: number,
): Uint8Array[] =>
  merklePath(
    list.map((entry) => leafHash(hasher, entry)),
    index,
    nodeHash(hasher),
  );

export const isAbsorbed = (
  hasher: Hasher,
  entry: Absorbed,
  index: number,
  path: readonly Uint8Array[],
  { count, root }: AbsorbedRoot,
): boolean => verifyMerklePath(leafHash(hasher, entry), index, count, path, root, nodeHash(hasher));

/** Why a block cannot follow these in a list; undefined when it can. */
export const whyNotNext = (
  last: Absorbed | undefined,
  count: number,
  height: number,
  hash: Uint8Array,
): string | undefined => {
  if (count >= LIMITS.timeAbsorbedMax)
    return `a run absorbs at most ${LIMITS.timeAbsorbedMax} blocks`;
  if (hash.length !== 32 || isZero(hash)) return "a block hash is 32 bytes, not all of them zero";
  if (!Number.isSafeInteger(height) || height < 0) return `${height} is not a height`;
  return last !== undefined && height <= last.height
    ? `height ${height} does not follow ${last.height}`
    : undefined;
};
