/**
 * What a validator has to say of its sectors next, from the state of the chain and the sectors that it has. Pure:
 * the keeper (space-keeper.ts) makes the proofs and writes the events, and the simulator runs the same plan.
 *
 * In this order: openings of the epoch, which have a last moment; parts of admissions; sectors that are new.
 */
import { equalBytes, isZero } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { LIMITS } from "../../limits.ts";
import {
  admissionNodes,
  type Challenge,
  epochChallengeCount,
  epochChallenges,
} from "../../proofs/space/challenges.ts";
import {
  admissionBytes,
  openingBytes,
  type SpaceParameters,
} from "../../proofs/space/parameters.ts";
import type { SectorStatement } from "../../proofs/space/statement.ts";
import type { LedgerEpoch } from "../chain-point.ts";
import {
  isGivenBack,
  isUsedNumber,
  NO_PROVER_ROW,
  type ProverRow,
  type SectorRow,
  sectorsIn,
  statementOf,
} from "../projections/space/index.ts";
import type { Hash } from "../types.ts";

/** The state that the next event will be written on. */
export type SpaceView = {
  readonly parameters: SpaceParameters;
  readonly self: Hash;
  readonly prover: ProverRow | undefined;
  sector(number: number): SectorRow | undefined;
  /** Last executed height and its ledger time; the epoch that the next height is of. */
  readonly height: number;
  readonly timeMs: number;
  readonly epoch: LedgerEpoch;
  /** The beacon of an executed height; undefined for others. */
  beaconAt(height: number): Hash | undefined;
};

/** A sector that this machine has. */
export type LocalSector = {
  readonly statement: SectorStatement;
  /** What its admission is proven from is there. */
  readonly hasLayers: boolean;
  /** The height whose beacon it was begun from, where that is kept with it. */
  readonly beaconHeight?: number;
};

export type SpaceTask =
  | {
      readonly kind: "window";
      readonly epoch: number;
      readonly from: number;
      readonly sectors: readonly SectorStatement[];
      readonly challenges: readonly Challenge[];
    }
  | {
      readonly kind: "admission";
      readonly from: number;
      readonly sector: SectorStatement;
      readonly nodes: readonly number[];
    }
  | {
      readonly kind: "commit";
      readonly sector: SectorStatement;
      readonly beaconHeight: number;
    };

/** One name for a task, however often it is planned. */
export const taskKey = (task: SpaceTask): string => {
  if (task.kind === "window") return `window ${task.epoch} ${task.from}`;
  const { sectorNo } = task.sector;
  return task.kind === "admission" ? `admission ${sectorNo} ${task.from}` : `commit ${sectorNo}`;
};

/** Openings of one event. */
const perEvent = (bytes: number, most: number): number =>
  Math.min(most, Math.floor(LIMITS.spacePartBytesMax / bytes));

const windowTask = (hasher: Hasher, view: SpaceView): SpaceTask | undefined => {
  const { parameters, prover, epoch, self, timeMs } = view;
  if (prover === undefined || epoch.number === 0 || prover.provenEpoch >= epoch.number)
    return undefined;
  if (timeMs - epoch.startMs >= parameters.responseMs) return undefined;
  const seed = view.beaconAt(epoch.firstHeight);
  const entries = sectorsIn(prover, epoch.number);
  if (seed === undefined || entries.length === 0) return undefined;
  const sectors: SectorStatement[] = [];
  for (const { number } of entries) {
    const row = view.sector(number);
    if (row === undefined) return undefined;
    sectors.push(statementOf(parameters, self, number, row));
  }
  const from = prover.windowEpoch === epoch.number ? prover.windowDone : 0;
  const count = perEvent(openingBytes(parameters.lgNodes), LIMITS.spacePartOpeningsMax);
  const to = Math.min(from + count, epochChallengeCount(parameters, entries.length));
  const challenges = epochChallenges(hasher, parameters, self, entries.length, seed, { from, to });
  return { kind: "window", epoch: epoch.number, from, sectors, challenges };
};

const admissionSeed = (view: SpaceView, row: SectorRow): Hash | undefined =>
  isZero(row.seed) ? view.beaconAt(row.committedHeight + LIMITS.spaceAdmissionDelay) : row.seed;

