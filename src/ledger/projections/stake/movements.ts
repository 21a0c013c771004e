/** What moves stake: granted, bonded, delegated, unbonded, withdrawn. Each rule beside what it does. */
import { equalBytes, toHex } from "../../../crypto/bytes.ts";
import { LIMITS } from "../../../limits.ts";
import { release } from "../../../proofs/stake/slashing.ts";
import {
  type OwnedEvent,
  own,
  type ProjectionRead,
  type Refusal,
  refuse,
} from "../../projection.ts";
import type { Hash } from "../../types.ts";
import { TOTAL_WEIGHT_MAX } from "../../validator-set.ts";
import {
  type OfValidator,
  type StakeGranted,
  type StakeMoved,
  stakeBonded,
  stakeDelegated,
  stakeGranted,
  stakeUnbonded,
  stakeWithdrawn,
} from "./events.ts";
import {
  dropIfGone,
  epochRow,
  find,
  freeOf,
  identityRow,
  KEYS,
  type Leaving,
  need,
  parametersOf,
  putFree,
  putStanding,
  type Standing,
  standingRow,
  sumOf,
  totalsOf,
  totalsRow,
} from "./rows.ts";
import { addSlashed, settled } from "./slashing.ts";

export const unknownValidator = (id: Hash): Refusal =>
  refuse("event.conflict", `no validator ${toHex(id)}`);

const NOTHING = refuse("event.invalid", "an amount is at least 1");

/** A candidate with what evidence has cost it so far; undefined for who is none. */
const standingOf = (
  read: ProjectionRead,
  id: Hash,
): { readonly owner: Hash; readonly standing: Standing; readonly taken: bigint } | undefined => {
  const identity = find(read, KEYS.identity(id), identityRow);
  if (identity === undefined) return undefined;
  const standing = need(read, KEYS.standing(id), standingRow);
  return { owner: identity.owner, ...settled(read, standing) };
};

const needStanding = (read: ProjectionRead, id: Hash) => {
  const found = standingOf(read, id);
  if (found === undefined) throw new RangeError("an accepted event names no validator");
  return found;
};

const held = (standing: Standing, holder: Hash): bigint =>
  sumOf(standing.bonds.filter((bond) => equalBytes(bond.holder, holder)));

const decideMoved =
  (byOwner: boolean) =>
  (
    read: ProjectionRead,
    { validator, amount }: StakeMoved,
    { actor }: { readonly actor: Hash },
  ) => {
    if (amount < 1n) return NOTHING;
    const found = standingOf(read, validator);
    if (found === undefined) return unknownValidator(validator);
    const { owner, standing } = found;
    if (equalBytes(owner, actor) !== byOwner) {
      const who = byOwner ? "only its owner bonds a validator; others delegate" : "an owner bonds";
      return refuse("event.forbidden", who);
    }
    if (standing.tombstoned || standing.left) {
      return refuse("event.conflict", "the validator has left, or is ended for good");
    }
    const free = freeOf(read, actor);
    if (free < amount) return refuse("stake.insufficient", `${free} of free stake, not ${amount}`);
    const others = standing.bonds.filter(({ holder }) => !equalBytes(holder, owner)).length;
    return byOwner || held(standing, actor) > 0n || others < LIMITS.stakeHoldersMax
      ? undefined
      : refuse("stake.full", `${others} others are bonded to it`);
  };

/** Adds to a holder's bond, or begins one. */
const withBond = (standing: Standing, holder: Hash, amount: bigint): Standing => {
  const at = standing.bonds.findIndex((bond) => equalBytes(bond.holder, holder));
  const bonds =
    at < 0
      ? [...standing.bonds, { holder, amount }]
      : standing.bonds.map((bond, i) =>
          i === at ? { holder, amount: bond.amount + amount } : bond,
        );
  return { ...standing, bonds: bonds.filter((bond) => bond.amount > 0n) };
};

const ownMoved = (definition: typeof stakeBonded, byOwner: boolean): OwnedEvent =>
  own(definition, {
    decide: decideMoved(byOwner),
    apply: (tx, { validator, amount }, { actor }) => {
      putFree(tx, actor, freeOf(tx, actor) - amount);
      const { standing } = needStanding(tx, validator);
      putStanding(tx, validator, withBond(standing, actor, amount));
    },
  });

