/** What faults cost: parts of the stake, jail, and the end of a validator. Whole numbers. */
import { type StakeParameters, WHOLE_BPS } from "./parameters.ts";

export type Fault =
  /** Two statements that conflict; `together` is the power of all who did so in this epoch. */
  | { readonly kind: "equivocation"; readonly together: bigint; readonly total: bigint }
  | { readonly kind: "downtime" }
  | { readonly kind: "forgery" };

/** Stake on its way out, which is liable for what was done before it left. */
export type Unbonding = {
  readonly amount: bigint;
  readonly sinceMs: number;
};

export type Bond = {
  readonly bonded: bigint;
  readonly delegated: bigint;
  readonly unbonding: readonly Unbonding[];
};

export type Standing = {
  readonly jailedUntilMs: number;
  readonly tombstoned: boolean;
};

/** The part of the stake that a fault costs, in 1/10,000, rounded up and at most everything. */
export const slashedBps = (parameters: StakeParameters, fault: Fault): bigint => {
  if (fault.kind === "downtime") return parameters.downtimeBps;
  if (fault.kind === "forgery") return parameters.forgeryBps;
  const { together, total } = fault;
  if (together < 0n || total < 1n || together > total)
    throw new RangeError("not a part of a total");
  const { equivocationBps, correlationFactor } = parameters;
  const correlated = roundedUp(correlationFactor * together * WHOLE_BPS, total);
  if (correlated <= equivocationBps) return equivocationBps;
  if (correlated >= WHOLE_BPS) return WHOLE_BPS;
  return correlated;
};

/**
 * What is left of a bond, and what was taken. A part is rounded up, so that no stake is too small to lose
 * something; stake that began to leave before the fault is not liable.
 */
export const slash = (
  bond: Bond,
  bps: bigint,
  faultMs: number,
): { readonly left: Bond; readonly taken: bigint } => {
  if (bps < 0n || bps > WHOLE_BPS) throw new RangeError(`${bps} of 10,000`);
  let taken = 0n;
  const cut = (amount: bigint): bigint => {
    const part = roundedUp(amount * bps, WHOLE_BPS);
    taken += part;
    return amount - part;
  };
  const left = {
    bonded: cut(bond.bonded),
    delegated: cut(bond.delegated),
    unbonding: bond.unbonding.map(({ amount, sinceMs }) => ({
      sinceMs,
      amount: sinceMs < faultMs ? amount : cut(amount),
    })),
  };
  return { left, taken };
};

/** What may be withdrawn at a time, and what is still on its way. */
export const release = (
  { unbondingMs }: StakeParameters,
  unbonding: readonly Unbonding[],
  nowMs: number,
): { readonly free: bigint; readonly left: readonly Unbonding[] } => {
  let free = 0n;
  const left: Unbonding[] = [];
  for (const one of unbonding) {
    if (nowMs - one.sinceMs >= unbondingMs) free += one.amount;
    else left.push(one);
  }
  return { free, left };
};

/** Whether a window of blocks was voted on too seldom. Nothing is said before the window is full. */
export const isDown = (parameters: StakeParameters, voted: number, blocks: number): boolean =>
  blocks >= parameters.windowBlocks &&
  BigInt(voted) * WHOLE_BPS < parameters.votedBpsMin * BigInt(blocks);

/** Downtime jails for a time, which never shortens another; what is provably malicious ends a validator. */
export const standingAfter = (
  parameters: StakeParameters,
  standing: Standing,
  fault: Fault,
  nowMs: number,
): Standing =>
  fault.kind === "downtime"
    ? {
        ...standing,
        jailedUntilMs: Math.max(standing.jailedUntilMs, nowMs + parameters.downtimeJailMs),
      }
    : { ...standing, tombstoned: true };

/** Whether a validator may hold power. */
export const isEligible = ({ jailedUntilMs, tombstoned }: Standing, nowMs: number): boolean =>
  !tombstoned && nowMs >= jailedUntilMs;

/** a / b for a ≥ 0 and b > 0, rounded up. */
const roundedUp = (a: bigint, b: bigint): bigint => (a + b - 1n) / b;