/** The next part of the admission of a sector that is committed to as this machine has it. */
const admissionTask = (
  hasher: Hasher,
  view: SpaceView,
  { statement, hasLayers }: LocalSector,
): SpaceTask | undefined => {
  const { parameters, epoch, self } = view;
  const { lgNodes, layers, admissionChallenges } = parameters;
  const entry = view.prover?.sectors.find(({ number }) => number === statement.sectorNo);
  const row = entry === undefined ? undefined : view.sector(statement.sectorNo);
  if (!hasLayers || entry === undefined || row === undefined) return undefined;
  if (entry.endEpoch < epoch.number || isGivenBack(entry)) return undefined;
  const isSame = equalBytes(row.commRl, statement.commRl) && equalBytes(row.commC, statement.commC);
  if (!isSame || row.done >= admissionChallenges) return undefined;
  const seed = admissionSeed(view, row);
  if (seed === undefined) return undefined;
  const from = row.done;
  const count = perEvent(admissionBytes(lgNodes, layers, 1), LIMITS.spacePartAdmissionsMax);
  const to = Math.min(from + count, admissionChallenges);
  const sector = statementOf(parameters, self, statement.sectorNo, row);
  const nodes = admissionNodes(hasher, parameters, sector, seed, { from, to });
  return { kind: "admission", from, sector, nodes };
};

/** A sector is not committed to so shortly before its beacon is forgotten that the event comes too late. */
const FORGOTTEN_SOON_HEIGHTS = 256;

/** The lowest height whose beacon a commitment may name, with room for the time that it takes to arrive. */
export const lowestBeacon = ({ height }: Pick<SpaceView, "height">): number =>
  Math.max(0, height + FORGOTTEN_SOON_HEIGHTS - LIMITS.beaconHistory);

/** The height that is kept with a sector, where it has the sector's beacon and is not forgotten. */
const keptHeight = (
  view: SpaceView,
  { statement, beaconHeight }: LocalSector,
): number | undefined => {
  if (beaconHeight === undefined || beaconHeight < lowestBeacon(view)) return undefined;
  const found = view.beaconAt(beaconHeight);
  return found !== undefined && equalBytes(found, statement.beacon) ? beaconHeight : undefined;
};

/**
 * Whether a commitment to a sector is to come: one that is on the chain, or was, is not committed to again, and its
 * beacon, which the chain may have forgotten long ago, is of no use any more.
 */
const isToCome = (
  { parameters, prover, epoch }: SpaceView,
  { statement, hasLayers }: LocalSector,
): boolean => {
  const isShape =
    statement.lgNodes === parameters.lgNodes && statement.layers === parameters.layers;
  const row = prover ?? NO_PROVER_ROW;
  return hasLayers && isShape && !isUsedNumber(row, statement.sectorNo, epoch.number);
};

const commitTask = (
  { prover, epoch }: SpaceView,
  { statement }: LocalSector,
  beaconHeight: number | undefined,
): SpaceTask | undefined => {
  if (beaconHeight === undefined) return undefined;
  const { sectors } = prover ?? NO_PROVER_ROW;
  const held = sectors.filter(({ endEpoch }) => endEpoch >= epoch.number);
  return held.length >= LIMITS.spaceValidatorSectorsMax
    ? undefined
    : { kind: "commit", sector: statement, beaconHeight };
};

/**
 * The first task that `isOpen` lets through; undefined where there is nothing to say now. `heightOf` finds the
 * height of the beacon that a sector was begun from; it is asked of those only that are to be committed to.
 */
export const nextTask = (
  hasher: Hasher,
  view: SpaceView,
  local: readonly LocalSector[],
  heightOf: (beacon: Hash) => number | undefined,
  isOpen: (task: SpaceTask) => boolean,
): SpaceTask | undefined => {
  const window = windowTask(hasher, view);
  if (window !== undefined && isOpen(window)) return window;
  const own = local.filter(({ statement }) => equalBytes(statement.validatorId, view.self));
  for (const sector of own) {
    const task = admissionTask(hasher, view, sector);
    if (task !== undefined && isOpen(task)) return task;
  }
  for (const sector of own.filter((one) => isToCome(view, one))) {
    const { beacon } = sector.statement;
    const height = keptHeight(view, sector) ?? heightOf(beacon);
    const task = commitTask(view, sector, height);
    if (task !== undefined && isOpen(task)) return task;
  }
  return undefined;
};
