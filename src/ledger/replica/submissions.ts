/** Batches that clients submit, and the answer that each of them waits for. Idempotent by batch id. */
import { equalBytes } from "../../crypto/bytes.ts";
import { fail, ok, type Result, TetradError } from "../../errors.ts";
import { type LaneHead, readSealed, type SealedBatch } from "../batch.ts";
import type { BatchReceipt, WaitLevel } from "../handle.ts";
import { corruptEntry, readLogBatch } from "../log-batch.ts";
import { readBatchLocation } from "../records.ts";
import type { Batch, Hash } from "../types.ts";
import type { BatchPool } from "./batch-pool.ts";
import type { BlockStore } from "./block-store.ts";
import type { Committer } from "./committer.ts";
import type { Context } from "./context.ts";
import { projectedReceipt, type Waiters } from "./waiters.ts";

export type SubmissionChain = {
  readonly store: BlockStore;
  committer(): Committer | undefined;
  pool(): BatchPool | undefined;
  finalLaneHead(actor: Hash): LaneHead;
};

/** True the first time, then false: a waiter that no list holds. */
const once = (): (() => boolean) => {
  let open = true;
  return () => {
    const was = open;
    open = false;
    return was;
  };
};

export class Submissions {
  readonly #context: Context;
  readonly #chain: SubmissionChain;
  readonly #waiters: Waiters;

  constructor(context: Context, chain: SubmissionChain, waiters: Waiters) {
    this.#context = context;
    this.#chain = chain;
    this.#waiters = waiters;
  }

  /** Calls `done` once, whatever happens; returns the function that gives up waiting. */
  submit(
    bytes: Uint8Array,
    level: WaitLevel,
    done: (result: Result<BatchReceipt>) => void,
  ): () => void {
    const sealed = readSealed(this.#context.hasher, bytes);
    const pool = this.#chain.pool();
    if (this.#context.stopped() || pool === undefined) {
      done(fail("node.not-ready", "the node does not take batches now"));
    } else if (!sealed.ok) {
      done(sealed);
    } else {
      return this.#admit(pool, sealed.value, level, done);
    }
    return () => undefined;
  }

  #admit(
    pool: BatchPool,
    batch: SealedBatch,
    level: WaitLevel,
    done: (result: Result<BatchReceipt>) => void,
  ): () => void {
    let giveUp = once();
    try {
      const known = this.receiptOf(batch.id);
      if (known !== undefined) {
        done(ok(known));
        return () => undefined;
      }
      if (level !== "accepted") giveUp = this.#waiters.add(batch, level, done);
      pool.admit(batch, undefined, (result) => {
        const answer = this.#answer(batch, level, result);
        if (answer !== undefined && giveUp()) done(answer);
      });
    } catch (error) {
      // Only the store throws here, and a node whose disk cannot be read must stop.
      if (!(error instanceof TetradError)) throw error;
      const failure = fail(error.code, error.message);
      if (giveUp()) done(failure);
      this.#context.fatal(failure);
    }
    return () => {
      giveUp();
    };
  }

  /** What admission says to a client; undefined where the client waits for more. */
  #answer(
    batch: SealedBatch,
    level: WaitLevel,
    result: Result<Batch>,
  ): Result<BatchReceipt> | undefined {
    const accepted: Result<BatchReceipt> = ok({ batchId: batch.id, level: "accepted" });
    if (result.ok) return level === "accepted" ? accepted : undefined;
    if (result.code !== "batch.lane-replay") return result;
    // The lane may have moved on because of this very batch, while its signature was checked or before.
    const receipt = this.receiptOf(batch.id);
    if (receipt !== undefined) return ok(receipt);
    if (this.#chain.committer()?.appended(batch.id) !== true) return result;
    this.#waiters.included(batch.id);
    return level === "accepted" ? accepted : undefined;
  }

  /** What became of a batch that is executed here. */
  receiptOf(id: Hash): BatchReceipt | undefined {
    const location = readBatchLocation(this.#context.read, id);
    if (location === undefined) return undefined;
    const { height, firstIndex, count } = location;
    if (height > (this.#chain.committer()?.executed.height ?? 0)) return undefined;
    const record = readLogBatch(this.#context.read, firstIndex);
    if (record.count !== count || !equalBytes(record.batchId, id)) {
      throw corruptEntry(firstIndex, "is not of the batch that is said to be there");
    }
    return projectedReceipt(id, height, firstIndex, record.outcomes);
  }
}
