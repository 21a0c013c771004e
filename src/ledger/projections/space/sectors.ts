/** Sectors: committed to, admitted part by part, given back. */
import { isZero, ZERO_HASH } from "../../../crypto/bytes.ts";
import { LIMITS } from "../../../limits.ts";
import { graphOf, verifyAdmission } from "../../../proofs/space/admission.ts";
import { admissionBytes } from "../../../proofs/space/parameters.ts";
import { spaceHashesOf } from "../../../proofs/space/tree.ts";
import {
  type Apply,
  type Decide,
  type EventContext,
  type ProjectionRead,
  type Refusal,
  refuse,
} from "../../projection.ts";
import type { Hash } from "../../types.ts";
import { isRefusal, partRange } from "./checks.ts";
import type { SectorCommitted, SectorDropped, SectorProven } from "./events.ts";
import {
  givenBack,
  isGivenBack,
  isUsedNumber,
  NO_EPOCH,
  type ProverRow,
  parametersOf,
  proverOf,
  putProver,
  type SectorRow,
  sectorKey,
  sectorOf,
  sectorRow,
  sectorsIn,
  statementOf,
} from "./rows.ts";

/** Sectors of a validator that are still in an epoch from this one on. */
const heldIn = ({ sectors }: ProverRow, epoch: number): ProverRow["sectors"] =>
  sectors.filter(({ endEpoch }) => endEpoch >= epoch);

const commitsIn = ({ commitEpoch, commits }: ProverRow, epoch: number): number =>
  commitEpoch === epoch ? commits : 0;

/** Codes: space.beacon, space.sector-known, space.sectors-full. */
export const decideCommitted: Decide<SectorCommitted> = (read, value, context) => {
  const { number, beaconHeight } = value;
  const epoch = context.epoch.number;
  if (beaconHeight % LIMITS.gridHeights !== 0) {
    return refuse("space.beacon", `height ${beaconHeight} is not a multiple of 16`);
  }
  if (context.beaconAt(beaconHeight) === undefined) {
    return refuse("space.beacon", `the beacon of height ${beaconHeight} is not known any more`);
  }
  const prover = proverOf(read, context.actor);
  if (isUsedNumber(prover, number, epoch)) {
    return refuse("space.sector-known", `the number ${number} is used up`);
  }
  const most = LIMITS.spaceValidatorSectorsMax;
  if (heldIn(prover, epoch).length >= most || commitsIn(prover, epoch) >= most) {
    return refuse("space.sectors-full", `at most ${most} sectors, and ${most} new ones an epoch`);
  }
  return undefined;
};

export const applyCommitted: Apply<SectorCommitted> = (tx, value, context) => {
  const { number, beaconHeight, commC, commRl } = value;
  const epoch = context.epoch.number;
  const beacon = context.beaconAt(beaconHeight);
  if (beacon === undefined) throw new RangeError("a commitment without its beacon was accepted");
  const begun = { beacon, beaconHeight, commC, commRl };
  const at = { committedHeight: context.height, committedEpoch: epoch };
  tx.put(
    sectorKey(context.actor, number),
    sectorRow.encode({ ...begun, ...at, seed: ZERO_HASH, done: 0 }),
  );
  const prover = proverOf(tx, context.actor);
  const entry = { number, fromEpoch: NO_EPOCH, endEpoch: epoch + 1 };
  const commits = commitsIn(prover, epoch) + 1;
  const row = { ...prover, commitEpoch: epoch, commits, sectors: [...prover.sectors, entry] };
  putProver(tx, context.actor, row, epoch);
};

/** The seed of an admission: what the first part settled, or the beacon that it would settle. */
const seedOf = (row: SectorRow, context: EventContext): Hash | Refusal => {
  if (!isZero(row.seed)) return row.seed;
  const height = row.committedHeight + LIMITS.spaceAdmissionDelay;
  const seed = context.beaconAt(height);
  if (seed !== undefined) return seed;
  return context.height <= height
    ? refuse("space.seed-pending", `the seed is the beacon of height ${height}`)
    : refuse("space.stale", `the beacon of height ${height} is not known any more`);
};

