/**
 * What a batch has to show, and how that follows the load: the rule of EIP-1559 on whole numbers. A block
 * of the target's units leaves the price, one of twice as many raises it by an eighth, an empty one lowers
 * it by an eighth; it never leaves its bounds.
 */
import { LIMITS } from "../../limits.ts";
import { PRICE_ONE, type PriceParameters } from "./parameters.ts";

/**
 * What each event counts beside its bytes. A full block is 4 MiB or 8192 events, whichever comes first, so an
 * event takes as much of it as 512 bytes do.
 */
export const UNITS_PER_EVENT = 512n;

/** A price changes by this part of itself a block, at most. */
const CHANGE_PART = 8n;

const clamp = (value: bigint, min: bigint, max: bigint): bigint =>
  value < min ? min : value > max ? max : value;

/** Units of a batch, from two fields of its signed core: known before its events are read. */
export const batchUnits = (eventCount: number, eventBytes: number): bigint =>
  BigInt(eventBytes) + UNITS_PER_EVENT * BigInt(eventCount);

/**
 * The effort that a batch of so many units needs at a price: rounded up, at least 1, and at most the largest
 * effort that a proof can state.
 */
export const requiredEffort = (
  rule: Pick<PriceParameters, "pricedUnits">,
  price: bigint,
  units: bigint,
): number => {
  const most = BigInt(LIMITS.workEffortMax);
  const counted = clamp(units, 0n, BigInt(LIMITS.workUnitsMax));
  const whole = rule.pricedUnits * PRICE_ONE;
  const effort = (price * counted + whole - 1n) / whole;
  return Number(clamp(effort, 1n, most));
};

/**
 * The price after a block that had `usedUnits`. What is over twice the target counts as that, so that no
 * block moves the price by more than an eighth; a price moves by at least 1 where the block was not on
 * target, so that none is stuck for being small.
 */
export const nextPrice = (rule: PriceParameters, price: bigint, usedUnits: bigint): bigint => {
  const { priceMin, priceMax, targetUnits } = rule;
  const used = clamp(usedUnits, 0n, 2n * targetUnits);
  const off = used > targetUnits ? used - targetUnits : targetUnits - used;
  if (off === 0n) return clamp(price, priceMin, priceMax);
  const step = (price * off) / (targetUnits * CHANGE_PART);
  const moved = step < 1n ? 1n : step;
  return clamp(used > targetUnits ? price + moved : price - moved, priceMin, priceMax);
};
