/**
 * The Merkle tree of the whole log (RFC 6962, section 2.1), kept as C2SP tlog tiles of height 8: a tile
 * of level L holds up to 256 hashes of complete subtrees with 256^L leaves each, left to right. Only
 * those hashes are stored; what lies between two levels is computed from them.
 *
 * A tile that is not full yet is stored under the same key as the full one will be and is overwritten
 * as it grows. Its first hashes never change, so every older size can be answered from the same tiles.
 *
 * Pure: reads through a function, gives back the writes to make. A tile that must exist and does not, or
 * has the wrong length, is corruption of the store and throws TetradError "store.corrupt"; a size or an
 * index that the caller got wrong throws RangeError.
 */
import { concatBytes } from "../crypto/bytes.ts";
import { sha256, sha256Into } from "../crypto/hash.ts";
import { TetradError } from "../errors.ts";
import type { StoreOp } from "./ports.ts";

/** Gives the stored value of a key; the key space is this tree's own (`tileKey`). */
export type ReadTile = (key: Uint8Array) => Uint8Array | undefined;

export type LogTree = { readonly size: number; readonly root: Uint8Array };

export type LogAppend = LogTree & {
  /** Puts of the tiles that changed: full ones, and one partial tile a level at most. */
  readonly ops: readonly StoreOp[];
};

export type LogAppender = {
  readonly size: number;
  /** Root of the tree as it is now. */
  root(): Uint8Array;
  /**
   * Appends leaf hashes (32 bytes each, one after the other) and gives the tiles to write. The tree in
   * memory has moved on when this returns: if the writes are not made, the appender must be thrown away.
   */
  append(leafHashes: Uint8Array): LogAppend;
};

const HASH_BYTES = 32;
/** Hashes in a full tile: height 8. */
export const TILE_WIDTH = 256;

/** Root of the empty tree: SHA-256 of nothing (RFC 6962, 2.1). */
export const EMPTY_LOG_ROOT: Uint8Array = sha256(new Uint8Array(0));

/** SHA256(0x00 || leaf). */
export const leafHash = (leaf: Uint8Array): Uint8Array => {
  const input = new Uint8Array(1 + leaf.length);
  input.set(leaf, 1);
  return sha256(input);
};

/** A size is at most 2^53 - 1. */
const HEIGHTS_MAX = 54;

const copyHash = (source: Uint8Array, from: number, target: Uint8Array, at: number): void => {
  for (let i = 0; i < HASH_BYTES; i++) target[at + i] = source[from + i] ?? 0;
};

const nodeInput = new Uint8Array(1 + 2 * HASH_BYTES);
nodeInput[0] = 1;

/** SHA256(0x01 || left || right). */
export const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array => {
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_BYTES);
  return sha256(nodeInput);
};

/** Key of a tile: "t/", u8 level, u64 big-endian index within the level. */
export const tileKey = (level: number, index: number): Uint8Array => {
  const key = new Uint8Array(11);
  const view = new DataView(key.buffer);
  view.setUint16(0, 0x742f);
  view.setUint8(2, level);
  view.setUint32(3, Math.floor(index / 0x1_0000_0000));
  view.setUint32(7, index % 0x1_0000_0000);
  return key;
};

function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`bad tree size ${size}`);
}

/** The first `width` hashes of a tile. Throws "store.corrupt" where they are not there. */
export function readTile(read: ReadTile, level: number, index: number, width: number): Uint8Array {
  const tile = read(tileKey(level, index));
  const needed = width * HASH_BYTES;
  if (tile === undefined || tile.length < needed || tile.length % HASH_BYTES !== 0) {
    const found = tile === undefined ? "missing" : `${tile.length} bytes`;
    throw new TetradError("store.corrupt", `log tile ${level}/${index}: ${found}`, {
      level,
      index,
    });
  }
  return tile.subarray(0, needed);
}

const hashAt = (tile: Uint8Array, index: number): Uint8Array =>
  tile.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);

/** Root of `count` (a power of two) neighbouring hashes of a tile. */
function foldTile(tile: Uint8Array, from: number, count: number): Uint8Array {
  if (count === 1) return hashAt(tile, from);
  const half = count / 2;
  return nodeHash(foldTile(tile, from, half), foldTile(tile, from + half, half));
}