type Found = { readonly row: SectorRow; readonly entry: ProverRow["sectors"][number] };

const findHeld = (
  read: ProjectionRead,
  number: number,
  { actor, epoch }: EventContext,
): Found | undefined => {
  const held = heldIn(proverOf(read, actor), epoch.number);
  const entry = held.find((one) => one.number === number && !isGivenBack(one));
  const row = entry === undefined ? undefined : sectorOf(read, actor, number);
  return entry === undefined || row === undefined ? undefined : { row, entry };
};

/**
 * Codes: space.sector-unknown (never committed to, by another, given back, or too late), space.seed-pending,
 * space.stale, space.part, event.invalid, and those of the proof.
 */
export const decideProven: Decide<SectorProven> = (read, value, context) => {
  const found = findHeld(read, value.number, context);
  if (found === undefined) {
    return refuse("space.sector-unknown", `no sector ${value.number} of this validator`);
  }
  const seed = seedOf(found.row, context);
  if (!(seed instanceof Uint8Array)) return seed;
  const parameters = parametersOf(read);
  const { lgNodes, layers, admissionChallenges: total } = parameters;
  const bytes = admissionBytes(lgNodes, layers, 1);
  const of = { done: found.row.done, total, bytes, most: LIMITS.spacePartAdmissionsMax };
  const range = partRange(value, context, of);
  if (isRefusal(range)) return range;
  const { hasher, actor } = context;
  const statement = statementOf(parameters, actor, value.number, found.row);
  const hashes = spaceHashesOf(hasher);
  const graph = graphOf(lgNodes, layers);
  const { openings } = value;
  const checked = verifyAdmission(
    ...([hasher, hashes, graph, parameters, statement, seed, openings, range] as const),
  );
  if (checked.ok) return undefined;
  const refusal = refuse(checked.code, checked.detail);
  // Label and parents are all in the sector that was committed to, and do not follow from each other.
  return checked.code === "space.proof-label" ? { ...refusal, forged: true } : refusal;
};

export const applyProven: Apply<SectorProven> = (tx, value, context) => {
  const { actor, epoch } = context;
  const { lgNodes, layers, admissionChallenges } = parametersOf(tx);
  const row = sectorOf(tx, actor, value.number);
  const seed = row === undefined ? undefined : seedOf(row, context);
  if (row === undefined || !(seed instanceof Uint8Array)) {
    throw new RangeError("a part of no sector was accepted");
  }
  const done = row.done + value.openings.length / admissionBytes(lgNodes, layers, 1);
  tx.put(sectorKey(actor, value.number), sectorRow.encode({ ...row, seed, done }));
  if (done < admissionChallenges) return;
  const prover = proverOf(tx, actor);
  const endEpoch = row.committedEpoch + LIMITS.spaceSectorEpochsMax;
  const sectors = prover.sectors.map((entry) => {
    if (entry.number !== value.number) return entry;
    return { ...entry, fromEpoch: Math.min(entry.fromEpoch, epoch.number + 1), endEpoch };
  });
  // Who had none that could be asked for has missed nothing, and has shown them now.
  const isFirst = sectorsIn(prover, epoch.number).length === 0;
  const provenEpoch = isFirst ? epoch.number : prover.provenEpoch;
  putProver(tx, actor, { ...prover, provenEpoch, sectors }, epoch.number);
};

/** Code: space.sector-unknown. */
export const decideDropped: Decide<SectorDropped> = (read, { number }, context) =>
  findHeld(read, number, context) === undefined
    ? refuse("space.sector-unknown", `no sector ${number} of this validator`)
    : undefined;

export const applyDropped: Apply<SectorDropped> = (tx, { number }, { actor, epoch }) => {
  const prover = proverOf(tx, actor);
  const sectors = prover.sectors.map((entry) =>
    entry.number === number ? givenBack(entry, epoch.number) : entry,
  );
  putProver(tx, actor, { ...prover, sectors }, epoch.number);
};
