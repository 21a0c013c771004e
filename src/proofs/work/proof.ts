/**
 * The proof of work of a batch: its encoding and its check. Pure, synchronous and browser-safe.
 *
 *     equihash-96-5:  u32be effort   nonce(16)   solution(68)      88 bytes
 *     argon2id:       u32be effort   nonce(16)                     20 bytes
 *
 * Which of the two a chain takes is one of its parameters. Nothing in either is free to change: the effort
 * and the nonce are in the challenge, and every other solution is another hash of the effort.
 */
import { Reader, Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { argon2id32 } from "../../crypto/memory-hard.ts";
import { type Failure, fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { NONCE_BYTES, type WorkSubject, workChallenge } from "./challenge.ts";
import { effortHash, effortWord, isEffort, meetsEffort } from "./effort.ts";
import { checkEquihash, type EquihashFault, sha512Rows } from "./equihash.ts";
import { SOLUTION_BYTES, unpackIndices } from "./packing.ts";
import type { Puzzle } from "./parameters.ts";

export type WorkProof = {
  readonly effort: number;
  readonly nonce: Uint8Array;
  /** The packed indices; empty for Argon2id, where the nonce is all there is to find. */
  readonly solution: Uint8Array;
};

/** What a checked proof shows. */
export type WorkVerdict = {
  readonly effort: number;
  /** R of the effort rule: the smaller, the luckier. */
  readonly word: number;
};

const solutionBytesOf = (puzzle: Puzzle): number =>
  puzzle.kind === "argon2id" ? 0 : SOLUTION_BYTES;

/** Bytes of every proof for this puzzle. */
export const workProofBytes = (puzzle: Puzzle): number => 4 + NONCE_BYTES + solutionBytesOf(puzzle);

/** Throws RangeError for fields of other lengths than the puzzle's, and for an effort out of range. */
export const encodeWorkProof = (puzzle: Puzzle, proof: WorkProof): Uint8Array => {
  if (!isEffort(proof.effort)) throw new RangeError(`effort ${proof.effort}`);
  return new Writer()
    .u32(proof.effort)
    .fixed(proof.nonce, NONCE_BYTES)
    .fixed(proof.solution, solutionBytesOf(puzzle))
    .finish();
};

/** Reads the one encoding of a proof. Code: work.malformed. */
export const decodeWorkProof = (puzzle: Puzzle, bytes: Uint8Array): Result<WorkProof> => {
  const length = workProofBytes(puzzle);
  if (bytes.length !== length) {
    return fail("work.malformed", `${bytes.length} bytes; a ${puzzle.kind} proof has ${length}`);
  }
  const reader = new Reader(bytes);
  const effort = reader.u32();
  if (!isEffort(effort)) {
    return fail("work.malformed", `effort ${effort} is not in 1..${LIMITS.workEffortMax}`);
  }
  const nonce = reader.fixed(NONCE_BYTES).slice();
  return ok({ effort, nonce, solution: reader.rest().slice() });
};

const FAULTS: Readonly<Record<EquihashFault, string>> = {
  range: "the indices are not 32 of 131,072",
  order: "the indices are not in the order of the tree that they stand for",
  duplicate: "an index stands twice",
  collision: "two subtrees do not agree in the bits of their level",
  sum: "the rows do not sum to zero",
};

type Opened = { readonly proof: WorkProof; readonly challenge: Uint8Array };

const openWork = (
  hasher: Hasher,
  puzzle: Puzzle,
  subject: WorkSubject,
  bytes: Uint8Array,
  required: number,
): Result<Opened> => {
  const proof = decodeWorkProof(puzzle, bytes);
  if (!proof.ok) return proof;
  const { effort, nonce } = proof.value;
  if (effort < required) {
    return fail("work.insufficient", `effort ${effort}, required ${required}`);
  }
  return ok({ proof: proof.value, challenge: workChallenge(hasher, subject, effort, nonce) });
};

const effortVerdict = (
  hasher: Hasher,
  { proof, challenge }: Opened,
  hashed: Uint8Array,
): Result<WorkVerdict> => {
  const { effort } = proof;
  const hash = effortHash(hasher, challenge, hashed);
  const word = effortWord(hash);
  return meetsEffort(hash, effort)
    ? ok({ effort, word })
    : fail("work.effort", `the hash ${word} times the effort ${effort} is over 2^32 - 1`);
};

/**
 * Whether the proof is of at least `required` effort for this subject. Cheapest first: two integers, one
 * hash, then the 32 hashes of a solution. Codes in order: work.malformed, work.insufficient, work.effort,
 * work.solution; for Argon2id, whose hash is its solution, never the last.
 */
export const verifyWork = (
  hasher: Hasher,
  puzzle: Puzzle,
  subject: WorkSubject,
  bytes: Uint8Array,
  required: number,
): Result<WorkVerdict> => {
  const opened = openWork(hasher, puzzle, subject, bytes, required);
  if (!opened.ok) return opened;
  const { challenge, proof } = opened.value;
  const hashed = tagOf(puzzle, challenge) ?? proof.solution;
  const verdict = effortVerdict(hasher, opened.value, hashed);
  if (!verdict.ok || puzzle.kind === "argon2id") return verdict;
  return solutionFault(challenge, proof.solution) ?? verdict;
};

/**
 * What of `verifyWork` costs next to nothing: all but the 32 hashes of a solution, or the one evaluation of
 * Argon2id. Of what passes here `verifyWork` refuses nothing but that last thing. Its codes, in its order.
 */
export const precheckWork = (
  hasher: Hasher,
  puzzle: Puzzle,
  subject: WorkSubject,
  bytes: Uint8Array,
  required: number,
): Failure | undefined => {
  const opened = openWork(hasher, puzzle, subject, bytes, required);
  if (!opened.ok) return opened;
  if (puzzle.kind === "argon2id") return undefined;
  const verdict = effortVerdict(hasher, opened.value, opened.value.proof.solution);
  return verdict.ok ? undefined : verdict;
};

/** What is wrong with a proof that has passed `precheckWork` and not `verifyWork`. */
export const unsolved = (puzzle: Puzzle): Failure =>
  puzzle.kind === "argon2id"
    ? fail("work.effort", "the hash of the nonce does not fit the effort that is stated")
    : fail("work.solution", "the indices do not solve the puzzle");

const solutionFault = (challenge: Uint8Array, solution: Uint8Array): Failure | undefined => {
  const fault = checkEquihash(sha512Rows(challenge), unpackIndices(solution));
  return fault === undefined ? undefined : fail("work.solution", FAULTS[fault]);
};

/** What Argon2id makes of a challenge; undefined for the other puzzle. */
export const tagOf = (puzzle: Puzzle, challenge: Uint8Array): Uint8Array | undefined =>
  puzzle.kind === "argon2id" ? argon2id32(challenge, challenge, puzzle.memoryKiB) : undefined;
