/** Where a page of rows ends that is bounded by bytes: the same for every store. */
import type { StoreEntry } from "../ports.ts";

/** How many of some rows a range with `bytesMax` gives, beginning with the first. */
export const rowsWithin = (
  rows: readonly StoreEntry[],
  bytesMax = Number.POSITIVE_INFINITY,
): number => {
  let bytes = 0;
  for (const [at, [key, value]] of rows.entries()) {
    bytes += key.length + value.length;
    if (bytes > bytesMax && at > 0) return at;
  }
  return rows.length;
};
