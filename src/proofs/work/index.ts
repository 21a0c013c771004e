/** Proofs of work: what of them the rest of the program uses. */
export { NONCE_BYTES, type WorkSubject, workChallenge } from "./challenge.ts";
export { expectedRuns, isEffort } from "./effort.ts";
export {
  PRICE_ONE,
  type PriceParameters,
  PUZZLES,
  type Puzzle,
  type PuzzleName,
  type ShareParameters,
  WORK_PROFILES,
  type WorkParameters,
  type WorkProfile,
  workParameterFault,
  workWeakness,
} from "./parameters.ts";
export { batchUnits, nextPrice, requiredEffort, UNITS_PER_EVENT } from "./price.ts";
export {
  decodeWorkProof,
  encodeWorkProof,
  precheckWork,
  unsolved,
  verifyWork,
  type WorkProof,
  type WorkVerdict,
  workProofBytes,
} from "./proof.ts";
export { createWorkSearch, NONCE_PREFIX_BYTES, type WorkSearch } from "./search.ts";
export {
  challengedSlots,
  decodeShareOpening,
  encodeShareOpening,
  encodeSharePart,
  openShares,
  type ShareOpening,
  shareParts,
  verifySharePart,
  verifyShares,
} from "./share-opening.ts";
export {
  commitShares,
  createShareTest,
  type ShareCommitment,
  type ShareSubject,
  type ShareTest,
  workUnits,
} from "./shares.ts";
