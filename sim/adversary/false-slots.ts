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
  verifyWork,
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

/** A lie that the rule would take, as one in so many does by chance, is drawn again up to so often. */
const DRAWN_MAX = 64;
/** Nonces that are tried for one lie: a hundred times what the dearest batch of the simulator is expected to take. */
const TRIES_MAX = 65_536;

/** Tries nonces until `isFit`, which sees every proof of that effort; undefined where none was in so many. */
const search = (
  { hasher, random }: SlotPowers,
  puzzle: Puzzle,
  subject: WorkSubject,
  effort: number,
  isFit: (proof: WorkProof) => boolean = () => true,
): WorkProof | undefined => {
  const prefix = random.bytes(NONCE_PREFIX_BYTES);
  const tries = createWorkSearch(hasher, puzzle, subject, effort, prefix);
  for (let counter = 0; counter < TRIES_MAX; counter++) {
    const proof = tries.attempt(counter);
    if (proof !== undefined && isFit(proof)) return proof;
  }
  return undefined;
};

/**
 * Whether a proof would do for this batch at whatever effort it states. Whoever hands a batch on does not know what is
 * required of it, and at an effort of a few any bytes are work for it once in so many times.
 */
const wouldDo = (powers: SlotPowers, puzzle: Puzzle, batch: Batch, proof: Uint8Array): boolean => {
  const beacon = powers.beaconAt(batch.refHeight);
  // Where it cannot be told it may be so.
  if (beacon === undefined) return true;
  return verifyWork(powers.hasher, puzzle, subjectOf(batch, beacon), proof, 1).ok;
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
  const found = search(powers, puzzle, subject, 1, isFit);
  return found && { ...found, effort };
};

type Of = {
  readonly batch: Batch;
  /** Its work. */
  readonly own: Uint8Array;
  readonly effort: number;
  readonly known: readonly Batch[];
};

/** Gives another false proof each time, as long as there is one. */
const drawer = (
  powers: SlotPowers,
  puzzle: Puzzle,
  way: Exclude<WorkWay, "omitted" | "understated">,
  { batch, own, effort, known }: Of,
): (() => Uint8Array | undefined) => {
  const encoded = (proof: WorkProof | undefined): Uint8Array | undefined =>
    proof && encodeWorkProof(puzzle, proof);
  const isSame = (one: Batch): boolean => toHex(one.actor) === toHex(batch.actor);
  const workOf = (isFit: (one: Batch) => boolean): (() => Uint8Array | undefined) => {
    const others = known.filter(isFit).values();
    return () => slotOf(others.next().value?.proofs ?? [], WORK_SLOT)?.bytes;
  };
  switch (way) {
    case "forged":
      return () => noise(powers, own, own.subarray(0, 4));
    case "borrowed":
      return workOf((one) => !isSame(one));
    case "replayed":
      return workOf((one) => isSame(one) && one.laneSeq !== batch.laneSeq);
    case "stale":
      return () => encoded(stale(powers, puzzle, batch, effort));
    case "ground":
      return () => encoded(ground(powers, puzzle, batch, effort));
  }
};

/**
 * The slots of a batch that shows false work; undefined where there is nothing to make it of. What would do for the
 * batch is no lie, and never what comes out.
 */
export const falseSlots = (
  powers: SlotPowers,
  way: WorkWay,
  batch: Batch,
  known: readonly Batch[],
): readonly ProofSlot[] | undefined => {
  const { puzzle } = powers;
  const own = slotOf(batch.proofs, WORK_SLOT)?.bytes;
  if (own === undefined || puzzle === undefined) return undefined;
  if (way === "omitted") return [];
  const decoded = decodeWorkProof(puzzle, own);
  const effort = decoded.ok ? decoded.value.effort : 1;
  // Where an effort of 1 is stated, less cannot be.
  if (way === "understated") {
    return effort === 1 ? undefined : [workSlot(noise(powers, own, Uint8Array.of(0, 0, 0, 1)))];
  }
  const draw = drawer(powers, puzzle, way, { batch, own, effort, known });
  for (let drawn = 0; drawn < DRAWN_MAX; drawn++) {
    const proof = draw();
    if (proof === undefined) return undefined;
    if (!wouldDo(powers, puzzle, batch, proof)) return [workSlot(proof)];
  }
  return undefined;
};
