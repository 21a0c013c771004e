/** The prover of a node: searches in a thread of its own, so that the event loop has nothing to do with it. */
import type { Hasher } from "../../crypto/hash.ts";
import type { UnsignedBatch } from "../../ledger/batch.ts";
import { effortOf, workedBatch, workSlot, workSubject } from "../../ledger/batch-work.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { Logger, Timers, WorkProver } from "../../ledger/ports.ts";
import type { ProofSlot } from "../../ledger/types.ts";
import type { WorkParameters } from "../../proofs/work/index.ts";
import { searchProof } from "./search.ts";

/** Pause before a search that has failed is begun again, milliseconds. */
const RETRY_MS = 5_000;

export type NodeProver = WorkProver & {
  /** Ends what is searched for; nothing is called any more. */
  close(): void;
};

/** One thread a proof, begun when it is asked for: what a node writes itself is rare. */
export const createNodeProver = (options: {
  readonly logger: Logger;
  readonly timers: Timers;
}): NodeProver => {
  const closing = new AbortController();
  const prove: WorkProver["prove"] = (chainId, task, done) => {
    const giveUp = new AbortController();
    const signal = AbortSignal.any([closing.signal, giveUp.signal]);
    const { puzzle, subject, required: effort } = task;
    const begin = (): void => {
      if (signal.aborted) return;
      searchProof({ chainId, puzzle, subject, effort, threads: 1, signal }).then(
        ({ proof }) => {
          if (!signal.aborted) done(proof);
        },
        (error: unknown) => {
          if (signal.aborted) return;
          options.logger.log("error", "a search for work has failed", { detail: String(error) });
          options.timers.set(RETRY_MS, begin);
        },
      );
    };
    begin();
    return () => giveUp.abort();
  };
  return { prove, close: () => closing.abort() };
};

type ProofOptions = {
  readonly hasher: Hasher;
  readonly work: WorkParameters | null;
  readonly handle: Pick<LedgerHandle, "status">;
  readonly workProver: WorkProver;
};

/**
 * What the chain asks the batches of a key beside the node's own to carry. For the reference that the node
 * names at that time: the batch must have been built from it.
 */
export const proofsFor =
  ({ hasher, work, handle, workProver }: ProofOptions) =>
  (unsigned: UnsignedBatch): Promise<readonly ProofSlot[]> => {
    const terms = handle.status().work;
    if (work === null || terms === undefined) return Promise.resolve([]);
    const batch = workedBatch(unsigned);
    const subject = workSubject(batch, terms);
    const task = { puzzle: work.puzzle, subject, required: effortOf(work, terms, batch) };
    return new Promise((resolve) => {
      workProver.prove(hasher.chainId, task, (proof) => resolve([workSlot(proof)]));
    });
  };
