/** Walks through rows of one disk that lie in several places, in key order, with the newest of each key. */
import { type ColdRun, GONE, ownCopy } from "./cold-run.ts";
import { lowerBound, type SortedMap, type Stored } from "./sorted-map.ts";

/** At a row; `value` may be called until the walk goes on. */
export type Cursor = {
  readonly name: string;
  readonly isGone: boolean;
  readonly value: () => Stored;
};

const cursorAt = (name: string, value: Stored): Cursor => ({
  name,
  isGone: value === GONE,
  value: () => ownCopy(value),
});

/** Goes from row to row; undefined after the last. */
export type Walk = { at: Cursor | undefined; next(): void };

export const memoryCursor = (rows: SortedMap, from: string, back: boolean): Walk => {
  const names = back ? rows.descending(from) : rows.ascending(from);
  const walk: Walk = {
    at: undefined,
    next: () => {
      const name = names.next();
      if (name.done === true) walk.at = undefined;
      else {
        const value = rows.get(name.value) as Stored;
        walk.at = { name: name.value, isGone: value === GONE, value: () => value };
      }
    },
  };
  walk.next();
  return walk;
};

/** From a key on, or below it; `keep`: whether blocks are likely to be read again soon. */
export const runCursor = (run: ColdRun, from: string, back: boolean, keep = true): Walk => {
  let block = Math.max(0, run.blockOf(from));
  let rows = run.blocks === 0 ? undefined : run.block(block, keep);
  let i = rows === undefined ? 0 : lowerBound(rows.names, from);
  // Below the key, or at it: from there the first step goes.
  i -= 1;
  const walk: Walk = {
    at: undefined,
    next: () => {
      i += back ? 0 : 1;
      while (rows !== undefined && (i < 0 || i >= rows.names.length)) {
        block += back ? -1 : 1;
        rows = block < 0 || block >= run.blocks ? undefined : run.block(block, keep);
        i = back ? (rows?.names.length ?? 0) - 1 : 0;
      }
      const [name, value] = [rows?.names[i], rows?.values[i]];
      walk.at = name === undefined || value === undefined ? undefined : cursorAt(name, value);
      if (back) i -= 1;
    },
  };
  walk.next();
  return walk;
};

/** Of rows of one key the one of the first walk that has it; of deleted ones nothing, or what stands for them. */
export function* merged(
  walks: readonly Walk[],
  back: boolean,
  withGone: boolean,
): Generator<Cursor> {
  for (;;) {
    let best: Cursor | undefined;
    for (const { at } of walks) {
      if (at === undefined || best?.name === at.name) continue;
      if (best === undefined || at.name < best.name !== back) best = at;
    }
    if (best === undefined) return;
    if (withGone || !best.isGone) yield best;
    for (const walk of walks) if (walk.at?.name === best.name) walk.next();
  }
}