const granted = own(stakeGranted, {
  decide: (read, { amount }: StakeGranted) => {
    if (amount < 1n) return NOTHING;
    return totalsOf(read).granted + amount <= TOTAL_WEIGHT_MAX
      ? undefined
      : refuse("stake.full", "all stake together stays below 2^63");
  },
  apply: (tx, { to, amount }) => {
    const totals = totalsOf(tx);
    tx.put(KEYS.totals, totalsRow.encode({ ...totals, granted: totals.granted + amount }));
    putFree(tx, to, freeOf(tx, to) + amount);
  },
});

const unbonded = own(stakeUnbonded, {
  decide: (read, { validator, amount }: StakeMoved, { actor }) => {
    if (amount < 1n) return NOTHING;
    const found = standingOf(read, validator);
    if (found === undefined) return unknownValidator(validator);
    const { owner, standing } = found;
    const bonded = held(standing, actor);
    if (bonded < amount) return refuse("stake.insufficient", `${bonded} is bonded, not ${amount}`);
    const isOwn = ({ holder }: Leaving): boolean => equalBytes(holder, actor);
    const ofOthers = standing.leaving.filter(({ holder }) => !equalBytes(holder, owner)).length;
    const full =
      standing.leaving.filter(isOwn).length >= LIMITS.stakeLeavingPerHolderMax ||
      (!equalBytes(owner, actor) && ofOthers >= LIMITS.stakeLeavingMax);
    return full ? refuse("stake.full", "too many parts are leaving: withdraw first") : undefined;
  },
  apply: (tx, { validator, amount }, { actor }) => {
    const { standing, taken } = needStanding(tx, validator);
    const { newestEpoch: lastEpoch } = totalsOf(tx);
    const left = withBond(standing, actor, -amount);
    const { slashedBps } = standing;
    const leaving = [...left.leaving, { holder: actor, amount, lastEpoch, slashedBps }];
    putStanding(tx, validator, { ...left, leaving });
    addSlashed(tx, taken);
  },
});

/**
 * Splits an actor's parts into what it may have and what is still on its way. Time runs from the end of the
 * last epoch whose set counted the stake: for as long as that set could sign, the stake behind it stays.
 */
const releasable = (
  read: ProjectionRead,
  standing: Standing,
  actor: Hash,
  nowMs: number,
): { readonly free: bigint; readonly leaving: readonly Leaving[] } => {
  const parameters = parametersOf(read);
  const { newestEpoch } = totalsOf(read);
  const isOver = ({ amount, lastEpoch }: Leaving): boolean => {
    if (lastEpoch + 2 > newestEpoch) return false;
    // A row that is gone is older than unbonding takes.
    const sinceMs = find(read, KEYS.epoch(lastEpoch + 2), epochRow)?.decidedMs;
    return sinceMs === undefined || release(parameters, [{ amount, sinceMs }], nowMs).free > 0n;
  };
  const due = standing.leaving.filter((part) => equalBytes(part.holder, actor) && isOver(part));
  return { free: sumOf(due), leaving: standing.leaving.filter((part) => !due.includes(part)) };
};

const withdrawn = own(stakeWithdrawn, {
  decide: (read, { validator }: OfValidator, { actor, timeMs }) => {
    const found = standingOf(read, validator);
    if (found === undefined) return unknownValidator(validator);
    const { free } = releasable(read, found.standing, actor, timeMs);
    return free > 0n ? undefined : refuse("stake.locked", "nothing may be withdrawn yet");
  },
  apply: (tx, { validator }, { actor, timeMs }) => {
    const { standing, taken } = needStanding(tx, validator);
    const { free, leaving } = releasable(tx, standing, actor, timeMs);
    const after = { ...standing, leaving };
    putStanding(tx, validator, after);
    putFree(tx, actor, freeOf(tx, actor) + free);
    addSlashed(tx, taken);
    dropIfGone(tx, validator, after);
  },
});

export const MOVEMENTS: readonly OwnedEvent[] = [
  granted,
  ownMoved(stakeBonded, true),
  ownMoved(stakeDelegated, false),
  unbonded,
  withdrawn,
];
