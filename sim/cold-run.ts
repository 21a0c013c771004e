/**
 * Rows of a simulated disk on file: sorted by key, written once, in blocks. Memory has the first key of each block,
 * and a filter (Bloom) that says of nearly every key that is not here that it is not: some two bytes a row.
 */
import { latin1Slice, latin1Write } from "./latin1.ts";
import { lengthOf, lowerBound, type Stored } from "./sorted-map.ts";
import type { SpillFile } from "./spill-file.ts";

/** Stands for a row that was deleted, where an older run has one of its key. Told apart by being this array. */
export const GONE: Stored = Object.freeze([]);

export type ColdRow = readonly [name: string, value: Stored];

/** A block ends with the row that takes it past this. */
const BLOCK_BYTES = 8_192;
const BITS_PER_ROW = 10;
const PROBES = 4;
/** The lengths of key and value, before these. */
const HEADER_BYTES = 8;
const GONE_LENGTH = 0xffff_ffff;

export type Block = { readonly names: readonly string[]; readonly values: readonly Stored[] };

const decode = (bytes: Buffer): Block => {
  const names: string[] = [];
  const values: Stored[] = [];
  let at = 0;
  while (at < bytes.length) {
    const [key, value] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
    at += HEADER_BYTES;
    names.push(latin1Slice.call(bytes, at, at + key));
    at += key;
    const length = value === GONE_LENGTH ? 0 : value;
    values.push(value === GONE_LENGTH ? GONE : bytes.subarray(at, at + length));
    at += length;
  }
  return { names, values };
};

/** The two hashes of a key that all its probes are made of: 32 bits each. */
export type KeyHash = { readonly a: number; readonly b: number };

export const hashOf = (name: string): KeyHash => {
  let a = 0x811c_9dc5;
  let b = 0x9e37_79b9;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    a = Math.imul(a ^ code, 0x0100_0193);
    b = Math.imul(b + code, 0x85eb_ca6b) ^ (b >>> 13);
  }
  return { a, b: b | 1 };
};

class Filter {
  readonly #bits: Uint8Array;

  constructor(rows: number) {
    this.#bits = new Uint8Array(Math.ceil((Math.max(1, rows) * BITS_PER_ROW) / 8));
  }

  #bit({ a, b }: KeyHash, probe: number): number {
    return (Math.imul(b, probe) + a + (a >>> 15)) >>> 0;
  }

  add(hash: KeyHash): void {
    const bits = this.#bits;
    for (let i = 0; i < PROBES; i++) {
      const at = this.#bit(hash, i) % (bits.length * 8);
      bits[at >> 3] = (bits[at >> 3] as number) | (1 << (at & 7));
    }
  }

  mayHave(hash: KeyHash): boolean {
    const bits = this.#bits;
    for (let i = 0; i < PROBES; i++) {
      const at = this.#bit(hash, i) % (bits.length * 8);
      if (((bits[at >> 3] as number) & (1 << (at & 7))) === 0) return false;
    }
    return true;
  }
}

type Parts = {
  readonly at: number;
  readonly bytes: number;
  readonly rows: number;
  readonly firsts: readonly string[];
  /** Where each block begins, and the end of the last. */
  readonly places: Float64Array;
  readonly filter: Filter;
};

/** Blocks that were read, the newest few of them: a page is read with the rows around it. */
export class BlockCache {
  readonly #max: number;
  readonly #blocks = new Map<number, Block>();

  constructor(max = 64) {
    this.#max = max;
  }

  get(at: number): Block | undefined {
    const found = this.#blocks.get(at);
    if (found === undefined) return undefined;
    this.#blocks.delete(at);
    this.#blocks.set(at, found);
    return found;
  }

  set(at: number, block: Block): void {
    this.#blocks.set(at, block);
    if (this.#blocks.size <= this.#max) return;
    const oldest = this.#blocks.keys().next();
    if (oldest.done !== true) this.#blocks.delete(oldest.value);
  }

  /** A place in the file has been given back: another block may come to lie there. */
  clear(): void {
    this.#blocks.clear();
  }
}

export class ColdRun {
  readonly #file: SpillFile;
  readonly #cache: BlockCache;
  readonly #parts: Parts;
  #holders = 1;

  constructor(file: SpillFile, cache: BlockCache, parts: Parts) {
    this.#file = file;
    this.#cache = cache;
    this.#parts = parts;
  }

