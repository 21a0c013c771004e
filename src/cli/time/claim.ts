/** What a checked proof of elapsed time lets one say, in numbers: for people, so floats are fine here. */
import { TIME_REFERENCE } from "../../proofs/time/parameters.ts";

/** Bits of a chance that nobody is taken to have: of one try, and of as many tries as one likes. */
export const GIVEN_BITS = 40;
export const SELF_BITS = 128;

export type Claim = {
  /** The chance, as a power of two, that more was skipped. */
  readonly bits: number;
  /** Part of the leaves that may have been skipped. */
  readonly skipped: number;
  /** Leaves of which it is shown that they were computed one after another. */
  readonly leaves: number;
  /** Compressions of SHA-256 in a row. */
  readonly steps: number;
  /** Seconds that the reference machine takes for them, and the least that anybody is taken to need. */
  readonly referenceSeconds: number;
  readonly leastSeconds: number;
};

/** The part that is found out but for a chance of 2^-bits: (1 - part)^challenges = 2^-bits. */
export const skippedPart = (challenges: number, bits: number): number =>
  1 - 2 ** (-bits / challenges);

export const claimOf = (
  leaves: number,
  tailBlocks: number,
  challenges: number,
  kind: "self" | "given",
): Claim => {
  const bits = kind === "self" ? SELF_BITS : GIVEN_BITS;
  const skipped = skippedPart(challenges, bits);
  const shown = Math.floor(leaves * (1 - skipped));
  const steps = shown * tailBlocks;
  const referenceSeconds = (steps * TIME_REFERENCE.stepNs) / 1e9;
  const leastSeconds = referenceSeconds / TIME_REFERENCE.fasterMax;
  return { bits, skipped, leaves: shown, steps, referenceSeconds, leastSeconds };
};

/** Of a block that leaf `leaf` took in: seconds of computing that came after it, at least. */
export const ageOf = (
  leaf: number,
  total: number,
  tailBlocks: number,
  skipped: number,
): { readonly leaves: number; readonly leastSeconds: number } => {
  const leaves = Math.max(0, Math.floor(total - leaf - total * skipped));
  const seconds = (leaves * tailBlocks * TIME_REFERENCE.stepNs) / 1e9;
  return { leaves, leastSeconds: seconds / TIME_REFERENCE.fasterMax };
};

/** "0.42 s", "17 s", "12 min 3 s", "5 h 2 min". */
export const spanText = (seconds: number): string => {
  if (seconds < 10) return `${Number(seconds.toPrecision(2))} s`;
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
};

/** "1.2 million", "340000". */
export const countText = (count: number): string => {
  if (count < 1e6) return String(count);
  if (count < 1e9) return `${Number((count / 1e6).toPrecision(3))} million`;
  return `${Number((count / 1e9).toPrecision(3))} billion`;
};
