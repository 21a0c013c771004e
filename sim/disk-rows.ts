/**
 * The rows of a simulated disk: in memory, and on file where they are too many and have not been touched for long
 * (`row-memory.ts`). On file they lie in runs, of which a newer one goes before an older, and memory before all.
 */
import type { StoreEntry, StoreRange } from "../src/ledger/ports.ts";
import { bytesOfRow, type ColdRow, type ColdRun, GONE, hashOf } from "./cold-run.ts";
import { type Cursor, memoryCursor, merged, runCursor } from "./row-cursors.ts";
import type { RowMemory } from "./row-memory.ts";
import { lengthOf, SortedMap, type Stored, wholeOf } from "./sorted-map.ts";

/** What an entry takes beside key and value: its places in the map and in the order. */
const ENTRY_BYTES = 64;
/** What V8 takes for an array of bytes beside what is in it. */
const ARRAY_BYTES = 200;
/** Runs are merged with the next older one while that is at most so many times as large: there are few then. */
const MERGE_RATIO = 2;

const costOf = (name: string, value: Stored | undefined): number =>
  value === undefined ? 0 : ENTRY_BYTES + ARRAY_BYTES + name.length + lengthOf(value);

export class DiskRows {
  readonly #memory: RowMemory;
  readonly #hot = new SortedMap();
  /** Of the rows in memory. */
  #cost = 0;
  /** Newest first. */
  #runs: ColdRun[] = [];
  /** Since the first were put on file: rows in all, keys used since the last were, keys that lie there as here. */
  #cold: { rows: number; touched: Set<string>; clean: Set<string> } | undefined;

  constructor(memory: RowMemory) {
    this.#memory = memory;
    memory.join(this);
  }

  get size(): number {
    return this.#cold?.rows ?? this.#hot.size;
  }

  /** Runs on file, of which a read may have to look at each. */
  get runs(): number {
    return this.#runs.length;
  }

  /** The value of a key, which is in memory from then on. Nobody writes into it. */
  get(name: string): Stored | undefined {
    const found = this.#hot.get(name);
    const cold = this.#cold;
    if (cold === undefined) return found;
    if (found !== undefined) {
      cold.touched.add(name);
      return found === GONE ? undefined : found;
    }
    const value = this.#find(name);
    if (value === undefined || value === GONE) return undefined;
    this.#hot.set(name, value);
    cold.clean.add(name);
    cold.touched.add(name);
    this.#grew(costOf(name, value));
    return value;
  }

  /** In the runs. */
  #find(name: string): Stored | undefined {
    const hash = hashOf(name);
    for (const run of this.#runs) {
      const value = run.mayHave(hash) ? run.find(name) : undefined;
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** Writes a row, or deletes it; `old` is what `get` has given for it. */
  put(name: string, old: Stored | undefined, value: Stored | undefined): void {
    const cold = this.#cold;
    if (cold === undefined) {
      if (value === undefined) this.#hot.delete(name);
      else this.#hot.set(name, value);
      this.#grew(costOf(name, value) - costOf(name, old));
      return;
    }
    cold.rows += (value === undefined ? 0 : 1) - (old === undefined ? 0 : 1);
    const before = this.#hot.get(name);
    const now = value ?? this.#goneOf(name);
    if (now === undefined) this.#hot.delete(name);
    else this.#hot.set(name, now);
    cold.clean.delete(name);
    cold.touched.add(name);
    this.#grew(costOf(name, now) - costOf(name, before));
  }

  /** What stands for a deleted row: nothing where no run has its key. */
  #goneOf(name: string): Stored | undefined {
    const hash = hashOf(name);
    return this.#runs.some((run) => run.mayHave(hash)) ? GONE : undefined;
  }

