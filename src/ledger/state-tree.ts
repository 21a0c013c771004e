/**
 * The root of a projection: a sparse Merkle tree over its rows that proves presence and absence.
 *
 * Definition. For each row: keyHash = Ht("state/key", key), leaf = Ht("state/leaf", keyHash || valueHash)
 * with valueHash = Ht("state/value", value). The tree is binary over the 256 bits of keyHash, most
 * significant first. An empty subtree is 32 zero bytes; a subtree with exactly one leaf *is* that leaf's
 * hash; any other is Ht("state/node", left || right). So the root depends on the set of rows and on
 * nothing else, least of all on the order in which they came.
 *
 * Storage. Four binary levels are one stored node (state-node.ts), under prefix || path, where the path
 * has one byte (0 to 15) a nibble of keyHash from the root down; the root node is under the prefix alone.
 * A subtree with one leaf is stored in the slot above it and has no node, except at the root.
 *
 * Cost. One traversal a call: every node that changes is read, hashed and written once, however many of
 * the changes lie below it.
 *
 * Pure. A node that must exist and does not, or does not decode, is corruption of the store and throws
 * TetradError "store.corrupt".
 */
import { compareBytes, equalBytes, ZERO_HASH } from "../crypto/bytes.ts";
import type { Hasher } from "../crypto/hash.ts";
import { TetradError } from "../errors.ts";
import type { StoreOp } from "./ports.ts";
import { type StateHashes, StateNode, stateHashes } from "./state-node.ts";
import { encodeStateProof } from "./state-proof.ts";

export { verifyStateProof } from "./state-proof.ts";

/** Gives the stored value of a key; must see the ops of earlier updates (the caller's overlay). */
export type ReadNode = (key: Uint8Array) => Uint8Array | undefined;

/** `value` undefined deletes the row. */
export type StateChange = { readonly key: Uint8Array; readonly value: Uint8Array | undefined };

export type StateUpdate = {
  readonly root: Uint8Array;
  /** Puts and deletes of nodes, each key at most once. */
  readonly ops: readonly StoreOp[];
};

const HEX_DIGITS = "0123456789abcdef";

/**
 * Stored nodes of ONE tree (one prefix in one store), kept between calls. It takes the levels from the
 * root down of which all nodes together fit `nodesMax`, so nothing is ever evicted and one pass over cold
 * rows cannot push out what every call needs. 4369 nodes (five levels less one, about 5 MB) serve a million rows.
 *
 * The cache holds what the last update wrote: if its ops are not applied, call `clear`.
 */
export class StateCache {
  readonly #depthMax: number;
  readonly #nodes = new Map<string, Uint8Array>();

  constructor(nodesMax: number) {
    let depth = -1;
    for (let total = 1, width = 1; total <= nodesMax; width *= 16, total += width) depth += 1;
    this.#depthMax = depth;
  }

  get nodes(): number {
    return this.#nodes.size;
  }

  clear(): void {
    this.#nodes.clear();
  }

  get(path: string): Uint8Array | undefined {
    return this.#nodes.get(path);
  }

  set(path: string, record: Uint8Array | undefined): void {
    if (path.length > this.#depthMax) return;
    const known = this.#nodes.get(path);
    if (record === undefined) this.#nodes.delete(path);
    // Kept for long, so it is a copy; and where it lay before, because most changes change no length.
    else if (known?.length === record.length) known.set(record);
    else this.#nodes.set(path, record.slice());
  }
}

/** `path` has one hex digit a nibble; the key has one byte a nibble. */
const nodeKey = (prefix: Uint8Array, path: string): Uint8Array => {
  const key = new Uint8Array(prefix.length + path.length);
  key.set(prefix);
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    key[prefix.length + i] = code < 58 ? code - 48 : code - 87;
  }
  return key;
};

const nibbleAt = (hash: Uint8Array, depth: number): number => {
  const byte = hash[depth >>> 1] ?? 0;
  return (depth & 1) === 0 ? byte >>> 4 : byte & 15;
};

