/**
 * The validity predicate (docs/protocol.md, "Header and block"): a pure function of a block, its
 * ancestors, the epoch snapshot and the state at the header's own executed height. Every node gets the
 * same answer, whatever it has executed since; what depends on newer state is decided at execution.
 */
import { compareBytes, equalBytes, isZero, toHex } from "../crypto/bytes.ts";
import type { Hasher } from "../crypto/hash.ts";
import { type Failure, fail } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type IvrfRegistration, verifyReveal } from "../proofs/beacon/ivrf.ts";
import type { LaneHead } from "./batch.ts";
import { type AskedProofs, checkSlots, checkWorked, type WorkVerdict } from "./batch-work.ts";
import { batchesRoot, PROTOCOL_VERSION, proofsHash } from "./block.ts";
import { hasSection } from "./block-proofs.ts";
import type { GenesisProofs } from "./genesis-proofs.ts";
import { dueReveal } from "./projections/beacon.ts";
import type { EventRegistry } from "./registry.ts";
import { checkBlockOpenings, checkHost, type SpaceFacts } from "./space-openings.ts";
import type { Batch, Block, ExecutionRoots, Hash, Header, ValidatorSet } from "./types.ts";
import { type LeaderSchedule, leaderOf } from "./validator-set.ts";

/** What the predicate needs of the parent, so that genesis can be one. */
export type ParentBlock = {
  readonly hash: Hash;
  readonly height: number;
  readonly epoch: number;
  readonly view: number;
  readonly timeMs: number;
  readonly executedHeight: number;
  /** The parent ended its epoch: this block must be of the next. True for genesis. */
  readonly boundary: boolean;
};

/** The parent as the predicate sees it. */
export const parentOf = (block: Pick<Block, "header" | "hash">): ParentBlock => {
  const { height, epoch, view, timeMs, executedHeight, nextSetHash } = block.header;
  const boundary = !isZero(nextSetHash);
  return { hash: block.hash, height, epoch, view, timeMs, executedHeight, boundary };
};

/** Genesis as the parent of block 1, which is of `firstEpoch`. */
export const genesisParent = (hash: Hash, timeMs: number, firstEpoch: number): ParentBlock => ({
  hash,
  height: 0,
  epoch: firstEpoch - 1,
  view: 0,
  timeMs,
  executedHeight: 0,
  boundary: true,
});

export type EpochSnapshot = {
  readonly set: ValidatorSet;
  readonly schedule: LeaderSchedule;
  /** Time of the block that the epoch starts after: genesis, or the boundary block of the one before. */
  readonly epochStartMs: number;
  readonly epochMs: number;
  /** Hash of the next epoch's set, which is fixed when this epoch starts. */
  readonly nextSetHash: Hash;
};

/** Registration of an actor; keys never change. */
export type ActorKey = { readonly publicKey: Uint8Array; readonly registeredHeight: number };

/** What a block is held against before one of its batches is here. */
export type ProposalInput = {
  readonly hasher: Hasher;
  readonly block: Block;
  readonly parent: ParentBlock;
  readonly epoch: EpochSnapshot;
  /** What the genesis asks for. */
  readonly proofs: GenesisProofs;
  /** The beacon of a height up to the parent's, along the ancestor chain; undefined on a chain without. */
  beaconAt(height: number): Hash | undefined;
  /** The iVRF keys of a validator, from any state since the epoch began; none on a chain without a beacon. */
  ivrfKeys(validator: Hash): readonly IvrfRegistration[];
  /** Sectors of the epoch; undefined on a chain that asks for no space. */
  readonly space: SpaceFacts | undefined;
};

export type ValidityInput = ProposalInput & {
  readonly registry: EventRegistry;
  /** The block's batches, in the order of its digests. */
  readonly batches: readonly Batch[];
  /** Head of a lane after the parent, along the ancestor chain. */
  laneHead(actor: Hash): LaneHead;
  /** Hash of a height up to the parent's, along the ancestor chain; 0 is genesis. */
  hashAt(height: number): Hash | undefined;
  /** Ledger time of such a height, milliseconds. */
  timeAt(height: number): number | undefined;
  actorKeyAt(actor: Hash): ActorKey | undefined;
  /** What executing up to a height gave; undefined when this node has not executed that far. */
  rootsAt(height: number): ExecutionRoots | undefined;
  /** Whether the signature verified under the actor's key; undefined when it was not tried (or forgotten). */
  sameBatchVerdict(digest: Hash): boolean | undefined;
  /** What the chain asks a batch to carry. */
  readonly asked: AskedProofs;
  /** What was found of a batch's work, held against the terms of its reference; undefined: not tried. */
  workVerdict(digest: Hash): WorkVerdict | undefined;
  /**
   * What a batch's work shows without a verifier: its stated effort, and the hash of it. Absent where a verdict
   * costs the caller nothing more.
   */
  workStated?(batch: Batch): Failure | undefined;
};

