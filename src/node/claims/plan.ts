/**
 * When a validator does what for its time and its shares; when it says what is answersDue of
 * src/ledger/projections/claims.ts. An epoch has room for everything that a proof needs only before its end:
 *
 *     begin       the run, the shares           commit        draw, 10 heights      answer      boundary
 *     |-------------------------------------------|-------------------|-----------------|-----------|
 *     start of the epoch                          end of work                     spare blocks
 *
 * What is answered after the boundary counts for the epoch after.
 */
import type { LedgerEpoch } from "../../ledger/chain-point.ts";
import { LIMITS } from "../../limits.ts";

/** Blocks that commitment and answers take to get into the log, with some to spare. */
const SPARE_BLOCKS = 8;

export type Pace = {
  readonly epochMs: number;
  /** Ledger time between two blocks, as it has been lately; milliseconds. */
  readonly blockMs: number;
  /** What it takes to make the answer once the challenge is known; milliseconds. */
  readonly answerMs: number;
};

/** Ledger time at which work for an epoch has to end, so that its proof counts for that epoch. */
export const workEndsMs = ({ startMs }: Pick<LedgerEpoch, "startMs">, pace: Pace): number => {
  const { epochMs, blockMs, answerMs } = pace;
  const needed = (LIMITS.challengeDelayHeights + SPARE_BLOCKS) * blockMs + answerMs;
  // An epoch that is too short for all of it is worked in for a quarter, and answered in the next one.
  return startMs + Math.max(Math.floor(epochMs / 4), epochMs - Math.ceil(needed));
};

/**
 * Percent of a core for work that takes a whole core `workMs`: it is spread over a tenth of the epoch where that
 * is long enough, so that validators do not all compute in the same seconds; never more than the operator gives.
 */
export const pacedDuty = (workMs: number, epochMs: number, dutyMax: number): number =>
  Math.max(1, Math.min(dutyMax, Math.ceil((1_000 * workMs) / epochMs)));

/** Whether work that should be over by now is not, so that it takes what the operator gives. */
export const isLate = (
  { startMs }: Pick<LedgerEpoch, "startMs">,
  epochMs: number,
  timeMs: number,
): boolean => timeMs - startMs >= (3 * epochMs) / 10;
