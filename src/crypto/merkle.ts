/**
 * Binary Merkle trees of the shape of RFC 6962: the left subtree of n leaves is the largest power of two
 * below n. The hash functions are given, so that one implementation serves the log tree (RFC 6962 hashes)
 * and the tagged trees of batches and blocks. Pure and browser-safe.
 *
 * Everything here takes leaves that are hashed already: 32 bytes each. Sizes and indexes are integers up
 * to 2^53 - 1, so no bit operator touches them.
 */
import { concatBytes, equalBytes, ZERO_HASH } from "./bytes.ts";
import { sha256 } from "./hash.ts";

/** Hash of an inner node from the hashes of its two children. */
export type NodeHash = (left: Uint8Array, right: Uint8Array) => Uint8Array;

const HASH_BYTES = 32;
const LEAF_PREFIX = Uint8Array.of(0);
const NODE_PREFIX = Uint8Array.of(1);

/** RFC 6962 section 2.1: SHA-256(0x00 || entry). */
export const rfc6962Leaf = (entry: Uint8Array): Uint8Array =>
  sha256(concatBytes(LEAF_PREFIX, entry));

/** RFC 6962 section 2.1: SHA-256(0x01 || left || right). */
export const rfc6962Node: NodeHash = (left, right) => sha256(concatBytes(NODE_PREFIX, left, right));

/** Root of the empty tree in RFC 6962: SHA-256 of nothing. The trees of this product use 32 zero bytes. */
export const RFC6962_EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0));

/** Root over hashed leaves; a single leaf is its own root, and the root of none is 32 zero bytes. */
export const merkleRoot = (leaves: readonly Uint8Array[], node: NodeHash): Uint8Array =>
  leaves.length === 0 ? ZERO_HASH.slice() : rangeRoot(leaves, 0, leaves.length, node);

/**
 * Inclusion path of leaf `index` (RFC 9162 section 2.1.3.1): sibling hashes from the leaf upwards.
 * Throws RangeError when there is no such leaf.
 */
export const merklePath = (
  leaves: readonly Uint8Array[],
  index: number,
  node: NodeHash,
): Uint8Array[] => {
  if (!isPosition(index, leaves.length)) {
    throw new RangeError(`no leaf ${index} in a tree of ${leaves.length}`);
  }
  const fromRoot: Uint8Array[] = [];
  let start = 0;
  let end = leaves.length;
  while (end - start > 1) {
    const middle = start + leftSize(end - start);
    if (index < middle) {
      fromRoot.push(rangeRoot(leaves, middle, end, node));
      end = middle;
    } else {
      fromRoot.push(rangeRoot(leaves, start, middle, node));
      start = middle;
    }
  }
  return fromRoot.reverse();
};

/**
 * Whether the path proves that `leaf` (hashed) is leaf `index` of the tree of `size` leaves with that root
 * (RFC 9162 section 2.1.3.2). Any malformed argument is false: the path comes from strangers.
 */
export const verifyMerklePath = (
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
  root: Uint8Array,
  node: NodeHash,
): boolean => {
  if (!isPosition(index, size) || !areHashes([leaf, root]) || !areHashes(path)) return false;
  let position = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0) return false;
    if (isOdd(position) || position === last) {
      hash = node(sibling, hash);
      // The rightmost node of an incomplete level has no sibling there: climb to where it has one.
      while (!isOdd(position) && position !== 0) {
        position = half(position);
        last = half(last);
      }
    } else {
      hash = node(hash, sibling);
    }
    position = half(position);
    last = half(last);
  }
  return last === 0 && equalBytes(hash, root);
};

/**
 * Proof that the tree of the first `oldSize` leaves is a prefix of the tree of all of them (RFC 9162
 * section 2.1.4.1). Empty when the sizes are equal or the old tree is empty. Throws RangeError when
 * oldSize is not 0..leaves.length.
 */