/** The tiles that still grow, and one complete subtree a height: all that appending needs. */
class RightEdge implements LogAppender {
  #size: number;
  /** By height; one is there where the binary form of the size has a one. */
  readonly #subtrees = new Uint8Array(HEIGHTS_MAX * HASH_BYTES);
  readonly #has: boolean[] = new Array<boolean>(HEIGHTS_MAX).fill(false);
  readonly #carry = new Uint8Array(HASH_BYTES);
  /** Of what is in it now, once it was asked for. */
  #root: Uint8Array | undefined;
  /** By level: the tile that is being filled, and how many hashes the level has in all. */
  readonly #tiles: { bytes: Uint8Array; count: number; changed: boolean }[] = [];

  constructor(read: ReadTile, size: number) {
    checkSize(size);
    this.#size = size;
    for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / TILE_WIDTH)) {
      const bytes = new Uint8Array(TILE_WIDTH * HASH_BYTES);
      const width = count % TILE_WIDTH;
      if (width > 0) bytes.set(readTile(read, level, Math.floor(count / TILE_WIDTH), width));
      this.#tiles.push({ bytes, count, changed: false });
      let from = 0;
      for (let bit = 7; bit >= 0; bit--) {
        const span = 1 << bit;
        if ((width & span) === 0) continue;
        this.#has[level * 8 + bit] = true;
        this.#subtrees.set(foldTile(bytes, from, span), (level * 8 + bit) * HASH_BYTES);
        from += span;
      }
    }
  }

  get size(): number {
    return this.#size;
  }

  /** Nobody writes into it: most blocks add nothing, and have the root of the one before. */
  root(): Uint8Array {
    this.#root ??= this.#rootNow();
    return this.#root;
  }

  #rootNow(): Uint8Array {
    let root: Uint8Array | undefined;
    for (let height = 0; height < this.#has.length; height++) {
      if (this.#has[height] !== true) continue;
      const subtree = hashAt(this.#subtrees, height);
      root = root === undefined ? subtree.slice() : nodeHash(subtree, root);
    }
    return root ?? EMPTY_LOG_ROOT;
  }

  append(leafHashes: Uint8Array): LogAppend {
    const count = leafHashes.length / HASH_BYTES;
    if (!Number.isInteger(count)) throw new RangeError(`leaf hashes of ${leafHashes.length} bytes`);
    checkSize(this.#size + count);
    const ops: StoreOp[] = [];
    for (let i = 0; i < count; i++) this.#appendOne(leafHashes, i * HASH_BYTES, ops);
    this.#tiles.forEach((tile, level) => {
      const width = tile.count % TILE_WIDTH;
      if (!tile.changed) return;
      tile.changed = false;
      if (width === 0) return;
      const key = tileKey(level, Math.floor(tile.count / TILE_WIDTH));
      ops.push({ type: "put", key, value: tile.bytes.slice(0, width * HASH_BYTES) });
    });
    return { size: this.#size, root: this.root(), ops };
  }

  #appendOne(hashes: Uint8Array, from: number, ops: StoreOp[]): void {
    const carry = this.#carry;
    copyHash(hashes, from, carry, 0);
    let height = 0;
    this.#store(0, carry, ops);
    for (; this.#has[height] === true; height++) {
      this.#has[height] = false;
      copyHash(this.#subtrees, height * HASH_BYTES, nodeInput, 1);
      copyHash(carry, 0, nodeInput, 1 + HASH_BYTES);
      sha256Into(nodeInput, carry, 0);
      if (height % 8 === 7) this.#store((height + 1) / 8, carry, ops);
    }
    this.#root = undefined;
    this.#has[height] = true;
    copyHash(carry, 0, this.#subtrees, height * HASH_BYTES);
    this.#size += 1;
  }

  /** Puts the next hash of a level; a tile that becomes full is written once, here. */
  #store(level: number, hash: Uint8Array, ops: StoreOp[]): void {
    let tile = this.#tiles[level];
    if (tile === undefined) {
      tile = { bytes: new Uint8Array(TILE_WIDTH * HASH_BYTES), count: 0, changed: false };
      this.#tiles[level] = tile;
    }
    tile.bytes.set(hash, (tile.count % TILE_WIDTH) * HASH_BYTES);
    tile.count += 1;
    tile.changed = true;
    if (tile.count % TILE_WIDTH !== 0) return;
    const key = tileKey(level, tile.count / TILE_WIDTH - 1);
    ops.push({ type: "put", key, value: tile.bytes.slice() });
  }
}

/**
 * Keeps the right edge of the stored tree of `size` leaves in memory between appends: one hash a leaf
 * and no reads. Reads at most one tile a level.
 */
