/**
 * Openings of sectors in blocks and on batches (docs/proofs.md, Space): what is due, and whether it is right.
 *
 * A proposer opens nodes of its own sectors for the beacon of the parent, in the block's proof section. The
 * host of a batch, the node that took it from its author, opens nodes of one of its sectors for the beacon of
 * the batch's reference and the batch's place in its lane, in a slot of the envelope:
 *
 *     slot of kind 2, version 1:   host(32)   u64 number of the sector   openings
 *
 * Which sectors count in an epoch is settled when it begins, so every state since then gives one answer. Who
 * has none proposes without; nobody hosts without, and only where nobody of the set has one is no host due.
 */
import { DecodeError, Reader, Writer } from "../crypto/codec.ts";
import type { Hasher } from "../crypto/hash.ts";
import { type Failure, fail } from "../errors.ts";
import { blockChallenges, eventChallenges, type OpeningTask } from "../proofs/space/challenges.ts";
import { verifyOpenings } from "../proofs/space/openings.ts";
import { HOST_BYTES, openingBytes, type SpaceParameters } from "../proofs/space/parameters.ts";
import type { SectorStatement } from "../proofs/space/statement.ts";
import { type SpaceHashes, spaceHashesOf } from "../proofs/space/tree.ts";
import { SLOT_VERSION, SPACE_SLOT, slotOf } from "./batch-proofs.ts";
import { epochSector, epochSectors } from "./projections/space/index.ts";
import type { ReadStore } from "./records.ts";
import type { Batch, Hash, ProofSlot, ValidatorSet } from "./types.ts";

/** The sectors of one epoch, as the state has them. */
export type SpaceFacts = {
  readonly epoch: number;
  readonly parameters: SpaceParameters;
  /** In the order of their numbers; none of a validator that has none. */
  sectorsOf(validator: Hash): readonly SectorStatement[];
  sectorOf(validator: Hash, number: number): SectorStatement | undefined;
  /**
   * Whether a batch needs a host: one of the set has a sector. Where nobody has, nobody could host, and no
   * batch that brings a sector back could be written.
   */
  needsHost(): boolean;
  /** Of this node: which envelopes have shown a wrong opening. */
  readonly refused?: RefusedHosts | undefined;
};

/**
 * Envelopes whose openings were found wrong, by digest. Sector, reference and place in the lane are in what the
 * digest covers, and a number of a validator is never another sector: so such a verdict holds in every epoch and
 * on every branch.
 */
export type RefusedHosts = {
  get(digest: Hash): Failure | undefined;
  keep(digest: Hash, failure: Failure): void;
};

/** From a state since the epoch began; undefined on a chain that asks for no space. */
export const spaceFacts = (
  parameters: SpaceParameters | null,
  read: ReadStore,
  set: ValidatorSet | undefined,
  refused?: RefusedHosts,
): SpaceFacts | undefined => {
  if (parameters === null || set === undefined) return undefined;
  const { epoch, validators } = set;
  const sectorsOf = (validator: Hash): readonly SectorStatement[] =>
    epochSectors(read, parameters, validator, epoch);
  return {
    ...{ epoch, parameters, sectorsOf, refused },
    sectorOf: (validator, number) => epochSector(read, parameters, validator, number, epoch),
    needsHost: () => validators.some(({ id }) => sectorsOf(id).length > 0),
  };
};

/** What a proposer has to open; undefined where nothing is due. */
export const blockOpeningTask = (
  hasher: Hasher,
  facts: SpaceFacts,
  proposer: Hash,
  parentBeacon: Hash,
): OpeningTask | undefined => {
  const sectors = facts.sectorsOf(proposer);
  if (sectors.length === 0) return undefined;
  const { parameters } = facts;
  const count = sectors.length;
  return {
    sectors,
    challenges: blockChallenges(hasher, parameters, proposer, count, parentBeacon),
  };
};

const checkOpened = (
  hashes: SpaceHashes,
  { parameters }: SpaceFacts,
  { sectors, challenges }: OpeningTask,
  openings: Uint8Array,
): Failure | undefined => {
  const checked = verifyOpenings(hashes, parameters.lgNodes, sectors, challenges, openings);
  return checked.ok ? undefined : checked;
};

/**
 * Whether a block's openings are those that are due. `parentBeacon` is undefined where it is not known here.
 * Codes: space.missing, space.superfluous, space.proof-shape, space.proof-path, node.not-ready.
 */