/** What is left to look at when everything else is right. */
export type TriedInput = Pick<
  ValidityInput,
  "block" | "batches" | "rootsAt" | "sameBatchVerdict" | "asked" | "workVerdict"
>;

/**
 * Undefined for a valid block. node.not-ready is not a verdict: the caller has not executed up to the
 * header's executedHeight, has no header that a batch refers to, or has not tried a batch's work or
 * signature (data.field names which), and asks again later.
 * Roots are compared last, so block.wrong-root says that all else is valid and the states differ.
 * Codes: block.wrong-chain, block.header, block.next-set, beacon.reveal-missing, beacon.reveal-superfluous,
 * beacon.reveal-malformed, beacon.reveal-invalid, space.missing, space.superfluous, space.proof-shape,
 * space.proof-path, block.too-many-batches, block.batches-root,
 * block.too-large, block.too-many-events, block.too-costly, block.batch-order, block.batch-invalid (data: code,
 * batch, position),
 * block.wrong-root (data: field, executedHeight), node.not-ready.
 */
export const validateBlock = (input: ValidityInput): Failure | undefined =>
  validateProposal(input) ?? validateBatches(input) ?? validateTried(input);

/**
 * The part of the predicate that needs no batch: header, next set, reveal, openings and digests. Within an
 * epoch its answer stays. Codes: those of `validateBlock` up to block.batches-root, node.not-ready.
 */
export const validateProposal = (input: ProposalInput): Failure | undefined =>
  checkHeader(input) ??
  checkNextSet(input) ??
  checkReveal(input) ??
  checkOpenings(input) ??
  checkDigests(input);

/**
 * The part that needs the batches and nothing that takes a verifier: what look-ups and payloads show of all, then
 * the effort that all state, which is a hash of each, then the hosts' openings of all. Of a block that has passed the
 * first part; on one branch, its answer stays.
 * Codes: those of `validateBlock` from block.batches-root to block.batch-invalid, node.not-ready.
 */
export const validateBatches = (input: ValidityInput): Failure | undefined =>
  checkBody(input) ??
  checkOrder(input) ??
  checkExecuted(input) ??
  checkPlaces(input) ??
  firstOf(input.batches, (batch) => input.workStated?.(batch)) ??
  firstOf(input.batches, (batch) =>
    checkHost(input.hasher, input.space, batch, (height) => input.beaconAt(height)),
  );

/**
 * The part that takes the verdicts of verifiers, of a block that has passed the others: the work of all batches, then
 * the signatures of all, then the roots. So nobody checks work for a block that anything cheaper is wrong with, and no
 * signature of a block in which anything else is. Codes: block.batch-invalid, block.wrong-root, node.not-ready.
 */
export const validateTried = (input: TriedInput): Failure | undefined =>
  firstOf(input.batches, (batch) =>
    checkWorked(input.asked, batch, (digest) => input.workVerdict(digest)),
  ) ??
  firstOf(input.batches, (batch) => checkSigned(input, batch)) ??
  checkRoots(input);

/** Bytes and events of batches: of all of a block's, or of those that are here. */
export type CoreTotals = { readonly bytes: number; readonly events: number };

/** With what their checks may take, which the types of events say and cores do not. */
export type BatchTotals = CoreTotals & { readonly checkUnits: number };

/** What a batch adds to its block. */
export const totalsOf = (
  registry: EventRegistry,
  { bytes, events }: Pick<Batch, "bytes" | "events">,
): BatchTotals => ({
  bytes: bytes.length,
  events: events.length,
  checkUnits: registry.checkUnits(events),
});

export const sumOfTotals = (a: BatchTotals, b: BatchTotals): BatchTotals => ({
  bytes: a.bytes + b.bytes,
  events: a.events + b.events,
  checkUnits: a.checkUnits + b.checkUnits,
});

export const NO_TOTALS: BatchTotals = { bytes: 0, events: 0, checkUnits: 0 };

/**
 * Whether a block may hold so much. It never gets less. Codes: block.too-large, block.too-many-events,
 * block.too-costly.
 */
