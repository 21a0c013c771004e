/**
 * The first n leaves of an RFC 6962 tree as its complete subtrees, largest first: at most 53 hashes, from
 * which the root of these n leaves follows, and to which leaves can be appended. With it whoever reads the
 * log in order recomputes the log root from what he has read, so that one certified header proves all of it.
 *
 * Pure and browser-safe.
 */
import { RFC6962_EMPTY_ROOT, rfc6962Node } from "../../crypto/merkle.ts";
import type { Hash } from "../types.ts";

/** The leaves 0 to size - 1. One subtree for each 1 in the binary form of the size, largest first. */
export type CompactRange = { readonly size: number; readonly subtrees: readonly Hash[] };

export const EMPTY_RANGE: CompactRange = { size: 0, subtrees: [] };

/** How many complete subtrees so many leaves have: the ones in the binary form of their number. */
export const subtreesOf = (size: number): number => {
  let ones = 0;
  // Sizes go up to 2^53, so no bit operator touches them.
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
};

/** The range with one more leaf (its hash). */
export const appendLeaf = (range: CompactRange, leaf: Hash): CompactRange => {
  const subtrees = [...range.subtrees];
  let hash = leaf;
  for (let rest = range.size; rest % 2 === 1; rest = (rest - 1) / 2) {
    hash = rfc6962Node(subtrees.pop() ?? hash, hash);
  }
  subtrees.push(hash);
  return { size: range.size + 1, subtrees };
};

/** The root of the tree of these leaves alone. */
export const rangeRoot = ({ subtrees }: CompactRange): Hash => {
  let root = subtrees.at(-1);
  if (root === undefined) return RFC6962_EMPTY_ROOT;
  for (const subtree of subtrees.slice(0, -1).reverse()) root = rfc6962Node(subtree, root);
  return root;
};

/**
 * The leaves before `index`, from the inclusion path of the leaf at `index`: what stands left of it on the
 * way to the root is just that. The path must have been verified (verifyMerklePath); undefined for one that
 * cannot be of this place.
 */
export const rangeBefore = (
  index: number,
  size: number,
  path: readonly Hash[],
): CompactRange | undefined => {
  const left: Hash[] = [];
  let position = index;
  let last = size - 1;
  for (const sibling of path) {
    if (last === 0) return undefined;
    if (position % 2 === 1 || position === last) {
      left.push(sibling);
      while (position % 2 === 0 && position !== 0) {
        position /= 2;
        last = Math.floor(last / 2);
      }
    }
    position = Math.floor(position / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && left.length === subtreesOf(index)
    ? { size: index, subtrees: left.reverse() }
    : undefined;
};
