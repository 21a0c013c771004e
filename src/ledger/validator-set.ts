/**
 * Validator sets, weights and quorums, signer bitmaps, and the leader schedule of an epoch
 * (docs/protocol.md, "Validator set and leaders").
 */
import { compareBytes, equalBytes, toHex } from "../crypto/bytes.ts";
import { Writer } from "../crypto/codec.ts";
import type { Hasher } from "../crypto/hash.ts";
import { LIMITS } from "../limits.ts";
import type { Hash, Validator, ValidatorSet } from "./types.ts";

/** Sums of weights stay below this, so that they fit a signed 64-bit integer anywhere. */
export const TOTAL_WEIGHT_MAX: bigint = 2n ** 63n - 1n;

/** The least weight that no two disjoint groups of honest validators can reach: floor(2W/3) + 1. */
export const quorumOf = (totalWeight: bigint): bigint => (2n * totalWeight) / 3n + 1n;

/**
 * Builds the set of an epoch: validators in ascending order of id.
 * With `rotates` the keys are those of epochs, and ids the hashes of others. Throws RangeError for an empty or
 * too large set, a repeated id, without `rotates` an id that is not the key's hash, a weight that is not positive, or a total above 2^63 - 1: callers check what people wrote.
 */
export const createValidatorSet = (
  hasher: Hasher,
  epoch: number,
  validators: readonly Validator[],
  { rotates = false }: { readonly rotates?: boolean } = {},
): ValidatorSet => {
  if (validators.length === 0 || validators.length > LIMITS.validatorsMax) {
    throw new RangeError(`a set has 1 to ${LIMITS.validatorsMax} validators`);
  }
  const sorted = [...validators].sort((a, b) => compareBytes(a.id, b.id));
  let totalWeight = 0n;
  for (const [i, validator] of sorted.entries()) {
    const previous = sorted[i - 1];
    if (previous !== undefined && equalBytes(previous.id, validator.id)) {
      throw new RangeError(`validator ${toHex(validator.id)} is listed twice`);
    }
    if (!rotates && !equalBytes(validator.id, hasher.ht("id", validator.publicKey))) {
      throw new RangeError(`validator ${validator.name}: the id is not the hash of the key`);
    }
    if (validator.weight <= 0n) throw new RangeError(`validator ${validator.name} has no weight`);
    totalWeight += validator.weight;
  }
  if (totalWeight > TOTAL_WEIGHT_MAX) throw new RangeError("total weight above 2^63 - 1");
  return {
    epoch,
    validators: sorted,
    hash: setHash(hasher, epoch, sorted),
    totalWeight,
    quorum: quorumOf(totalWeight),
  };
};

/** Hash of the epoch and the ordered ids, keys and weights: what a boundary header names. */
export const setHash = (
  hasher: Hasher,
  epoch: number,
  sorted: readonly Pick<Validator, "id" | "publicKey" | "weight">[],
): Hash => {
  const writer = new Writer(10 + sorted.length * (44 + LIMITS.falconPublicKeyBytes));
  writer.u64(epoch).u16(sorted.length);
  for (const one of sorted) writer.hash(one.id).bytes(one.publicKey).u64big(one.weight);
  return hasher.ht("set", writer.finish());
};

/** Position of a validator in the set, or undefined. */
export const indexOf = (set: ValidatorSet, id: Hash): number | undefined => {
  const at = set.validators.findIndex((validator) => equalBytes(validator.id, id));
  return at < 0 ? undefined : at;
};

/** Sum of the weights of distinct signers; a repeated signer counts once, a stranger nothing. */
export const weightOf = (set: ValidatorSet, signers: Iterable<number>): bigint => {
  let weight = 0n;
  const seen = new Set<number>();
  for (const signer of signers) {
    if (seen.has(signer)) continue;
    seen.add(signer);
    weight += set.validators[signer]?.weight ?? 0n;
  }
  return weight;
};

/** Length of a bitmap over n validators. */
export const bitmapBytes = (setSize: number): number => Math.ceil(setSize / 8);

/** Bit i of byte i>>3 is 1<<(i&7). Throws RangeError for a signer outside 0..setSize-1. */
export const bitmapOf = (signers: Iterable<number>, setSize: number): Uint8Array => {
  const bitmap = new Uint8Array(bitmapBytes(setSize));
  for (const signer of signers) {
    if (!Number.isInteger(signer) || signer < 0 || signer >= setSize) {
      throw new RangeError(`signer ${signer} is not in a set of ${setSize}`);
    }
    bitmap[signer >> 3] = (bitmap[signer >> 3] ?? 0) | (1 << (signer & 7));
  }
  return bitmap;
};

