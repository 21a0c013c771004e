/** Rows of a projection in key order, from the store as it is or from a state that is held. */
import { concatBytes } from "../../crypto/bytes.ts";
import { ok } from "../../errors.ts";
import type { LedgerHandle } from "../handle.ts";
import { rangeOfPrefix, rowPrefix } from "../keys.ts";
import type { Store } from "../ports.ts";
import { decodeRow } from "../row.ts";
import { storeFailure } from "./committer.ts";

export const readRowsOf = (
  source: Pick<Store, "range">,
  ...[projection, options, done]: Parameters<LedgerHandle["rows"]>
): void => {
  const base = rowPrefix(projection);
  const prefix = options.prefix === undefined ? base : concatBytes(base, options.prefix);
  const bounds = rangeOfPrefix(prefix);
  // The smallest key above `after` is `after` with a zero byte behind it.
  const gte =
    options.after === undefined ? bounds.gte : concatBytes(base, options.after, Uint8Array.of(0));
  const range = { gte, lt: bounds.lt, limit: options.limit };
  source.range(range, (failure, entries) => {
    if (failure !== undefined) return done(storeFailure(failure, projection));
    const rows = entries.map(([key, value]) => ({
      key: key.slice(base.length),
      value: decodeRow(value).value,
    }));
    done(ok(rows));
  });
};