export const checkTotals = ({ bytes, events, checkUnits }: BatchTotals): Failure | undefined => {
  if (bytes > LIMITS.blockBytesMax) {
    return fail("block.too-large", `${bytes} bytes of batches, limit ${LIMITS.blockBytesMax}`);
  }
  if (events > LIMITS.blockEventsMax) {
    return fail("block.too-many-events", `${events} events, limit ${LIMITS.blockEventsMax}`);
  }
  return checkUnits > LIMITS.blockCheckUnitsMax
    ? fail("block.too-costly", `checks of ${checkUnits} units, limit ${LIMITS.blockCheckUnitsMax}`)
    : undefined;
};

/** The boundary block of an epoch is the first whose time is at least epochMs after the epoch's start. */
export const isBoundaryTime = (epoch: EpochSnapshot, timeMs: number): boolean =>
  timeMs - epoch.epochStartMs >= epoch.epochMs;

/** Live votes only (PBTS): received - delay - precision <= time <= received + precision; milliseconds. */
export const isTimely = (
  timeMs: number,
  receivedWallMs: number,
  precisionMs: number,
  delayMs: number,
): boolean =>
  timeMs >= receivedWallMs - delayMs - precisionMs && timeMs <= receivedWallMs + precisionMs;

/** Batches in canonical order: lanes by Ht("order", seed || actor), within a lane by laneSeq. */
export const orderBatches = (hasher: Hasher, seed: Hash, batches: readonly Batch[]): Batch[] => {
  const keys = new Map<string, Hash>();
  const keyed = batches.map((batch) => {
    const lane = toHex(batch.actor);
    const key = keys.get(lane) ?? laneOrder(hasher, seed, batch.actor);
    keys.set(lane, key);
    return { batch, key };
  });
  keyed.sort((a, b) => compareBytes(a.key, b.key) || a.batch.laneSeq - b.batch.laneSeq);
  return keyed.map(({ batch }) => batch);
};

/** Where a batch would be included: the block's height and time, and the chain behind it. */
export type InclusionPoint = {
  readonly height: number;
  readonly timeMs: number;
  hashAt(height: number): Hash | undefined;
  timeAt(height: number): number | undefined;
};

/**
 * The reference and expiry rule. Codes: batch.ref-not-grid, batch.ref-future, batch.expired,
 * batch.ref-mismatch, node.not-ready (the referenced height is not known here).
 */
export const checkReference = (
  batch: Pick<Batch, "refHeight" | "refHash">,
  at: InclusionPoint,
): Failure | undefined => {
  const { refHeight } = batch;
  if (refHeight % LIMITS.gridHeights !== 0) {
    return fail("batch.ref-not-grid", `height ${refHeight} is not a multiple of 16`, { refHeight });
  }
  if (refHeight >= at.height) {
    const detail = `height ${refHeight} is not below ${at.height}`;
    return fail("batch.ref-future", detail, { refHeight, height: at.height });
  }
  const expired = isExpired(refHeight, at);
  if (expired === true) {
    const detail = `reference ${refHeight} is too old at height ${at.height}`;
    return fail("batch.expired", detail, { refHeight, height: at.height });
  }
  const hash = at.hashAt(refHeight);
  if (hash === undefined || expired === undefined) {
    return notReady("refHeight", `height ${refHeight} is not known here`);
  }
  return equalBytes(hash, batch.refHash)
    ? undefined
    : fail("batch.ref-mismatch", `not the hash of height ${refHeight}`, { refHeight });
};

/** `checkReference` of many batches at one point: those that share a reference share its answer. */
export const referenceCheck = (
  at: InclusionPoint,
): ((batch: Pick<Batch, "refHeight" | "refHash">) => Failure | undefined) => {
  const answers = new Map<string, Failure | undefined>();
  return (batch) => {
    const key = `${batch.refHeight}/${toHex(batch.refHash)}`;
    if (!answers.has(key)) answers.set(key, checkReference(batch, at));
    return answers.get(key);
  };
};

/**
 * Whether a reference is too old for a block of this height and time: beyond both the block and the time
 * bound, or beyond the cap. Undefined when that depends on the time of a height that is not known here.
 */
