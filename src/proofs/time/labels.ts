/**
 * The labels of the Cohen-Pietrzak graph (Eurocrypt 2018, section 5): a binary tree of hashes in which every
 * leaf also depends on the left siblings of all nodes on its path to the root, so that it depends on all
 * leaves before it. Here a leaf ends in a long tail of zeros, whose compressions follow one after another in
 * one native call, and it takes in 32 bytes from outside.
 *
 *     leaf i           Ht("time/leaf", chi || u64 i || absorbed(32) || left siblings, root first || 0^(64 D))
 *     node (k, j)      Ht("time/node", chi || u8 k || u64 j || left || right), of height k >= 1
 *
 * A subtree that lies wholly behind the last leaf has the label 0^32.
 */
import { ZERO_HASH } from "../../crypto/bytes.ts";
import { type Hasher, sha256Into, tagPrefix } from "../../crypto/hash.ts";
import { LIMITS } from "../../limits.ts";

export const LABEL_BYTES = 32;
const STACK_AT = 64 + 32 + 8 + 32;
const NODE_BYTES = 64 + 32 + 1 + 8 + 32 + 32;

/** Left siblings of a leaf, root first: a stack that lies in the leaf's message itself. */
export type LabelStack = {
  readonly depth: number;
  push(label: Uint8Array): void;
  /** Takes the top off. The bytes are a copy. */
  pop(): Uint8Array;
  /** A copy of one of them; 0 is the one nearest to the root. */
  at(place: number): Uint8Array;
  clear(): void;
};

export type Labels = {
  readonly stack: LabelStack;
  /** The label of leaf `index`, whose left siblings are what is on the stack. */
  leaf(index: number, absorbed: Uint8Array): Uint8Array;
  /** The label of the node of height `level` (from 1) at `index` among those of its height. */
  node(level: number, index: number, left: Uint8Array, right: Uint8Array): Uint8Array;
};

const putWord = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
};

/** A stack over the message: what is behind its top must be zero, for that is the tail of a leaf. */
const createStack = (message: Uint8Array): LabelStack & { depth: number } => {
  const places = Array.from({ length: LIMITS.timeLeavesLog2Max + 1 }, (_, i) => {
    const at = STACK_AT + i * LABEL_BYTES;
    return message.subarray(at, at + LABEL_BYTES);
  });
  const place = (i: number): Uint8Array => {
    const found = places[i];
    if (found === undefined) throw new RangeError(`no left sibling ${i}`);
    return found;
  };
  return {
    depth: 0,
    push(label) {
      place(this.depth).set(label);
      this.depth += 1;
    },
    pop() {
      this.depth -= 1;
      const top = place(this.depth);
      const label = top.slice();
      top.fill(0);
      return label;
    },
    at: (i) => place(i).slice(),
    clear() {
      while (this.depth > 0) this.pop();
    },
  };
};

/** The hash functions of one run; each has its own buffer, so two must not share a stack. */
export const createLabels = (hasher: Hasher, chi: Uint8Array, tailBlocks: number): Labels => {
  const depthMax = LIMITS.timeLeavesLog2Max + 1;
  const message = new Uint8Array(STACK_AT + LABEL_BYTES * depthMax + 64 * tailBlocks);
  message.set(tagPrefix("time/leaf", hasher.chainHash));
  message.set(chi, 64);
  const stack = createStack(message);
  const lengthOf = (depth: number): number => STACK_AT + LABEL_BYTES * depth + 64 * tailBlocks;
  // Making a view costs as much as a hash of what is short.
  const views = Array.from({ length: depthMax + 1 }, (_, i) => message.subarray(0, lengthOf(i)));
  const node = new Uint8Array(NODE_BYTES);
  node.set(tagPrefix("time/node", hasher.chainHash));
  node.set(chi, 64);
  return {
    stack,
    leaf(index, absorbed) {
      // Indexes fit 31 bits, so the upper word of u64 stays zero.
      putWord(message, 100, index);
      message.set(absorbed, 104);
      const view = views[stack.depth];
      if (view === undefined) throw new RangeError("the graph is not so deep");
      const label = new Uint8Array(LABEL_BYTES);
      sha256Into(view, label, 0);
      return label;
    },
    node(level, index, left, right) {
      node[96] = level;
      putWord(node, 101, index);
      node.set(left, 105);
      node.set(right, 137);
      const label = new Uint8Array(LABEL_BYTES);
      sha256Into(node, label, 0);
      return label;
    },
  };
};

/** Height of the tree over so many leaves: the least k with 2^k >= leaves. */
export const depthOf = (leaves: number): number => {
  let depth = 0;
  while (2 ** depth < leaves) depth += 1;
  return depth;
};

/** What stands for a subtree behind the last leaf, and for a leaf that absorbs nothing. */
export const NOTHING: Uint8Array = ZERO_HASH;
