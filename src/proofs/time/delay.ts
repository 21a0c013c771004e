/**
 * An optional delay with a unique output, for a seed that the last revealer must not foresee: AES-128 over and
 * over under one key. Computing it is sequential; checking it is as much work, but of all segments side by
 * side, which one core does several times as fast. No theorem says that it cannot be shortened.
 *
 *     key = Ht("delay/key", seed)[0..16]    K_0 = Ht("delay/start", seed)[0..16]    K_{i+1} = AES-128(key, K_i)
 *     proof: K at the end of each of `checkpoints` segments of `iterations` steps, 16 bytes each
 *     delayed seed = Ht("delay/out", seed || last checkpoint)
 */
import { AES_BLOCK_BYTES, aesBlocks, createAesChain } from "../../crypto/aes.ts";
import { concatBytes, equalBytes } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";

export type DelayParameters = {
  /** More make checking faster, up to some thousands; the proof has 16 bytes for each. */
  readonly checkpoints: number;
  /** Encryptions between two checkpoints. */
  readonly iterations: number;
};

const isIn = (value: number, max: number): boolean =>
  Number.isSafeInteger(value) && value >= 1 && value <= max;

/** Code: time.parameters. */
export const checkDelayParameters = (parameters: DelayParameters): Result<DelayParameters> =>
  isIn(parameters.checkpoints, LIMITS.delayCheckpointsMax) &&
  isIn(parameters.iterations, LIMITS.delaySegmentIterationsMax)
    ? ok(parameters)
    : fail(
        "time.parameters",
        `a delay has 1 to ${LIMITS.delayCheckpointsMax} checkpoints of at most ` +
          `${LIMITS.delaySegmentIterationsMax} iterations`,
      );

const startOf = (hasher: Hasher, seed: Uint8Array): { key: Uint8Array; first: Uint8Array } => ({
  key: hasher.ht("delay/key", seed).slice(0, AES_BLOCK_BYTES),
  first: hasher.ht("delay/start", seed).slice(0, AES_BLOCK_BYTES),
});

/** Computes the checkpoints one after another; yields each, so that a worker can rest and be stopped. */
export const computeDelay = function* (
  hasher: Hasher,
  seed: Uint8Array,
  { checkpoints, iterations }: DelayParameters,
): Generator<Uint8Array, void, void> {
  const { key, first } = startOf(hasher, seed);
  const chain = createAesChain(key, first);
  for (let i = 0; i < checkpoints; i++) yield chain(iterations);
};

/** The delayed seed that the checkpoints (in one piece) give. */
export const delayedSeed = (
  hasher: Hasher,
  seed: Uint8Array,
  checkpoints: Uint8Array,
): Uint8Array => hasher.ht("delay/out", seed, checkpoints.slice(-AES_BLOCK_BYTES));

/**
 * Whether the checkpoints are those of the delay: all segments are computed side by side, in as many calls of
 * the cipher as one has iterations. The delayed seed. Codes: time.parameters, time.delay-invalid.
 */
export const verifyDelay = (
  hasher: Hasher,
  seed: Uint8Array,
  parameters: DelayParameters,
  checkpoints: Uint8Array,
): Result<Uint8Array> => {
  const checked = checkDelayParameters(parameters);
  if (!checked.ok) return checked;
  if (checkpoints.length !== parameters.checkpoints * AES_BLOCK_BYTES) {
    return fail("time.delay-invalid", `expected ${parameters.checkpoints} checkpoints`);
  }
  const { key, first } = startOf(hasher, seed);
  const encrypt = aesBlocks(key);
  let lanes: Uint8Array = concatBytes(first, checkpoints.subarray(0, -AES_BLOCK_BYTES));
  for (let i = 0; i < parameters.iterations; i++) lanes = encrypt(lanes);
  return equalBytes(lanes, checkpoints)
    ? ok(delayedSeed(hasher, seed, checkpoints))
    : fail("time.delay-invalid", "a segment does not end in its checkpoint");
};