export const isExpired = (
  refHeight: number,
  at: Pick<InclusionPoint, "height" | "timeMs" | "timeAt">,
): boolean | undefined => {
  const age = at.height - refHeight;
  if (age > LIMITS.batchAgeBlocksCap) return true;
  if (age <= LIMITS.batchAgeBlocksMax) return false;
  const refTimeMs = at.timeAt(refHeight);
  return refTimeMs === undefined ? undefined : at.timeMs - refTimeMs > LIMITS.batchAgeMsMax;
};

/** Lane continuity. Codes: batch.lane-replay, batch.lane-gap, batch.lane-fork. */
export const checkLane = (
  batch: Pick<Batch, "laneSeq" | "prevBatchId">,
  head: LaneHead,
): Failure | undefined => {
  const { laneSeq } = batch;
  const data = { laneSeq, head: head.seq };
  if (laneSeq <= head.seq) {
    return fail("batch.lane-replay", `place ${laneSeq}, the head is ${head.seq}`, data);
  }
  if (laneSeq > head.seq + 1) {
    return fail("batch.lane-gap", `place ${laneSeq}, the head is ${head.seq}`, data);
  }
  return equalBytes(batch.prevBatchId, head.id)
    ? undefined
    : fail("batch.lane-fork", `place ${laneSeq} does not follow the head's id`, data);
};

/** Batches whose events passed: a batch never changes, and a proposal shows again what admission saw. */
const passed = new WeakMap<EventRegistry, WeakSet<Batch>>();

/**
 * Event types known, their checks within the limit of a batch, payloads well-formed. Codes: batch.unknown-event-type,
 * batch.too-costly, batch.bad-payload.
 */
export const checkEvents = (registry: EventRegistry, batch: Batch): Failure | undefined => {
  const known = passed.get(registry) ?? new WeakSet<Batch>();
  if (known.has(batch)) return undefined;
  const units = registry.checkUnits(batch.events);
  if (units > LIMITS.batchCheckUnitsMax) {
    const detail = `checks of ${units} units, limit ${LIMITS.batchCheckUnitsMax}`;
    return fail("batch.too-costly", detail, { units });
  }
  for (const event of batch.events) {
    const failure = registry.check(event);
    if (failure !== undefined) return failure;
  }
  known.add(batch);
  passed.set(registry, known);
  return undefined;
};

function checkHeader(input: ProposalInput): Failure | undefined {
  const { hasher, block, parent, epoch } = input;
  const header = block.header;
  if (header.protocolVersion !== PROTOCOL_VERSION) {
    return wrongField("protocolVersion", PROTOCOL_VERSION, header.protocolVersion);
  }
  if (!equalBytes(header.chainHash, hasher.chainHash)) {
    return fail("block.wrong-chain", "the header is of another chain");
  }
  const expectedEpoch = parent.boundary ? parent.epoch + 1 : parent.epoch;
  if (header.epoch !== expectedEpoch || header.epoch !== epoch.set.epoch) {
    return wrongField("epoch", expectedEpoch, header.epoch);
  }
  if (header.height !== parent.height + 1) {
    return wrongField("height", parent.height + 1, header.height);
  }
  if (!equalBytes(header.parentHash, parent.hash)) {
    return wrongField("parentHash", toHex(parent.hash), toHex(header.parentHash));
  }
  return checkViews(header, parent, epoch) ?? checkTimes(header, parent) ?? checkSection(input);
}

/** A parent may be notarized again by re-proposal, so parentView may exceed the view in its header. */
function checkViews(
  header: Header,
  parent: ParentBlock,
  epoch: EpochSnapshot,
): Failure | undefined {
  const { view, parentView, proposer } = header;
  const [from, to] = parent.boundary ? [0, 0] : [parent.view, view - 1];
  if (view < 1) return wrongField("view", "at least 1", view);
  if (parentView < from || parentView > to) {
    return wrongField("parentView", `${from} to ${to}`, parentView);
  }
  const leader = leaderOf(epoch.schedule, view);
  return proposer === leader ? undefined : wrongField("proposer", leader, proposer);
}

function checkTimes(header: Header, parent: ParentBlock): Failure | undefined {
  const { height, timeMs, executedHeight } = header;
  if (timeMs <= parent.timeMs) return wrongField("timeMs", `above ${parent.timeMs}`, timeMs);
  const lowest = Math.max(parent.executedHeight, height - LIMITS.executionLagMax);
  if (executedHeight < lowest || executedHeight > height - 1) {
    return wrongField("executedHeight", `${lowest} to ${height - 1}`, executedHeight);
  }
  return undefined;
}

