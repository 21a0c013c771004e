/**
 * The validity predicate (docs/protocol.md, "Header and block"): a pure function of a block, its
 * ancestors, the epoch snapshot and the state at the header's own executed height. Every node gets the
 * same answer, whatever it has executed since; what depends on newer state is decided at execution.
 */
import type { Hasher } from "../crypto/hash.ts";
import { type Failure, fail } from "../errors.ts";
import type { LaneHead } from "./batch.ts";
import type { EventRegistry } from "./registry.ts";
import type { Batch, Block, ExecutionRoots, Hash, ValidatorSet } from "./types.ts";
import type { LeaderSchedule } from "./validator-set.ts";

/** What the predicate needs of the parent, so that genesis can be one. */
export type ParentBlock = {
  readonly hash: Hash;
  readonly height: number;
  readonly epoch: number;
  readonly view: number;
  readonly timeMs: number;
  readonly executedHeight: number;
  readonly logSize: number;
  /** The parent ended its epoch: this block must be of the next. True for genesis. */
  readonly boundary: boolean;
};

/** The parent as the predicate sees it. */
export const parentOf = (_block: Block): ParentBlock => {
  throw new Error("not written yet");
};

/** Genesis as the parent of block 1, which is of `firstEpoch`. */
export const genesisParent = (_hash: Hash, _timeMs: number, _firstEpoch: number): ParentBlock => {
  throw new Error("not written yet");
};

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

export type ValidityInput = {
  readonly hasher: Hasher;
  readonly registry: EventRegistry;
  readonly block: Block;
  readonly parent: ParentBlock;
  readonly epoch: EpochSnapshot;
  /** The block's batches, in the order of its digests. */
  readonly batches: readonly Batch[];
  /** Head of a lane after the parent, along the ancestor chain. */
  laneHead(actor: Hash): LaneHead;
  /** Hash and time of a height up to the parent's, along the ancestor chain. */
  hashAt(height: number): Hash | undefined;
  timeAt(height: number): number | undefined;
  actorKeyAt(actor: Hash): ActorKey | undefined;
  /** What executing up to a height gave; undefined when this node has not executed that far. */
  rootsAt(height: number): ExecutionRoots | undefined;
  /** Whether the signature of the batch with this digest was verified under its actor's key. */
  sameBatchVerdict(digest: Hash): boolean;
};

/**
 * Undefined for a valid block. node.not-ready means that the caller has not executed up to the header's
 * executedHeight, or no longer has a header that a batch refers to: not a verdict, ask again later.
 */
export const validateBlock = (_input: ValidityInput): Failure | undefined => {
  return fail("internal", "not written yet");
};

/** Live votes only (PBTS): receivedWallMs - delayMs - precisionMs <= timeMs <= receivedWallMs + precisionMs. */
export const isTimely = (
  timeMs: number,
  receivedWallMs: number,
  precisionMs: number,
  delayMs: number,
): boolean =>
  timeMs >= receivedWallMs - delayMs - precisionMs && timeMs <= receivedWallMs + precisionMs;

/** Batches in canonical order: lanes by Ht("order", parentHash || actor), within a lane by laneSeq. */
export const orderBatches = (
  _hasher: Hasher,
  _parentHash: Hash,
  _batches: readonly Batch[],
): Batch[] => {
  throw new Error("not written yet");
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
  _batch: Pick<Batch, "refHeight" | "refHash">,
  _at: InclusionPoint,
): Failure | undefined => {
  return fail("internal", "not written yet");
};

/** Whether a reference is too old for a block of this height and time. */
export const isExpired = (
  _refHeight: number,
  _refTimeMs: number | undefined,
  _height: number,
  _timeMs: number,
): boolean => {
  throw new Error("not written yet");
};

/** Lane continuity. Codes: batch.lane-replay, batch.lane-gap, batch.lane-fork. */
export const checkLane = (
  _batch: Pick<Batch, "laneSeq" | "prevBatchId">,
  _head: LaneHead,
): Failure | undefined => {
  return fail("internal", "not written yet");
};

/** Event types known, payloads well-formed. Codes: batch.unknown-event-type, batch.bad-payload. */
export const checkEvents = (_registry: EventRegistry, _batch: Batch): Failure | undefined => {
  return fail("internal", "not written yet");
};
