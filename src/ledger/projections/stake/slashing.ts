/**
 * What equivocation costs, in rows. Evidence names an epoch; the culprits of one epoch are slashed by how
 * much of its power did so together, so each further one raises the part that the earlier ones lose. Whoever
 * is not settled at once is when its stake is next touched: nobody withdraws before that. A validator may
 * have done it in several epochs, and shown a false commitment beside: no fault stands for another.
 */
import { equalBytes, toHex } from "../../../crypto/bytes.ts";
import { LIMITS } from "../../../limits.ts";
import type { StakeParameters } from "../../../proofs/stake/parameters.ts";
import { WHOLE_BPS } from "../../../proofs/stake/parameters.ts";
import { slash, slashedBps, standingAfter } from "../../../proofs/stake/slashing.ts";
import type { Apply, ProjectionRead, ProjectionTx } from "../../projection.ts";
import type { ReadStore } from "../../records.ts";
import type { Hash } from "../../types.ts";
import {
  dropIfGone,
  type EpochRow,
  epochRow,
  epochRowAt,
  find,
  KEYS,
  type Leaving,
  need,
  parametersOf,
  putStanding,
  rateRow,
  type Standing,
  standingRow,
  sumOf,
  totalsOf,
  totalsRow,
} from "./rows.ts";

/** The part of the stake that the culprits of an epoch lose, in 1/10,000. */
const rateOf = (parameters: StakeParameters, row: EpochRow): bigint => {
  const culprits = new Set(row.culprits.map(toHex));
  let together = 0n;
  for (const { id, power } of row.members) if (culprits.has(toHex(id))) together += power;
  return slashedBps(parameters, { kind: "equivocation", together, total: row.total });
};

/** a / b, rounded up. */
const upwards = (a: bigint, b: bigint): bigint => (a + b - 1n) / b;

/** What is left of an amount that has lost `before` of 10,000 and is to have lost `bps`. */
const leftOf = (amount: bigint, before: number, bps: bigint): bigint => {
  const taken = BigInt(before);
  if (bps <= taken) return amount;
  // What is left is 1 - taken of what there was, so the step is a part of that.
  const step = upwards((bps - taken) * WHOLE_BPS, WHOLE_BPS - taken);
  return slash({ bonded: amount, delegated: 0n, unbonding: [] }, step, 0).left.bonded;
};

/**
 * Takes what is missing to `bps` of the stake that stood behind the epoch of the fault, part by part: a part
 * loses the most that any fault costs that it is liable for, in whatever order they come. Stake that counted in
 * no set of that epoch or later is not liable. Every part is rounded up. The same standing comes back where
 * nothing is missing.
 */
export const slashTo = (
  standing: Standing,
  bps: bigint,
  faultEpoch: number,
): { readonly standing: Standing; readonly taken: bigint } => {
  const isMissing = (before: number): boolean => bps > BigInt(before);
  const owes = (part: Leaving): boolean =>
    part.lastEpoch >= faultEpoch && isMissing(part.slashedBps);
  if (!isMissing(standing.slashedBps) && !standing.leaving.some(owes))
    return { standing, taken: 0n };
  const bonds = standing.bonds
    .map(({ holder, amount }) => ({ holder, amount: leftOf(amount, standing.slashedBps, bps) }))
    .filter(({ amount }) => amount > 0n);
  const leaving = standing.leaving
    .map((part) => {
      if (!owes(part)) return part;
      const amount = leftOf(part.amount, part.slashedBps, bps);
      return { ...part, amount, slashedBps: Number(bps) };
    })
    .filter(({ amount }) => amount > 0n);
  const slashedBps = isMissing(standing.slashedBps) ? Number(bps) : standing.slashedBps;
  const taken = sumOf(standing.bonds) + sumOf(standing.leaving) - sumOf(bonds) - sumOf(leaving);
  return { standing: { ...standing, bonds, leaving, slashedBps }, taken };
};

const isCulprit = ({ culprits }: EpochRow, id: Hash): boolean =>
  culprits.some((culprit) => equalBytes(culprit, id));

/** A validator's standing after all that evidence so far has cost it, and what of it was not taken yet. */
export const settled = (
  read: ProjectionRead,
  standing: Standing,
): { readonly standing: Standing; readonly taken: bigint } => {
  let [after, taken] = [standing, 0n];
  for (const epoch of standing.faultEpochs) {
    const rate = need(read, KEYS.rate(epoch), rateRow);
    const result = slashTo(after, BigInt(rate.slashedBps), epoch);
    after = result.standing;
    taken += result.taken;
  }
  return { standing: after, taken };
};

