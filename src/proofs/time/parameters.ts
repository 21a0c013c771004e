/**
 * Parameters of proofs of elapsed time. They are of the chain: whoever checks a proof takes them from the
 * genesis or the profile that was agreed on, never from the proof. The same code runs at every profile.
 */
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";

export type TimeParameters = {
  /** Zero blocks of 64 bytes behind each leaf: what makes a leaf last. */
  readonly tailBlocks: number;
  /** A run has at most two to this power of leaves. */
  readonly leavesLog2Max: number;
  /** Leaves that a seed opens which was not known before the run was committed. */
  readonly challenges: number;
  /** Leaves that are opened where the challenge follows from the commitment itself. */
  readonly selfChallenges: number;
};

export type TimeProfile = "dev" | "default" | "production";

/** `dev` is for trying: who skips half of its leaves gets through with a chance of 2^-32, at no cost. */
export const TIME_PROFILES: Readonly<Record<TimeProfile, TimeParameters>> = {
  dev: { tailBlocks: 16, leavesLog2Max: 20, challenges: 32, selfChallenges: 64 },
  default: { tailBlocks: 1024, leavesLog2Max: 20, challenges: 64, selfChallenges: 400 },
  production: { tailBlocks: 1024, leavesLog2Max: 27, challenges: 150, selfChallenges: 400 },
};

/**
 * What turns steps into seconds. A step is one compression of SHA-256; the reference machine takes 37 ns for
 * one (x86 with SHA extensions, one core), and nobody is assumed to be more than four times as fast.
 */
export const TIME_REFERENCE = { stepNs: 37, fasterMax: 4 } as const;

/** A run of an epoch lasts at least one part in so many of it, on the reference machine. */
export const TIME_EPOCH_PARTS = 16;

/**
 * The fewest leaves that a run of an epoch must have: those that the reference machine takes a sixteenth of the
 * epoch for, or the longest run that there may be. So a machine that is several times slower has the time.
 */
export const leavesRequired = (parameters: TimeParameters, epochMs: number): number => {
  const { tailBlocks, leavesLog2Max } = parameters;
  const leafNs = BigInt(tailBlocks * TIME_REFERENCE.stepNs * TIME_EPOCH_PARTS);
  const least = (BigInt(epochMs) * 1_000_000n + leafNs - 1n) / leafNs;
  const most = 2 ** leavesLog2Max;
  return least < BigInt(most) ? Math.max(1, Number(least)) : most;
};

const isIn = (value: number, min: number, max: number): boolean =>
  Number.isSafeInteger(value) && value >= min && value <= max;

/** Whether the parameters are within the limits. Code: time.parameters. */
export const checkTimeParameters = (parameters: TimeParameters): Result<TimeParameters> => {
  const { tailBlocks, leavesLog2Max, challenges, selfChallenges } = parameters;
  const [tailMin, tailMax] = LIMITS.timeTailBlocks;
  const [challengesMin, challengesMax] = LIMITS.timeChallenges;
  const wrong = (detail: string): Result<TimeParameters> => fail("time.parameters", detail);
  if (!isIn(tailBlocks, tailMin, tailMax)) {
    return wrong(`tailBlocks must be ${tailMin} to ${tailMax}`);
  }
  if (!isIn(leavesLog2Max, 0, LIMITS.timeLeavesLog2Max)) {
    return wrong(`leavesLog2Max must be 0 to ${LIMITS.timeLeavesLog2Max}`);
  }
  for (const count of [challenges, selfChallenges]) {
    if (!isIn(count, challengesMin, challengesMax)) {
      return wrong(`challenges must be ${challengesMin} to ${challengesMax}`);
    }
    if (count * tailBlocks > LIMITS.timeVerifyBlocksMax) {
      return wrong(`challenges times tailBlocks must be at most ${LIMITS.timeVerifyBlocksMax}`);
    }
  }
  return ok(parameters);
};

/**
 * What the longest run must last at least on the reference machine. Who is four times as fast makes it in 2.5 s,
 * which is as far as honest clocks and the way of a proposal let a block's time be off by the usual parameters while
 * no view times out (docs/proofs.md, Block time): a shorter run shows nothing that block times do not.
 */
export const TIME_RUN_MS_MIN = 10_000;

/** Leaves that must be opened at least: who skips a tenth of a run gets through with one part in a thousand. */
export const TIME_CHALLENGES_MIN = 64;

/** Why the parameters show no elapsed time, in words for whoever chose them; undefined where they do. */
export const timeWeakness = (parameters: TimeParameters): string | undefined => {
  const { tailBlocks, leavesLog2Max, challenges } = parameters;
  const longestMs = Math.floor((2 ** leavesLog2Max * tailBlocks * TIME_REFERENCE.stepNs) / 1e6);
  if (longestMs < TIME_RUN_MS_MIN) {
    return `the longest run takes ${longestMs} ms, and should be able to take ${TIME_RUN_MS_MIN} ms`;
  }
  return challenges < TIME_CHALLENGES_MIN
    ? `${challenges} challenges are fewer than ${TIME_CHALLENGES_MIN}: what is skipped is not found`
    : undefined;
};