/** Ascending signers of a bitmap; undefined when its length or its unused bits are not canonical. */
export const signersOf = (bitmap: Uint8Array, setSize: number): number[] | undefined => {
  if (bitmap.length !== bitmapBytes(setSize)) return undefined;
  const signers: number[] = [];
  for (let i = 0; i < bitmap.length * 8; i++) {
    if (((bitmap[i >> 3] ?? 0) & (1 << (i & 7))) === 0) continue;
    if (i >= setSize) return undefined;
    signers.push(i);
  }
  return signers;
};

/**
 * Weights are scaled down to at most this many turns before the round robin runs, so that the whole
 * sequence is a table: the leader of any view, however far a hostile message puts it, is one lookup.
 * Shares are exact while W / gcd fits, and within 1/65,536 of W otherwise.
 */
export const LEADER_TURNS_MAX = 65_536;

/** The leaders of an epoch: `turns[(view - 1) mod turns.length]`. */
export type LeaderSchedule = {
  readonly epoch: number;
  /** Indices into the epoch's set, one period of the round robin. */
  readonly turns: Uint16Array;
};

/**
 * Weighted round robin from zero priorities: each turn adds every validator its weight, the highest
 * priority leads and pays the total. The sequence returns to zero priorities after total / gcd turns,
 * in which each validator leads weight / gcd times, so one period is all there is.
 * Ties fall to the lower Ht("seed/rank", seed || id) with seed = Ht("seed", source || u64 epoch); the source
 * is the epoch's seed on a chain with a beacon, and the genesis hash on any other (chain-point.ts).
 * The seed decides nothing else, so shares stay proportional whatever it is.
 */
export const createLeaderSchedule = (
  hasher: Hasher,
  source: Hash,
  set: {
    readonly epoch: number;
    readonly validators: readonly Pick<Validator, "id" | "weight">[];
  },
): LeaderSchedule => {
  const seed = hasher.ht("seed", source, new Writer(8).u64(set.epoch).finish());
  const ranked = set.validators
    .map((validator, index) => ({ index, rank: hasher.ht("seed/rank", seed, validator.id) }))
    .sort((a, b) => compareBytes(a.rank, b.rank));
  const scaled = scaleWeights(set.validators.map((validator) => validator.weight));
  const weights = ranked.map(({ index }) => scaled[index] ?? 0);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const priorities = new Int32Array(weights.length);
  const turns = new Uint16Array(total);
  for (let turn = 0; turn < total; turn++) {
    let best = 0;
    for (let i = 0; i < weights.length; i++) {
      priorities[i] = (priorities[i] ?? 0) + (weights[i] ?? 0);
      if ((priorities[i] ?? 0) > (priorities[best] ?? 0)) best = i;
    }
    priorities[best] = (priorities[best] ?? 0) - total;
    turns[turn] = ranked[best]?.index ?? 0;
  }
  return { epoch: set.epoch, turns };
};

/** Index of the leader of a view; views count from 1. Throws RangeError for anything else. */
export const leaderOf = (schedule: LeaderSchedule, view: number): number => {
  if (!Number.isSafeInteger(view) || view < 1) throw new RangeError(`no view ${view}`);
  return schedule.turns[(view - 1) % schedule.turns.length] ?? 0;
};

/** Weights divided by their gcd and, where that is still too many turns, scaled to about 65,536 in all. */
function scaleWeights(weights: readonly bigint[]): number[] {
  const divisor = weights.reduce(gcd, 0n);
  const total = weights.reduce((sum, weight) => sum + weight, 0n);
  if (total / divisor <= BigInt(LEADER_TURNS_MAX)) {
    return weights.map((weight) => Number(weight / divisor));
  }
  const room = BigInt(LEADER_TURNS_MAX - weights.length);
  // Everybody leads at least once a period: a validator that never leads could not get its own work in.
  const scaled = weights.map((weight) => {
    const turns = (weight * room) / total;
    return turns === 0n ? 1n : turns;
  });
  const shared = scaled.reduce(gcd, 0n);
  return scaled.map((turns) => Number(turns / shared));
}

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
