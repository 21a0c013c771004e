/** An envelope written out by hand, so that any field of it can be wrong. */
import { ZERO_HASH } from "../../src/crypto/bytes.ts";
import { Writer } from "../../src/crypto/codec.ts";
import type { Hasher } from "../../src/crypto/hash.ts";
import { eventsRoot } from "../../src/ledger/event-hashes.ts";
import type { EncodedEvent } from "../../src/ledger/types.ts";
import { hasher as fixed, hashOf, putOf, signatureOf } from "../golden/fixtures.ts";

export type Raw = {
  readonly hasher?: Hasher;
  readonly version?: number;
  readonly chainHash?: Uint8Array;
  readonly laneSeq?: number;
  readonly eventCount?: number;
  readonly eventBytes?: number;
  readonly root?: Uint8Array;
  readonly events?: readonly Uint8Array[];
  readonly scheme?: number;
  readonly signature?: Uint8Array;
  readonly proofCount?: number;
  readonly tail?: Uint8Array;
};

/** The envelope of docs/protocol.md; right but for what is given. */
export const rawBatch = (raw: Raw = {}): Uint8Array => {
  const { hasher = fixed } = raw;
  const events = raw.events ?? [putOf(1).bytes];
  const encoded = events.map((bytes): EncodedEvent => ({ ...putOf(1), bytes }));
  const writer = new Writer(4096)
    .u16(raw.version ?? 1)
    .hash(raw.chainHash ?? hasher.chainHash)
    .hash(hashOf(4))
    .u64(raw.laneSeq ?? 1)
    .hash(ZERO_HASH)
    .u64(0)
    .hash(hashOf(9))
    .u32(raw.eventCount ?? events.length)
    .u32(raw.eventBytes ?? events.reduce((sum, event) => sum + event.length, 0))
    .hash(raw.root ?? eventsRoot(hasher, encoded));
  for (const event of events) writer.bytes(event);
  return writer
    .u8(raw.scheme ?? 1)
    .bytes(raw.signature ?? signatureOf(7))
    .u8(raw.proofCount ?? 0)
    .raw(raw.tail ?? new Uint8Array(0))
    .finish();
};
