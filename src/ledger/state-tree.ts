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
 * A subtree with one leaf is stored in the slot above it and has no node, except at the root. The first
 * four levels of nodes are stored without the hashes in them, the others with (adr/0013).
 *
 * Cost. One traversal a call: every node that changes is read, hashed and written once, however many of
 * the changes lie below it.
 *
 * Pure. A node that must exist and does not, or does not decode, is corruption of the store and throws
 * TetradError "store.corrupt".
 */
import { ZERO_HASH } from "../crypto/bytes.ts";
import type { Hasher } from "../crypto/hash.ts";
import { TetradError } from "../errors.ts";
import type { NodeArena } from "./node-arena.ts";
import type { StoreOp } from "./ports.ts";
import { slabBytes } from "./slab.ts";
import { HASH_BYTES, LEAF_BYTES, type StateHashes, stateHashes } from "./state-hashes.ts";
import { type RecordForm, StateNode, shortRecord } from "./state-node.ts";
import { encodeStateProof } from "./state-proof.ts";

export { verifyStateProof } from "./state-proof.ts";

/** Gives the stored value of a key; must see the ops of earlier updates (the caller's overlay). */
export type ReadNode = (key: Uint8Array) => Uint8Array | undefined;

/** Without `value` it deletes the row. Operations of a store are changes. */
export type StateChange = { readonly key: Uint8Array; readonly value?: Uint8Array | undefined };

export type StateUpdate = {
  readonly root: Uint8Array;
  /** Puts and deletes of nodes, each key at most once. */
  readonly ops: readonly StoreOp[];
};

/** The nibbles from the root to a node: one byte each, and how many there are. */
class Path {
  readonly nibbles: Uint8Array = new Uint8Array(2 * HASH_BYTES);
  depth = 0;

  push(nibble: number): void {
    this.nibbles[this.depth] = nibble;
    this.depth += 1;
  }

  pop(): void {
    this.depth -= 1;
  }

  key(prefix: Uint8Array): Uint8Array {
    const key = slabBytes(prefix.length + this.depth);
    key.set(prefix);
    for (let i = 0; i < this.depth; i++) key[prefix.length + i] = this.nibbles[i] ?? 0;
    return key;
  }

  /** A number that is another one for every path of at most 12 nibbles; under 2^(4 depth + 1). */
  number(): number {
    let number = 1;
    for (let i = 0; i < this.depth; i++) number = number * 16 + (this.nibbles[i] ?? 0);
    return number;
  }

  text(): string {
    return Array.from(this.nibbles.subarray(0, this.depth), (nibble) => nibble.toString(16)).join(
      "",
    );
  }
}

/** Deeper nodes are not kept at all; their paths would need larger numbers (Path.number). */
const CACHED_DEPTH_MAX = 10;
/** Nodes at a lesser depth are stored as short records. */
const FULL_DEPTH_MIN = 4;
/** Trees that can share an arena: the number of the tree goes into the key. */
const TREES_MAX = 64;

/** The memory for deeper nodes that several trees share, each under a number of its own, from 0. */
export type SharedArena = { readonly arena: NodeArena; readonly tree: number };

/**
 * Stored nodes of ONE tree (one prefix in one store), kept between calls. It takes the levels from the
 * root down of which all nodes together fit `nodesMax`, so none of these is ever evicted and one pass over
 * cold rows cannot push out what every call needs: 4369 nodes, four levels, about 5 MB. The levels below
 * share an arena with those of other trees, if there is one: nearly every change reads a node there.
 *
 * The cache holds what the last update wrote: if its ops are not applied, call `clear`.
 */
export class StateCache {
  readonly #depthMax: number;
  readonly #nodes = new Map<number, Uint8Array>();
  readonly #shared: SharedArena | undefined;