  #grew(cost: number): void {
    this.#cost += cost;
    this.#memory.grew(cost);
  }

  clear(): void {
    for (const run of this.#runs) run.release();
    this.#runs = [];
    this.#cold = undefined;
    this.#hot.clear();
    this.#grew(-this.#cost);
  }

  /** Nobody will ask for it again. */
  dispose(): void {
    this.clear();
    this.#memory.leave(this);
  }

  range(range: StoreRange): StoreEntry[] {
    if (this.#cold === undefined) return this.#hot.range(range);
    const out: StoreEntry[] = [];
    let bytes = 0;
    for (const { name, value } of this.#within(range)) {
      if (out.length >= range.limit) break;
      const whole = wholeOf(value());
      bytes += name.length + whole.length;
      if (bytes > (range.bytesMax ?? Number.POSITIVE_INFINITY) && out.length > 0) break;
      out.push([SortedMap.bytesOf(name), whole]);
    }
    return out;
  }

  /** The keys of a range, in its order, whatever their rows weigh. */
  names(range: StoreRange): string[] {
    if (this.#cold === undefined) return this.#hot.names(range);
    const out: string[] = [];
    for (const { name } of this.#within(range)) {
      if (out.length >= range.limit) break;
      out.push(name);
    }
    return out;
  }

  *#within(range: StoreRange): Generator<Cursor> {
    const [gte, lt] = [SortedMap.keyOf(range.gte), SortedMap.keyOf(range.lt)];
    const back = range.reverse === true;
    for (const row of this.#rows(back ? lt : gte, back)) {
      if (row.name < gte || row.name >= lt) return;
      yield row;
    }
  }

  /** Rows from a key on, or below it with the greatest first. Nothing may be written meanwhile. */
  #rows(from: string, back = false): Generator<Cursor> {
    const runs = this.#runs.map((run) => runCursor(run, from, back));
    return merged([memoryCursor(this.#hot, from, back), ...runs], back, false);
  }

  /** Entries in key order from the n-th on. Nothing may be written meanwhile. */
  *entriesFrom(n: number): Generator<StoreEntry> {
    let at = 0;
    for (const { name, value } of this.#rows("")) {
      if (at >= n) yield [SortedMap.bytesOf(name), wholeOf(value())];
      at += 1;
    }
  }

  /** Whether another has the same rows. Nothing may be written meanwhile. */
  equals(other: DiskRows): boolean {
    if (this.size !== other.size) return false;
    const others = other.#rows("");
    for (const { name, value } of this.#rows("")) {
      const one = others.next();
      if (one.done === true || one.value.name !== name) return false;
      if (Buffer.compare(wholeOf(value()), wholeOf(one.value.value())) !== 0) return false;
    }
    return true;
  }

  clone(): DiskRows {
    const copy = new DiskRows(this.#memory);
    copy.copyFrom(this);
    return copy;
  }

  copyFrom(other: DiskRows): void {
    this.clear();
    this.#hot.copyFrom(other.#hot);
    this.#runs = other.#runs.map((run) => run.hold());
    const cold = other.#cold;
    if (cold !== undefined) {
      const { rows, touched, clean } = cold;
      this.#cold = { rows, touched: new Set(touched), clean: new Set(clean) };
    }
    this.#grew(other.#cost);
  }

  /** Called by the memory: bytes of what is here, without arrays in `seen`, which then has these too. */
  weigh(seen: Set<Uint8Array>): number {
    let bytes = 0;
    for (const name of this.#hot.ascending("")) {
      const value = this.#hot.get(name) as Stored;
      bytes += ENTRY_BYTES;
      let isNew = false;
      for (const array of value instanceof Uint8Array ? [value] : value) {
        if (seen.has(array)) continue;
        seen.add(array);
        bytes += ARRAY_BYTES + array.length;
        isNew = true;
      }
      // A row that others hold as well has its key from them.
      if (isNew) bytes += name.length;
    }
    return bytes;
  }

  /** Called by the memory: puts on file what was not touched since the last time, or everything. */
  spill(everything: boolean): void {
    const kept = everything ? new Set<string>() : (this.#cold?.touched ?? new Set<string>());
    const rows: ColdRow[] = [];
    const gone: string[] = [];
    let [cost, bytes] = [0, 0];
    for (const name of this.#hot.ascending("")) {
      if (kept.has(name)) continue;
      const value = this.#hot.get(name) as Stored;
      gone.push(name);
      cost += costOf(name, value);
      if (this.#cold?.clean.has(name) === true) continue;
      const row = [name, value] as const;
      rows.push(row);
      bytes += bytesOfRow(row);
    }
    if (rows.length > 0) this.#runs.unshift(this.#memory.write(rows, { rows: rows.length, bytes }));
    this.#cold ??= { rows: this.#hot.size, touched: new Set(), clean: new Set() };
    this.#hot.remove(gone);
    for (const name of gone) this.#cold.clean.delete(name);
    this.#cold.touched = new Set();
    this.#grew(-cost);
    if (rows.length > 0) this.#merge();
  }

  #merge(): void {
    let count = 1;
    let bytes = this.#runs[0]?.bytes ?? 0;
    for (const older of this.#runs.slice(1)) {
      if (older.bytes > MERGE_RATIO * bytes) break;
      bytes += older.bytes;
      count += 1;
    }
    if (count < 2) return;
    const parts = this.#runs.slice(0, count);
    const rows = parts.reduce((sum, run) => sum + run.rows, 0);
    // Nothing older is left that a deletion would have to hide.
    const all = merged(
      parts.map((run) => runCursor(run, "", false, false)),
      false,
      count < this.#runs.length,
    );
    const run = this.#memory.write(rowsOf(all), { rows, bytes });
    this.#runs.splice(0, count, ...(run.rows > 0 ? [run] : []));
    for (const part of parts) part.release();
    if (run.rows === 0) run.release();
  }
}

function* rowsOf(cursors: Iterable<Cursor>): Generator<ColdRow> {
  for (const { name, value } of cursors) yield [name, value()];
}
