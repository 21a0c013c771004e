/** Batches that clients submit, and the answer that each of them waits for. Idempotent by batch id. */
import { fail, ok, type Result } from "../../errors.ts";
import { decodeBatch, type LaneHead } from "../batch.ts";
import { readEntries } from "../execution.ts";
import type { BatchReceipt, WaitLevel } from "../handle.ts";
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

export class Submissions {
  readonly #context: Context;
  readonly #chain: SubmissionChain;
  readonly #waiters: Waiters;

  constructor(context: Context, chain: SubmissionChain, waiters: Waiters) {
    this.#context = context;
    this.#chain = chain;
    this.#waiters = waiters;
  }

  submit(
    bytes: Uint8Array,
    level: WaitLevel,
    done: (result: Result<BatchReceipt>) => void,
  ): () => void {
    const decoded = decodeBatch(this.#context.hasher, bytes);
    const pool = this.#chain.pool();
    let giveUp: () => void = () => undefined;
    if (this.#context.stopped() || pool === undefined) {
      done(fail("node.not-ready", "the node does not take batches now"));
    } else if (!decoded.ok) {
      done(decoded);
    } else {
      const batch = decoded.value;
      const known = this.receiptOf(batch.id);
      if (known !== undefined) {
        done(ok(known));
        return giveUp;
      }
      if (level !== "accepted") giveUp = this.#waiters.add(batch.id, level, done);
      pool.admit(batch, undefined, (result) => this.#onAdmitted(batch, level, result, done));
    }
    return giveUp;
  }

  #onAdmitted(
    batch: Batch,
    level: WaitLevel,
    result: Result<Batch>,
    done: (result: Result<BatchReceipt>) => void,
  ): void {
    if (level === "accepted") {
      done(result.ok ? ok({ batchId: batch.id, level: "accepted" }) : result);
      return;
    }
    if (result.ok) return;
    // Appended but not executed yet: the lane has moved on because of this very batch.
    const head = this.#chain.finalLaneHead(batch.actor);
    if (result.code === "batch.lane-replay" && this.#isAppended(batch, head)) return;
    this.#waiters.failed(batch.id, result);
  }

  #isAppended(batch: Batch, head: LaneHead): boolean {
    const committer = this.#chain.committer();
    if (committer === undefined || head.seq < batch.laneSeq) return false;
    return committer.tip.height > committer.executed.height
      ? this.#chain.store.batchBytes(batch.digest) !== undefined
      : false;
  }

  /** What became of a batch that is executed here. */
  receiptOf(id: Hash): BatchReceipt | undefined {
    const location = readBatchLocation(this.#context.read, id);
    if (location === undefined) return undefined;
    const { height, firstIndex, count } = location;
    if (height > (this.#chain.committer()?.executed.height ?? 0)) return undefined;
    const entries = readEntries(this.#context.read, firstIndex, count);
    const outcomes = entries.map((entry) => entry.outcome);
    return projectedReceipt(id, height, firstIndex, outcomes);
  }
}
