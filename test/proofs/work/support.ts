/** Subjects and proofs for tests. */
import { createHasher, type Hasher } from "../../../src/crypto/hash.ts";
import {
  createWorkSearch,
  encodeWorkProof,
  type Puzzle,
  type WorkProof,
  type WorkSubject,
} from "../../../src/proofs/work/index.ts";

export const hasher: Hasher = createHasher("work-test");

export const EQUIHASH: Puzzle = { kind: "equihash-96-5" };
export const ARGON: Puzzle = { kind: "argon2id", memoryKiB: 8 };

export const filled = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte);

export const subject: WorkSubject = { beacon: filled(1), actor: filled(2), batchId: filled(3) };

/** A proof by trying nonces from 0 on: always the same one. */
export const solve = (
  puzzle: Puzzle,
  effort: number,
  what: WorkSubject = subject,
  chain: Hasher = hasher,
): { readonly proof: WorkProof; readonly bytes: Uint8Array } => {
  const search = createWorkSearch(chain, puzzle, what, effort, filled(9, 12));
  for (let counter = 0; counter < 200_000; counter++) {
    const proof = search.attempt(counter);
    if (proof !== undefined) return { proof, bytes: encodeWorkProof(puzzle, proof) };
  }
  throw new Error(`no proof of effort ${effort} in 200,000 runs`);
};
