/** Drives a rebuild on a MapStore: what a store does, at once. */
import { compareBytes, fromHex } from "../../src/crypto/bytes.ts";
import type { Result } from "../../src/errors.ts";
import type { StoreEntry, StoreRange } from "../../src/ledger/ports.ts";
import type { Rebuild, RebuildReport, RebuildRequest } from "../../src/ledger/rebuild.ts";
import type { MapStore } from "./execution-support.ts";

export const rangeOf = (store: MapStore, range: StoreRange): readonly StoreEntry[] => {
  const entries = store
    .dump()
    .map(([key, value]): StoreEntry => [fromHex(key), fromHex(value)])
    .filter(([key]) => compareBytes(key, range.gte) >= 0 && compareBytes(key, range.lt) < 0);
  if (range.reverse === true) entries.reverse();
  return entries.slice(0, range.limit);
};

/** Runs to the end, or until `stop` says so before a request; then undefined. */
export const answer = (
  store: MapStore,
  rebuild: Rebuild,
  stop: (request: RebuildRequest) => boolean = () => false,
): Result<RebuildReport> | undefined => {
  let entries: readonly StoreEntry[] = [];
  for (;;) {
    const step = rebuild.next(entries);
    if (step.done === true) return step.value;
    if (stop(step.value)) return undefined;
    if (step.value.kind === "write") store.apply(step.value.ops);
    entries = step.value.kind === "range" ? rangeOf(store, step.value.range) : [];
  }
};