/** Decoding has held the header's proofsHash against the section, unless the block was made here. */
function checkSection({ hasher, block, proofs }: ProposalInput): Failure | undefined {
  const hash = proofsHash(hasher, block.proofs);
  if (!equalBytes(block.header.proofsHash, hash)) {
    return wrongField("proofsHash", toHex(hash), toHex(block.header.proofsHash));
  }
  const isThere = block.proofs.bytes.length > 0;
  if (isThere === hasSection(proofs)) return undefined;
  return fail("block.header", `a proof section must ${isThere ? "" : "not "}be empty here`, {
    field: "proofsHash",
  });
}

function checkNextSet({ block, epoch }: ProposalInput): Failure | undefined {
  const { nextSetHash, timeMs } = block.header;
  if (isBoundaryTime(epoch, timeMs)) {
    return equalBytes(nextSetHash, epoch.nextSetHash)
      ? undefined
      : fail("block.next-set", "the boundary block must name the next epoch's set");
  }
  return isZero(nextSetHash)
    ? undefined
    : fail("block.next-set", "only the boundary block of an epoch names a next set");
}

/** What is due follows from height and epoch, and the value from the key: a proposer chooses nothing. */
function checkReveal(input: ProposalInput): Failure | undefined {
  const { hasher, block, proofs, epoch } = input;
  const { reveal } = block.proofs;
  if (proofs.beacon === null) {
    return reveal.length === 0
      ? undefined
      : fail("beacon.reveal-superfluous", "the chain has no beacon");
  }
  const proposer = epoch.set.validators[block.header.proposer];
  const due = dueReveal(proposer === undefined ? [] : input.ivrfKeys(proposer.id), block.header);
  if (due === undefined) {
    return reveal.length === 0
      ? undefined
      : fail("beacon.reveal-superfluous", "no key of the proposer covers the height");
  }
  if (reveal.length === 0) return fail("beacon.reveal-missing", "the proposer reveals no value");
  const value = verifyReveal(hasher, due.key, due.index, reveal);
  return value.ok ? undefined : value;
}

/**
 * What the order of lanes in a block is drawn from: the beacon of its parent, or the parent's hash where
 * there is no beacon. Undefined where the beacon is not known here.
 */
const orderSeedOf = ({ proofs, parent, beaconAt }: ProposalInput): Hash | undefined =>
  proofs.beacon === null ? parent.hash : beaconAt(parent.height);

/** Of the proposer's own sectors, for the beacon of the parent. */
function checkOpenings({ hasher, block, parent, epoch, beaconAt, space }: ProposalInput) {
  const proposer = epoch.set.validators[block.header.proposer]?.id;
  const beacon = beaconAt(parent.height);
  return checkBlockOpenings(hasher, space, proposer, beacon, block.proofs.openings);
}

function checkDigests({ hasher, block }: ProposalInput): Failure | undefined {
  const { header, batchDigests } = block;
  const count = batchDigests.length;
  if (count > LIMITS.blockBatchesMax) {
    return fail("block.too-many-batches", `${count} batches, limit ${LIMITS.blockBatchesMax}`);
  }
  if (header.batchCount !== count) return wrongField("batchCount", count, header.batchCount);
  return equalBytes(header.batchesRoot, batchesRoot(hasher, batchDigests))
    ? undefined
    : fail("block.batches-root", "the digests do not hash to the header's root");
}

function checkBody({ block, batches, registry }: ValidityInput): Failure | undefined {
  const { batchDigests } = block;
  if (batches.length !== batchDigests.length) {
    const detail = `${batches.length} batches for ${batchDigests.length} digests`;
    return fail("block.batches-root", detail);
  }
  let totals = NO_TOTALS;
  for (const [i, batch] of batches.entries()) {
    if (!equalBytes(batch.digest, batchDigests[i] ?? batch.id)) {
      return fail("block.batches-root", `batch ${i} is not the one that the block names`);
    }
    totals = sumOfTotals(totals, totalsOf(registry, batch));
  }
  return checkTotals(totals);
}

function checkOrder(input: ValidityInput): Failure | undefined {
  const { hasher, batches } = input;
  const seed = orderSeedOf(input);
  if (seed === undefined) return notReady("beacon", "the parent's beacon is not known here");
  let before: { readonly batch: Batch; readonly key: Hash } | undefined;
  for (const [position, batch] of batches.entries()) {
    const sameLane = before !== undefined && equalBytes(before.batch.actor, batch.actor);
    const key: Hash =
      sameLane && before !== undefined ? before.key : laneOrder(hasher, seed, batch.actor);
    if (before !== undefined) {
      const ascends = sameLane
        ? before.batch.laneSeq < batch.laneSeq
        : compareBytes(before.key, key) < 0;
      if (!ascends) {
        return fail("block.batch-order", `batch ${position} is out of order`, { position });
      }
    }
    before = { batch, key };
  }
  return undefined;
}

