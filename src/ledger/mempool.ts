/**
 * The mempool: admitted batches that are not final yet, in a queue a lane. A pure data structure; who
 * may enter (signature, actor, reference) is checked before `add`.
 */
import type { Hasher } from "../crypto/hash.ts";
import type { Failure } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { LaneHead } from "./batch.ts";
import type { Batch, Hash } from "./types.ts";

export type MempoolLimits = {
  readonly bytesMax: number;
  readonly laneBytesMax: number;
  readonly laneBatchesMax: number;
  readonly laneAheadMax: number;
};

export const MEMPOOL_LIMITS: MempoolLimits = {
  bytesMax: LIMITS.mempoolBytesMax,
  laneBytesMax: LIMITS.mempoolLaneBytesMax,
  laneBatchesMax: LIMITS.mempoolLaneBatchesMax,
  laneAheadMax: LIMITS.mempoolLaneAheadMax,
};

export type SelectArgs = {
  readonly hasher: Hasher;
  /** Hash of the block that the proposal extends: decides the canonical order. */
  readonly parentHash: Hash;
  /** Head of a lane along the ancestor chain of the proposal. */
  laneHead(actor: Hash): LaneHead;
  /** Whether the batch may be in this proposal (its reference, its actor); a lane stops at the first no. */
  includable(batch: Batch): boolean;
  readonly batchesMax?: number;
  readonly bytesMax?: number;
};

export type Mempool = {
  readonly bytes: number;
  readonly count: number;
  /**
   * Holds a batch; nothing changes when its id is held already. `laneHead` is the finalized head.
   * Codes: batch.lane-replay, batch.lane-fork, batch.lane-gap (too far ahead), node.overloaded.
   */
  add(batch: Batch, laneHead: LaneHead): Failure | undefined;
  has(digest: Hash): boolean;
  getByDigest(digest: Hash): Batch | undefined;
  getById(id: Hash): Batch | undefined;
  /** The last batch held without a gap behind the head, or the head: where the author goes on. */
  laneTail(actor: Hash, laneHead: LaneHead): LaneHead;
  /**
   * Drops everything of the lane at or below the new head, and what can never follow it. Returns the
   * dropped batches that are known to have lost their place to another (batch.lane-fork).
   */
  onFinalized(actor: Hash, head: LaneHead): readonly Batch[];
  /**
   * Drops what is expired at the final height and time, and what follows it in its lane, and returns
   * it: those clients are told. Call after onFinalized of the same block.
   */
  expire(
    height: number,
    timeMs: number,
    timeAt: (height: number) => number | undefined,
  ): readonly Batch[];
  /** Batches for a proposal, in canonical order; lanes take turns over successive calls. */
  select(args: SelectArgs): readonly Batch[];
  /** Whether `select` would return anything. */
  hasWork(args: Pick<SelectArgs, "laneHead" | "includable">): boolean;
};

export const createMempool = (_limits: MempoolLimits = MEMPOOL_LIMITS): Mempool => {
  throw new Error("not written yet");
};
