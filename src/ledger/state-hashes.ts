/**
 * The hashes of the state tree's definition (state-tree.ts), with the constant first 64 bytes of each input
 * laid out once: the same as hasher.ht with those tags, without its copying. Hashing is most of the work
 * of an update, and arrays for digests would be most of its garbage, so each hash also comes in a form that
 * writes into memory of the caller.
 */
import { concatBytes } from "../crypto/bytes.ts";
import { type Hasher, sha256Into, taggedInto, tagPrefix } from "../crypto/hash.ts";

export const HASH_BYTES = 32;
/** keyHash || valueHash. */
export const LEAF_BYTES = 64;
const PREFIX_BYTES = 64;
/** Binary levels of one stored node that have inputs of their own while they are hashed. */
const NODE_LEVELS = 4;

export type StateHashes = {
  key(key: Uint8Array): Uint8Array;
  /** keyHash || valueHash. */
  leafContent(keyHash: Uint8Array, value: Uint8Array): Uint8Array;
  /** Hash of a leaf from its content. */
  leaf(content: Uint8Array): Uint8Array;
  node(left: Uint8Array, right: Uint8Array): Uint8Array;
  /** Of the key's bytes from `from` on. */
  keyInto(key: Uint8Array, target: Uint8Array, at: number, from?: number): void;
  valueInto(value: Uint8Array, target: Uint8Array, at: number): void;
  /** Hash of the leaf whose content lies in `source` from `from` on. */
  leafInto(source: Uint8Array, from: number, target: Uint8Array, at: number): void;
  /**
   * For each of the four binary levels of a stored node an input with the prefix of "state/node": the left
   * hash goes to NODE_LEFT, the right one to NODE_RIGHT, and `nodeInto` hashes it.
   */
  readonly nodeInputs: readonly Uint8Array[];
  nodeInto(input: Uint8Array, target: Uint8Array, at: number): void;
};

export const NODE_LEFT = PREFIX_BYTES;
export const NODE_RIGHT: number = PREFIX_BYTES + HASH_BYTES;

const known = new WeakMap<Hasher, StateHashes>();

export const stateHashes = (hasher: Hasher): StateHashes => {
  let hashes = known.get(hasher);
  if (hashes === undefined) {
    hashes = makeHashes(hasher);
    known.set(hasher, hashes);
  }
  return hashes;
};

/** Copies bytes one by one: for a hash or two that is cheaper than a view and a native call. */
export const copyBytes = (
  source: Uint8Array,
  from: number,
  target: Uint8Array,
  at: number,
  length: number,
): void => {
  for (let i = 0; i < length; i++) target[at + i] = source[from + i] ?? 0;
};

function makeHashes(hasher: Hasher): StateHashes {
  const prefixOf = (tag: string): Uint8Array => tagPrefix(tag, hasher.chainHash);
  const leafInput = concatBytes(prefixOf("state/leaf"), new Uint8Array(LEAF_BYTES));
  const nodePrefix = prefixOf("state/node");
  const nodeInputs = Array.from({ length: NODE_LEVELS }, () =>
    concatBytes(nodePrefix, new Uint8Array(2 * HASH_BYTES)),
  );
  const pairInput = concatBytes(nodePrefix, new Uint8Array(2 * HASH_BYTES));
  const keyInto = taggedInto(prefixOf("state/key"));
  const valueInto = taggedInto(prefixOf("state/value"));
  const leafInto: StateHashes["leafInto"] = (source, from, target, at) => {
    copyBytes(source, from, leafInput, PREFIX_BYTES, LEAF_BYTES);
    sha256Into(leafInput, target, at);
  };
  const digest = (write: (target: Uint8Array) => void): Uint8Array => {
    const hash = new Uint8Array(HASH_BYTES);
    write(hash);
    return hash;
  };
  return {
    key: (key) => digest((hash) => keyInto(key, hash, 0)),
    leafContent: (keyHash, value) => {
      const content = new Uint8Array(LEAF_BYTES);
      content.set(keyHash);
      valueInto(value, content, HASH_BYTES);
      return content;
    },
    leaf: (content) => digest((hash) => leafInto(content, 0, hash, 0)),
    node: (left, right) =>
      digest((hash) => {
        pairInput.set(left, NODE_LEFT);
        pairInput.set(right, NODE_RIGHT);
        sha256Into(pairInput, hash, 0);
      }),
    keyInto,
    valueInto,
    leafInto,
    nodeInputs,
    nodeInto: sha256Into,
  };
}
