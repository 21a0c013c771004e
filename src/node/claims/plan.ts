/**
 * When a validator says what of its time and its shares: pure, so that nodes and the simulator go by the same
 * plan. An epoch has room for everything that a proof needs only before its end:
 *
 *     begin       the run, the shares           commit        draw, 10 heights      answer      boundary
 *     |-------------------------------------------|-------------------|-----------------|-----------|
 *     start of the epoch                          end of work                     spare blocks
 *
 * What is answered after the boundary counts for the epoch after.
 */
import type { LedgerEpoch } from "../../ledger/chain-point.ts";
import { type Claim, challengeHeight, OPEN } from "../../ledger/projections/claims.ts";
import type { Hash } from "../../ledger/types.ts";
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

export type Answer<C extends Claim> = {
  readonly claim: C;
  readonly part: number;
  readonly challenge: Hash;
};

/** What is to be answered on a state of this height: parts of open claims that the chain still takes. */
export const answersDue = <C extends Claim>(
  claims: readonly C[],
  partsOf: (claim: C) => number,
  at: { readonly epoch: number; readonly height: number },
  beaconAt: (height: number) => Hash | undefined,
): readonly Answer<C>[] =>
  claims.flatMap((claim) => {
    const drawn = challengeHeight(claim);
    if (claim.state !== OPEN || claim.epoch + 1 < at.epoch || drawn > at.height) return [];
    const challenge = beaconAt(drawn);
    if (challenge === undefined) return [];
    return Array.from({ length: partsOf(claim) }, (_, part) => part)
      .filter((part) => ((claim.parts >>> part) & 1) === 0)
      .map((part) => ({ claim, part, challenge }));
  });
