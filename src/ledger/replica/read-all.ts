/** Reading a whole range of a store, page by page: one read never has to guess how much there is. */
import { type Failure, fail } from "../../errors.ts";
import type { KeyRange } from "../keys.ts";
import type { Store, StoreEntry } from "../ports.ts";
import { storeFailure } from "./committer.ts";

const PAGE = 512;

type Done = (failure: Failure | undefined, entries: readonly StoreEntry[]) => void;

const readPage = (
  store: Store,
  range: KeyRange,
  { max, read }: { readonly max: number; readonly read: StoreEntry[] },
  done: Done,
): void => {
  store.range({ ...range, limit: PAGE }, (failure, entries) => {
    if (failure !== undefined) return done(storeFailure(failure, "range"), []);
    for (const [key, value] of entries) read.push([key.slice(), value.slice()]);
    if (read.length > max) {
      const detail = `more than ${max} rows where a start reads them all: nothing is left out silently`;
      return done(fail("store.corrupt", detail, { max }), []);
    }
    const last = entries.at(-1)?.[0];
    if (last === undefined || entries.length < PAGE) return done(undefined, read);
    // The key after the last one is the same with a zero byte more.
    const next = new Uint8Array(last.length + 1);
    next.set(last);
    readPage(store, { gte: next, lt: range.lt }, { max, read }, done);
  });
};

/** All rows of a range, or a failure where they are more than `max`. */
export const readAll = (store: Store, range: KeyRange, max: number, done: Done): void =>
  readPage(store, range, { max, read: [] }, done);
