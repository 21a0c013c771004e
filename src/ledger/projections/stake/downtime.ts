/**
 * Who does not do its turns. Votes are not on the chain, but turns to lead are: the header of a block says in
 * which view it was proposed and in which one its parent was notarized, and the leaders of the views between
 * brought nothing that a quorum would build on. Views in which an old block was proposed again count for
 * nobody: what came of them is in no header.
 *
 * At the end of an epoch everybody's turns are added up; who was asked `windowBlocks` times or more, and missed
 * more of them than `votedBpsMin` allows, is down, and its account begins anew. Whoever is down is jailed as if
 * by an event of the boundary block, so it is in no set that is decided later, and loses no stake: a partition,
 * or a third of the power together with a slow link, can make an honest leader's views be skipped.
 *
 * For the same reason nobody is jailed where those who are down hold more than a quarter together, of the powers
 * of the next set but one or of the stake (there with those who are in jail for it already): then it is the
 * network that is down, or somebody who makes it look so, and a set must not lose more than the floor rule bears.
 */
import { compareBytes, equalBytes, toHex } from "../../../crypto/bytes.ts";
import type { Hasher } from "../../../crypto/hash.ts";
import { LIMITS } from "../../../limits.ts";
import { isDown, standingAfter } from "../../../proofs/stake/slashing.ts";
import type { ProjectionTx } from "../../projection.ts";
import type { PassedViews } from "../../runner.ts";
import type { Hash } from "../../types.ts";
import { createLeaderSchedule, type LeaderSchedule } from "../../validator-set.ts";
import { mayHoldPower } from "./next-set.ts";
import {
  candidatesRow,
  downRow,
  epochRow,
  find,
  KEYS,
  need,
  parametersOf,
  putStanding,
  type Standing,
  standingRow,
  sumOf,
  type Turns,
  turnsRow,
} from "./rows.ts";

/** Those who are down hold at most this part of the whole, or nobody is jailed: one in so many. */
const DOWN_PART = 4n;

/** The schedule of leaders of an epoch. `row` is that of its set. */
export type ScheduleOf = (epoch: number, seed: Hash, row: Uint8Array) => LeaderSchedule;

/**
 * Keeps the schedule that was asked for last: a pure function of what it is given. `genesisHash` is of a chain
 * without a beacon, whose leaders are drawn from it; else undefined.
 */
export const createScheduleOf = (hasher: Hasher, genesisHash: Hash | undefined): ScheduleOf => {
  let last:
    | { readonly seed: Hash; readonly row: Uint8Array; readonly schedule: LeaderSchedule }
    | undefined;
  return (epoch, seed, row) => {
    const source = genesisHash ?? seed;
    const isSame = last?.schedule.epoch === epoch && equalBytes(last.seed, source);
    if (last !== undefined && isSame && equalBytes(last.row, row)) return last.schedule;
    const validators = epochRow.decode(row).members.map(({ id, power }) => ({ id, weight: power }));
    const schedule = createLeaderSchedule(hasher, source, { epoch, validators });
    last = { seed: source.slice(), row: row.slice(), schedule };
    return schedule;
  };
};

/** How often each member of a set leads in the views from 1 to `last`. */
export const turnsUpTo = ({ turns }: LeaderSchedule, members: number, last: number): number[] => {
  const whole = Math.floor(last / turns.length);
  const rest = last % turns.length;
  const counts = Array.from({ length: members }, () => 0);
  turns.forEach((leader, turn) => {
    counts[leader] = (counts[leader] ?? 0) + whole + (turn < rest ? 1 : 0);
  });
  return counts;
};

/** How often each leader was passed over between two views, of which neither counts. */
const missedBetween = (
  { turns }: LeaderSchedule,
  from: number,
  to: number,
): Map<number, number> => {
  const counts = new Map<number, number>();
  const first = Math.max(from + 1, to - LIMITS.stakeViewsCountedMax);
  for (let view = first; view < to; view++) {
    const leader = turns[(view - 1) % turns.length] ?? 0;
    counts.set(leader, (counts.get(leader) ?? 0) + 1);
  }
  return counts;
};

const turnsIn = (tx: ProjectionTx): readonly Turns[] =>
  find(tx, KEYS.turns, turnsRow)?.members ?? [];

const putTurns = (tx: ProjectionTx, members: readonly Turns[]): void =>
  tx.put(KEYS.turns, turnsRow.encode({ members: [...members] }));

/** Forgets what was counted of one validator: it is back, and begins anew. */
export const forgetTurns = (tx: ProjectionTx, id: Hash): void => {
  const all = turnsIn(tx);
  const rest = all.filter((one) => !equalBytes(one.id, id));
  if (rest.length < all.length) putTurns(tx, rest);
};

