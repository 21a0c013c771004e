/**
 * Rows of the projection `space`:
 *
 *     0                  parameters of the chain, and the seed of the sectors that it begins with
 *     1 id               what a validator has: its sectors and how its epochs went
 *     2 id u64 number    a sector
 *
 * A sector of the list counts in the epochs `fromEpoch` to `endEpoch`, both included. Of one that was given back
 * these are what is left of it: one epoch, or none. What is in no epoch any more leaves the list, and its row with
 * it, when something else is written of that validator. Its number, and every lower one that is free, is not to be
 * had again: the number is in every label, so that a sector has one try
 * at a seed of its admission, and another try takes another sector.
 */
import { LIMITS } from "../../../limits.ts";
import type { SpaceParameters } from "../../../proofs/space/parameters.ts";
import type { SectorStatement } from "../../../proofs/space/statement.ts";
import { field } from "../../event-schema.ts";
import type { ProjectionRead, ProjectionTx } from "../../projection.ts";
import { defineRow, hashPart, keyOf, tagPart, u64Part } from "../../row.ts";
import type { Hash } from "../../types.ts";

export const SPACE = "space";

export const PARAMETERS_KEY: Uint8Array = tagPart(0);
const PROVER = tagPart(1);
const SECTOR = tagPart(2);

/** Of a sector that is not admitted: it counts in no epoch. */
export const NO_EPOCH: number = Number.MAX_SAFE_INTEGER;

export const parametersRow = defineRow(
  field.u8("lgNodes"),
  field.u8("layers"),
  field.u32("admissionChallenges"),
  field.u32("sectorOpenings"),
  field.u32("epochOpenings"),
  field.u32("blockOpenings"),
  field.u32("eventOpenings"),
  field.u64("responseMs"),
);

export const proverRow = defineRow(
  /** The last epoch whose openings are all there; 0, which asks for none, before the first. */
  field.u64("provenEpoch"),
  /** The epoch whose openings came last, and how many of them are there. */
  field.u64("windowEpoch"),
  field.u32("windowDone"),
  /** Epochs that were answered; and those that were not, as far as a later answer has shown it. */
  field.u64("proven"),
  field.u64("missed"),
  /** Sectors that were committed to in `commitEpoch`. */
  field.u64("commitEpoch"),
  field.u32("commits"),
  /** Whether a sector has left the list, and the highest number of one that has. */
  field.bool("hasLost"),
  field.u64("lostUpTo"),
  field.list(
    "sectors",
    LIMITS.spaceValidatorSectorsMax,
    field.record("sector", [
      field.u64("number"),
      field.u64("fromEpoch"),
      field.u64("endEpoch"),
    ] as const),
  ),
);
export type ProverRow = ReturnType<typeof proverRow.decode>;
export type SectorEntry = ProverRow["sectors"][number];

export const sectorRow = defineRow(
  field.hash("beacon"),
  field.u64("beaconHeight"),
  field.hash("commC"),
  field.hash("commRl"),
  /** 0 for one that the chain begins with. */
  field.u64("committedHeight"),
  field.u64("committedEpoch"),
  /** Seed of the admission: zero until its first part, which settles it. */
  field.hash("seed"),
  /** Challenges of the admission that are answered; all of them: it is admitted. */
  field.u32("done"),
);
export type SectorRow = ReturnType<typeof sectorRow.decode>;

export const proverKey = (id: Hash): Uint8Array => keyOf(PROVER, hashPart(id));

/** What all keys of validators begin with. */
export const proversPrefix: Uint8Array = PROVER;

export const sectorKey = (id: Hash, number: number): Uint8Array =>
  keyOf(SECTOR, hashPart(id), u64Part(number));

export const NO_PROVER_ROW: ProverRow = {
  ...{ provenEpoch: 0, windowEpoch: 0, windowDone: 0, proven: 0, missed: 0 },
  ...{ commitEpoch: 0, commits: 0, hasLost: false, lostUpTo: 0, sectors: [] },
};

/** Throws RangeError where there are none: a chain has this projection because it asks for space. */
export const parametersOf = (read: ProjectionRead): SpaceParameters => {
  const row = read.get(PARAMETERS_KEY);
  if (row === undefined) throw new RangeError("no parameters of space");
  return parametersRow.decode(row);
};

export const proverOf = (read: ProjectionRead, id: Hash): ProverRow => {
  const row = read.get(proverKey(id));
  return row === undefined ? NO_PROVER_ROW : proverRow.decode(row);
};

export const sectorOf = (read: ProjectionRead, id: Hash, number: number): SectorRow | undefined => {
  const row = read.get(sectorKey(id, number));
  return row === undefined ? undefined : sectorRow.decode(row);
};

/**
 * The entry of a sector that is given back in an epoch: it is asked for until that ends, if it was, and never again.
 * No other entry has an end that is not after its beginning, so this one cannot be taken for a sector that may
 * still be admitted.
 */
export const givenBack = (entry: SectorEntry, epoch: number): SectorEntry => ({
  ...entry,
  fromEpoch: isLiveIn(entry, epoch) ? epoch : epoch + 1,
  endEpoch: epoch,
});

export const isGivenBack = ({ fromEpoch, endEpoch }: SectorEntry): boolean =>
  fromEpoch !== NO_EPOCH && fromEpoch >= endEpoch;

export const isLiveIn = ({ fromEpoch, endEpoch }: SectorEntry, epoch: number): boolean =>
  fromEpoch <= epoch && epoch <= endEpoch;

/** Sectors that the openings of an epoch are drawn from, in the order of their numbers. */
export const sectorsIn = ({ sectors }: ProverRow, epoch: number): readonly SectorEntry[] =>
  sectors.filter((entry) => isLiveIn(entry, epoch));

export const statementOf = (
  { lgNodes, layers }: SpaceParameters,
  validatorId: Hash,
  sectorNo: number,
  { beacon, commC, commRl }: Pick<SectorRow, "beacon" | "commC" | "commRl">,
): SectorStatement => ({ validatorId, sectorNo, beacon, lgNodes, layers, commC, commRl });

/** Whether a number is used up, by a sector of the list or by one that is in no epoch any more. */
export const isUsedNumber = (
  { sectors, hasLost, lostUpTo }: ProverRow,
  number: number,
  epoch: number,
): boolean =>
  (hasLost && number <= lostUpTo) ||
  sectors.some((one) => one.number === number || (one.endEpoch < epoch && number < one.number));

/** Rows that one event removes at most: the others leave with the next event. */
const PRUNED_MAX = 32;

/**
 * What a validator has, written; what is in no epoch from `epoch` on leaves the list and its row. Entries are
 * kept in the order of their numbers.
 */
export const putProver = (tx: ProjectionTx, id: Hash, row: ProverRow, epoch: number): void => {
  const over = row.sectors.filter(({ endEpoch }) => endEpoch < epoch).slice(0, PRUNED_MAX);
  for (const { number } of over) tx.del(sectorKey(id, number));
  const sectors = row.sectors
    .filter((entry) => !over.includes(entry))
    .sort((a, b) => a.number - b.number);
  const hasLost = row.hasLost || over.length > 0;
  const lostUpTo = over.reduce((most, { number }) => Math.max(most, number), row.lostUpTo);
  tx.put(proverKey(id), proverRow.encode({ ...row, hasLost, lostUpTo, sectors }));
};
