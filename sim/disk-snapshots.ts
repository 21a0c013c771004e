/**
 * Snapshots of a simulated disk. The newest snapshot keeps what each row was before its first change since, and
 * an older one looks through those after it: to take one costs nothing, however much the disk holds, and to hold
 * one costs what is written over. A copy of all rows would cost the whole chain at every height.
 */
import type { StoreEntry, StoreRange } from "../src/ledger/ports.ts";
import { entriesWithin, SortedMap, type Stored } from "./sorted-map.ts";

export type DiskSnapshot = {
  /** By key: the value before; undefined where there was none. */
  readonly before: Map<string, Stored | undefined>;
  /** The taker, and each range that is being read. */
  holders: number;
};

type Rows = Pick<SortedMap, "get" | "range" | "names">;

export class DiskSnapshots {
  readonly #data: Rows;
  /** Oldest first. */
  #held: DiskSnapshot[] = [];

  constructor(data: Rows) {
    this.#data = data;
  }

  /** The disk as it is now, held once. */
  take(): DiskSnapshot {
    const snapshot: DiskSnapshot = { before: new Map(), holders: 1 };
    this.#held.push(snapshot);
    return snapshot;
  }

  /** Told before a row changes. */
  changing(name: string, value: Stored | undefined): void {
    const newest = this.#held[this.#held.length - 1];
    if (newest !== undefined && !newest.before.has(name)) newest.before.set(name, value);
  }

  /** One holder less; after the last the one before it takes over what it would have found here. */
  release(snapshot: DiskSnapshot): void {
    snapshot.holders -= 1;
    const at = snapshot.holders > 0 ? -1 : this.#held.indexOf(snapshot);
    if (at < 0) return;
    this.#held.splice(at, 1);
    const older = this.#held[at - 1]?.before;
    if (older === undefined) return;
    for (const [name, value] of snapshot.before) if (!older.has(name)) older.set(name, value);
  }

  /** The process that took them is gone. */
  clear(): void {
    this.#held = [];
  }

  get(snapshot: DiskSnapshot, name: string): Stored | undefined {
    for (const { before } of this.#from(snapshot)) if (before.has(name)) return before.get(name);
    return this.#data.get(name);
  }

  range(snapshot: DiskSnapshot, range: StoreRange): StoreEntry[] {
    const [gte, lt] = [SortedMap.keyOf(range.gte), SortedMap.keyOf(range.lt)];
    const changed = new Map<string, Stored | undefined>();
    // The oldest change is what the snapshot had.
    for (const { before } of this.#from(snapshot).reverse()) {
      for (const [name, value] of before) if (name >= gte && name < lt) changed.set(name, value);
    }
    if (changed.size === 0) return this.#data.range(range);
    const rows = this.#data
      .names({ ...range, limit: range.limit + changed.size })
      .filter((name) => !changed.has(name));
    for (const [name, value] of changed) if (value !== undefined) rows.push(name);
    rows.sort((a, b) => (a < b === (range.reverse === true) ? 1 : -1));
    return entriesWithin(rows.slice(0, range.limit), range.bytesMax, (name) =>
      changed.has(name) ? changed.get(name) : this.#data.get(name),
    );
  }

  /** The snapshot and all after it; none where it was cleared. */
  #from(snapshot: DiskSnapshot): DiskSnapshot[] {
    const at = this.#held.indexOf(snapshot);
    return at < 0 ? [] : this.#held.slice(at);
  }
}
