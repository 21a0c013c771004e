/**
 * The two Merkle trees of a sector, over a power of two of leaves with the tagged hash of nodes
 * Ht("space/node", left || right): one over the columns of labels, one over what is stored. Of a tree only
 * the rows from GROUP_LG upwards are kept; what is below is made again from the 2^GROUP_LG leaves of a
 * group, so that a tree costs a thirty-second part of the room of its leaves.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import { type Hasher, sha256Into, tagPrefix } from "../../crypto/hash.ts";
import { NODE_BYTES, nodesOf } from "./parameters.ts";

/** Levels of a tree that are not kept: a group has 64 leaves, 2 KiB. */
export const GROUP_LG = 6;
export const GROUP_NODES: number = 2 ** GROUP_LG;
export const GROUP_BYTES: number = GROUP_NODES * NODE_BYTES;

const PREFIX_BYTES = 64;

/** Hashes of one chain for sectors. Each writes its digest into `target` from `at` on, and makes no array. */
export type SpaceHashes = {
  /** The node over the two children that lie one after the other in `children` from `from` on. */
  node(children: Uint8Array, from: number, target: Uint8Array, at: number): void;
  /** The node over a hash and its sibling, which lies in `siblings` from `from` on; written over the hash. */
  climb(hash: Uint8Array, siblings: Uint8Array, from: number, isRight: boolean): void;
  /** Ht("space/col", labels of layers 1..L of one node): of each layer the 32 bytes from `from` on. */
  column(layers: readonly Uint8Array[], from: number, target: Uint8Array, at: number): void;
};

export const createSpaceHashes = (hasher: Hasher): SpaceHashes => {
  const pair = new Uint8Array(PREFIX_BYTES + 2 * NODE_BYTES);
  pair.set(tagPrefix("space/node", hasher.chainHash));
  const columnPrefix = tagPrefix("space/col", hasher.chainHash);
  let column = new Uint8Array(0);
  return {
    node(children, from, target, at) {
      for (let i = 0; i < 2 * NODE_BYTES; i++) pair[PREFIX_BYTES + i] = children[from + i] ?? 0;
      sha256Into(pair, target, at);
    },
    climb(hash, siblings, from, isRight) {
      const own = PREFIX_BYTES + (isRight ? NODE_BYTES : 0);
      const other = PREFIX_BYTES + (isRight ? 0 : NODE_BYTES);
      for (let i = 0; i < NODE_BYTES; i++) {
        pair[own + i] = hash[i] ?? 0;
        pair[other + i] = siblings[from + i] ?? 0;
      }
      sha256Into(pair, hash, 0);
    },
    column(layers, from, target, at) {
      const length = PREFIX_BYTES + layers.length * NODE_BYTES;
      if (column.length !== length) {
        column = new Uint8Array(length);
        column.set(columnPrefix);
      }
      let to = PREFIX_BYTES;
      for (const layer of layers) {
        for (let i = 0; i < NODE_BYTES; i++) column[to + i] = layer[from + i] ?? 0;
        to += NODE_BYTES;
      }
      sha256Into(column, target, at);
    },
  };
};

const made = new WeakMap<Hasher, SpaceHashes>();

/** Those of a chain, made once. */
export const spaceHashesOf = (hasher: Hasher): SpaceHashes => {
  const known = made.get(hasher) ?? createSpaceHashes(hasher);
  made.set(hasher, known);
  return known;
};

/** The row above a row of `count` nodes, written into `target` from `at` on. */
const rowAbove = (
  hashes: SpaceHashes,
  row: Uint8Array,
  count: number,
  target: Uint8Array,
  at: number,
): void => {
  for (let i = 0; i < count / 2; i++) {
    hashes.node(row, 2 * i * NODE_BYTES, target, at + i * NODE_BYTES);
  }
};

