/**
 * Effective power: the least of what a validator has at stake, in space and in work, and nothing where its
 * time proofs are missing. Whole numbers; a snapshot of them decides an epoch.
 *
 *     P = timeOk · min(stake, stakePerSpaceUnit · spaceUnits, stakePerWorkUnit · workUnits)
 *
 * The least of three sums is no less than the sum of the three leasts, so identities that are split hold
 * together no more than one would: who wants a third of all power needs a third of it in each resource.
 */
import type { StakeParameters } from "./parameters.ts";

export type Resources = {
  /** Bonded and delegated, in the ledger's unit. */
  readonly stake: bigint;
  /** Whole units, as the proofs of the epoch before have shown. */
  readonly spaceUnits: bigint;
  readonly workUnits: bigint;
  readonly timeOk: boolean;
};

export type Candidate = Resources & {
  readonly id: string;
  /** Neither jailed nor tombstoned: see slashing.ts. */
  readonly eligible: boolean;
};

export type Power = { readonly id: string; readonly power: bigint };

export type Snapshot = {
  /** In ascending order of id; none is zero. */
  readonly powers: readonly Power[];
  readonly total: bigint;
};

const least = (...values: readonly [bigint, ...bigint[]]): bigint => {
  let smallest = values[0];
  for (const value of values) if (value < smallest) smallest = value;
  return smallest;
};

/** Throws RangeError for negative resources. */
export const effectivePower = (
  { stakePerSpaceUnit, stakePerWorkUnit }: StakeParameters,
  { stake, spaceUnits, workUnits, timeOk }: Resources,
): bigint => {
  if (stake < 0n || spaceUnits < 0n || workUnits < 0n) throw new RangeError("negative resources");
  return timeOk ? least(stake, stakePerSpaceUnit * spaceUnits, stakePerWorkUnit * workUnits) : 0n;
};

/** Powers in order of id, without the zeros. Throws RangeError for an id that stands twice. */
export const snapshotOf = (powers: readonly Power[]): Snapshot => {
  const sorted = powers
    .filter(({ power }) => power > 0n)
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  let total = 0n;
  for (const [i, { id, power }] of sorted.entries()) {
    if (sorted[i - 1]?.id === id) throw new RangeError(`${id} stands twice`);
    total += power;
  }
  return { powers: sorted, total };
};

export type NextSnapshot = Snapshot & {
  /** The floor rule has kept powers of before: the chain says so. */
  readonly degraded: boolean;
};

/**
 * The powers of the next epoch, by the floor rule. What a member of the last snapshot could keep is its power there,
 * as far as it is eligible and its stake is still as much. Where less than two thirds of all that is earned again,
 * the epoch is degraded and everybody has the greater of the two: what it could keep, and what its proofs give it. So
 * a proof that many lose at once does not stop the chain, nor leave it to the few who have not lost it.
 *
 * Who has left, is jailed or has taken its stake out has lost no proof and is not missed, and what others have earned
 * that are new, or have grown, stands for nothing that was lost. Nobody has less than it has earned, and nobody more
 * than it has at stake: what cannot be taken away is not kept. docs/stake.md says what follows for safety.
 *
 * A total of zero means that nobody is left who may go on; the caller must not take it for a set.
 */
export const nextSnapshot = (
  parameters: StakeParameters,
  last: Snapshot,
  candidates: readonly Candidate[],
): NextSnapshot => {
  const held = new Map(last.powers.map(({ id, power }) => [id, power]));
  const able = candidates
    .filter(({ eligible }) => eligible)
    .map((one) => ({
      id: one.id,
      earned: effectivePower(parameters, one),
      kept: least(held.get(one.id) ?? 0n, one.stake),
    }));
  let [kept, again] = [0n, 0n];
  for (const one of able) {
    kept += one.kept;
    again += least(one.earned, one.kept);
  }
  const isLost = 3n * again < 2n * kept;
  const powers = able.map(({ id, earned, kept }) => ({
    id,
    power: isLost && kept > earned ? kept : earned,
  }));
  const next = snapshotOf(powers);
  return { ...next, degraded: isLost || next.total === 0n };
};