/** Before batches: whether an actor is registered can only be told by who has executed that far. */
function checkExecuted({ block, rootsAt }: ValidityInput): Failure | undefined {
  const { executedHeight } = block.header;
  return rootsAt(executedHeight) === undefined
    ? notReady("executedHeight", `height ${executedHeight} is not executed`)
    : undefined;
}

function checkRoots({ block, rootsAt }: TriedInput): Failure | undefined {
  const { executedHeight, logSize, logRoot, stateRoot } = block.header;
  const roots = rootsAt(executedHeight);
  if (roots === undefined) return undefined;
  const wrong =
    roots.logSize !== logSize
      ? "logSize"
      : !equalBytes(roots.logRoot, logRoot)
        ? "logRoot"
        : !equalBytes(roots.stateRoot, stateRoot)
          ? "stateRoot"
          : undefined;
  if (wrong === undefined) return undefined;
  const data = { field: wrong, executedHeight };
  return fail("block.wrong-root", `${wrong} differs at height ${executedHeight}`, data);
}

/** What is known to be wrong comes before what is not known yet: a block is refused for it at once. */
function firstOf(
  batches: readonly Batch[],
  check: (batch: Batch) => Failure | undefined,
): Failure | undefined {
  let unknown: Failure | undefined;
  for (const [position, batch] of batches.entries()) {
    const failure = check(batch);
    if (failure?.code === "node.not-ready") unknown ??= failure;
    else if (failure !== undefined) return wrongBatch(failure, batch, position);
  }
  return unknown;
}

const wrongBatch = (failure: Failure, { digest }: Batch, position: number): Failure => {
  const data = { code: failure.code, batch: toHex(digest), position };
  return fail("block.batch-invalid", `batch ${position}: ${failure.detail}`, data);
};

/** Chain, reference, lane, actor, events and kinds of proofs: what look-ups alone decide. */
function checkPlaces(input: ValidityInput): Failure | undefined {
  const { hasher, block, batches, registry } = input;
  const { height, timeMs, executedHeight } = block.header;
  const checkRef = referenceCheck({
    height,
    timeMs,
    hashAt: (h) => input.hashAt(h),
    timeAt: (h) => input.timeAt(h),
  });
  let before: Batch | undefined;
  return firstOf(batches, (batch) => {
    const head: LaneHead =
      before !== undefined && equalBytes(before.actor, batch.actor)
        ? { seq: before.laneSeq, id: before.id }
        : input.laneHead(batch.actor);
    before = batch;
    return (
      checkChain(hasher, batch) ??
      checkRef(batch) ??
      checkLane(batch, head) ??
      checkActor(input, batch, executedHeight) ??
      checkEvents(registry, batch) ??
      checkSlots(input.asked, batch.proofs)
    );
  });
}

const checkChain = (hasher: Hasher, batch: Batch): Failure | undefined =>
  equalBytes(batch.chainHash, hasher.chainHash)
    ? undefined
    : fail("batch.wrong-chain", "the batch is of another chain");

function checkActor(
  { actorKeyAt }: ValidityInput,
  { actor }: Batch,
  executedHeight: number,
): Failure | undefined {
  const key = actorKeyAt(actor);
  return key === undefined || key.registeredHeight > executedHeight
    ? fail("batch.unknown-actor", `no actor ${toHex(actor)} at ${executedHeight}`)
    : undefined;
}

function checkSigned({ sameBatchVerdict }: TriedInput, batch: Batch): Failure | undefined {
  const verdict = sameBatchVerdict(batch.digest);
  if (verdict === undefined) return notReady("signature", "a signature has not been tried");
  return verdict
    ? undefined
    : fail("batch.signature", "the signature does not verify under the actor's key");
}

const notReady = (field: string, detail: string): Failure =>
  fail("node.not-ready", detail, { field });

const laneOrder = (hasher: Hasher, seed: Hash, actor: Hash): Hash =>
  hasher.ht("order", seed, actor);

const wrongField = (field: string, expected: string | number, got: string | number): Failure =>
  fail("block.header", `${field} is ${got}, must be ${expected}`, { field });
