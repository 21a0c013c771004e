/**
 * One stored node of the state tree: four binary levels, 16 slots (state-tree.ts has the definition).
 *
 * Record: u16 present bitmap (bit s: slot s is used), u16 leaf bitmap (bit s: it is a leaf, else an inner
 * node), then the used slots in order: 64 bytes keyHash || valueHash for a leaf, the 32-byte hash for an
 * inner node; then, in a full record, the hashes of the binary nodes between root and slots that hold more
 * than one leaf, in heap order. Keeping those saves hashing every sibling again on each update and costs
 * bytes, so nodes that every updater holds in memory are stored without them: a short record.
 *
 * Binary positions are numbered as a heap: 1 is the node's root, 2p and 2p + 1 are below p, 16 + s is slot s.
 *
 * A node is changed where it lies: the record is copied into the node's own memory once, slots and hashes
 * are moved in it where one comes or goes, and no arrays are made for what is in between. One object serves
 * one node after the other.
 */

import { ScratchViews } from "../crypto/hash.ts";
import { slabBytes } from "./slab.ts";
import {
  copyBytes,
  HASH_BYTES,
  LEAF_BYTES,
  NODE_LEFT,
  NODE_RIGHT,
  type StateHashes,
} from "./state-hashes.ts";

const HEADER_BYTES = 4;
const RECORD_BYTES_MAX: number = HEADER_BYTES + 16 * LEAF_BYTES + 14 * HASH_BYTES;

/** By heap position: the slots below it. */
const SLOTS_BELOW: readonly number[] = Array.from({ length: 32 }, (_, position) => {
  const depth = 31 - Math.clz32(Math.max(position, 1));
  const width = 16 >>> depth;
  return ((1 << width) - 1) << ((position - (1 << depth)) * width);
});

