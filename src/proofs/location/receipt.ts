/**
 * A receipt: one validator, the witness, has seen another answer challenges of a sector within a time. The
 * witness takes the time itself, from before it sends a challenge that nobody could know to after the answer is
 * here, so what it signs is never less than the round trip really took.
 */
import { Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";

export type ReceiptClaim = {
  readonly epoch: number;
  readonly prover: Uint8Array;
  readonly witness: Uint8Array;
  /** Number of the prover's sector that answered. */
  readonly sector: number;
  /** Upper bound on the round trip, microseconds. */
  readonly rttUs: number;
  /** `roundsHash` of the challenges that were answered. */
  readonly rounds: Uint8Array;
};

/** Ht("loc/rounds", the challenges in their order). */
export const roundsHash = (hasher: Hasher, challenges: readonly Uint8Array[]): Uint8Array =>
  hasher.ht("loc/rounds", ...challenges);

/** What a witness signs: Ht("loc/receipt", u64 epoch || prover || witness || u64 sector || u32 rtt || rounds). */
export const receiptMessage = (hasher: Hasher, claim: ReceiptClaim): Uint8Array => {
  const writer = new Writer(116).u64(claim.epoch).hash(claim.prover).hash(claim.witness);
  writer.u64(claim.sector).u32(claim.rttUs).hash(claim.rounds);
  return hasher.ht("loc/receipt", writer.finish());
};

/** How many of the rounds must be answered within the bound. */
export const countedRounds = (rounds: number): number => Math.ceil(rounds / 2);

/**
 * The bound that a witness signs: the time within which half of the rounds were answered, rounded up. The least
 * of them would do for distance, but who keeps a part of the sector nearby answers some rounds from it; the
 * greatest would be the machine's mood. Undefined where fewer than half were answered.
 */
export const boundUs = (rounds: number, answeredUs: readonly number[]): number | undefined =>
  [...answeredUs].sort((a, b) => a - b)[countedRounds(rounds) - 1];

/** Kilometres that light makes in a millisecond of round trip: to there and back, in fibre and in vacuum. */
export const KM_PER_RTT_MS = { fibre: 100, vacuum: 150 } as const;