/** The root of the 64 leaves of a group, written into `target` from `at` on. */
export const groupRoot = (
  hashes: SpaceHashes,
  leaves: Uint8Array,
  target: Uint8Array,
  at: number,
): void => {
  let row = leaves;
  for (let count = GROUP_NODES; count > 2; count /= 2) {
    const above = new Uint8Array((count / 2) * NODE_BYTES);
    rowAbove(hashes, row, count, above, 0);
    row = above;
  }
  hashes.node(row, 0, target, at);
};

/** Nodes of the rows that are kept. */
export const keptNodes = (lgNodes: number): number => 2 ** (lgNodes - GROUP_LG + 1) - 1;

/** Where the node `index` of a row lies among the rows that are kept, in nodes: row GROUP_LG comes first. */
export const keptPosition = (lgNodes: number, level: number, index: number): number =>
  2 ** (lgNodes - GROUP_LG + 1) - 2 ** (lgNodes - level + 1) + index;

/** Fills the rows above the roots of the groups, which stand at the beginning; the last node is the root. */
export const fillRows = (hashes: SpaceHashes, lgNodes: number, rows: Uint8Array): void => {
  for (let level = GROUP_LG; level < lgNodes; level++) {
    const from = keptPosition(lgNodes, level, 0) * NODE_BYTES;
    const above = keptPosition(lgNodes, level + 1, 0) * NODE_BYTES;
    rowAbove(hashes, rows.subarray(from, above), 2 ** (lgNodes - level), rows, above);
  }
};

export const rootOfRows = (rows: Uint8Array): Uint8Array => rows.slice(rows.length - NODE_BYTES);

/** What a path is made from: the leaves of a group, and nodes of the rows that are kept. */
export type TreeReader = {
  readonly lgNodes: number;
  /** 2 KiB. */
  group(index: number): Uint8Array;
  /** 32 bytes; level is GROUP_LG or above. */
  row(level: number, index: number): Uint8Array;
};

/** A leaf and its path, from the leaf upwards: 32 and 32·lgNodes bytes. */
export type OpenedLeaf = { readonly leaf: Uint8Array; readonly path: Uint8Array };

export const openLeaf = (hashes: SpaceHashes, tree: TreeReader, v: number): OpenedLeaf => {
  const path = new Uint8Array(tree.lgNodes * NODE_BYTES);
  const leaves = tree.group(v >>> GROUP_LG);
  let row = leaves;
  let index = v % GROUP_NODES;
  for (let level = 0; level < GROUP_LG; level++) {
    const sibling = (index ^ 1) * NODE_BYTES;
    path.set(row.subarray(sibling, sibling + NODE_BYTES), level * NODE_BYTES);
    const above = new Uint8Array(row.length / 2);
    rowAbove(hashes, row, row.length / NODE_BYTES, above, 0);
    row = above;
    index >>>= 1;
  }
  for (let level = GROUP_LG; level < tree.lgNodes; level++) {
    path.set(tree.row(level, (v >>> level) ^ 1), level * NODE_BYTES);
  }
  const at = (v % GROUP_NODES) * NODE_BYTES;
  return { leaf: leaves.slice(at, at + NODE_BYTES), path };
};

/**
 * Whether leaf `v` with this path is under the root. The caller has cut the path to 32·lgNodes bytes: a path
 * of another length is false.
 */
export const isUnderRoot = (
  hashes: SpaceHashes,
  lgNodes: number,
  v: number,
  { leaf, path }: OpenedLeaf,
  root: Uint8Array,
): boolean => {
  if (leaf.length !== NODE_BYTES || path.length !== lgNodes * NODE_BYTES) return false;
  if (!Number.isSafeInteger(v) || v < 0 || v >= nodesOf(lgNodes)) return false;
  const hash = leaf.slice();
  for (let level = 0; level < lgNodes; level++) {
    hashes.climb(hash, path, level * NODE_BYTES, (v >>> level) % 2 === 1);
  }
  return equalBytes(hash, root);
};
