/**
 * I26: the set of every epoch is the one that follows from the log. The oracle folds the events and the missed
 * turns itself (stake-fold.ts), works out who has which power, and compares the hash of that with the one that
 * each boundary block states, and with the rows of `stake`. It also keeps the sets for all other checkers.
 */
import { Cursor, hex } from "./oracle.ts";
import { setsOf } from "./sets.ts";
import { type Power, type StakeFold, totalOf, u64At } from "./stake-fold.ts";
import type { CheckContext, Checker, Dump } from "./types.ts";

/** Rows of the sets of epochs, and of who is in jail because it was down. */
const EPOCH_TAG = 7;
const DOWN_TAG = 9;

/** What is wrong with the row of an epoch: u64 decided, u8 degraded, u64 stake, u64 total, list of id and power. */
const rowFault = (fold: StakeFold, key: Uint8Array, value: Uint8Array): string | undefined => {
  const epoch = new Cursor(key, 1).u64();
  const wanted = fold.sets.get(epoch);
  if (wanted === undefined) return `the row of epoch ${epoch} is of no epoch that was decided`;
  const cursor = new Cursor(value, 8);
  const degraded = cursor.u8() === 1;
  const [stake, total] = [u64At(cursor), u64At(cursor)];
  const powers: Power[] = [];
  for (let left = cursor.u32(); left > 0 && cursor.ok; left--) {
    powers.push({ id: hex(cursor.take(32)), power: u64At(cursor) });
  }
  const same =
    degraded === wanted.degraded &&
    stake === wanted.stake &&
    total === totalOf(wanted.powers) &&
    powers.length === wanted.powers.length &&
    powers.every(({ id, power }, i) => {
      const other = wanted.powers[i];
      return other?.id === id && other.power === power;
    });
  return same
    ? undefined
    : `the row of epoch ${epoch} has another stake or other powers than the log gives`;
};

const faultOf = (fold: StakeFold, { rows }: Dump): string | undefined => {
  for (const { key, value } of rows.get("stake") ?? []) {
    if (key[0] === EPOCH_TAG) {
      const fault = rowFault(fold, key, value);
      if (fault !== undefined) return fault;
    }
    if (key[0] !== DOWN_TAG) continue;
    const cursor = new Cursor(value);
    const ids = Array.from({ length: cursor.u32() }, () => hex(cursor.take(32)));
    // Whoever came back is in the row until the epoch ends.
    const missing = [...fold.down].find((id) => !ids.includes(id));
    if (missing !== undefined) return `${missing.slice(0, 16)} is down, and no row says so`;
  }
  return undefined;
};

export const powersFollow = (context: CheckContext): Checker => {
  const sets = setsOf(context);
  const { fold } = sets;
  const base = { id: "I26", title: "the set of an epoch is the one that follows from the log" };
  if (fold === undefined) return base;
  return {
    ...base,
    durable: (slot, disk, puts) => sets.note(slot, disk, puts),
    end: (dumps) => {
      for (const dump of dumps) {
        if (!context.honest(dump.slot)) continue;
        context.mark("powers compared");
        const fault = faultOf(fold, dump);
        if (fault !== undefined) return context.report("I26", `n${dump.slot}: ${fault}`);
      }
    },
  };
};