export const consistencyProof = (
  leaves: readonly Uint8Array[],
  oldSize: number,
  node: NodeHash,
): Uint8Array[] => {
  if (!isPosition(oldSize, leaves.length + 1)) {
    throw new RangeError(`no prefix of ${oldSize} in a tree of ${leaves.length}`);
  }
  if (oldSize === 0) return [];
  const fromRoot: Uint8Array[] = [];
  let start = 0;
  let end = leaves.length;
  while (oldSize < end) {
    const middle = start + leftSize(end - start);
    if (oldSize <= middle) {
      fromRoot.push(rangeRoot(leaves, middle, end, node));
      end = middle;
    } else {
      fromRoot.push(rangeRoot(leaves, start, middle, node));
      start = middle;
    }
  }
  // A subtree that starts at 0 is the old tree itself, whose root the verifier knows.
  if (start > 0) fromRoot.push(rangeRoot(leaves, start, end, node));
  return fromRoot.reverse();
};

/**
 * Whether the proof shows that the tree (oldSize, oldRoot) is a prefix of (newSize, newRoot) (RFC 9162
 * section 2.1.4.2). Everything extends the empty tree, so with oldSize 0 only the empty proof is checked
 * and the roots say nothing. Any malformed argument is false.
 */
export const verifyConsistency = (
  oldSize: number,
  newSize: number,
  oldRoot: Uint8Array,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
  node: NodeHash,
): boolean => {
  if (!Number.isSafeInteger(newSize) || !isPosition(oldSize, newSize + 1)) return false;
  if (!areHashes([oldRoot, newRoot]) || !areHashes(proof)) return false;
  if (oldSize === 0) return proof.length === 0;
  if (oldSize === newSize) return proof.length === 0 && equalBytes(oldRoot, newRoot);
  return verifyPrefix(oldSize, newSize, oldRoot, newRoot, proof, node);
};

const verifyPrefix = (
  oldSize: number,
  newSize: number,
  oldRoot: Uint8Array,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
  node: NodeHash,
): boolean => {
  let position = oldSize - 1;
  let last = newSize - 1;
  while (isOdd(position)) {
    position = half(position);
    last = half(last);
  }
  // The old tree is one complete subtree of the new one when nothing of its size is left.
  const isSubtree = position === 0;
  const first = isSubtree ? oldRoot : proof[0];
  if (first === undefined) return false;
  let oldHash = first;
  let newHash = first;
  for (const sibling of isSubtree ? proof : proof.slice(1)) {
    if (last === 0) return false;
    if (isOdd(position) || position === last) {
      oldHash = node(sibling, oldHash);
      newHash = node(sibling, newHash);
      while (!isOdd(position) && position !== 0) {
        position = half(position);
        last = half(last);
      }
    } else {
      newHash = node(newHash, sibling);
    }
    position = half(position);
    last = half(last);
  }
  return last === 0 && equalBytes(oldHash, oldRoot) && equalBytes(newHash, newRoot);
};

/**
 * Root of leaves[start..end), which is not empty. Complete subtrees wait on a stack and merge like the
 * carry of a binary counter, so the memory is logarithmic and nothing recurses.
 */
const rangeRoot = (
  leaves: readonly Uint8Array[],
  start: number,
  end: number,
  node: NodeHash,
): Uint8Array => {
  const stack: Uint8Array[] = [];
  for (let at = start; at < end; at++) {
    let hash = leafAt(leaves, at);
    for (let count = at - start; isOdd(count); count = half(count)) {
      hash = node(pop(stack), hash);
    }
    stack.push(hash);
  }
  let root = pop(stack);
  while (stack.length > 0) root = node(pop(stack), root);
  return root;
};

/** The largest power of two below `size`, which is at least 2. */
const leftSize = (size: number): number => {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
};

const leafAt = (leaves: readonly Uint8Array[], index: number): Uint8Array => {
  const leaf = leaves[index];
  if (leaf === undefined || leaf.length !== HASH_BYTES)
    throw new RangeError(`leaf ${index} is no hash`);
  return leaf;
};

const pop = (stack: Uint8Array[]): Uint8Array => {
  const hash = stack.pop();
  if (hash === undefined) throw new RangeError("an empty range has no root");
  return hash;
};

const half = (value: number): number => Math.floor(value / 2);
const isOdd = (value: number): boolean => value % 2 === 1;

const isPosition = (index: number, size: number): boolean =>
  Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size;

const areHashes = (hashes: readonly Uint8Array[]): boolean =>
  hashes.every((hash) => hash.length === HASH_BYTES);
