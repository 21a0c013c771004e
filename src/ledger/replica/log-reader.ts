/**
 * Pages of the log for the API: entries put together from the records of execution and the batches that
 * append stored (log-batch.ts). A batch is read and checked once for all of its events in a page, of which
 * those of the page are decoded, and the newest batches are kept: a page seldom ends where a batch does, and
 * all who follow the log ask for the same end of it.
 */
import { toHex } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { fail, ok, type Result, TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { firstIndexOf, logBatchKey } from "../keys.ts";
import {
  addStoredEntries,
  corruptEntry,
  type LogBatch,
  openLogBatch,
  readStoredBatchOf,
} from "../log-batch.ts";
import type { Store, StoreEntry, StoreRange } from "../ports.ts";
import type { StoredBatch } from "../stored-batch.ts";
import type { LogEntry } from "../types.ts";
import { storeFailure } from "./committer.ts";

/** As many bytes of batches as the newest block may have. */
const KEPT_BYTES_MAX = LIMITS.blockBytesMax;

type Page = Result<readonly LogEntry[]>;

const attempt = <T>(step: () => T): Result<T> => {
  try {
    return ok(step());
  } catch (error) {
    if (error instanceof TetradError) return fail(error.code, error.message, error.data);
    throw error;
  }
};

export class LogReader {
  readonly #hasher: Hasher;
  readonly #store: Pick<Store, "get" | "range">;
  /** By digest in hex, the one used last at the end. */
  readonly #kept = new Map<string, StoredBatch>();
  #keptBytes = 0;

  constructor(hasher: Hasher, store: Pick<Store, "get" | "range">) {
    this.#hasher = hasher;
    this.#store = store;
  }

  /**
   * The entries from..to, all of which must be executed. Codes: store.corrupt with the index, or the
   * disk's. Reads the batches of these entries and no others.
   */
  page(from: number, to: number, done: (page: Page) => void): void {
    if (from >= to) return done(ok([]));
    const entries: LogEntry[] = [];
    const holds = { gte: logBatchKey(0), lt: logBatchKey(from + 1), limit: 1, reverse: true };
    this.#step(
      holds,
      (rows) => this.#add(rows, from, to, entries),
      done,
      (next) => {
        if (next >= to) return done(ok(entries));
        // Each record holds an event at least, so this many reach to the end.
        const rest = { gte: logBatchKey(next), lt: logBatchKey(to), limit: to - next };
        const add = (rows: readonly StoreEntry[]): number => {
          const end = this.#add(rows, next, to, entries);
          if (end < to) throw corruptEntry(end, "is missing");
          return end;
        };
        this.#step(rest, add, done, () => done(ok(entries)));
      },
    );
  }

  /** Where an executed entry is: the record and the batch that hold it. Codes as those of `page`. */
  find(
    index: number,
    done: (found: Result<{ readonly record: LogBatch; readonly batch: StoredBatch }>) => void,
  ): void {
    const holds = { gte: logBatchKey(0), lt: logBatchKey(index + 1), limit: 1, reverse: true };
    this.#store.range(holds, (failure, [row]) => {
      if (failure !== undefined) return done(storeFailure(failure, "events"));
      const found = attempt(() => {
        const firstIndex = row === undefined ? undefined : firstIndexOf(row[0]);
        if (row === undefined || firstIndex === undefined) throw corruptEntry(index, "is missing");
        const record = openLogBatch(firstIndex, row[1]);
        if (index >= firstIndex + record.count) throw corruptEntry(index, "is missing");
        return { record, batch: this.#batchOf(record) };
      });
      done(found);
    });
  }

  #step(
    range: StoreRange,
    take: (rows: readonly StoreEntry[]) => number,
    done: (page: Page) => void,
    then: (next: number) => void,
  ): void {
    this.#store.range(range, (failure, rows) => {
      if (failure !== undefined) return done(storeFailure(failure, "events"));
      const taken = attempt(() => take(rows));
      if (taken.ok) then(taken.value);
      else done(taken);
    });
  }

  /** Adds the entries of neighbouring records, from `from` on and below `to`; where they end. */
  #add(rows: readonly StoreEntry[], from: number, to: number, out: LogEntry[]): number {
    let next = from;
    for (const [key, bytes] of rows) {
      const firstIndex = firstIndexOf(key);
      if (firstIndex === undefined) throw corruptEntry(next, "has a key that none can have");
      const record = openLogBatch(firstIndex, bytes);
      const end = firstIndex + record.count;
      if (firstIndex > next || end <= next) break;
      const count = Math.min(end, to) - next;
      addStoredEntries(record, this.#batchOf(record), next, count, out);
      next += count;
    }
    if (next === from) throw corruptEntry(from, "is missing");
    return next;
  }

  #batchOf(record: LogBatch): StoredBatch {
    const key = toHex(record.digest);
    const known = this.#kept.get(key);
    const batch = known ?? readStoredBatchOf((at) => this.#store.get(at), this.#hasher, record);
    this.#kept.delete(key);
    this.#kept.set(key, batch);
    if (known !== undefined) return batch;
    this.#keptBytes += batch.bytes.length;
    for (const [oldest, { bytes }] of this.#kept) {
      if (this.#keptBytes <= KEPT_BYTES_MAX) break;
      this.#kept.delete(oldest);
      this.#keptBytes -= bytes.length;
    }
    return batch;
  }
}