/** Notes in the totals what was taken. */
export const addSlashed = (tx: ProjectionTx, taken: bigint): void => {
  if (taken === 0n) return;
  const totals = totalsOf(tx);
  tx.put(KEYS.totals, totalsRow.encode({ ...totals, slashed: totals.slashed + taken }));
};

/** The evidence's validator and epoch. The owner of the event has verified it. */
function faultOf(value: unknown): { readonly id: Hash; readonly epoch: number } {
  if (typeof value === "object" && value !== null && "validator" in value && "epoch" in value) {
    const { validator, epoch } = value;
    if (validator instanceof Uint8Array && typeof epoch === "number")
      return { id: validator, epoch };
  }
  throw new RangeError("evidence names no validator and epoch");
}

/** Whether evidence of an epoch is still taken: until `evidenceMs` after its end. */
const isTaken = (read: ProjectionRead, epoch: number, evidenceMs: number, nowMs: number) => {
  // The set of two epochs later was decided when this one ended.
  if (epoch + 2 > totalsOf(read).newestEpoch) return true;
  const end = find(read, KEYS.epoch(epoch + 2), epochRow)?.decidedMs;
  // A row that is gone is older than unbonding takes, also where that of this epoch stays for its culprits.
  return end !== undefined && nowMs - end <= evidenceMs;
};

/** Whether evidence of an epoch would cost a validator anything: it held power there, and is no culprit of it yet. */
const wouldCost = (row: EpochRow | undefined, id: Hash): row is EpochRow =>
  row?.members.some((member) => equalBytes(member.id, id)) === true && !isCulprit(row, id);

/** The same of the rows in the store: what a node has to say in the log, even of who is ended already. */
export const evidenceWouldCost = (read: ReadStore, id: Hash, epoch: number): boolean =>
  wouldCost(epochRowAt(read, epoch), id);

/** A validator has signed two statements that conflict: it ends, and pays. */
export const onEvidence: Apply<unknown> = (tx, value, { timeMs }) => {
  const { id, epoch } = faultOf(value);
  const before = find(tx, KEYS.standing(id), standingRow);
  if (before === undefined) return;
  const parameters = parametersOf(tx);
  const fault = { kind: "equivocation", together: 0n, total: 1n } as const;
  const { tombstoned } = standingAfter(parameters, before, fault, timeMs);
  const row = find(tx, KEYS.epoch(epoch), epochRow);
  // Of an epoch in which it held no power a statement shows bad faith, but could do nothing.
  if (!wouldCost(row, id) || !isTaken(tx, epoch, parameters.evidenceMs, timeMs)) {
    const ended = { ...before, tombstoned };
    putStanding(tx, id, ended);
    return dropIfGone(tx, id, ended);
  }
  const after = { ...row, culprits: [...row.culprits, id] };
  const bps = rateOf(parameters, after);
  tx.put(KEYS.epoch(epoch), epochRow.encode(after));
  tx.put(KEYS.rate(epoch), rateRow.encode({ slashedBps: Number(bps) }));
  const isFull = before.faultEpochs.length >= LIMITS.stakeFaultEpochsMax;
  const faultEpochs = isFull ? before.faultEpochs : [...before.faultEpochs, epoch];
  const ended = { ...before, tombstoned, faultEpochs };
  // What cannot be remembered cannot be raised later, so it costs at once what it could ever cost.
  const result = isFull ? slashTo(ended, WHOLE_BPS, epoch) : { standing: ended, taken: 0n };
  putStanding(tx, id, result.standing);
  dropIfGone(tx, id, result.standing);
  addSlashed(tx, result.taken);
  settleCulprits(tx, after, bps, epoch);
};

/** The newest culprit first, then the earlier ones, as many as one event may write of. */
function settleCulprits(tx: ProjectionTx, row: EpochRow, bps: bigint, epoch: number): void {
  let taken = 0n;
  for (const id of row.culprits.toReversed().slice(0, LIMITS.stakeSettledMax)) {
    const standing = find(tx, KEYS.standing(id), standingRow);
    if (standing === undefined) continue;
    const result = slashTo(standing, bps, epoch);
    taken += result.taken;
    if (result.standing === standing) continue;
    putStanding(tx, id, result.standing);
    dropIfGone(tx, id, result.standing);
  }
  addSlashed(tx, taken);
}
