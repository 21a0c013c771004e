/**
 * What of a disk cannot be read any more. LevelDB keeps a checksum with each block, and the store one with
 * each row: rot is never read as data. Reading it fails, newer writes of a key hide it, and a store whose
 * log is damaged does not open.
 */
import type { StoreEntry } from "../src/ledger/ports.ts";
import { SortedMap } from "./sorted-map.ts";

export class Rot {
  readonly #keys = new Set<string>();
  #log = false;

  /** The write-ahead log is read when the store is opened again, not before. */
  logDamaged(): void {
    this.#log = true;
  }

  /** The first of these rows, until so many bytes are gone; false where none of them could be read before. */
  spread(entries: Iterable<StoreEntry>, bytes: number): boolean {
    const before = this.#keys.size;
    let left = bytes;
    for (const [key, value] of entries) {
      if (left <= 0) break;
      this.#keys.add(SortedMap.keyOf(key));
      left -= key.length + value.length;
    }
    return this.#keys.size > before;
  }

  hits(key: string): boolean {
    return this.#keys.size > 0 && this.#keys.has(key);
  }

  hitsAny(entries: readonly StoreEntry[]): boolean {
    return this.#keys.size > 0 && entries.some(([key]) => this.#keys.has(SortedMap.keyOf(key)));
  }

  /** True when what was there could not be read. */
  overwritten(key: string): boolean {
    return this.#keys.size > 0 && this.#keys.delete(key);
  }

  /** What is under a key now can be read, or cannot. */
  put(key: string, isRotten: boolean): void {
    if (isRotten) this.#keys.add(key);
    else this.#keys.delete(key);
  }

  get isPresent(): boolean {
    return this.#log || this.#keys.size > 0;
  }

  get isInLog(): boolean {
    return this.#log;
  }

  equals(other: Rot): boolean {
    if (this.#log !== other.#log || this.#keys.size !== other.#keys.size) return false;
    return [...this.#keys].every((key) => other.#keys.has(key));
  }

  clone(): Rot {
    const copy = new Rot();
    copy.copyFrom(this);
    return copy;
  }

  copyFrom(other: Rot): void {
    this.clear();
    for (const key of other.#keys) this.#keys.add(key);
    this.#log = other.#log;
  }

  clear(): void {
    this.#keys.clear();
    this.#log = false;
  }
}
