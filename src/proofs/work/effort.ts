/**
 * The rule of effort, that of Tor's onion services (spec.torproject.org/hspow-spec): a hash R of 32 bits and
 * an effort E are accepted when R·E ≤ 2^32 - 1, which holds for one of E hashes on average. E itself is part
 * of what was hashed, so a find of a small effort is none of a larger one.
 */
import type { Hasher } from "../../crypto/hash.ts";
import { LIMITS } from "../../limits.ts";
import type { Puzzle } from "./parameters.ts";

const BOUND = 0xffff_ffffn;

/** Whether the first four bytes of the hash, big-endian, fit the effort. */
export const meetsEffort = (hash: Uint8Array, effort: number): boolean =>
  BigInt(effortWord(hash)) * BigInt(effort) <= BOUND;

/** R: the first four bytes of the hash. */
export const effortWord = (hash: Uint8Array): number =>
  new DataView(hash.buffer, hash.byteOffset, 4).getUint32(0);

/** R of a solution. The challenge has all that the work is for, E included. */
export const effortHash = (
  hasher: Hasher,
  challenge: Uint8Array,
  solution: Uint8Array,
): Uint8Array => hasher.ht("work/effort", challenge, solution);

export const isEffort = (effort: number): boolean =>
  Number.isSafeInteger(effort) && effort >= 1 && effort <= LIMITS.workEffortMax;

/** Solutions that one run of the solver finds on average. */
const SOLUTIONS_PER_RUN = 2;

/** Runs, each of another nonce, that a proof of this effort takes on average. For people, not for rules. */
export const expectedRuns = (puzzle: Puzzle, effort: number): number =>
  puzzle.kind === "argon2id" ? effort : Math.max(1, effort / SOLUTIONS_PER_RUN);
