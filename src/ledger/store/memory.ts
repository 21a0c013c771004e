/**
 * The Store port in memory: for tests, for replaying a log without a disk, and as the model that the
 * contract suite compares other stores with. Nothing survives the process.
 */
import { compareBytes } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import type { Store, StoreEntry, StoreFailure, StoreOp, StoreRange } from "../ports.ts";
import { rowsWithin } from "./rows-within.ts";

/** A leaf is split when it grows over this: inserting moves at most this many references. */
const LEAF_ROWS_MAX = 512;

type Row = { readonly key: Uint8Array; value: Uint8Array };

const CLOSED: StoreFailure = { code: "closed", detail: "the store is closed" };

/**
 * Rows in key order, as a list of short sorted arrays: a lookup is two binary searches, an insertion
 * moves few references, and a range walks neighbours.
 */
class SortedRows {
  #leaves: Row[][] = [[]];

  /** The rows as they are now: later changes of one are not seen by the other. */
  clone(): SortedRows {
    const copy = new SortedRows();
    copy.#leaves = this.#leaves.map((leaf) => leaf.map((row) => ({ ...row })));
    return copy;
  }

  /** Index of the last leaf whose first key is not above `key`; 0 when there is none. */
  #leafOf(key: Uint8Array): number {
    let low = 0;
    let high = this.#leaves.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      const first = this.#leaves[middle]?.[0];
      if (first !== undefined && compareBytes(first.key, key) <= 0) low = middle;
      else high = middle;
    }
    return low;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const leaf = this.#leaves[this.#leafOf(key)] ?? [];
    const row = leaf[lowerBound(leaf, key)];
    return row !== undefined && compareBytes(row.key, key) === 0 ? row.value : undefined;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    const at = this.#leafOf(key);
    const leaf = this.#leaves[at] ?? [];
    const index = lowerBound(leaf, key);
    const row = leaf[index];
    if (row !== undefined && compareBytes(row.key, key) === 0) {
      row.value = value;
      return;
    }
    leaf.splice(index, 0, { key, value });
    if (leaf.length > LEAF_ROWS_MAX) {
      this.#leaves.splice(at + 1, 0, leaf.splice(LEAF_ROWS_MAX >>> 1));
    }
  }

  delete(key: Uint8Array): void {
    const at = this.#leafOf(key);
    const leaf = this.#leaves[at] ?? [];
    const index = lowerBound(leaf, key);
    const row = leaf[index];
    if (row === undefined || compareBytes(row.key, key) !== 0) return;
    leaf.splice(index, 1);
    // An empty leaf would have no first key to search by.
    if (leaf.length === 0 && this.#leaves.length > 1) this.#leaves.splice(at, 1);
  }

  *ascending(gte: Uint8Array): Generator<Row> {
    const start = this.#leafOf(gte);
    for (let at = start; at < this.#leaves.length; at++) {
      const leaf = this.#leaves[at] ?? [];
      const from = at === start ? lowerBound(leaf, gte) : 0;
      for (let i = from; i < leaf.length; i++) {
        const row = leaf[i];
        if (row !== undefined) yield row;
      }
    }
  }

  *descending(lt: Uint8Array): Generator<Row> {
    const start = this.#leafOf(lt);
    for (let at = start; at >= 0; at--) {
      const leaf = this.#leaves[at] ?? [];
      const from = at === start ? lowerBound(leaf, lt) : leaf.length;
      for (let i = from - 1; i >= 0; i--) {
        const row = leaf[i];
        if (row !== undefined) yield row;
      }
    }
  }
}

/** Index of the first row whose key is not below `key`. */
function lowerBound(rows: readonly Row[], key: Uint8Array): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const row = rows[middle];
    if (row !== undefined && compareBytes(row.key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function entriesIn(rows: SortedRows, { gte, lt, limit, reverse }: StoreRange): StoreEntry[] {
  const found: StoreEntry[] = [];
  for (const row of reverse === true ? rows.descending(lt) : rows.ascending(gte)) {
    const inside =
      reverse === true ? compareBytes(row.key, gte) >= 0 : compareBytes(row.key, lt) < 0;
    if (!inside || found.length >= limit) break;
    found.push([new Uint8Array(row.key), new Uint8Array(row.value)]);
  }
  return found;
}

/**
 * An empty store. Bytes are copied on their way in and out, so that no caller can change a stored row
 * by writing to an array it still holds. Writes take effect at once; callbacks run as microtasks.
 */
export const createMemoryStore = (): Store => {
  const store = new SortedRows();
  let closed = false;

  const apply = (ops: readonly StoreOp[]): void => {
    for (const op of ops) {
      if (op.type === "put") store.put(new Uint8Array(op.key), new Uint8Array(op.value));
      else store.delete(op.key);
    }
  };

  const readsOf = (rows: SortedRows): Pick<Store, "get" | "range"> => ({
    get: (key) => {
      if (closed) throw new TetradError("store.io", CLOSED.detail);
      const value = rows.get(key);
      return value === undefined ? undefined : new Uint8Array(value);
    },
    range: (range, done) => {
      const failure = closed ? CLOSED : undefined;
      const inRange = closed ? [] : entriesIn(rows, range);
      const found = inRange.slice(0, rowsWithin(inRange, range.bytesMax));
      queueMicrotask(() => done(failure, found));
    },
  });

  return {
    ...readsOf(store),
    // A copy of all rows: for stores that fit in memory, and for few snapshots.
    snapshot: () => ({ ...readsOf(store.clone()), isGone: () => false, release: () => undefined }),
    write: (ops, _options, done) => {
      const failure = closed ? CLOSED : undefined;
      if (failure === undefined) apply(ops);
      queueMicrotask(() => done(failure));
    },
    close: (done) => {
      closed = true;
      queueMicrotask(done);
    },
  };
};