  get bytes(): number {
    return this.#parts.bytes;
  }

  get rows(): number {
    return this.#parts.rows;
  }

  get blocks(): number {
    return this.#parts.firsts.length;
  }

  /** A disk more that has these rows. */
  hold(): this {
    this.#holders += 1;
    return this;
  }

  /** One less; after the last its place is free. */
  release(): void {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    this.#cache.clear();
    this.#file.give(this.#parts.at, this.#parts.bytes);
  }

  mayHave(hash: KeyHash): boolean {
    return this.#parts.filter.mayHave(hash);
  }

  /** The value or GONE; undefined where it says nothing of the key. Belongs to the caller. */
  find(name: string): Stored | undefined {
    const at = this.blockOf(name);
    if (at < 0) return undefined;
    const { names, values } = this.block(at);
    const i = lowerBound(names, name);
    return names[i] === name ? ownCopy(values[i] as Stored) : undefined;
  }

  /** The block in which a key is or would be; -1 where that is before the first. */
  blockOf(name: string): number {
    const { firsts } = this.#parts;
    const at = lowerBound(firsts, name);
    return firsts[at] === name ? at : at - 1;
  }

  block(i: number, keep = true): Block {
    const { at, places } = this.#parts;
    const [from, to] = [places[i] as number, places[i + 1] as number];
    const known = this.#cache.get(at + from);
    if (known !== undefined) return known;
    const bytes = this.#file.read(at + from, to - from);
    const block = decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    if (keep) this.#cache.set(at + from, block);
    return block;
  }
}

/** A value that does not hold the whole block in memory. */
export const ownCopy = (value: Stored): Stored =>
  value instanceof Uint8Array ? new Uint8Array(value) : value;

/** Fills blocks with rows, and writes each when it is full. */
class BlockWriter {
  readonly #file: SpillFile;
  readonly #at: number;
  readonly firsts: string[] = [];
  readonly places: number[] = [0];
  #block = Buffer.allocUnsafe(4 * BLOCK_BYTES);
  #used = 0;

  constructor(file: SpillFile, at: number) {
    this.#file = file;
    this.#at = at;
  }

  get bytes(): number {
    return this.places[this.places.length - 1] as number;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#block.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#block.length, this.#used + bytes));
    larger.set(this.#block.subarray(0, this.#used));
    this.#block = larger;
  }

  add([name, value]: ColdRow): void {
    const length = lengthOf(value);
    this.#reserve(HEADER_BYTES + name.length + length);
    const block = this.#block;
    let at = this.#used;
    if (at === 0) this.firsts.push(name);
    block.writeUInt32LE(name.length, at);
    block.writeUInt32LE(value === GONE ? GONE_LENGTH : length, at + 4);
    at += HEADER_BYTES;
    latin1Write.call(block, name, at);
    at += name.length;
    for (const piece of value instanceof Uint8Array ? [value] : value) {
      block.set(piece, at);
      at += piece.length;
    }
    this.#used = at;
    if (at >= BLOCK_BYTES) this.end();
  }

  end(): void {
    if (this.#used === 0) return;
    const at = this.bytes;
    this.#file.write(this.#block.subarray(0, this.#used), this.#at + at);
    this.places.push(at + this.#used);
    this.#used = 0;
  }
}

/** Bytes of a row in a run. */
export const bytesOfRow = ([name, value]: ColdRow): number =>
  HEADER_BYTES + name.length + lengthOf(value);

/**
 * Writes rows, ascending by key and each key once. They are at most `rowsMax` rows and `bytesMax` bytes of
 * `bytesOfRow`. Where the file cannot be written, nothing is changed and it throws.
 */
export const writeRun = (
  file: SpillFile,
  cache: BlockCache,
  rows: Iterable<ColdRow>,
  max: { readonly rows: number; readonly bytes: number },
): ColdRun => {
  const at = file.take(max.bytes);
  const writer = new BlockWriter(file, at);
  const filter = new Filter(max.rows);
  let count = 0;
  try {
    for (const row of rows) {
      filter.add(hashOf(row[0]));
      writer.add(row);
      count += 1;
    }
    writer.end();
  } catch (error) {
    file.give(at, max.bytes);
    throw error;
  }
  const { bytes, firsts } = writer;
  file.give(at + bytes, max.bytes - bytes);
  const places = Float64Array.from(writer.places);
  return new ColdRun(file, cache, { at, bytes, rows: count, firsts, places, filter });
};
