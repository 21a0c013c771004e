/** What a chain decides about stake and power, in its genesis. */

/** Parts of a whole: 10,000 are all of it. */
export const WHOLE_BPS = 10_000n;

export type StakeParameters = {
  /** Stake that one unit of space, or of work, can carry as power. */
  readonly stakePerSpaceUnit: bigint;
  readonly stakePerWorkUnit: bigint;
  /** Of the stake, in parts of 10,000: for signing two statements that conflict, at least. */
  readonly equivocationBps: bigint;
  /** How many times the share of all power that equivocated together is taken, up to everything. */
  readonly correlationFactor: bigint;
  readonly downtimeBps: bigint;
  /** For a commitment to space or work that was shown to be false. A false run of time cannot be told from damage. */
  readonly forgeryBps: bigint;
  /** Of so many blocks at least this part must have been voted on. */
  readonly windowBlocks: number;
  readonly votedBpsMin: bigint;
  readonly downtimeJailMs: number;
  /** Stake that is withdrawn can be taken this long … */
  readonly unbondingMs: number;
  /** … evidence is accepted this long, and a set of validators is trusted this long. */
  readonly evidenceMs: number;
  readonly trustingMs: number;
};

const DAY_MS = 86_400_000;

/** The numbers of the design, which are Cosmos' for slashing; of development in the last three times. */
export const STAKE_PROFILES = {
  production: {
    stakePerSpaceUnit: 1_000n,
    stakePerWorkUnit: 1_000n,
    equivocationBps: 500n,
    correlationFactor: 3n,
    downtimeBps: 100n,
    forgeryBps: 10_000n,
    windowBlocks: 100,
    votedBpsMin: 5_000n,
    downtimeJailMs: 600_000,
    unbondingMs: 21 * DAY_MS,
    evidenceMs: 18 * DAY_MS,
    trustingMs: 14 * DAY_MS,
  },
  dev: {
    stakePerSpaceUnit: 1_000n,
    stakePerWorkUnit: 1_000n,
    equivocationBps: 500n,
    correlationFactor: 3n,
    downtimeBps: 100n,
    forgeryBps: 10_000n,
    windowBlocks: 100,
    votedBpsMin: 5_000n,
    downtimeJailMs: 10_000,
    unbondingMs: 60_000,
    evidenceMs: 50_000,
    trustingMs: 40_000,
  },
} as const satisfies Readonly<Record<string, StakeParameters>>;

/** What is wrong with parameters, in words; undefined where nothing is. */
export const stakeParameterFault = (parameters: StakeParameters): string | undefined => {
  const { stakePerSpaceUnit, stakePerWorkUnit, correlationFactor } = parameters;
  if (stakePerSpaceUnit < 1n || stakePerWorkUnit < 1n) return "a unit carries at least 1 of stake";
  const { equivocationBps, downtimeBps, forgeryBps, votedBpsMin } = parameters;
  const parts = [equivocationBps, downtimeBps, forgeryBps, votedBpsMin];
  if (parts.some((part) => part < 0n || part > WHOLE_BPS)) return "parts are 0 to 10,000";
  if (correlationFactor < 0n) return "the correlation factor is negative";
  const { windowBlocks, downtimeJailMs, unbondingMs, evidenceMs, trustingMs } = parameters;
  const counts = [windowBlocks, downtimeJailMs, unbondingMs, evidenceMs, trustingMs];
  if (counts.some((count) => !Number.isSafeInteger(count) || count < 1)) {
    return "times and windows are whole numbers above 0";
  }
  // Who withdraws must still be liable when the last evidence comes, and evidence must reach who trusts.
  return unbondingMs > evidenceMs && evidenceMs > trustingMs
    ? undefined
    : "unbonding must be longer than evidence is taken, and that longer than sets are trusted";
};