  /** Throws RangeError for a tree number that an arena has no room for. */
  constructor(nodesMax: number, shared?: SharedArena) {
    let depth = -1;
    for (let total = 1, width = 1; total <= nodesMax; width *= 16, total += width) depth += 1;
    this.#depthMax = Math.min(depth, CACHED_DEPTH_MAX);
    if (shared !== undefined && !(shared.tree >= 0 && shared.tree < TREES_MAX)) {
      throw new RangeError(`no tree ${shared.tree} in an arena`);
    }
    this.#shared = shared;
  }

  get nodes(): number {
    return this.#nodes.size;
  }

  /** Forgets all; in a shared arena that is everything of the other trees too. */
  clear(): void {
    this.#nodes.clear();
    this.#shared?.arena.clear();
  }

  /** In the arena's case good until the next call. */
  get(path: Path): Uint8Array | undefined {
    if (path.depth <= this.#depthMax) return this.#nodes.get(path.number());
    const shared = this.#shared;
    if (shared === undefined || path.depth > CACHED_DEPTH_MAX) return undefined;
    return shared.arena.get(path.number() * TREES_MAX + shared.tree);
  }

  set(path: Path, record: Uint8Array | undefined): void {
    if (path.depth > this.#depthMax) return this.#setDeep(path, record);
    const number = path.number();
    const known = this.#nodes.get(number);
    if (record === undefined) this.#nodes.delete(number);
    // Kept for long, so it is a copy; and where it lay before, because most changes change no length.
    else if (known?.length === record.length) known.set(record);
    else this.#nodes.set(number, record.slice());
  }

  #setDeep(path: Path, record: Uint8Array | undefined): void {
    const shared = this.#shared;
    if (shared === undefined || path.depth > CACHED_DEPTH_MAX) return;
    const key = path.number() * TREES_MAX + shared.tree;
    if (record === undefined) shared.arena.delete(key);
    else shared.arena.set(key, record);
  }
}

const nibbleAt = (hash: Uint8Array, from: number, depth: number): number => {
  const byte = hash[from + (depth >>> 1)] ?? 0;
  return (depth & 1) === 0 ? byte >>> 4 : byte & 15;
};

/** The stored nodes of a tree, by path. */
class NodeStore {
  readonly #prefix: Uint8Array;
  readonly #read: ReadNode;
  readonly #cache: StateCache | undefined;
  readonly ops: StoreOp[] = [];

  constructor(prefix: Uint8Array, read: ReadNode, cache?: StateCache) {
    this.#prefix = prefix;
    this.#read = read;
    this.#cache = cache;
  }

  /** Loads the node at a path; false when there is none, which only the root may be. */
  load(path: Path, node: StateNode): boolean {
    const known = this.#cache?.get(path);
    const record = known ?? this.#read(path.key(this.#prefix));
    if (record === undefined && path.depth === 0) return false;
    if (record === undefined) throw corrupt(path, "missing");
    const form = known === undefined ? storedForm(path) : "full";
    if (!node.load(record, form)) throw corrupt(path, "does not decode");
    return true;
  }

