/** What work is done for: one batch, by one actor, on one chain, and not before the chain said so. */
import { Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";

export const NONCE_BYTES = 16;

export type WorkSubject = {
  /** The beacon's output at the batch's reference height: nobody could begin before it was known. */
  readonly beacon: Uint8Array;
  readonly actor: Uint8Array;
  /** Hash of the batch's core: chain, actor, place in the lane, reference, size and root of its events. */
  readonly batchId: Uint8Array;
};

/**
 * c = Ht("work/batch", beacon || actor || batchId || u32be effort || nonce). The tag's prefix has the chain,
 * so work for one chain is none for another. Throws RangeError for fields of other lengths.
 */
export const workChallenge = (
  hasher: Hasher,
  subject: WorkSubject,
  effort: number,
  nonce: Uint8Array,
): Uint8Array =>
  hasher.ht(
    "work/batch",
    new Writer()
      .hash(subject.beacon)
      .hash(subject.actor)
      .hash(subject.batchId)
      .u32(effort)
      .fixed(nonce, NONCE_BYTES)
      .finish(),
  );