export const createLogAppender = (read: ReadTile, size: number): LogAppender =>
  new RightEdge(read, size);

/** Appends to the stored tree of `size` leaves: O(leaves + 256 * levels) hashes and bytes. */
export const appendToLog = (
  read: ReadTile,
  size: number,
  leafHashes: readonly Uint8Array[],
): LogAppend => createLogAppender(read, size).append(concatBytes(...leafHashes));

/** Answers for hashes of subtrees, reading each tile once. */
class TileReader {
  readonly #read: ReadTile;
  readonly #tiles = new Map<string, Uint8Array>();

  constructor(read: ReadTile) {
    this.#read = read;
  }

  /** Hash of the leaves lo to hi, where `lo` is a multiple of the smallest power of two >= hi - lo. */
  range(lo: number, hi: number): Uint8Array {
    const count = hi - lo;
    const split = splitPoint(count);
    if (split * 2 !== count && count !== 1) {
      return nodeHash(this.range(lo, lo + split), this.range(lo + split, hi));
    }
    return this.#complete(lo, count);
  }

  /** Hash of a complete subtree: `count` is a power of two that divides `lo`. */
  #complete(lo: number, count: number): Uint8Array {
    let level = 0;
    let span = count;
    for (; span >= TILE_WIDTH; span /= TILE_WIDTH) level += 1;
    const first = lo / (count / span);
    const from = first % TILE_WIDTH;
    return foldTile(this.#tile(level, Math.floor(first / TILE_WIDTH), from + span), from, span);
  }

  #tile(level: number, index: number, width: number): Uint8Array {
    const name = `${level}/${index}`;
    const known = this.#tiles.get(name);
    if (known !== undefined && known.length >= width * HASH_BYTES) return known;
    const tile = readTile(this.#read, level, index, width);
    this.#tiles.set(name, tile);
    return tile;
  }
}

/** Largest power of two below `count`; 0.5 for 1, so that twice it is `count` for every power of two. */
function splitPoint(count: number): number {
  let split = 0.5;
  while (split * 2 < count) split *= 2;
  return split;
}

/** Root of the tree as it was at `atSize` leaves (default: all of the `size` stored). */
export const logRoot = (read: ReadTile, size: number, atSize = size): Uint8Array => {
  checkSize(size);
  checkSize(atSize);
  if (atSize > size) throw new RangeError(`size ${atSize} of a log of ${size}`);
  return atSize === 0 ? EMPTY_LOG_ROOT : new Uint8Array(new TileReader(read).range(0, atSize));
};

/**
 * Audit path of leaf `index` in the tree of `size` leaves, lowest sibling first (RFC 6962, 2.1.1).
 * `size` may be any size up to the one stored.
 */
export const inclusionPath = (read: ReadTile, index: number, size: number): Uint8Array[] => {
  checkSize(size);
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw new RangeError(`leaf ${index} of a log of ${size}`);
  }
  const tiles = new TileReader(read);
  const path: Uint8Array[] = [];
  let lo = 0;
  let hi = size;
  while (hi - lo > 1) {
    const middle = lo + splitPoint(hi - lo);
    if (index < middle) {
      path.push(tiles.range(middle, hi));
      hi = middle;
    } else {
      path.push(tiles.range(lo, middle));
      lo = middle;
    }
  }
  return path.reverse().map((hash) => new Uint8Array(hash));
};

/**
 * Consistency proof between two sizes up to the one stored (RFC 6962, 2.1.2). Empty when the sizes are
 * equal or the old tree is empty: there is nothing to prove.
 */
export const consistencyPath = (read: ReadTile, oldSize: number, newSize: number): Uint8Array[] => {
  checkSize(oldSize);
  checkSize(newSize);
  if (oldSize > newSize) throw new RangeError(`old size ${oldSize} above new size ${newSize}`);
  if (oldSize === 0) return [];
  const tiles = new TileReader(read);
  const path: Uint8Array[] = [];
  let lo = 0;
  let hi = newSize;
  // Walks to the subtree that ends where the old tree ends; siblings on the way are what is new or known.
  while (hi !== oldSize) {
    const middle = lo + splitPoint(hi - lo);
    if (oldSize <= middle) {
      path.push(tiles.range(middle, hi));
      hi = middle;
    } else {
      path.push(tiles.range(lo, middle));
      lo = middle;
    }
  }
  // The old root itself is known to the verifier; any other last subtree is not.
  if (lo > 0) path.push(tiles.range(lo, hi));
  return path.reverse().map((hash) => new Uint8Array(hash));
};