/** The stored nodes of a tree, by path. */
class NodeStore {
  readonly #prefix: Uint8Array;
  readonly #read: ReadNode;
  readonly #cache: StateCache | undefined;
  readonly #hashes: StateHashes;
  readonly ops: StoreOp[] = [];

  constructor(hashes: StateHashes, prefix: Uint8Array, read: ReadNode, cache?: StateCache) {
    this.#hashes = hashes;
    this.#prefix = prefix;
    this.#read = read;
    this.#cache = cache;
  }

  root(): StateNode | undefined {
    return this.#load("");
  }

  /** A node that its parent says is there. */
  child(path: string): StateNode {
    const node = this.#load(path);
    if (node === undefined) throw corrupt(path, "missing");
    return node;
  }

  #load(path: string): StateNode | undefined {
    let record = this.#cache?.get(path);
    if (record === undefined) {
      record = this.#read(nodeKey(this.#prefix, path));
      if (record === undefined) return undefined;
      this.#cache?.set(path, record);
    }
    const node = StateNode.decode(this.#hashes, record);
    if (node === undefined) throw corrupt(path, "does not decode");
    return node;
  }

  put(path: string, node: StateNode): void {
    const value = node.encode();
    this.#cache?.set(path, value);
    this.ops.push({ type: "put", key: nodeKey(this.#prefix, path), value });
  }

  delete(path: string): void {
    this.#cache?.set(path, undefined);
    this.ops.push({ type: "del", key: nodeKey(this.#prefix, path) });
  }
}

const corrupt = (path: string, what: string): TetradError =>
  new TetradError("store.corrupt", `state node "${path}" ${what}`);

type HashedChange = {
  readonly keyHash: Uint8Array;
  /** The first 48 bits of keyHash, to sort by. */
  readonly order: number;
  readonly value: Uint8Array | undefined;
};

/** Changes in the order of their key hashes, the last of each key only. */
function sortChanges(hashes: StateHashes, changes: readonly StateChange[]): HashedChange[] {
  const sorted = changes.map(({ key, value }): HashedChange => {
    const keyHash = hashes.key(key);
    const high = nibbles(keyHash, 0) * 0x1000 + (nibbles(keyHash, 3) >>> 12);
    const order = high * 0x1000 + (nibbles(keyHash, 3) & 0xfff);
    return { keyHash, order, value };
  });
  // The sort is stable, so equal keys stay in the order of the changes.
  sorted.sort((a, b) => a.order - b.order || compareBytes(a.keyHash, b.keyHash));
  return sorted.filter((change, i) => {
    const next = sorted[i + 1];
    return next === undefined || !equalBytes(next.keyHash, change.keyHash);
  });
}

const nibbles = (hash: Uint8Array, at: number): number =>
  ((hash[at] ?? 0) << 16) | ((hash[at + 1] ?? 0) << 8) | (hash[at + 2] ?? 0);

/** One traversal: applies sorted changes below a node and tells the node above what became of it. */
class Updater {
  readonly #hashes: StateHashes;
  readonly #nodes: NodeStore;
  readonly #changes: readonly HashedChange[];

  constructor(hashes: StateHashes, nodes: NodeStore, changes: readonly HashedChange[]) {
    this.#hashes = hashes;
    this.#nodes = nodes;
    this.#changes = changes;
  }

  run(): Uint8Array {
    const stored = this.#nodes.root();
    const root = stored ?? new StateNode(this.#hashes);
    this.#apply(root, "", 0, this.#changes.length);
    if (root.present === 0) {
      if (stored !== undefined) this.#nodes.delete("");
      return ZERO_HASH;
    }
    // The hash first: putting a node may overwrite the cached record that the node reads from.
    const hash = root.hash();
    if (root.changed) this.#nodes.put("", root);
    return new Uint8Array(hash);
  }

  /** Applies changes `from` to `to`, which all lie below the node at `path`. */
  #apply(node: StateNode, path: string, from: number, to: number): void {
    let start = from;
    while (start < to) {
      const slot = this.#slotOf(start, path.length);
      let end = start + 1;
      while (end < to && this.#slotOf(end, path.length) === slot) end += 1;
      this.#applySlot(node, path, slot, start, end);
      start = end;
    }
  }

  #slotOf(index: number, depth: number): number {
    const change = this.#changes[index];
    return change === undefined ? 16 : nibbleAt(change.keyHash, depth);
  }

  #applySlot(node: StateNode, path: string, slot: number, from: number, to: number): void {
    const below = path + HEX_DIGITS.charAt(slot);
    if (node.kind(slot) === "inner") {
      const child = this.#nodes.child(below);
      this.#apply(child, below, from, to);
      if (child.changed) this.#settle(node, slot, child, below, true);
      return;
    }
    const existing = node.kind(slot) === "leaf" ? node.slot(slot) : undefined;
    const change = this.#changes[from];
    if (change !== undefined && to - from === 1) {
      if (existing === undefined || equalBytes(existing.subarray(0, 32), change.keyHash)) {
        if (change.value === undefined) node.setEmpty(slot);
        else node.setLeaf(slot, this.#hashes.leafContent(change.keyHash, change.value));
        return;
      }
    }
    const child = new StateNode(this.#hashes);
    if (existing !== undefined) child.setLeaf(nibbleAt(existing, below.length), existing);
    this.#apply(child, below, from, to);
    this.#settle(node, slot, child, below, false);
  }

  /** Puts what is left of a child into its slot: nothing, its only leaf, or its hash. */
  #settle(node: StateNode, slot: number, child: StateNode, path: string, stored: boolean): void {
    const leaf = child.onlyLeaf();
    if (child.present !== 0 && leaf === undefined) {
      node.setInner(slot, child.hash());
      this.#nodes.put(path, child);
      return;
    }
    if (stored) this.#nodes.delete(path);
    if (leaf === undefined) node.setEmpty(slot);
    else node.setLeaf(slot, leaf);
  }
}

/**
 * Applies changes to the tree under `prefix`. Of several changes of one key the last counts. Deleting
 * what is not there, or writing the value that is there, changes nothing and gives no ops.
 */
export const updateStateTree = (
  hasher: Hasher,
  prefix: Uint8Array,
  read: ReadNode,
  changes: readonly StateChange[],
  cache?: StateCache,
): StateUpdate => {
  const hashes = stateHashes(hasher);
  const nodes = new NodeStore(hashes, prefix, read, cache);
  const root = new Updater(hashes, nodes, sortChanges(hashes, changes)).run();
  return { root, ops: nodes.ops };
};

/** Root of the stored tree: 32 zero bytes when it is empty. One read. */
export const stateRoot = (hasher: Hasher, prefix: Uint8Array, read: ReadNode): Uint8Array => {
  const root = new NodeStore(stateHashes(hasher), prefix, read).root();
  return root === undefined ? ZERO_HASH : new Uint8Array(root.hash());
};

/**
 * An encoded proof of what the stored tree says about `key`: its value, or that there is none.
 * The layout is in state-proof.ts; at most 8292 bytes, under 1 KiB in a tree of a million rows.
 */
export const provePath = (
  hasher: Hasher,
  prefix: Uint8Array,
  read: ReadNode,
  key: Uint8Array,
): Uint8Array => {
  const hashes = stateHashes(hasher);
  const keyHash = hashes.key(key);
  const nodes = new NodeStore(hashes, prefix, read);
  const siblings: Uint8Array[] = [];
  let node = nodes.root();
  for (let path = ""; node !== undefined; node = nodes.child(path)) {
    const slot = nibbleAt(keyHash, path.length);
    const end = node.walk(slot, siblings);
    if (end !== "inner") return encodeStateProof(keyHash, siblings, end);
    path += HEX_DIGITS.charAt(slot);
  }
  return encodeStateProof(keyHash, siblings, undefined);
};
