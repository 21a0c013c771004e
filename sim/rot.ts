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

  /** The first of these rows, until so many bytes are gone. */
  spread(entries: Iterable<StoreEntry>, bytes: number): void {
    let left = bytes;
    for (const [key, value] of entries) {
      if (left <= 0) return;
      this.#keys.add(SortedMap.keyOf(key));
      left -= key.length + value.length;
    }
  }

  hits(key: string): boolean {
    return this.#keys.size > 0 && this.#keys.has(key);
  }

  hitsAny(entries: readonly StoreEntry[]): boolean {
    return this.#keys.size > 0 && entries.some(([key]) => this.#keys.has(SortedMap.keyOf(key)));
  }

  overwritten(key: string): void {
    if (this.#keys.size > 0) this.#keys.delete(key);
  }

  get isPresent(): boolean {
    return this.#log || this.#keys.size > 0;
  }

  get isInLog(): boolean {
    return this.#log;
  }

  clear(): void {
    this.#keys.clear();
    this.#log = false;
  }
}
