/** Drives a rebuild on a MapStore: what a store does, at once. */
import { fromHex, toHex } from "../../src/crypto/bytes.ts";
import type { Result } from "../../src/errors.ts";
import type { StoreEntry, StoreRange } from "../../src/ledger/ports.ts";
import type { Rebuild, RebuildReport, RebuildRequest } from "../../src/ledger/rebuild.ts";
import type { MapStore } from "./execution-support.ts";

export const rangeOf = (store: MapStore, range: StoreRange): readonly StoreEntry[] => {
  // Hex digits sort as the bytes do.
  const [gte, lt] = [toHex(range.gte), toHex(range.lt)];
  const keys = [...store.rows.keys()].filter((key) => key >= gte && key < lt).sort();
  if (range.reverse === true) keys.reverse();
  return keys
    .slice(0, range.limit)
    .map((key): StoreEntry => [fromHex(key), store.rows.get(key) ?? new Uint8Array()]);
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