/** The accounts with counts added, by index in the set; in order of id, without those that have nothing. */
const added = (
  accounts: readonly Turns[],
  ids: readonly Hash[],
  more: (index: number) => { readonly turns: number; readonly missed: number },
): readonly Turns[] => {
  const known = new Map(accounts.map((account) => [toHex(account.id), account]));
  return ids.flatMap((id, index) => {
    const { turns, missed } = more(index);
    const before = known.get(toHex(id)) ?? { id, turns: 0, missed: 0 };
    const account = { id, turns: before.turns + turns, missed: before.missed + missed };
    return account.turns + account.missed === 0 ? [] : [account];
  });
};

/**
 * Runs as a block is executed, after the next set was decided where it ends an epoch and before its events. A
 * chain whose genesis has a `votedBpsMin` of 0 counts nothing.
 */
export const countTurns = (tx: ProjectionTx, block: PassedViews, scheduleOf: ScheduleOf): void => {
  const { epoch, view, parentView, isLast } = block;
  if (!isLast && view <= parentView + 1) return;
  if (parametersOf(tx).votedBpsMin === 0n) return;
  const row = tx.get(KEYS.epoch(epoch.number));
  if (row === undefined) throw new RangeError(`stake has no row of epoch ${epoch.number}`);
  const ids = epochRow.decode(row).members.map(({ id }) => id);
  const schedule = scheduleOf(epoch.number, epoch.seed, row);
  const missed = missedBetween(schedule, parentView, view);
  const turns = isLast ? turnsUpTo(schedule, ids.length, view) : [];
  const accounts = added(turnsIn(tx), ids, (index) => ({
    turns: turns[index] ?? 0,
    missed: missed.get(index) ?? 0,
  }));
  if (isLast) closeEpoch(tx, accounts, block);
  else putTurns(tx, accounts);
};

/** Judges the accounts that are long enough, and keeps the others. */
function closeEpoch(tx: ProjectionTx, accounts: readonly Turns[], block: PassedViews): void {
  const parameters = parametersOf(tx);
  const able = accounts.filter(({ id }) => mayHoldPower(need(tx, KEYS.standing(id), standingRow)));
  const allDown = able.filter(({ turns, missed }) =>
    isDown(parameters, Math.max(0, turns - missed), turns),
  );
  const down = allDown.slice(0, LIMITS.stakeJailedMax);
  // Those whom one block cannot write of stay down for the next epoch.
  const waiting = allDown.slice(LIMITS.stakeJailedMax);
  putTurns(
    tx,
    able.filter((one) => one.turns < parameters.windowBlocks || waiting.includes(one)),
  );
  const before = find(tx, KEYS.down, downRow)?.ids ?? [];
  const held = before.filter((id) => need(tx, KEYS.standing(id), standingRow).jailed);
  const jailed = down.map(({ id }) => id);
  const fits = jailed.length > 0 && isFew(tx, held, jailed, block.epoch.number + 2);
  if (fits) for (const id of jailed) putStanding(tx, id, inJail(tx, id, block.timeMs));
  const after = fits ? [...held, ...jailed].sort(compareBytes) : held;
  if (fits || held.length < before.length) tx.put(KEYS.down, downRow.encode({ ids: after }));
}

const inJail = (tx: ProjectionTx, id: Hash, timeMs: number): Standing => {
  const standing = need(tx, KEYS.standing(id), standingRow);
  const { jailedUntilMs } = standingAfter(parametersOf(tx), standing, { kind: "downtime" }, timeMs);
  return { ...standing, jailed: true, jailedUntilMs };
};

/** Whether so many may go: see the head of this module. `held` are in jail for it already. */
function isFew(
  tx: ProjectionTx,
  held: readonly Hash[],
  jailed: readonly Hash[],
  next: number,
): boolean {
  const { members, total } = need(tx, KEYS.epoch(next), epochRow);
  const gone = new Set(jailed.map(toHex));
  let power = 0n;
  for (const member of members) if (gone.has(toHex(member.id))) power += member.power;
  if (DOWN_PART * power > total) return false;
  const away = new Set([...held, ...jailed].map(toHex));
  let [stake, all] = [0n, 0n];
  for (const id of need(tx, KEYS.candidates, candidatesRow).ids) {
    const standing = need(tx, KEYS.standing(id), standingRow);
    const bonds = sumOf(standing.bonds);
    if (away.has(toHex(id))) stake += bonds;
    if (away.has(toHex(id)) || mayHoldPower(standing)) all += bonds;
  }
  return DOWN_PART * stake <= all;
}
