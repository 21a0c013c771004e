/**
 * The search for a proof of work, one nonce at a time: the caller decides on threads, randomness and when
 * to stop. A run of Equihash takes some 20 to 50 ms and is not interrupted.
 */
import { concatBytes } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { NONCE_BYTES, type WorkSubject, workChallenge } from "./challenge.ts";
import { effortHash, isEffort, meetsEffort } from "./effort.ts";
import { packIndices } from "./packing.ts";
import type { Puzzle } from "./parameters.ts";
import { tagOf, type WorkProof } from "./proof.ts";
import { type ChallengeSolver, createChallengeSolver } from "./wasm-solver.ts";

export const NONCE_PREFIX_BYTES = 12;

export type WorkSearch = {
  /** Tries the nonce prefix || u32be counter. Undefined where it leads to no proof. */
  attempt(counter: number): WorkProof | undefined;
};

const EMPTY = new Uint8Array(0);

/**
 * A search for one subject and effort. `prefix`: 12 random bytes, so that searches on several threads and
 * machines try different nonces. Throws RangeError for an effort or a prefix that is none.
 */
export const createWorkSearch = (
  hasher: Hasher,
  puzzle: Puzzle,
  subject: WorkSubject,
  effort: number,
  prefix: Uint8Array,
): WorkSearch => {
  if (!isEffort(effort)) throw new RangeError(`effort ${effort}`);
  if (prefix.length !== NONCE_PREFIX_BYTES) throw new RangeError(`prefix of ${prefix.length}`);
  const candidates = candidatesOf(puzzle);
  return {
    attempt(counter) {
      const nonce = concatBytes(prefix, new Uint8Array(NONCE_BYTES - NONCE_PREFIX_BYTES));
      new DataView(nonce.buffer).setUint32(NONCE_PREFIX_BYTES, counter);
      const challenge = workChallenge(hasher, subject, effort, nonce);
      for (const { hashed, solution } of candidates(challenge)) {
        if (meetsEffort(effortHash(hasher, challenge, hashed), effort)) {
          return { effort, nonce, solution };
        }
      }
      return undefined;
    },
  };
};

/** What is hashed for the effort, and what of it the proof carries. */
type Candidate = { readonly hashed: Uint8Array; readonly solution: Uint8Array };

/** Runs never nest, so one solver serves all searches of a thread: its memory is dear to make anew. */
let spareSolver: ChallengeSolver | undefined;

const candidatesOf = (puzzle: Puzzle): ((challenge: Uint8Array) => readonly Candidate[]) => {
  if (puzzle.kind === "argon2id") {
    return (challenge) => [{ hashed: tagOf(puzzle, challenge) ?? EMPTY, solution: EMPTY }];
  }
  spareSolver ??= createChallengeSolver();
  const solver = spareSolver;
  return (challenge) =>
    solver
      .solveChallenge(challenge)
      .map((indices) => packIndices(indices))
      .map((solution) => ({ hashed: solution, solution }));
};
