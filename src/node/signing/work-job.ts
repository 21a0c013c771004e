/** Checks of work in the queue of a verifier, beside its signatures. */
import { createHasher, type Hasher } from "../../crypto/hash.ts";
import type { WorkCheck } from "../../ledger/batch-work.ts";
import type { VerifyJob } from "../../ledger/ports.ts";
import { verifyWork } from "../../proofs/work/index.ts";

export type WorkJob = { readonly chainId: string; readonly check: WorkCheck };

export type CheckJob = VerifyJob | WorkJob;

export const isWorkJob = (job: CheckJob): job is WorkJob => "check" in job;

export const isSignatureJob = (job: CheckJob): job is VerifyJob => !isWorkJob(job);

let newest: Hasher | undefined;

/** Whether the work is good. A process checks for one chain, whose hasher is made once. */
export const checkWorkJob = ({ chainId, check }: WorkJob): boolean => {
  if (newest?.chainId !== chainId) newest = createHasher(chainId);
  const { puzzle, subject, proof, required } = check;
  return verifyWork(newest, puzzle, subject, proof, required).ok;
};
