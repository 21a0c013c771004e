/**
 * Which nodes a proof must open. Every seed is a beacon that nobody knew when the sector was committed to,
 * and none is a function of what the prover writes: a host that could choose among events would choose one
 * whose node it has, at the price of a hash a try.
 *
 * Node 0 has no parents and is never asked for. Draws are with replacement.
 */
import { Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { mod64 } from "./chacha8.ts";
import { nodesOf, type SpaceParameters } from "./parameters.ts";
import { type SectorStatement, sectorId } from "./statement.ts";

/** A node of one of several sectors. */
export type Challenge = { readonly sector: number; readonly node: number };

/** Nodes to open, and the sectors that they are of. */
export type OpeningTask = {
  readonly sectors: readonly SectorStatement[];
  readonly challenges: readonly Challenge[];
};

/** 1 + (u64le of the digest's bytes mod N - 1): a node that has parents. */
const drawNode = (digest: Uint8Array, lgNodes: number): number => {
  const view = new DataView(digest.buffer, digest.byteOffset);
  return 1 + mod64(view.getUint32(4, true), view.getUint32(0, true), nodesOf(lgNodes) - 1);
};

const drawSector = (digest: Uint8Array, sectors: number): number => {
  const view = new DataView(digest.buffer, digest.byteOffset);
  return mod64(view.getUint32(12, true), view.getUint32(8, true), sectors);
};

const u32 = (value: number): Uint8Array => new Writer(4).u32(value).finish();

/** Challenges `from` up to `to`, of the first to the last unless it is said: each is drawn for itself. */
export type ChallengeRange = { readonly from: number; readonly to: number };

const inRange = <T>({ from, to }: ChallengeRange, draw: (j: number) => T): T[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => draw(from + i));

/** Admission: node j from Ht("space/porep", seed || commR || u32 j); `seed` is a beacon after the commitment. */
export const admissionNodes = (
  hasher: Hasher,
  { admissionChallenges, lgNodes }: SpaceParameters,
  statement: SectorStatement,
  seed: Uint8Array,
  range: ChallengeRange = { from: 0, to: admissionChallenges },
): number[] => {
  const id = sectorId(hasher, statement);
  return inRange(range, (j) => drawNode(hasher.ht("space/porep", seed, id, u32(j)), lgNodes));
};

/** How many nodes a validator with so many sectors opens in an epoch. */
export const epochChallengeCount = (
  { epochOpenings, sectorOpenings }: Pick<SpaceParameters, "epochOpenings" | "sectorOpenings">,
  sectors: number,
): number => Math.max(sectors * sectorOpenings, epochOpenings);

/**
 * Epoch: `sectorOpenings` of each sector, and `epochOpenings` at least. The first of them go to the sectors in
 * turn, the others to a sector that is drawn: from Ht("space/post", seed || validator id || u32 j).
 */
export const epochChallenges = (
  hasher: Hasher,
  parameters: SpaceParameters,
  validatorId: Uint8Array,
  sectors: number,
  seed: Uint8Array,
  range: ChallengeRange = { from: 0, to: epochChallengeCount(parameters, sectors) },
): Challenge[] => {
  const { sectorOpenings, lgNodes } = parameters;
  const inTurn = sectors * sectorOpenings;
  return inRange(range, (j) => {
    const digest = hasher.ht("space/post", seed, validatorId, u32(j));
    const sector = j < inTurn ? j % sectors : drawSector(digest, sectors);
    return { sector, node: drawNode(digest, lgNodes) };
  });
};

/** Block: of the proposer's sectors, from Ht("space/block", beacon of the parent || validator id || u32 j). */
export const blockChallenges = (
  hasher: Hasher,
  { blockOpenings, lgNodes }: SpaceParameters,
  validatorId: Uint8Array,
  sectors: number,
  seed: Uint8Array,
): Challenge[] =>
  Array.from({ length: blockOpenings }, (_, j) => {
    const digest = hasher.ht("space/block", seed, validatorId, u32(j));
    return { sector: drawSector(digest, sectors), node: drawNode(digest, lgNodes) };
  });

/** A place in a lane: what an opening for a batch is bound to, instead of to what is in the batch. */
export type LanePlace = { readonly laneId: Uint8Array; readonly laneSeq: number };

/**
 * Batch: from Ht("space/event", seed || validator id || commR || lane id || u64 place in it || u32 j); `seed` is
 * the beacon of the batch's grid height.
 */
export const eventChallenges = (
  hasher: Hasher,
  { eventOpenings, lgNodes }: SpaceParameters,
  statement: SectorStatement,
  { laneId, laneSeq }: LanePlace,
  seed: Uint8Array,
): Challenge[] => {
  const id = sectorId(hasher, statement);
  const seq = new Writer(8).u64(laneSeq).finish();
  return Array.from({ length: eventOpenings }, (_, j) => {
    const digest = hasher.ht("space/event", seed, statement.validatorId, id, laneId, seq, u32(j));
    return { sector: 0, node: drawNode(digest, lgNodes) };
  });
};

/** What a witness asks the holder of a sector for, once it has sent it (docs/proofs.md, Network location). */
export type WitnessQuestion = {
  readonly witness: Uint8Array;
  readonly epoch: number;
  /** 32 bytes that the witness has drawn. */
  readonly challenge: Uint8Array;
};

/** Witness: from Ht("loc/label", challenge || commR || witness id || u64 epoch || u32 j). */
export const witnessChallenges = (
  hasher: Hasher,
  labels: number,
  statement: SectorStatement,
  { witness, epoch, challenge }: WitnessQuestion,
): Challenge[] => {
  const id = sectorId(hasher, statement);
  const at = new Writer(8).u64(epoch).finish();
  return Array.from({ length: labels }, (_, j) => {
    const digest = hasher.ht("loc/label", challenge, id, witness, at, u32(j));
    return { sector: 0, node: drawNode(digest, statement.lgNodes) };
  });
};
