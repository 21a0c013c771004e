/**
 * A batch as it lies in the store, for readers of the log: checked by its digest and decoded event by event.
 *
 * The digest is over every byte, and a batch is stored only after all of it was checked (batch.ts). So bytes
 * with the digest that the log names are those that were checked, and one pass of SHA-256 says so: hashing
 * the tree of the events once more, ten times the work, would say nothing more.
 */
import { equalBytes } from "../crypto/bytes.ts";
import { DecodeError, Reader } from "../crypto/codec.ts";
import type { Hasher } from "../crypto/hash.ts";
import { merklePath, merkleRoot } from "../crypto/merkle.ts";
import { fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { BATCH_CORE_BYTES, batchDigest, readSealed } from "./batch.ts";
import { decodeEvent } from "./event.ts";
import type { Batch, EncodedEvent, Hash } from "./types.ts";

export type StoredBatch = Pick<Batch, "id" | "digest" | "actor" | "bytes" | "signature"> & {
  /** Events in the batch. */
  readonly count: number;
  /** The encoding of the event at a position: a view. Throws RangeError where there is none. */
  eventBytes(position: number): Uint8Array;
  /** The event at a position. Throws RangeError where there is none. */
  event(position: number): EncodedEvent;
};

/**
 * Opens stored bytes. Codes: encoding.malformed where they have another digest, which is all that damage can
 * do, and those of `readSealed`.
 */
export const openStoredBatch = (
  hasher: Hasher,
  bytes: Uint8Array,
  digest: Hash,
): Result<StoredBatch> => {
  const sealed = readSealed(hasher, bytes);
  if (!sealed.ok) return sealed;
  if (!equalBytes(batchDigest(hasher, bytes), digest)) {
    return fail("encoding.malformed", "the bytes have another digest");
  }
  const { id, actor, eventCount: count } = sealed.value;
  try {
    const reader = new Reader(bytes);
    reader.fixed(BATCH_CORE_BYTES);
    const ends = readEnds(reader, count);
    reader.u8();
    const signature = reader.bytes(LIMITS.falconSignatureBytes);
    const eventBytes = (position: number): Uint8Array => {
      const end = ends[position];
      if (end === undefined) throw new RangeError(`no event ${position} in a batch of ${count}`);
      const before = position === 0 ? BATCH_CORE_BYTES : (ends[position - 1] ?? 0);
      return bytes.subarray(before + 4, end);
    };
    const event = (position: number): EncodedEvent => {
      const decoded = decodeEvent(eventBytes(position));
      if (!decoded.ok) throw new RangeError(`event ${position}: ${decoded.detail}`);
      return decoded.value;
    };
    return ok({ id, digest, actor, bytes, signature, count, eventBytes, event });
  } catch (error) {
    if (error instanceof DecodeError) return fail("encoding.malformed", error.message);
    throw error;
  }
};

/** Where each event ends, in bytes from the beginning of the batch. */
const readEnds = (reader: Reader, count: number): Uint32Array => {
  const ends = new Uint32Array(count);
  let end = BATCH_CORE_BYTES;
  for (let position = 0; position < count; position++) {
    const length = reader.u32();
    reader.fixed(length);
    end += 4 + length;
    ends[position] = end;
  }
  return ends;
};

/** Leaves of a group: a power of two, so that a tree over the roots of groups is the tree over the leaves. */
const GROUP = 32;
/** Of group hashes that are kept. One batch has at most 32 of them. */
const KEPT_HASHES_MAX = 128 * 1024;

/**
 * Paths from events to the root that their author has signed. Nothing of that tree is stored, so the first
 * path into a batch hashes all of its events; what is kept of it, a hash for 32 events, makes each later one
 * a matter of one group. The newest 4 MiB of hashes are kept: those of four million events in full batches.
 */
export class BatchPaths {
  readonly #hasher: Hasher;
  /** By digest in hex, the one used last at the end. */
  readonly #kept = new Map<string, readonly Hash[]>();
  #keptHashes = 0;

  constructor(hasher: Hasher) {
    this.#hasher = hasher;
  }

  /** The siblings from the event to its batch's root, lowest first. `name`: the batch's digest in hex. */
  path(name: string, batch: StoredBatch, position: number): Hash[] {
    const groups = this.#groups(name, batch);
    const group = Math.floor(position / GROUP);
    const within = merklePath(this.#leaves(batch, group), position % GROUP, this.#node);
    return [...within, ...merklePath(groups, group, this.#node)];
  }

  readonly #node = (left: Hash, right: Hash): Hash => this.#hasher.ht("event/node", left, right);

  #leaves(batch: StoredBatch, group: number): Hash[] {
    const leaves: Hash[] = [];
    const end = Math.min(batch.count, (group + 1) * GROUP);
    for (let position = group * GROUP; position < end; position++) {
      leaves.push(this.#hasher.ht("event/leaf", batch.eventBytes(position)));
    }
    return leaves;
  }

  #groups(name: string, batch: StoredBatch): readonly Hash[] {
    const known = this.#kept.get(name);
    if (known !== undefined) {
      this.#kept.delete(name);
      this.#kept.set(name, known);
      return known;
    }
    const groups: Hash[] = [];
    for (let group = 0; group * GROUP < batch.count; group++) {
      groups.push(merkleRoot(this.#leaves(batch, group), this.#node));
    }
    this.#kept.set(name, groups);
    this.#keptHashes += groups.length;
    for (const [oldest, { length }] of this.#kept) {
      if (this.#keptHashes <= KEPT_HASHES_MAX) break;
      this.#kept.delete(oldest);
      this.#keptHashes -= length;
    }
    return groups;
  }
}
