/**
 * An ordered map of byte strings. Keys are held as strings with one character a byte, whose order is the
 * order of the bytes. The order is kept in chunks, so that a key in the middle moves a chunk and not all.
 */
import { concatBytes } from "../src/crypto/bytes.ts";
import type { StoreEntry, StoreRange } from "../src/ledger/ports.ts";
import { latin1Slice } from "./latin1.ts";

/** A chunk that grows past this is cut in two. */
const CHUNK_KEYS_MAX = 512;

/** A value as it is held: whole, or in pieces that others hold as well. Nobody writes into it. */
export type Stored = Uint8Array | readonly Uint8Array[];

export const wholeOf = (value: Stored): Uint8Array =>
  value instanceof Uint8Array ? value : concatBytes(...value);

export const lengthOf = (value: Stored): number =>
  value instanceof Uint8Array
    ? value.length
    : value.reduce((length, piece) => length + piece.length, 0);

export class SortedMap {
  readonly #entries = new Map<string, Stored>();
  /** Ascending, none empty but the only one. */
  #chunks: string[][] = [[]];

  static keyOf(bytes: Uint8Array): string {
    return latin1Slice.call(bytes, 0, bytes.length);
  }

  /** What `keyOf` was given. Keys are kept as strings alone: an array of bytes weighs several times as much. */
  static bytesOf(key: string): Uint8Array {
    const bytes = new Uint8Array(key.length);
    for (let i = 0; i < key.length; i++) bytes[i] = key.charCodeAt(i);
    return bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Stored | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: Stored): void {
    const { size } = this.#entries;
    this.#entries.set(key, value);
    if (this.#entries.size > size) this.#insert(key);
  }

  #insert(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at] as string[];
    const last = chunk[chunk.length - 1];
    if (last === undefined || key > last) chunk.push(key);
    else chunk.splice(lowerBound(chunk, key), 0, key);
    if (chunk.length > CHUNK_KEYS_MAX) {
      this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK_KEYS_MAX / 2));
    }
  }

  delete(key: string): void {
    if (!this.#entries.delete(key)) return;
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at] as string[];
    chunk.splice(lowerBound(chunk, key), 1);
    if (chunk.length === 0 && this.#chunks.length > 1) this.#chunks.splice(at, 1);
  }

  /** Deletes many keys at once. */
  remove(keys: readonly string[]): void {
    for (const key of keys) this.#entries.delete(key);
    const left = this.#chunks.flat().filter((key) => this.#entries.has(key));
    this.#chunks = [];
    for (let at = 0; at < left.length || at === 0; at += CHUNK_KEYS_MAX / 2) {
      this.#chunks.push(left.slice(at, at + CHUNK_KEYS_MAX / 2));
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#chunks = [[]];
  }

  /** The last chunk that begins at or before the key; the first one where none does. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const first = this.#chunks[middle]?.[0];
      if (first !== undefined && first <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  range(range: StoreRange): StoreEntry[] {
    return entriesWithin(this.names(range), range.bytesMax, (key) => this.#entries.get(key));
  }

  /** The keys of a range, in its order, whatever their rows weigh. */
  names(range: StoreRange): string[] {
    const gte = SortedMap.keyOf(range.gte);
    const lt = SortedMap.keyOf(range.lt);
    const out: string[] = [];
    const keys = range.reverse === true ? this.descending(lt) : this.ascending(gte);
    for (const key of keys) {
      if (out.length >= range.limit || key < gte || key >= lt) break;
      out.push(key);
    }
    return out;
  }

  /** Keys from this one on. */
  *ascending(from: string): Generator<string> {
    for (let at = this.#chunkOf(from); at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at] as string[];
      for (let i = lowerBound(chunk, from); i < chunk.length; i++) yield chunk[i] as string;
    }
  }

  /** Keys below this one, the greatest first. */
  *descending(below: string): Generator<string> {
    for (let at = this.#chunkOf(below); at >= 0; at--) {
      const chunk = this.#chunks[at] as string[];
      for (let i = lowerBound(chunk, below) - 1; i >= 0; i--) yield chunk[i] as string;
    }
  }

  clone(): SortedMap {
    const copy = new SortedMap();
    copy.copyFrom(this);
    return copy;
  }

  copyFrom(other: SortedMap): void {
    this.clear();
    this.#chunks = other.#chunks.map((chunk) => chunk.slice());
    for (const [key, value] of other.#entries) this.#entries.set(key, value);
  }
}

/** The rows of these keys, as many as the bytes allow, but one at least where there is one. */
export const entriesWithin = (
  keys: readonly string[],
  bytesMax: number | undefined,
  storedAt: (key: string) => Stored | undefined,
): StoreEntry[] => {
  const out: StoreEntry[] = [];
  let bytes = 0;
  for (const key of keys) {
    const value = storedAt(key);
    if (value === undefined) continue;
    bytes += key.length + lengthOf(value);
    if (bytes > (bytesMax ?? Number.POSITIVE_INFINITY) && out.length > 0) break;
    out.push([SortedMap.bytesOf(key), wholeOf(value)]);
  }
  return out;
};

/** Where the key is or would be. */
export const lowerBound = (keys: readonly string[], key: string): number => {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const at = keys[middle];
    if (at !== undefined && at < key) low = middle + 1;
    else high = middle;
  }
  return low;
};
