/**
 * The randomness of the chain, one value a height, from the reveals of proposers and nothing else. A
 * signature, a root of a time proof, the content of a block or its time would each be chosen by who makes
 * it; these functions take none of them.
 *
 *     y_h = Ht("ivrf/y", x_j || b_{h-1})
 *     b_0 = Ht("beacon/0", genesis hash)        b_h = Ht("beacon", b_{h-1} || u64 h || y_h)
 */
import { ZERO_HASH } from "../../crypto/bytes.ts";
import { Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { type IvrfRegistration, ivrfIndex, verifyReveal } from "./ivrf.ts";

/** b_0. */
export const firstBeacon = (hasher: Hasher, genesisHash: Uint8Array): Uint8Array =>
  hasher.ht("beacon/0", genesisHash);

/** b_h from b_{h-1} and the value that the proposer of height h reveals. */
export const nextBeacon = (
  hasher: Hasher,
  before: Uint8Array,
  height: number,
  value: Uint8Array,
): Uint8Array => {
  const y = hasher.ht("ivrf/y", value, before);
  return hasher.ht("beacon", before, new Writer(8).u64(height).finish(), y);
};

/** b_h where the proposer has no key that covers the height, and so reveals nothing. */
export const nextBeaconUncovered = (
  hasher: Hasher,
  before: Uint8Array,
  height: number,
): Uint8Array => hasher.ht("beacon", before, new Writer(8).u64(height).finish(), ZERO_HASH);

/**
 * b_h from a reveal as it comes with a block: the key must be usable there, and the reveal the one of its
 * index. Codes: beacon.not-usable, beacon.reveal-malformed, beacon.reveal-invalid.
 */
export const acceptReveal = (
  hasher: Hasher,
  before: Uint8Array,
  registration: IvrfRegistration,
  at: { readonly height: number; readonly epoch: number },
  reveal: Uint8Array,
): Result<Uint8Array> => {
  const index = ivrfIndex(registration, at);
  if (!index.ok) return index;
  const value = verifyReveal(hasher, registration, index.value, reveal);
  return value.ok ? ok(nextBeacon(hasher, before, at.height, value.value)) : value;
};

/**
 * The height whose beacon is the seed of an epoch that begins at `firstHeight`: 16 before it, so that all
 * know the seed when the epoch begins; the genesis where there are not so many.
 */
export const epochSeedHeight = (firstHeight: number): number =>
  Math.max(0, firstHeight - LIMITS.gridHeights);