/** By slot: the heap positions 2 to 15 above it. */
const POSITIONS_ABOVE: readonly number[] = Array.from({ length: 16 }, (_, slot) => {
  let positions = 0;
  for (let position = (16 + slot) >>> 1; position >= 2; position >>>= 1) positions |= 1 << position;
  return positions;
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

/** Whether the binary node over the slots `used` has a hash in the record: it holds more than one leaf. */
const isStored = (used: number, leaves: number): boolean =>
  used !== 0 && !(isOneBit(used) && (used & leaves) !== 0);

/** Heap positions 2 to 15 with a stored hash. */
function storedPositions(present: number, leaves: number): number {
  let positions = 0;
  for (let position = 2; position < 16; position++) {
    if (isStored(present & (SLOTS_BELOW[position] ?? 0), leaves)) positions |= 1 << position;
  }
  return positions;
}

/** Whether a record has the hashes of binary nodes. */
export type RecordForm = "full" | "short";

/** The short record of the node with this full one: a view of it. */
export const shortRecord = (record: Uint8Array): Uint8Array => {
  const present = ((record[0] ?? 0) << 8) | (record[1] ?? 0);
  const leaves = ((record[2] ?? 0) << 8) | (record[3] ?? 0);
  return record.subarray(0, HEADER_BYTES + (popCount(present) + popCount(leaves)) * HASH_BYTES);
};

export type SlotKind = "empty" | "leaf" | "inner";

export class StateNode {
  readonly #hashes: StateHashes;
  /** The record, but for its header and the hashes that are stale. */
  readonly bytes: Uint8Array;
  /** The record by its length: a view costs as much as copying what is in it. */
  readonly #record = new ScratchViews(RECORD_BYTES_MAX);
  #length = HEADER_BYTES;
  #present = 0;
  #leaves = 0;
  /** Positions with a hash in the record. */
  #positions = 0;
  /** Positions below which something has changed since their hash was made. */
  #stale = 0;
  #changed = false;

  constructor(hashes: StateHashes) {
    this.#hashes = hashes;
    this.bytes = this.#record.bytes;
  }

  /** Becomes a node without slots. */
  clear(): void {
    this.#length = HEADER_BYTES;
    this.#present = 0;
    this.#leaves = 0;
    this.#positions = 0;
    this.#stale = 0;
    this.#changed = false;
  }

  /** Becomes the node of a record, full or short; false when the bytes are none. */
  load(record: Uint8Array, form: RecordForm): boolean {
    this.clear();
    if (record.length < HEADER_BYTES || record.length > RECORD_BYTES_MAX) return false;
    const present = ((record[0] ?? 0) << 8) | (record[1] ?? 0);
    const leaves = ((record[2] ?? 0) << 8) | (record[3] ?? 0);
    const positions = storedPositions(present, leaves);
    const slots = popCount(present) + popCount(leaves);
    const hashes = slots + popCount(positions);
    const stored = form === "full" ? hashes : slots;
    if ((leaves & ~present) !== 0) return false;
    if (record.length !== HEADER_BYTES + stored * HASH_BYTES) return false;
    this.bytes.set(record);
    this.#length = HEADER_BYTES + hashes * HASH_BYTES;
    this.#present = present;
    this.#leaves = leaves;
    this.#positions = positions;
    if (form === "short") this.#stale = positions;
    return true;
  }

  get present(): number {
    return this.#present;
  }

  get changed(): boolean {
    return this.#changed;
  }

  kind(slot: number): SlotKind {
    const bit = 1 << slot;
    if ((this.#present & bit) === 0) return "empty";
    return (this.#leaves & bit) === 0 ? "inner" : "leaf";
  }

  /** Where in `bytes` the content of a slot is: 64 bytes of a leaf, 32 of an inner node. */
  slotAt(slot: number): number {
    const mask = below(slot);
    const before = popCount(this.#present & mask) + popCount(this.#leaves & mask);
    return HEADER_BYTES + before * HASH_BYTES;
  }

  #positionAt(position: number): number {
    const before =
      popCount(this.#present) +
      popCount(this.#leaves) +
      popCount(this.#positions & below(position));
    return HEADER_BYTES + before * HASH_BYTES;
  }

  /** The slot of the leaf that is all there is below this node, if so. */
  onlyLeaf(): number | undefined {
    const present = this.#present;
    if (!isOneBit(present) || present !== this.#leaves) return undefined;
    return 31 - Math.clz32(present);
  }

  setEmpty(slot: number): void {
    if (this.kind(slot) !== "empty") this.#reshape(slot, "empty");
  }

  /** The content of the leaf lies in `source` from `from` on. */
  setLeaf(slot: number, source: Uint8Array, from: number): void {
    this.#set(slot, "leaf", source, from, LEAF_BYTES);
  }

  setInner(slot: number, source: Uint8Array, from: number): void {
    this.#set(slot, "inner", source, from, HASH_BYTES);
  }

  #set(slot: number, kind: SlotKind, source: Uint8Array, from: number, length: number): void {
    if (this.kind(slot) !== kind) this.#reshape(slot, kind);
    else if (this.#holds(this.slotAt(slot), source, from, length)) return;
    copyBytes(source, from, this.bytes, this.slotAt(slot), length);
    this.#stale |= POSITIONS_ABOVE[slot] ?? 0;
    this.#changed = true;
  }

  #holds(at: number, source: Uint8Array, from: number, length: number): boolean {
    for (let i = 0; i < length; i++) if (this.bytes[at + i] !== source[from + i]) return false;
    return true;
  }

  /** Makes room for, or takes away, what a slot of another kind needs. */
  #reshape(slot: number, kind: SlotKind): void {
    const bit = 1 << slot;
    const at = this.slotAt(slot);
    const before = (this.#present & bit) === 0 ? 0 : (this.#leaves & bit) === 0 ? 1 : 2;
    const after = kind === "empty" ? 0 : kind === "inner" ? 1 : 2;
    this.#move(at + before * HASH_BYTES, (after - before) * HASH_BYTES);
    this.#present = kind === "empty" ? this.#present & ~bit : this.#present | bit;
    this.#leaves = kind === "leaf" ? this.#leaves | bit : this.#leaves & ~bit;
    for (let position = (16 + slot) >>> 1; position >= 2; position >>>= 1) {
      const has = (this.#positions & (1 << position)) !== 0;
      const wants = isStored(this.#present & (SLOTS_BELOW[position] ?? 0), this.#leaves);
      if (has === wants) continue;
      const hashAt = this.#positionAt(position);
      this.#move(wants ? hashAt : hashAt + HASH_BYTES, wants ? HASH_BYTES : -HASH_BYTES);
      this.#positions ^= 1 << position;
    }
    this.#stale |= POSITIONS_ABOVE[slot] ?? 0;
    this.#changed = true;
  }

  /** Moves what lies from `at` to the end by some bytes. */
  #move(at: number, by: number): void {
    if (by === 0) return;
    this.bytes.copyWithin(at + by, at, this.#length);
    this.#length += by;
  }

  /** Writes the hash of the whole subtree to `target` from `at` on. */
  hashInto(target: Uint8Array, at: number): void {
    this.#hashInto(1, 0, target, at);
  }

  #hashInto(position: number, level: number, target: Uint8Array, at: number): void {
    const used = this.#present & (SLOTS_BELOW[position] ?? 0);
    if (used === 0) {
      target.fill(0, at, at + HASH_BYTES);
    } else if (isOneBit(used) && (used & this.#leaves) !== 0) {
      this.#hashes.leafInto(this.bytes, this.slotAt(31 - Math.clz32(used)), target, at);
    } else if (position >= 16) {
      copyBytes(this.bytes, this.slotAt(position - 16), target, at, HASH_BYTES);
    } else if (position > 1 && (this.#stale & (1 << position)) === 0) {
      copyBytes(this.bytes, this.#positionAt(position), target, at, HASH_BYTES);
    } else {
      this.#makeHash(position, level, target, at);
    }
  }

  /** Each level has an input of its own, so that hashing what is below cannot touch it. */
  #makeHash(position: number, level: number, target: Uint8Array, at: number): void {
    const input = this.#hashes.nodeInputs[level];
    if (input === undefined) throw new RangeError(`position ${position} is below the slots`);
    this.#hashInto(position * 2, level + 1, input, NODE_LEFT);
    this.#hashInto(position * 2 + 1, level + 1, input, NODE_RIGHT);
    this.#hashes.nodeInto(input, target, at);
    if (position === 1) return;
    copyBytes(target, at, this.bytes, this.#positionAt(position), HASH_BYTES);
    this.#stale &= ~(1 << position);
  }

  /** The full record of the node as it is now; of a slab (slab.ts). Only after `hashInto`. */
  encode(): Uint8Array {
    if ((this.#stale & this.#positions) !== 0) throw new RangeError("encoded before it was hashed");
    const { bytes } = this;
    bytes[0] = this.#present >>> 8;
    bytes[1] = this.#present & 0xff;
    bytes[2] = this.#leaves >>> 8;
    bytes[3] = this.#leaves & 0xff;
    const record = slabBytes(this.#length);
    record.set(this.#record.first(this.#length));
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
      if (isOneBit(used) && (used & this.#leaves) !== 0) {
        const at = this.slotAt(31 - Math.clz32(used));
        return this.bytes.slice(at, at + LEAF_BYTES);
      }
      if (depth === 4) return "inner";
      const sibling = new Uint8Array(HASH_BYTES);
      this.#hashInto(((16 + slot) >>> (3 - depth)) ^ 1, 0, sibling, 0);
      siblings.push(sibling);
    }
  }
}
