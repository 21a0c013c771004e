/**
 * One stored node of the state tree: four binary levels, 16 slots (state-tree.ts has the definition).
 *
 * Record: u16 present bitmap (bit s: slot s is used), u16 leaf bitmap (bit s: it is a leaf, else an inner
 * node), then the used slots in order: 64 bytes keyHash || valueHash for a leaf, the 32-byte hash for an
 * inner node; then the hashes of the binary nodes between root and slots that hold more than one leaf,
 * in heap order. Keeping those costs bytes and saves hashing every sibling again on each update.
 *
 * Binary positions are numbered as a heap: 1 is the node's root, 2p and 2p + 1 are below p, 16 + s is slot s.
 */
import { concatBytes, equalBytes, ZERO_HASH } from "../crypto/bytes.ts";
import { utf8 } from "../crypto/codec.ts";
import { type Hasher, sha256 } from "../crypto/hash.ts";
import { slabBytes } from "./slab.ts";

const HASH_BYTES = 32;
const LEAF_BYTES = 64;
const SCRATCH_BYTES = 4096;
const HEADER_BYTES = 4;
const EMPTY_RECORD: Uint8Array = new Uint8Array(HEADER_BYTES);

/** The hashes of the definition, with the constant first 64 bytes of each input laid out once. */
export type StateHashes = {
  key(key: Uint8Array): Uint8Array;
  /** keyHash || valueHash. */
  leafContent(keyHash: Uint8Array, value: Uint8Array): Uint8Array;
  /** Hash of a leaf from its content. */
  leaf(content: Uint8Array): Uint8Array;
  node(left: Uint8Array, right: Uint8Array): Uint8Array;
};

const known = new WeakMap<Hasher, StateHashes>();

/** The same as hasher.ht with the tags of the definition, without its copying: hashing is most of the work. */
export const stateHashes = (hasher: Hasher): StateHashes => {
  let hashes = known.get(hasher);
  if (hashes === undefined) {
    hashes = makeHashes(hasher);
    known.set(hasher, hashes);
  }
  return hashes;
};

function makeHashes(hasher: Hasher): StateHashes {
  const prefixOf = (tag: string): Uint8Array =>
    concatBytes(sha256(utf8(`hm/v1/${tag}`)), hasher.chainHash);
  const leafInput = concatBytes(prefixOf("state/leaf"), new Uint8Array(LEAF_BYTES));
  const nodeInput = concatBytes(prefixOf("state/node"), new Uint8Array(LEAF_BYTES));
  /** One buffer for all short inputs: making one costs as much as hashing it. */
  const tagged = (tag: string): ((bytes: Uint8Array) => Uint8Array) => {
    const prefix = prefixOf(tag);
    const scratch = concatBytes(prefix, new Uint8Array(SCRATCH_BYTES));
    return (bytes) => {
      if (bytes.length > SCRATCH_BYTES) return sha256(concatBytes(prefix, bytes));
      scratch.set(bytes, prefix.length);
      return sha256(scratch.subarray(0, prefix.length + bytes.length));
    };
  };
  const hashValue = tagged("state/value");
  return {
    key: tagged("state/key"),
    leafContent: (keyHash, value) => {
      const content = new Uint8Array(LEAF_BYTES);
      content.set(keyHash);
      content.set(hashValue(value), HASH_BYTES);
      return content;
    },
    leaf: (content) => {
      leafInput.set(content, 64);
      return sha256(leafInput);
    },
    node: (left, right) => {
      nodeInput.set(left, 64);
      nodeInput.set(right, 64 + HASH_BYTES);
      return sha256(nodeInput);
    },
  };
}

/** By heap position: the slots below it. */
const SLOTS_BELOW: readonly number[] = Array.from({ length: 32 }, (_, position) => {
  const depth = 31 - Math.clz32(Math.max(position, 1));
  const width = 16 >>> depth;
  return ((1 << width) - 1) << ((position - (1 << depth)) * width);
});

const popCount = (bits: number): number => {
  let rest = bits - ((bits >>> 1) & 0x5555);
  rest = (rest & 0x3333) + ((rest >>> 2) & 0x3333);
  rest = (rest + (rest >>> 4)) & 0x0f0f;
  return (rest + (rest >>> 8)) & 0x1f;
};

/** The bits below bit `index`. */
const below = (index: number): number => (1 << index) - 1;

