/**
 * The Merkle root over the events of a batch, in memory that is made once: `hasher.ht` makes an array a
 * digest, and every node hashes every event to check the root that its author signed.
 */
import { concatBytes, ZERO_HASH } from "../crypto/bytes.ts";
import { type Hasher, sha256Into, taggedInto, tagPrefix } from "../crypto/hash.ts";
import { LIMITS } from "../limits.ts";
import { copyBytes, HASH_BYTES } from "./state-hashes.ts";
import type { EncodedEvent, Hash } from "./types.ts";

type RootOf = (events: readonly Pick<EncodedEvent, "bytes">[]) => Hash;

const known = new WeakMap<Hasher, RootOf>();

/** RFC 6962's shape: leaves Ht("event/leaf", event), nodes Ht("event/node", left || right); 32 zero bytes of none. */
export const eventsRoot = (
  hasher: Hasher,
  events: readonly Pick<EncodedEvent, "bytes">[],
): Hash => {
  let rootOf = known.get(hasher);
  if (rootOf === undefined) {
    rootOf = makeRootOf(hasher);
    known.set(hasher, rootOf);
  }
  return rootOf(events);
};

function makeRootOf(hasher: Hasher): RootOf {
  const leafInto = taggedInto(tagPrefix("event/leaf", hasher.chainHash));
  const prefix = tagPrefix("event/node", hasher.chainHash);
  const nodeInput = concatBytes(prefix, new Uint8Array(2 * HASH_BYTES));
  let hashes = new Uint8Array(LIMITS.batchEventsMax * HASH_BYTES);
  /** Replaces the hashes of a level by those of the level above; the last one of an odd count stays as it is. */
  const climb = (count: number): number => {
    for (let at = 0; at + 1 < count; at += 2) {
      copyBytes(hashes, at * HASH_BYTES, nodeInput, prefix.length, 2 * HASH_BYTES);
      sha256Into(nodeInput, hashes, (at / 2) * HASH_BYTES);
    }
    const above = Math.ceil(count / 2);
    if (count % 2 === 1 && count > 1) {
      hashes.copyWithin((above - 1) * HASH_BYTES, (count - 1) * HASH_BYTES, count * HASH_BYTES);
    }
    return above;
  };
  return (events) => {
    if (events.length === 0) return ZERO_HASH.slice();
    const needed = events.length * HASH_BYTES;
    if (needed > hashes.length) hashes = new Uint8Array(needed);
    for (let i = 0; i < events.length; i++) {
      const event = events[i];
      if (event !== undefined) leafInto(event.bytes, hashes, i * HASH_BYTES);
    }
    for (let count = events.length; count > 1; ) count = climb(count);
    return hashes.slice(0, HASH_BYTES);
  };
}
