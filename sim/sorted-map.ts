/**
 * An ordered map of byte strings. Keys are held as strings with one character a byte, whose order is the
 * order of the bytes; new keys usually come at the end, where insertion is cheap.
 */
import type { StoreEntry, StoreRange } from "../src/ledger/ports.ts";

export class SortedMap {
  readonly #entries = new Map<string, StoreEntry>();
  #keys: string[] = [];

  static keyOf(bytes: Uint8Array): string {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  }

  get size(): number {
    return this.#keys.length;
  }

  get(key: string): StoreEntry | undefined {
    return this.#entries.get(key);
  }

  set(key: string, entry: StoreEntry): void {
    if (!this.#entries.has(key)) {
      const last = this.#keys[this.#keys.length - 1];
      if (last === undefined || key > last) this.#keys.push(key);
      else this.#keys.splice(this.#lowerBound(key), 0, key);
    }
    this.#entries.set(key, entry);
  }

  delete(key: string): void {
    if (this.#entries.delete(key)) this.#keys.splice(this.#lowerBound(key), 1);
  }

  clear(): void {
    this.#entries.clear();
    this.#keys = [];
  }

  #lowerBound(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const at = this.#keys[middle];
      if (at !== undefined && at < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  range(range: StoreRange): StoreEntry[] {
    const from = this.#lowerBound(SortedMap.keyOf(range.gte));
    const to = this.#lowerBound(SortedMap.keyOf(range.lt));
    const out: StoreEntry[] = [];
    const step = range.reverse === true ? -1 : 1;
    for (let i = step > 0 ? from : to - 1; i >= from && i < to; i += step) {
      if (out.length >= range.limit) break;
      const entry = this.#entries.get(this.#keys[i] ?? "");
      if (entry !== undefined) out.push(entry);
    }
    return out;
  }

  all(): StoreEntry[] {
    return this.#keys.map((key) => this.#entries.get(key)).filter((entry) => entry !== undefined);
  }

  weigh(): number {
    let bytes = 0;
    for (const [key, value] of this.all()) bytes += key.length + value.length;
    return bytes;
  }

  clone(): SortedMap {
    const copy = new SortedMap();
    copy.copyFrom(this);
    return copy;
  }

  copyFrom(other: SortedMap): void {
    this.clear();
    this.#keys = [...other.#keys];
    for (const key of this.#keys) {
      const entry = other.#entries.get(key);
      if (entry !== undefined) this.#entries.set(key, entry);
    }
  }
}