const isOneBit = (bits: number): boolean => bits !== 0 && (bits & (bits - 1)) === 0;

/** Heap positions 2 to 15 whose subtree holds more than one leaf: those with a stored hash. */
function storedPositions(present: number, leaves: number): number {
  let positions = 0;
  for (let position = 2; position < 16; position++) {
    const used = present & (SLOTS_BELOW[position] ?? 0);
    if (used !== 0 && !(isOneBit(used) && (used & leaves) !== 0)) positions |= 1 << position;
  }
  return positions;
}

/** Bytes of a record with these bitmaps, and hashes of the binary nodes at these positions. */
const lengthOf = (present: number, leaves: number, positions: number): number =>
  HEADER_BYTES + (popCount(present) + popCount(leaves) + popCount(positions)) * HASH_BYTES;

export type SlotKind = "empty" | "leaf" | "inner";

export class StateNode {
  readonly #hashes: StateHashes;
  /** The record it was decoded from; unchanged parts are read from there. */
  readonly #record: Uint8Array;
  readonly #recordPresent: number;
  readonly #recordLeaves: number;
  readonly #recordPositions: number;
  #present: number;
  #leaves: number;
  /** Slots that differ from the record. */
  #changed = 0;
  readonly #slots: (Uint8Array | undefined)[] = [];
  readonly #computed: (Uint8Array | undefined)[] = [];

  constructor(hashes: StateHashes, record: Uint8Array = EMPTY_RECORD) {
    this.#hashes = hashes;
    this.#record = record;
    this.#present = ((record[0] ?? 0) << 8) | (record[1] ?? 0);
    this.#leaves = ((record[2] ?? 0) << 8) | (record[3] ?? 0);
    this.#recordPresent = this.#present;
    this.#recordLeaves = this.#leaves;
    this.#recordPositions = storedPositions(this.#present, this.#leaves);
  }

