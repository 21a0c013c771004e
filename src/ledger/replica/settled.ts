/** What a run of final blocks settles for batches that wait: in the mempool, and for their clients. */
import { toHex } from "../../crypto/bytes.ts";
import { fail } from "../../errors.ts";
import type { LaneHead } from "../batch.ts";
import type { Hash } from "../types.ts";
import type { BatchPool } from "./batch-pool.ts";
import type { Tip } from "./block-store.ts";
import type { FinalBlock } from "./committer.ts";
import type { Waiters } from "./waiters.ts";

/**
 * Drops what is final, what lost its place and what expired; the clients of the latter two are told, and those whose
 * batch a new epoch leaves without a host that this node could replace.
 */
export const dropSettled = (
  pool: BatchPool,
  waiters: Waiters,
  blocks: readonly FinalBlock[],
  chain: {
    readonly tip: Tip;
    laneHead(actor: Hash): LaneHead;
    timeAt(height: number): number | undefined;
  },
): void => {
  const { mempool } = pool;
  for (const actor of actorsOf(blocks)) {
    for (const batch of mempool.onFinalized(actor, chain.laneHead(actor))) {
      const failure = fail("batch.lane-fork", "another batch took this place in the lane");
      waiters.failed(batch.id, failure);
    }
  }
  pool.sweep();
  const { height, timeMs } = chain.tip;
  for (const batch of mempool.expire(height, timeMs, (at) => chain.timeAt(at))) {
    waiters.failed(batch.id, fail("batch.expired", "the batch was not included in time"));
  }
  for (const { batch, failure } of pool.hostAnew()) waiters.failed(batch.id, failure);
};

/** Clients whose place in a lane went to another batch are told, whether or not the pool held theirs. */
export const tellPassed = (waiters: Waiters, blocks: readonly FinalBlock[]): void => {
  if (waiters.size === 0) return;
  const heads = new Map<string, number>();
  for (const { batches } of blocks) {
    for (const batch of batches) heads.set(toHex(batch.actor), batch.laneSeq);
  }
  waiters.passed(heads);
};

const actorsOf = (blocks: readonly FinalBlock[]): Hash[] => {
  const actors = new Map<string, Hash>();
  for (const { batches } of blocks) {
    for (const batch of batches) actors.set(toHex(batch.actor), batch.actor);
  }
  return [...actors.values()];
};