export const checkBlockOpenings = (
  hasher: Hasher,
  facts: SpaceFacts | undefined,
  proposer: Hash | undefined,
  parentBeacon: Hash | undefined,
  openings: Uint8Array,
): Failure | undefined => {
  if (parentBeacon === undefined && facts !== undefined) {
    return fail("node.not-ready", "the parent's beacon is not known here", { field: "beacon" });
  }
  const task =
    facts === undefined || proposer === undefined || parentBeacon === undefined
      ? undefined
      : blockOpeningTask(hasher, facts, proposer, parentBeacon);
  if (facts === undefined || task === undefined) {
    return openings.length === 0
      ? undefined
      : fail("space.superfluous", "the proposer has no sector in this epoch");
  }
  if (openings.length === 0) return fail("space.missing", "the proposer opens no sector");
  return checkOpened(spaceHashesOf(hasher), facts, task, openings);
};

/** A batch as its host is asked for it. */
export type HostedBatch = Pick<Batch, "actor" | "laneSeq" | "refHeight">;

/** What a host has to open of its sector. */
export const hostOpeningTask = (
  hasher: Hasher,
  { parameters }: SpaceFacts,
  sector: SectorStatement,
  { actor, laneSeq }: HostedBatch,
  refBeacon: Hash,
): OpeningTask => {
  const place = { laneId: actor, laneSeq };
  return {
    sectors: [sector],
    challenges: eventChallenges(hasher, parameters, sector, place, refBeacon),
  };
};

/** The slot of a host's openings. */
export const hostSlot = (sector: SectorStatement, openings: Uint8Array): ProofSlot => ({
  kind: SPACE_SLOT,
  version: SLOT_VERSION,
  bytes: new Writer(HOST_BYTES + openings.length)
    .hash(sector.validatorId)
    .u64(sector.sectorNo)
    .raw(openings)
    .finish(),
});

type Slot = { readonly host: Hash; readonly number: number; readonly openings: Uint8Array };

const readSlot = ({ bytes }: ProofSlot): Slot | undefined => {
  try {
    const reader = new Reader(bytes);
    return { host: reader.hash(), number: reader.u64(), openings: reader.rest() };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
};

/** Batches whose openings were right in an epoch: neither changes, and a block shows again what was admitted. */
const passed = new WeakMap<Batch, number>();

/** Every state since an epoch began says the same, and who pushes a batch again is to cost no read. */
const looked = new WeakMap<Batch, { readonly epoch: number; readonly isLost: boolean }>();

/**
 * Whether a batch that was admitted has no host any more: it names a sector that the running epoch does not count, as
 * its validator was put out or gave it back, or none where one is needed now. An opening that was right stays right, so
 * nothing is computed.
 */
export const hasLostHost = (facts: SpaceFacts | undefined, batch: Batch): boolean => {
  if (facts === undefined || passed.get(batch) === facts.epoch) return false;
  const known = looked.get(batch);
  if (known?.epoch === facts.epoch) return known.isLost;
  const slot = slotOf(batch.proofs, SPACE_SLOT);
  const read = slot === undefined ? undefined : readSlot(slot);
  const isLost =
    slot === undefined
      ? facts.needsHost()
      : read === undefined || facts.sectorOf(read.host, read.number) === undefined;
  looked.set(batch, { epoch: facts.epoch, isLost });
  return isLost;
};

/**
 * Whether a batch has a host whose sector counts in the epoch, and the opening is right. Cheapest first. Codes:
 * space.missing, space.proof-shape, space.sector-unknown, space.proof-path, node.not-ready.
 */
export const checkHost = (
  hasher: Hasher,
  facts: SpaceFacts | undefined,
  batch: Batch,
  beaconAt: (height: number) => Hash | undefined,
): Failure | undefined => {
  if (facts === undefined || passed.get(batch) === facts.epoch) return undefined;
  const { parameters, epoch } = facts;
  const slot = slotOf(batch.proofs, SPACE_SLOT);
  if (slot === undefined) {
    return facts.needsHost() ? fail("space.missing", "the batch has no host") : undefined;
  }
  const length = HOST_BYTES + parameters.eventOpenings * openingBytes(parameters.lgNodes);
  const read = slot.bytes.length === length ? readSlot(slot) : undefined;
  if (read === undefined) {
    return fail("space.proof-shape", `a slot of ${slot.bytes.length} bytes instead of ${length}`);
  }
  const sector = facts.sectorOf(read.host, read.number);
  if (sector === undefined) {
    return fail("space.sector-unknown", "the host has no such sector in this epoch");
  }
  const known = facts.refused?.get(batch.digest);
  if (known !== undefined) return known;
  const beacon = beaconAt(batch.refHeight);
  if (beacon === undefined) {
    return fail("node.not-ready", "the reference's beacon is not known", { field: "beacon" });
  }
  const task = hostOpeningTask(hasher, facts, sector, batch, beacon);
  const wrong = checkOpened(spaceHashesOf(hasher), facts, task, read.openings);
  if (wrong === undefined) passed.set(batch, epoch);
  else facts.refused?.keep(batch.digest, wrong);
  return wrong;
};