  /** Undefined when the bytes are no record. */
  static decode(hashes: StateHashes, record: Uint8Array): StateNode | undefined {
    if (record.length < HEADER_BYTES) return undefined;
    const node = new StateNode(hashes, record);
    const leavesUsed = (node.#leaves & ~node.#present) === 0;
    const length = lengthOf(node.#present, node.#leaves, node.#recordPositions);
    return leavesUsed && record.length === length ? node : undefined;
  }

  get present(): number {
    return this.#present;
  }

  get changed(): boolean {
    return this.#changed !== 0;
  }

  kind(slot: number): SlotKind {
    const bit = 1 << slot;
    if ((this.#present & bit) === 0) return "empty";
    return (this.#leaves & bit) === 0 ? "inner" : "leaf";
  }

  /** Content of a used slot: 64 bytes of a leaf, 32 of an inner node. */
  slot(slot: number): Uint8Array {
    const bit = 1 << slot;
    const replaced = this.#slots[slot];
    if ((this.#changed & bit) !== 0 && replaced !== undefined) return replaced;
    const mask = below(slot);
    const before = popCount(this.#recordPresent & mask) + popCount(this.#recordLeaves & mask);
    const at = HEADER_BYTES + before * HASH_BYTES;
    const length = (this.#recordLeaves & bit) === 0 ? HASH_BYTES : LEAF_BYTES;
    return this.#record.subarray(at, at + length);
  }

  /** The content of the leaf that is all there is below this node, if so. */
  onlyLeaf(): Uint8Array | undefined {
    const present = this.#present;
    if (!isOneBit(present) || present !== this.#leaves) return undefined;
    return this.slot(31 - Math.clz32(present));
  }

  setEmpty(slot: number): void {
    if (this.kind(slot) === "empty") return;
    this.#mark(slot, undefined);
    this.#present &= ~(1 << slot);
    this.#leaves &= ~(1 << slot);
  }

  setLeaf(slot: number, content: Uint8Array): void {
    if (this.kind(slot) === "leaf" && equalBytes(this.slot(slot), content)) return;
    this.#mark(slot, content);
    this.#present |= 1 << slot;
    this.#leaves |= 1 << slot;
  }

  setInner(slot: number, hash: Uint8Array): void {
    if (this.kind(slot) === "inner" && equalBytes(this.slot(slot), hash)) return;
    this.#mark(slot, hash);
    this.#present |= 1 << slot;
    this.#leaves &= ~(1 << slot);
  }

  #mark(slot: number, content: Uint8Array | undefined): void {
    this.#changed |= 1 << slot;
    this.#slots[slot] = content;
    for (let position = (16 + slot) >>> 1; position > 0; position >>>= 1) {
      this.#computed[position] = undefined;
    }
  }

  /** Hash of the whole subtree. */
  hash(): Uint8Array {
    return this.#hashAt(1);
  }

  #hashAt(position: number): Uint8Array {
    const used = this.#present & (SLOTS_BELOW[position] ?? 0);
    if (used === 0) return ZERO_HASH;
    if (isOneBit(used) && (used & this.#leaves) !== 0) {
      return this.#hashes.leaf(this.slot(31 - Math.clz32(used)));
    }
    if (position >= 16) return this.slot(position - 16);
    let hash = this.#computed[position];
    if (hash === undefined) {
      const unchanged = (this.#changed & (SLOTS_BELOW[position] ?? 0)) === 0;
      if (unchanged && position > 1) return this.#recordHash(position);
      // Both are taken before they are laid out, because hashing a leaf or a node shares one buffer.
      const left = this.#hashAt(position * 2);
      const right = this.#hashAt(position * 2 + 1);
      hash = this.#hashes.node(left, right);
      this.#computed[position] = hash;
    }
    return hash;
  }

  #recordHash(position: number): Uint8Array {
    const before =
      popCount(this.#recordPresent) +
      popCount(this.#recordLeaves) +
      popCount(this.#recordPositions & below(position));
    const at = HEADER_BYTES + before * HASH_BYTES;
    return this.#record.subarray(at, at + HASH_BYTES);
  }

  /** The record of the node as it is now; of a slab (slab.ts). */
  encode(): Uint8Array {
    const sameShape = this.#present === this.#recordPresent && this.#leaves === this.#recordLeaves;
    return sameShape ? this.#patch() : this.#rebuild();
  }

  /** Where slots and hashes lie where they lay, most bytes are copied at once. */
  #patch(): Uint8Array {
    const record = slabBytes(this.#record.length);
    record.set(this.#record);
    let at = HEADER_BYTES;
    for (let slot = 0; slot < 16; slot++) {
      const bit = 1 << slot;
      if ((this.#present & bit) === 0) continue;
      if ((this.#changed & bit) !== 0) record.set(this.slot(slot), at);
      at += (this.#leaves & bit) === 0 ? HASH_BYTES : LEAF_BYTES;
    }
    for (let position = 2; position < 16; position++) {
      if ((this.#recordPositions & (1 << position)) === 0) continue;
      if ((this.#changed & (SLOTS_BELOW[position] ?? 0)) !== 0)
        record.set(this.#hashAt(position), at);
      at += HASH_BYTES;
    }
    return record;
  }

  #rebuild(): Uint8Array {
    const positions = storedPositions(this.#present, this.#leaves);
    const record = slabBytes(lengthOf(this.#present, this.#leaves, positions));
    record[0] = this.#present >>> 8;
    record[1] = this.#present & 0xff;
    record[2] = this.#leaves >>> 8;
    record[3] = this.#leaves & 0xff;
    let at = HEADER_BYTES;
    for (let slot = 0; slot < 16; slot++) {
      if ((this.#present & (1 << slot)) === 0) continue;
      const content = this.slot(slot);
      record.set(content, at);
      at += content.length;
    }
    for (let position = 2; position < 16; position++) {
      if ((positions & (1 << position)) === 0) continue;
      record.set(this.#hashAt(position), at);
      at += HASH_BYTES;
    }
    return record;
  }

  /**
   * Goes from the root of this node towards a slot and adds the siblings on the way. Answers where the
   * way ends: at an inner node in the slot, at a leaf (its content), or at nothing.
   */
  walk(slot: number, siblings: Uint8Array[]): Uint8Array | undefined | "inner" {
    for (let depth = 0; ; depth++) {
      const position = (16 + slot) >>> (4 - depth);
      const used = this.#present & (SLOTS_BELOW[position] ?? 0);
      if (used === 0) return undefined;
      if (isOneBit(used) && (used & this.#leaves) !== 0) return this.slot(31 - Math.clz32(used));
      if (depth === 4) return "inner";
      siblings.push(this.#hashAt(((16 + slot) >>> (3 - depth)) ^ 1));
    }
  }
}
