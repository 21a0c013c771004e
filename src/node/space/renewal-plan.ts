/**
 * Which sectors of a validator go on, and whether another one has to be made: pure, from the rows of the chain and
 * the files that are there. A number that is over by lapse, end or being given back is used up for good, and so is
 * every lower one that is free: what takes the place of a sector is always another, under a higher number.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import {
  isGivenBack,
  isUsedNumber,
  NO_PROVER_ROW,
  type ProverRow,
  type SectorEntry,
  type SectorRow,
} from "../../ledger/projections/space/index.ts";
import type { LocalSector } from "../../ledger/replica/space-plan.ts";
import { LIMITS } from "../../limits.ts";
import type { SpaceParameters } from "../../proofs/space/parameters.ts";
import type { SectorStatement } from "../../proofs/space/statement.ts";

export type RenewalView = {
  readonly parameters: Pick<SpaceParameters, "lgNodes" | "layers" | "admissionChallenges">;
  /** The epoch that the next height is of. */
  readonly epoch: number;
  readonly prover: ProverRow | undefined;
  sector(number: number): SectorRow | undefined;
  /** Sectors that the operator wants to go on. */
  readonly wanted: number;
  /** Own sectors that are whole on the disk, and those that are being made. */
  readonly local: readonly LocalSector[];
  readonly jobs: readonly SectorStatement[];
  /** Whether the chain may still know the beacon that a sector was begun from: it is not looked for in vain. */
  isKnown(sector: LocalSector): boolean;
};

export type Renewal = {
  /** Committed to or admitted, and not near an end. */
  readonly goingOn: number;
  /** On the disk, and not committed to yet. */
  readonly coming: number;
  /** Admitted, of which the epoch that runs asks. */
  readonly counting: number;
  /** Numbers of jobs to be ended, the lowest first; none where there are enough. */
  readonly unfinished: readonly number[];
  /** The number of the sector to make; undefined where there are enough. */
  readonly next: number | undefined;
  /** Numbers of files that prove nothing any more. */
  readonly spent: readonly number[];
};

const goesOn = (view: RenewalView, entry: SectorEntry): boolean => {
  const { epoch, parameters, local } = view;
  const { number, endEpoch } = entry;
  if (endEpoch < epoch || isGivenBack(entry)) return false;
  const row = view.sector(number);
  if (row === undefined) return false;
  if (row.done >= parameters.admissionChallenges) return endEpoch - epoch > LIMITS.spaceRenewEpochs;
  // Not admitted yet: that takes the layers of this very sector.
  return local.some(
    ({ statement, hasLayers }) =>
      hasLayers && statement.sectorNo === number && equalBytes(statement.commRl, row.commRl),
  );
};

/** What the state and the disk say. Nothing is in `next` while a job can be ended. */
export const planRenewal = (view: RenewalView): Renewal => {
  const { parameters, epoch, wanted, local, jobs } = view;
  const prover = view.prover ?? NO_PROVER_ROW;
  const isFree = (number: number): boolean => !isUsedNumber(prover, number, epoch);
  const isShape = ({ lgNodes, layers }: SectorStatement): boolean =>
    lgNodes === parameters.lgNodes && layers === parameters.layers;
  const goingOn = prover.sectors.filter((entry) => goesOn(view, entry)).length;
  const coming = local.filter(
    (one) =>
      one.hasLayers &&
      isShape(one.statement) &&
      isFree(one.statement.sectorNo) &&
      view.isKnown(one),
  ).length;
  const unfinished = jobs
    .filter((job) => isShape(job) && isFree(job.sectorNo))
    .map(({ sectorNo }) => sectorNo)
    .sort((a, b) => a - b);
  const missing = wanted - goingOn - coming;
  const numbers = [
    ...prover.sectors.map(({ number }) => number),
    ...(prover.hasLost ? [prover.lostUpTo] : []),
    ...local.map(({ statement }) => statement.sectorNo),
    ...jobs.map(({ sectorNo }) => sectorNo),
  ];
  const isSpent = (number: number): boolean => {
    const entry = prover.sectors.find((one) => one.number === number);
    // No block, batch, epoch or witness asks for what is in no epoch any more.
    return entry === undefined ? !isFree(number) : entry.endEpoch < epoch;
  };
  return {
    ...{ goingOn, coming, unfinished: missing > 0 ? unfinished : [] },
    counting: prover.sectors.filter(
      ({ fromEpoch, endEpoch }) => fromEpoch <= epoch && epoch <= endEpoch,
    ).length,
    next:
      missing > 0 && unfinished.length === 0
        ? numbers.reduce((most, number) => Math.max(most, number), -1) + 1
        : undefined,
    spent: local.map(({ statement }) => statement.sectorNo).filter(isSpent),
  };
};
