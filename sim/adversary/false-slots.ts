/**
 * The ways in which the work of a batch can be false. Whoever hands a batch on can do all of them: the work is not
 * under its author's signature.
 */
import { toHex } from "../../src/crypto/bytes.ts";
import { slotOf, WORK_SLOT } from "../../src/ledger/batch-proofs.ts";
import { workedBatch, workSlot, workSubject } from "../../src/ledger/batch-work.ts";
import type { Batch, ProofSlot } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { effortHash, meetsEffort } from "../../src/proofs/work/effort.ts";
import {
  createWorkSearch,
  decodeWorkProof,
  encodeWorkProof,
  NONCE_PREFIX_BYTES,
  type Puzzle,
  type WorkProof,
  type WorkSubject,
  workChallenge,
} from "../../src/proofs/work/index.ts";
import { tagOf } from "../../src/proofs/work/proof.ts";
import type { Powers } from "./types.ts";

/** None at all, noise, somebody else's, of another batch, of too little effort, for an old beacon, ground for less. */
export const WORK_WAYS = [
  "omitted",
  "forged",
  "borrowed",
  "replayed",
  "understated",
  "stale",
  "ground",
] as const;
export type WorkWay = (typeof WORK_WAYS)[number];

export type SlotPowers = Pick<Powers, "hasher" | "random" | "beaconAt"> & {
  /** What the chain asks for; undefined where it asks for no work. */
  readonly puzzle: Puzzle | undefined;
};

const noise = ({ random }: SlotPowers, of: Uint8Array, effort: Uint8Array): Uint8Array => {
  const bytes = random.bytes(of.length);
  bytes.set(effort);
  return bytes;
};

const subjectOf = (batch: Batch, beacon: Uint8Array): WorkSubject =>
  workSubject(workedBatch(batch), { beacon, price: 0n });

/** Tries nonces until `isFit`, which sees every proof of that effort. */
const search = (
  { hasher, random }: SlotPowers,
  puzzle: Puzzle,
  subject: WorkSubject,
  effort: number,
  isFit: (proof: WorkProof) => boolean = () => true,
): WorkProof => {
  const prefix = random.bytes(NONCE_PREFIX_BYTES);
  const tries = createWorkSearch(hasher, puzzle, subject, effort, prefix);
  for (let counter = 0; ; counter++) {
    const proof = tries.attempt(counter);
    if (proof !== undefined && isFit(proof)) return proof;
  }
};

/** Honest work for the beacon before the one that the batch refers to: begun too early. */
const stale = (powers: SlotPowers, puzzle: Puzzle, batch: Batch, effort: number) => {
  const height = batch.refHeight - LIMITS.gridHeights;
  const beacon = height < 0 ? undefined : powers.beaconAt(height);
  return beacon && search(powers, puzzle, subjectOf(batch, beacon), effort);
};

/**
 * Work of an effort of 1, of nonces tried until the hash is one that would do for what is asked for; and then it is
 * said to be of that.
 */
const ground = (powers: SlotPowers, puzzle: Puzzle, batch: Batch, effort: number) => {
  const beacon = powers.beaconAt(batch.refHeight);
  if (beacon === undefined) return undefined;
  const { hasher } = powers;
  const subject = subjectOf(batch, beacon);
  const isFit = ({ nonce, solution }: WorkProof): boolean => {
    const challenge = workChallenge(hasher, subject, 1, nonce);
    return meetsEffort(effortHash(hasher, challenge, tagOf(puzzle, challenge) ?? solution), effort);
  };
  return { ...search(powers, puzzle, subject, 1, isFit), effort };
};

/** The slots of a batch that shows false work; undefined where there is nothing to make it of. */
export const falseSlots = (
  powers: SlotPowers,
  way: WorkWay,
  batch: Batch,
  known: readonly Batch[],
): readonly ProofSlot[] | undefined => {
  const { puzzle } = powers;
  const own = slotOf(batch.proofs, WORK_SLOT)?.bytes;
  if (own === undefined || puzzle === undefined) return undefined;
  const isSame = (one: Batch): boolean => toHex(one.actor) === toHex(batch.actor);
  const decoded = decodeWorkProof(puzzle, own);
  const effort = decoded.ok ? decoded.value.effort : 1;
  const made = (proof: WorkProof | undefined): readonly ProofSlot[] | undefined =>
    proof && [workSlot(encodeWorkProof(puzzle, proof))];
  switch (way) {
    case "omitted":
      return [];
    case "forged":
      return [workSlot(noise(powers, own, own.subarray(0, 4)))];
    case "borrowed":
      return known.find((one) => !isSame(one))?.proofs;
    case "replayed":
      return known.find((one) => isSame(one) && one.laneSeq !== batch.laneSeq)?.proofs;
    case "understated":
      return [workSlot(noise(powers, own, Uint8Array.of(0, 0, 0, 1)))];
    case "stale":
      return made(stale(powers, puzzle, batch, effort));
    case "ground":
      return made(ground(powers, puzzle, batch, effort));
  }
};
