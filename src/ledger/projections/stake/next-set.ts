/**
 * Which set an epoch gets (R9). The set of epoch e + 2 follows from the state just before the boundary block of
 * epoch e, so everybody has it decided and executed long before it signs. What was decided is a row of the
 * state, written as the boundary block is executed: powers, and whether the floor rule had to keep those of
 * before. So it can be proven, and evidence finds later what power its culprit had.
 */
import { toHex } from "../../../crypto/bytes.ts";
import type { Hasher } from "../../../crypto/hash.ts";
import { TetradError } from "../../../errors.ts";
import { LIMITS } from "../../../limits.ts";
import { type Candidate, nextSnapshot, type Power } from "../../../proofs/stake/power.ts";
import { isEligible } from "../../../proofs/stake/slashing.ts";
import type { GenesisProofs } from "../../genesis-proofs.ts";
import type { ProjectionTx } from "../../projection.ts";
import type { ReadStore } from "../../records.ts";
import type { Hash, ValidatorSet } from "../../types.ts";
import { createValidatorSet } from "../../validator-set.ts";
import { epochKeyAt } from "../epoch-keys.ts";
import { forgeryEpochAt, spaceUnitsAt, timeOkAt, workUnitsAt } from "../power-inputs.ts";
import {
  candidatesAt,
  corruptCandidate,
  type EpochRow,
  epochRow,
  epochRowAt,
  find,
  identityAt,
  KEYS,
  parametersOf,
  type Standing,
  standingAt,
  storedRows,
  sumOf,
  totalsOf,
  totalsRow,
} from "./rows.ts";

/** Whether a candidate may be in a set that is decided now. */
export const mayHoldPower = ({ left, jailed, jailedUntilMs, tombstoned }: Standing): boolean =>
  // Whoever is jailed is so until it says that it is back.
  !left && !jailed && isEligible({ jailedUntilMs, tombstoned }, jailedUntilMs);

/** All candidates with what the rows say of them, at the end of an epoch. */
const candidatesOf = (
  read: ReadStore,
  proofs: GenesisProofs,
  ended: number,
): (Candidate & { readonly hash: Hash })[] =>
  candidatesAt(read).map((hash) => {
    const id = toHex(hash);
    const standing = standingAt(read, hash);
    if (standing === undefined) throw corruptCandidate(id);
    const stake = sumOf(standing.bonds);
    // As many units as there is stake bound nothing, because a unit carries at least 1 of it.
    const space = proofs.space === null ? undefined : spaceUnitsAt(read, hash, ended);
    const work = proofs.work === null ? undefined : workUnitsAt(read, hash, ended);
    return {
      id,
      hash,
      stake,
      spaceUnits: space ?? stake,
      workUnits: work ?? stake,
      timeOk: proofs.time === null || timeOkAt(read, hash, ended),
      // A forger loses its stake right after this is decided: no set is made with nothing behind it.
      eligible: mayHoldPower(standing) && forgeryEpochAt(read, proofs, hash) === undefined,
    };
  });

/** The most powerful, as many as a set may have; ties go to the lower id. In order of id. */
const largest = (powers: readonly Power[]): readonly Power[] => {
  if (powers.length <= LIMITS.validatorsMax) return powers;
  const byPower = powers.toSorted((a, b) =>
    a.power > b.power ? -1 : a.power < b.power ? 1 : a.id < b.id ? -1 : 1,
  );
  return byPower.slice(0, LIMITS.validatorsMax).sort((a, b) => (a.id < b.id ? -1 : 1));
};

/**
 * What the state decides for an epoch from 2 on, if it is that before the boundary block of the epoch two
 * before. Where nobody is left who may go on, the last set stays as it was: a chain must have one.
 * Throws "store.corrupt".
 */
export const decideEpoch = (
  read: ReadStore,
  proofs: GenesisProofs,
  epoch: number,
  decidedMs: number,
): EpochRow => {
  const before = epochRowAt(read, epoch - 1);
  if (before === undefined) {
    throw new TetradError("store.corrupt", `stake has no row of epoch ${epoch - 1}`);
  }
  const candidates = candidatesOf(read, proofs, epoch - 2);
  const powers = before.members.map(({ id, power }) => ({ id: toHex(id), power }));
  const last = { powers, total: before.total };
  const next = nextSnapshot(parametersOf(storedRows(read)), last, candidates);
  const chosen = next.total === 0n ? powers : largest(next.powers);
  const hashes = new Map(candidates.map(({ id, hash }) => [id, hash]));
  for (const { id } of before.members) hashes.set(toHex(id), id);
  const members = chosen.map(({ id, power }) => {
    const hash = hashes.get(id);
    if (hash === undefined) throw corruptCandidate(id);
    return { id: hash, power };
  });
  return {
    decidedMs,
    degraded: next.degraded,
    stake: candidates.reduce((sum, { stake, eligible }) => sum + (eligible ? stake : 0n), 0n),
    total: members.reduce((sum, { power }) => sum + power, 0n),
    members,
    culprits: [],
  };
};

/** Runs as the boundary block of an epoch is executed, before its events: writes what the next but one has. */
export const writeNextEpoch = (
  tx: ProjectionTx,
  read: ReadStore,
  proofs: GenesisProofs,
  { epoch, timeMs }: { readonly epoch: number; readonly timeMs: number },
): void => {
  const newestEpoch = epoch + 2;
  const row = decideEpoch(read, proofs, newestEpoch, timeMs);
  tx.put(KEYS.epoch(newestEpoch), epochRow.encode(row));
  const totals = totalsOf(tx);
  const { unbondingMs } = parametersOf(tx);
  let { oldestEpoch } = totals;
  for (let dropped = 0; dropped < LIMITS.stakeEpochsDroppedMax; dropped++, oldestEpoch++) {
    const end = find(tx, KEYS.epoch(oldestEpoch + 2), epochRow)?.decidedMs;
    // For as long as stake behind it may be leaving. The newest three have no end, and so stay.
    if (end === undefined || timeMs - end <= unbondingMs || oldestEpoch + 2 >= newestEpoch) break;
    // Of an epoch with culprits the row stays: what they owe follows from it.
    const old = find(tx, KEYS.epoch(oldestEpoch), epochRow);
    if (old?.culprits.length === 0) tx.del(KEYS.epoch(oldestEpoch));
  }
  tx.put(KEYS.totals, totalsRow.encode({ ...totals, newestEpoch, oldestEpoch }));
};

/**
 * The set of an epoch on a chain with stake: of the row where there is one, else what the state decides now
 * (the caller reads from the state that R9 names). Throws "store.corrupt".
 */
export const stakedValidatorSet = (
  hasher: Hasher,
  proofs: GenesisProofs,
  epoch: number,
  read: ReadStore,
): ValidatorSet => {
  const { members } = epochRowAt(read, epoch) ?? decideEpoch(read, proofs, epoch, 0);
  const validators = members.map(({ id, power }) => {
    const identity = identityAt(read, id);
    if (identity === undefined) throw corruptCandidate(toHex(id));
    const { name, tlsPin, address } = identity;
    // On a chain with keys of epochs, and of one that has registered any: what it has for this one.
    const publicKey = epochKeyAt(read, id, epoch)?.publicKey ?? identity.publicKey;
    return { id, name, publicKey, weight: power, tlsPin, address };
  });
  const rotates = proofs.epochKeys === true;
  return createValidatorSet(hasher, epoch, validators, { rotates });
};
