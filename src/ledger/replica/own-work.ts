/** The work of what a node writes itself: searched for by the prover that the node was given. */
import { createWorkSearch, encodeWorkProof, NONCE_PREFIX_BYTES } from "../../proofs/work/index.ts";
import type { UnsignedBatch } from "../batch.ts";
import { effortOf, workedBatch, workSlot, workSubject } from "../batch-work.ts";
import type { WorkTask } from "../ports.ts";
import type { ProofSlot } from "../types.ts";
import type { Context } from "./context.ts";
import { finalTerms } from "./work-terms.ts";

/**
 * Calls back with the slots that the chain asks a batch to carry: none where it asks for none, and undefined
 * where the reference is no final height of this node.
 */
export const workFor = (
  context: Context,
  unsigned: UnsignedBatch,
  done: (proofs: readonly ProofSlot[] | undefined) => void,
): void => {
  const { work } = context.options.genesis.proofs;
  if (work === null) return done([]);
  const terms = finalTerms(context, unsigned.refHeight);
  if (terms === undefined) return done(undefined);
  const batch = workedBatch(unsigned);
  const subject = workSubject(batch, terms);
  const task = { puzzle: work.puzzle, subject, required: effortOf(work, terms, batch) };
  const { workProver } = context.ports;
  if (workProver === undefined) return done([workSlot(proveNow(context, task))]);
  workProver.prove(context.hasher.chainId, task, (proof) => done([workSlot(proof)]));
};

/** In this turn, with the same nonces each time: one searcher has no use for chance. */
const proveNow = ({ hasher }: Context, { puzzle, subject, required }: WorkTask): Uint8Array => {
  const prefix = new Uint8Array(NONCE_PREFIX_BYTES);
  const search = createWorkSearch(hasher, puzzle, subject, required, prefix);
  for (let counter = 0; ; counter++) {
    const proof = search.attempt(counter);
    if (proof !== undefined) return encodeWorkProof(puzzle, proof);
  }
};