  /** The node has been hashed. */
  put(path: Path, node: StateNode): void {
    const record = node.encode();
    this.#cache?.set(path, record);
    const value = storedForm(path) === "full" ? record : shortRecord(record);
    this.ops.push({ type: "put", key: path.key(this.#prefix), value });
  }

  delete(path: Path): void {
    this.#cache?.set(path, undefined);
    this.ops.push({ type: "del", key: path.key(this.#prefix) });
  }
}

const storedForm = (path: Path): RecordForm => (path.depth < FULL_DEPTH_MIN ? "short" : "full");

const corrupt = (path: Path, what: string): TetradError =>
  new TetradError("store.corrupt", `state node "${path.text()}" ${what}`);

/** Changes with the contents of their leaves, keyHash || valueHash, one after the other in one array. */
type HashedChanges = {
  readonly changes: readonly StateChange[];
  readonly contents: Uint8Array;
  /** Positions of changes, in the order of the key hashes, the last of each key only. */
  readonly sorted: readonly number[];
};

/** Numbers of 31 bits and no objects are sorted: the engine keeps those without memory of their own. */
function hashChanges(
  hashes: StateHashes,
  changes: readonly StateChange[],
  keyFrom: number,
): HashedChanges {
  const contents = new Uint8Array(changes.length * LEAF_BYTES);
  const sorted: number[] = [];
  const order: number[] = [];
  for (let i = 0; i < changes.length; i++) {
    const change = changes[i];
    if (change === undefined) continue;
    const at = i * LEAF_BYTES;
    hashes.keyInto(change.key, contents, at, keyFrom);
    if (change.value !== undefined) hashes.valueInto(change.value, contents, at + HASH_BYTES);
    order.push(number30(contents, at));
    sorted.push(i);
  }
  const compare = (a: number, b: number): number =>
    (order[a] ?? 0) - (order[b] ?? 0) || compareHashes(contents, a * LEAF_BYTES, b * LEAF_BYTES);
  // The sort is stable, so equal keys stay in the order of the changes.
  sorted.sort(compare);
  const last = sorted.filter((change, i) => {
    const next = sorted[i + 1];
    return next === undefined || compare(change, next) !== 0;
  });
  return { changes, contents, sorted: last };
}

/** The first 30 bits. */
const number30 = (bytes: Uint8Array, at: number): number => {
  const high = ((bytes[at] ?? 0) << 22) | ((bytes[at + 1] ?? 0) << 14);
  return high | ((bytes[at + 2] ?? 0) << 6) | ((bytes[at + 3] ?? 0) >>> 2);
};

const compareHashes = (bytes: Uint8Array, a: number, b: number): number => {
  for (let i = 0; i < HASH_BYTES; i++) {
    const difference = (bytes[a + i] ?? 0) - (bytes[b + i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};

const openNodes = new WeakMap<StateHashes, StateNode[]>();

/** Nodes to fill, by depth: one update is over before the next begins, so all of a chain share them. */
const nodesOf = (hashes: StateHashes): StateNode[] => {
  const known = openNodes.get(hashes) ?? [];
  openNodes.set(hashes, known);
  return known;
};

/** One traversal: applies sorted changes below a node and tells the node above what became of it. */
class Updater {
  readonly #hashes: StateHashes;
  readonly #nodes: NodeStore;
  readonly #contents: Uint8Array;
  readonly #changes: readonly StateChange[];
  readonly #sorted: readonly number[];
  readonly #path = new Path();
  /** One node a depth: no more of them are open at a time. */
  readonly #open: StateNode[];
  readonly #hash = new Uint8Array(HASH_BYTES);

  constructor(hashes: StateHashes, nodes: NodeStore, changes: HashedChanges) {
    this.#hashes = hashes;
    this.#open = nodesOf(hashes);
    this.#nodes = nodes;
    this.#contents = changes.contents;
    this.#changes = changes.changes;
    this.#sorted = changes.sorted;
  }

  run(): Uint8Array {
    const root = this.#nodeAtPath();
    const stored = this.#nodes.load(this.#path, root);
    this.#apply(root, 0, this.#sorted.length);
    if (root.present === 0) {
      if (stored) this.#nodes.delete(this.#path);
      return ZERO_HASH;
    }
    const hash = new Uint8Array(HASH_BYTES);
    root.hashInto(hash, 0);
    if (root.changed) this.#nodes.put(this.#path, root);
    return hash;
  }

  /** An empty node to fill for the current path. */
  #nodeAtPath(): StateNode {
    const { depth } = this.#path;
    const node = this.#open[depth] ?? new StateNode(this.#hashes);
    this.#open[depth] = node;
    node.clear();
    return node;
  }

  /** Applies changes `from` to `to`, which all lie below the node, the one at the path. */
  #apply(node: StateNode, from: number, to: number): void {
    let start = from;
    while (start < to) {
      const slot = this.#slotOf(start);
      let end = start + 1;
      while (end < to && this.#slotOf(end) === slot) end += 1;
      this.#applySlot(node, slot, start, end);
      start = end;
    }
  }

  #slotOf(index: number): number {
    const change = this.#sorted[index];
    return change === undefined
      ? 16
      : nibbleAt(this.#contents, change * LEAF_BYTES, this.#path.depth);
  }

  #applySlot(node: StateNode, slot: number, from: number, to: number): void {
    const kind = node.kind(slot);
    if (kind !== "inner" && to - from === 1 && this.#applyLeaf(node, slot, from)) return;
    this.#path.push(slot);
    const child = this.#nodeAtPath();
    if (kind === "inner") {
      this.#nodes.load(this.#path, child);
    } else if (kind === "leaf") {
      const at = node.slotAt(slot);
      child.setLeaf(nibbleAt(node.bytes, at, this.#path.depth), node.bytes, at);
    }
    this.#apply(child, from, to);
    if (kind !== "inner" || child.changed) this.#settle(node, slot, child, kind === "inner");
    this.#path.pop();
  }

  /** A single change of an empty slot, or of the leaf that is there; false when that is another key's. */
  #applyLeaf(node: StateNode, slot: number, index: number): boolean {
    const change = this.#sorted[index];
    if (change === undefined) return false;
    const at = change * LEAF_BYTES;
    if (node.kind(slot) === "leaf" && !this.#sameKey(node, slot, at)) return false;
    if (this.#changes[change]?.value === undefined) node.setEmpty(slot);
    else node.setLeaf(slot, this.#contents, at);
    return true;
  }

  #sameKey(node: StateNode, slot: number, at: number): boolean {
    const leafAt = node.slotAt(slot);
    for (let i = 0; i < HASH_BYTES; i++) {
      if (node.bytes[leafAt + i] !== this.#contents[at + i]) return false;
    }
    return true;
  }

  /** Puts what is left of the child at the path into its slot: nothing, its only leaf, or its hash. */
  #settle(node: StateNode, slot: number, child: StateNode, stored: boolean): void {
    const leaf = child.onlyLeaf();
    if (child.present !== 0 && leaf === undefined) {
      child.hashInto(this.#hash, 0);
      node.setInner(slot, this.#hash, 0);
      this.#nodes.put(this.#path, child);
      return;
    }
    if (stored) this.#nodes.delete(this.#path);
    if (leaf === undefined) node.setEmpty(slot);
    else node.setLeaf(slot, child.bytes, child.slotAt(leaf));
  }
}

/**
 * Applies changes to the tree under `prefix`. Of several changes of one key the last counts. Deleting
 * what is not there, or writing the value that is there, changes nothing and gives no ops. A row's key is
 * what follows the first `keyFrom` bytes of a change's key.
 */
export const updateStateTree = (
  hasher: Hasher,
  prefix: Uint8Array,
  read: ReadNode,
  changes: readonly StateChange[],
  cache?: StateCache,
  keyFrom = 0,
): StateUpdate => {
  const hashes = stateHashes(hasher);
  const nodes = new NodeStore(prefix, read, cache);
  const root = new Updater(hashes, nodes, hashChanges(hashes, changes, keyFrom)).run();
  return { root, ops: nodes.ops };
};

/** Root of the stored tree: 32 zero bytes when it is empty. One read. */
export const stateRoot = (hasher: Hasher, prefix: Uint8Array, read: ReadNode): Uint8Array => {
  const root = new StateNode(stateHashes(hasher));
  if (!new NodeStore(prefix, read).load(new Path(), root)) return ZERO_HASH;
  const hash = new Uint8Array(HASH_BYTES);
  root.hashInto(hash, 0);
  return hash;
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
  const nodes = new NodeStore(prefix, read);
  const siblings: Uint8Array[] = [];
  const path = new Path();
  const node = new StateNode(hashes);
  while (nodes.load(path, node)) {
    const slot = nibbleAt(keyHash, 0, path.depth);
    const end = node.walk(slot, siblings);
    if (end !== "inner") return encodeStateProof(keyHash, siblings, end);
    path.push(slot);
  }
  return encodeStateProof(keyHash, siblings, undefined);
};
