/** Reading a whole range of a store, page by page: one read never has to guess how much there is. */
import type { Failure } from "../../errors.ts";
import type { KeyRange } from "../keys.ts";
import type { Store, StoreEntry } from "../ports.ts";
import { storeFailure } from "./committer.ts";

const PAGE = 512;

const readPage = (
  store: Store,
  range: KeyRange,
  read: StoreEntry[],
  done: (failure: Failure | undefined, entries: readonly StoreEntry[]) => void,
): void => {
  store.range({ ...range, limit: PAGE }, (failure, entries) => {
    if (failure !== undefined) return done(storeFailure(failure, "range"), []);
    for (const [key, value] of entries) read.push([key.slice(), value.slice()]);
    const last = entries.at(-1)?.[0];
    if (last === undefined || entries.length < PAGE) return done(undefined, read);
    // The key after the last one is the same with a zero byte more.
    const next = new Uint8Array(last.length + 1);
    next.set(last);
    readPage(store, { gte: next, lt: range.lt }, read, done);
  });
};

export const readAll = (
  store: Store,
  range: KeyRange,
  done: (failure: Failure | undefined, entries: readonly StoreEntry[]) => void,
): void => readPage(store, range, [], done);
