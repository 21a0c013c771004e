/**
 * What equivocation costs, in rows. Evidence names an epoch; the culprits of one epoch are slashed by how
 * much of its power did so together, so each further one raises the part that the earlier ones lose. Whoever
 * is not settled at once is when its stake is next touched: nobody withdraws before that.
 */
import { equalBytes, toHex } from "../../../crypto/bytes.ts";
import { LIMITS } from "../../../limits.ts";
import type { StakeParameters } from "../../../proofs/stake/parameters.ts";
import { WHOLE_BPS } from "../../../proofs/stake/parameters.ts";
import { slash, slashedBps, standingAfter } from "../../../proofs/stake/slashing.ts";
import type { Apply, ProjectionRead, ProjectionTx } from "../../projection.ts";
import type { Hash } from "../../types.ts";
import {
  dropIfGone,
  type EpochRow,
  epochRow,
  find,
  KEYS,
  parametersOf,
  putStanding,
  type Standing,
  standingRow,
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

/**
 * Takes what is missing to `bps` of the stake that stood behind the epoch of the fault. Stake that counted in
 * no set of that epoch or later is not liable. Every part is rounded up.
 */
export const slashTo = (
  standing: Standing,
  bps: bigint,
  faultEpoch: number,
): { readonly standing: Standing; readonly taken: bigint } => {
  const before = BigInt(standing.slashedBps);
  if (bps <= before) return { standing, taken: 0n };
  // What is left is 1 - before of what there was, so the step is a part of that.
  const step = upwards((bps - before) * WHOLE_BPS, WHOLE_BPS - before);
  let taken = 0n;
  const cut = (amount: bigint, liable: boolean): bigint => {
    const unbonding = [{ amount, sinceMs: liable ? 1 : 0 }];
    const result = slash({ bonded: 0n, delegated: 0n, unbonding }, step, 1);
    taken += result.taken;
    return amount - result.taken;
  };
  const bonds = standing.bonds
    .map(({ holder, amount }) => ({ holder, amount: cut(amount, true) }))
    .filter(({ amount }) => amount > 0n);
  const leaving = standing.leaving
    .map((part) => ({ ...part, amount: cut(part.amount, part.lastEpoch >= faultEpoch) }))
    .filter(({ amount }) => amount > 0n);
  return { standing: { ...standing, bonds, leaving, slashedBps: Number(bps) }, taken };
};

const isCulprit = ({ culprits }: EpochRow, id: Hash): boolean =>
  culprits.some((culprit) => equalBytes(culprit, id));

/** A validator's standing after all that evidence so far has cost it, and what of it was not taken yet. */
export const settled = (
  read: ProjectionRead,
  id: Hash,
  standing: Standing,
): { readonly standing: Standing; readonly taken: bigint } => {
  if (!standing.tombstoned) return { standing, taken: 0n };
  const row = find(read, KEYS.epoch(standing.faultEpoch), epochRow);
  // Who was ended for a false commitment has nothing to do with those who equivocated in that epoch.
  if (row === undefined || !isCulprit(row, id)) return { standing, taken: 0n };
  return slashTo(standing, rateOf(parametersOf(read), row), standing.faultEpoch);
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
  const end = find(read, KEYS.epoch(epoch + 2), epochRow)?.decidedMs;
  return end === undefined || nowMs - end <= evidenceMs;
};

/** A validator has signed two statements that conflict: it ends, and pays. */
export const onEvidence: Apply<unknown> = (tx, value, { timeMs }) => {
  const { id, epoch } = faultOf(value);
  const before = find(tx, KEYS.standing(id), standingRow);
  if (before === undefined) return;
  const parameters = parametersOf(tx);
  const fault = { kind: "equivocation", together: 0n, total: 1n } as const;
  const { tombstoned } = standingAfter(parameters, before, fault, timeMs);
  const first = find(tx, KEYS.epoch(before.faultEpoch), epochRow);
  // What is settled later follows from the epoch whose culprit it is.
  const stays = before.tombstoned && first !== undefined && isCulprit(first, id);
  const ended = stays ? before : { ...before, tombstoned, faultEpoch: epoch };
  putStanding(tx, id, ended);
  const row = find(tx, KEYS.epoch(epoch), epochRow);
  const isKnown = row !== undefined && isCulprit(row, id);
  const isMember = row?.members.some((member) => toHex(member.id) === toHex(id)) ?? false;
  // Of an epoch in which it held no power a statement shows bad faith, but could do nothing.
  if (row === undefined || !isMember || isKnown) return;
  if (!isTaken(tx, epoch, parameters.evidenceMs, timeMs)) return;
  const after = { ...row, culprits: [...row.culprits, id] };
  tx.put(KEYS.epoch(epoch), epochRow.encode(after));
  settleCulprits(tx, after, rateOf(parameters, after), epoch);
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
