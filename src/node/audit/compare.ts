/** Walks two stores in key order, page by page, and says where they differ. */
import { compareBytes, equalBytes } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import type { RowDifference } from "../../ledger/audit/stored.ts";
import { type KeyArea, type KeyRange, rangeOfArea } from "../../ledger/keys.ts";
import type { Store, StoreEntry } from "../../ledger/ports.ts";

const PAGE = 512;
/** Rows of batches may have a MiB each, and two stores are read beside each other. */
const PAGE_BYTES = 2 * 1024 * 1024;

type Reading = Pick<Store, "range">;

/** Throws TetradError store.corrupt where a row fails its checksum, store.io. */
export const readRange = (
  store: Reading,
  range: KeyRange & { readonly limit?: number; readonly reverse?: boolean },
): Promise<readonly StoreEntry[]> =>
  new Promise((resolve, reject) => {
    const page = { ...range, limit: range.limit ?? PAGE, bytesMax: PAGE_BYTES };
    store.range(page, (failure, entries) => {
      if (failure === undefined) return resolve(entries);
      const code = failure.code === "corrupt" ? "store.corrupt" : "store.io";
      reject(new TetradError(code, failure.detail));
    });
  });

/** All rows of a range, in order. */
export async function* rowsOf(store: Reading, range: KeyRange): AsyncGenerator<StoreEntry> {
  let { gte } = range;
  for (;;) {
    const page = await readRange(store, { gte, lt: range.lt });
    yield* page;
    const last = page.at(-1)?.[0];
    // A page is short where its rows are large; only an empty one is the end.
    if (last === undefined) return;
    // The key after the last one is the same with a zero byte more.
    gte = new Uint8Array(last.length + 1);
    gte.set(last);
  }
}

/** The rows of an area that are not the same in both stores, in key order. */
export async function* differences(
  stored: Reading,
  expected: Reading,
  area: KeyArea,
): AsyncGenerator<RowDifference> {
  const range = rangeOfArea(area);
  const left = rowsOf(stored, range);
  const right = rowsOf(expected, range);
  let a = await left.next();
  let b = await right.next();
  while (a.done !== true || b.done !== true) {
    const order = a.done === true ? 1 : b.done === true ? -1 : compareBytes(a.value[0], b.value[0]);
    if (order < 0 && a.done !== true) {
      const [key, value] = a.value;
      yield { area, key, stored: value, expected: undefined };
    } else if (order > 0 && b.done !== true) {
      const [key, value] = b.value;
      yield { area, key, stored: undefined, expected: value };
    } else if (a.done !== true && b.done !== true && !equalBytes(a.value[1], b.value[1])) {
      yield { area, key: a.value[0], stored: a.value[1], expected: b.value[1] };
    }
    if (order <= 0) a = await left.next();
    if (order >= 0) b = await right.next();
  }
}

/** The gaps between areas: no row may be there. */
export const gapsBetween = (areas: readonly KeyArea[]): KeyRange[] => {
  const ranges = areas.map(rangeOfArea).sort((a, b) => compareBytes(a.gte, b.gte));
  const gaps: KeyRange[] = [];
  let gte: Uint8Array = Uint8Array.of(0);
  for (const range of ranges) {
    gaps.push({ gte, lt: range.gte });
    gte = range.lt;
  }
  gaps.push({ gte, lt: new Uint8Array(600).fill(0xff) });
  return gaps;
};
