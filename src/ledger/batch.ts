/**
 * Batches: the unit of submission, signed once for all of its events (docs/protocol.md, "Batch").
 *
 *     core:      u16 version = 1   chainHash(32)   actor(32)   u64 laneSeq   prevBatchId(32)
 *                u64 refHeight   refHash(32)   u32 eventCount   u32 eventBytes   eventsRoot(32)
 *     envelope:  core   eventCount × (u32 length || event)   u8 sigScheme = 1   u32 length || signature
 *                proofs (batch-proofs.ts)
 *
 * The id hashes the core and is identity; the digest hashes the envelope and is what blocks name.
 */
import { equalBytes } from "../crypto/bytes.ts";
import { DecodeError, Reader, Writer } from "../crypto/codec.ts";
import type { Hasher } from "../crypto/hash.ts";
import { type Failure, fail, ok, type Result, TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { readSlots, slotBytes, writeSlots } from "./batch-proofs.ts";
import { decodeEvent } from "./event.ts";
import { eventsRoot } from "./event-hashes.ts";
import type { Batch, EncodedEvent, Hash, ProofSlot } from "./types.ts";

export const BATCH_VERSION = 1;

/** Signature scheme 1: FALCON-1024, padded, over batchSigningMessage. */
export const SIGNATURE_SCHEME_FALCON = 1;

export const BATCH_CORE_BYTES = 186;

/** What an envelope without proofs adds to its core and its events: scheme, signature, proof count. */
const TAIL_BYTES = 1 + 4 + LIMITS.falconSignatureBytes + 1;

/** Shorter than any envelope: one event of an empty payload and a three-letter type. */
export const BATCH_BYTES_MIN: number = BATCH_CORE_BYTES + 4 + 8 + 3 + TAIL_BYTES;

/** Where a lane stands: the last included batch, or 0 and 32 zero bytes for a fresh lane. */
export type LaneHead = { readonly seq: number; readonly id: Hash };

export type BatchInput = {
  readonly actor: Hash;
  readonly laneSeq: number;
  readonly prevBatchId: Hash;
  readonly refHeight: number;
  readonly refHash: Hash;
  readonly events: readonly EncodedEvent[];
};

export type UnsignedBatch = BatchInput & {
  readonly chainHash: Hash;
  readonly eventsRoot: Hash;
  readonly id: Hash;
  /** The encoded core, of which `id` is the hash. */
  readonly core: Uint8Array;
  /** The 32 bytes to sign. */
  readonly signingMessage: Uint8Array;
};

/** The id of an actor or a validator: the hash of its FALCON-1024 public key. */
export const actorId = (hasher: Hasher, publicKey: Uint8Array): Hash => hasher.ht("id", publicKey);

/** What the author of a batch signs. */
export const batchSigningMessage = (hasher: Hasher, id: Hash): Uint8Array =>
  hasher.ht("batch/sig", id);

/**
 * The batch before it is signed. Throws TetradError with batch.empty, batch.too-many-events or
 * batch.too-large, and RangeError for fields out of range.
 */
export const buildBatch = (hasher: Hasher, input: BatchInput): UnsignedBatch => {
  const events = [...input.events];
  let eventBytes = 0;
  for (const event of events) eventBytes += event.bytes.length;
  const wrong = checkCount(events.length) ?? checkSize(events.length, eventBytes);
  if (wrong !== undefined) throw TetradError.from(wrong);
  if (input.laneSeq < 1) throw new RangeError("lanes count from 1");
  const root = eventsRoot(hasher, events);
  const core = new Writer(BATCH_CORE_BYTES)
    .u16(BATCH_VERSION)
    .hash(hasher.chainHash)
    .hash(input.actor)
    .u64(input.laneSeq)
    .hash(input.prevBatchId)
    .u64(input.refHeight)
    .hash(input.refHash)
    .u32(events.length)
    .u32(eventBytes)
    .hash(root)
    .finish();
  const id = hasher.ht("batch/id", core);
  return {
    ...input,
    events,
    chainHash: hasher.chainHash,
    eventsRoot: root,
    id,
    core,
    signingMessage: batchSigningMessage(hasher, id),
  };
};

/**
 * The signed batch, with the proofs that its chain asks for. Throws RangeError for a signature that is not
 * 1280 bytes and for proofs that `writeSlots` refuses, TetradError batch.too-large where the proofs do not
 * fit any more; verifies nothing.
 */
export const sealBatch = (
  hasher: Hasher,
  unsigned: UnsignedBatch,
  signature: Uint8Array,
  proofs: readonly ProofSlot[] = [],
): Batch => {
  const { core, signingMessage: _, ...fields } = unsigned;
  const writer = new Writer(core.length + TAIL_BYTES + slotBytes(proofs) + 4096).raw(core);
  for (const event of fields.events) writer.bytes(event.bytes);
  writer.u8(SIGNATURE_SCHEME_FALCON).u32(LIMITS.falconSignatureBytes);
  const bytes = writeSlots(writer.fixed(signature, LIMITS.falconSignatureBytes), proofs).finish();
  const large = tooLarge(bytes.length);
  if (large !== undefined) throw TetradError.from(large);
  return {
    ...fields,
    signature: signature.slice(),
    proofs: proofs.map((proof) => ({ ...proof, bytes: proof.bytes.slice() })),
    digest: batchDigest(hasher, bytes),
    bytes,
  };
};

/** The fixed part of an envelope, of which nothing but the core is read. */
export type SealedBatch = Omit<Batch, "events" | "signature" | "proofs" | "digest"> & {
  readonly eventCount: number;
  readonly eventBytes: number;
};

/**
 * Reads the core of an envelope: one short hash, whatever the envelope's size, so that what is known or
 * has no place in its lane costs next to nothing. The rest is not looked at before `openBatch`.
 * Codes in order: batch.too-large, encoding.malformed, encoding.version, batch.wrong-chain, batch.empty,
 * batch.too-many-events.
 */
export const readSealed = (hasher: Hasher, bytes: Uint8Array): Result<SealedBatch> => {
  return tooLarge(bytes.length) ?? refusing(() => readCore(hasher, new Reader(bytes), bytes));
};

/**
 * The proofs of an envelope whose core was read, without its events: where they begin follows from the core.
 * So what does not pay costs nobody the hash of its events. Codes: encoding.malformed, encoding.version.
 */
export const readProofs = ({
  bytes,
  eventCount,
  eventBytes,
}: SealedBatch): Result<readonly ProofSlot[]> =>
  refusing(() => {
    const skipped = BATCH_CORE_BYTES + 4 * eventCount + eventBytes;
    if (skipped > bytes.length) return fail("encoding.malformed", "the events do not fit");
    const signed = readSignature(new Reader(bytes.subarray(skipped)));
    return signed.ok ? readSlots(signed.value.reader) : signed;
  });

/**
 * The envelope with one proof more, in its place among the others: the batch is the same one, under another
 * digest. Codes: those of `readProofs`, encoding.malformed (a proof of that kind is there), batch.too-large.
 */
export const withProof = (sealed: SealedBatch, proof: ProofSlot): Result<Uint8Array> => {
  const slots = readProofs(sealed);
  if (!slots.ok) return slots;
  if (slots.value.some(({ kind }) => kind === proof.kind)) {
    return fail("encoding.malformed", `a proof of kind ${proof.kind} is there already`);
  }
  return withSlots(
    sealed,
    [...slots.value, proof].sort((a, b) => a.kind - b.kind),
  );
};

/** The envelope without its proof of a kind, where it has one. Codes: those of `readProofs`. */
export const withoutProof = (sealed: SealedBatch, kind: number): Result<Uint8Array> => {
  const slots = readProofs(sealed);
  if (!slots.ok) return slots;
  return withSlots(
    sealed,
    slots.value.filter((slot) => slot.kind !== kind),
  );
};

const withSlots = (
  { bytes, eventCount, eventBytes }: SealedBatch,
  slots: readonly ProofSlot[],
): Result<Uint8Array> => {
  const signedBytes = BATCH_CORE_BYTES + 4 * eventCount + eventBytes + TAIL_BYTES - 1;
  const writer = new Writer(signedBytes + 1 + slotBytes(slots));
  const changed = writeSlots(writer.raw(bytes.subarray(0, signedBytes)), slots).finish();
  return tooLarge(changed.length) ?? ok(changed);
};

/** The count of proofs that an envelope states; undefined where it ends before. Nothing else is looked at. */
export const proofCountOf = ({
  bytes,
  eventCount,
  eventBytes,
}: Pick<SealedBatch, "bytes" | "eventCount" | "eventBytes">): number | undefined =>
  bytes[BATCH_CORE_BYTES + 4 * eventCount + eventBytes + TAIL_BYTES - 1];

/** The id of an encoded batch, whatever follows its core; undefined where the bytes are too few for one. */
export const batchIdOf = (hasher: Hasher, bytes: Uint8Array): Hash | undefined =>
  bytes.length < BATCH_CORE_BYTES
    ? undefined
    : hasher.ht("batch/id", bytes.subarray(0, BATCH_CORE_BYTES));

/** What blocks and gossip name a batch by: one pass over its bytes. */
export const batchDigest = (hasher: Hasher, bytes: Uint8Array): Hash =>
  hasher.ht("batch/digest", bytes);

/**
 * The rest of the envelope: its events, hashed to the signed root. `digest` is that of its bytes.
 * Codes in order: encoding.malformed, batch.event-too-large, encoding.version, batch.events-root. The proofs
 * are read and not judged (batch-work.ts).
 */
export const openBatch = (hasher: Hasher, sealed: SealedBatch, digest: Hash): Result<Batch> => {
  const opened = reopenBatch(sealed, digest);
  if (!opened.ok) return opened;
  return equalBytes(sealed.eventsRoot, eventsRoot(hasher, opened.value.events))
    ? opened
    : fail("batch.events-root", "the events do not hash to the signed root");
};

/** As `openBatch`, of another envelope of a batch that was opened: its events are not hashed again. */
export const reopenBatch = (sealed: SealedBatch, digest: Hash): Result<Batch> =>
  refusing(() => readRest(sealed, digest));

/**
 * Decodes an envelope and checks all that needs no state, cheapest first. Every byte string of the
 * result is a view into `bytes`. The signature is not verified here. Codes: those of `readSealed`, then
 * those of `openBatch`.
 */
export const decodeBatch = (hasher: Hasher, bytes: Uint8Array, digest?: Hash): Result<Batch> => {
  const sealed = readSealed(hasher, bytes);
  if (!sealed.ok) return sealed;
  return openBatch(hasher, sealed.value, digest ?? batchDigest(hasher, bytes));
};

function refusing<T>(read: () => Result<T>): Result<T> {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecodeError) return fail("encoding.malformed", error.message);
    throw error;
  }
}

function readCore(hasher: Hasher, reader: Reader, bytes: Uint8Array): Result<SealedBatch> {
  const version = reader.u16();
  if (version !== BATCH_VERSION) return fail("encoding.version", `batch version ${version}`);
  const chainHash = reader.hash();
  if (!equalBytes(chainHash, hasher.chainHash)) {
    return fail("batch.wrong-chain", "the batch is of another chain");
  }
  const actor = reader.hash();
  const laneSeq = reader.u64();
  if (laneSeq === 0) return fail("encoding.malformed", "lanes count from 1");
  const prevBatchId = reader.hash();
  const refHeight = reader.u64();
  const refHash = reader.hash();
  const eventCount = reader.u32();
  const eventBytes = reader.u32();
  const root = reader.hash();
  const wrong = checkCount(eventCount);
  if (wrong !== undefined) return wrong;
  const id = hasher.ht("batch/id", bytes.subarray(0, BATCH_CORE_BYTES));
  const lane = { actor, laneSeq, prevBatchId, refHeight, refHash };
  return ok({ chainHash, ...lane, eventsRoot: root, eventCount, eventBytes, id, bytes });
}

function readRest(sealed: SealedBatch, digest: Hash): Result<Batch> {
  const { eventCount, eventBytes, ...fields } = sealed;
  const reader = new Reader(fields.bytes);
  reader.fixed(BATCH_CORE_BYTES);
  const read = readEvents(reader, eventCount, eventBytes);
  if (!read.ok) return read;
  const events = read.value;
  const signed = readSignature(reader);
  if (!signed.ok) return signed;
  const { signature } = signed.value;
  const slots = readSlots(reader);
  if (!slots.ok) return slots;
  const proofs = slots.value;
  reader.end();
  return ok({ ...fields, events, signature, proofs, digest });
}

/** Scheme and signature; the reader stands behind them. */
function readSignature(
  reader: Reader,
): Result<{ readonly signature: Uint8Array; readonly reader: Reader }> {
  const scheme = reader.u8();
  if (scheme !== SIGNATURE_SCHEME_FALCON) {
    return fail("encoding.version", `signature scheme ${scheme}`);
  }
  const signature = reader.bytes(LIMITS.falconSignatureBytes);
  return signature.length === LIMITS.falconSignatureBytes
    ? ok({ signature, reader })
    : fail("encoding.malformed", `signature of ${signature.length} bytes`);
}

const tooLarge = (length: number): Failure | undefined =>
  length > LIMITS.batchBytesMax
    ? fail("batch.too-large", `${length} bytes, limit ${LIMITS.batchBytesMax}`)
    : undefined;

function checkCount(eventCount: number): Failure | undefined {
  if (eventCount === 0) return fail("batch.empty", "no events");
  return eventCount > LIMITS.batchEventsMax
    ? fail("batch.too-many-events", `${eventCount} events, limit ${LIMITS.batchEventsMax}`)
    : undefined;
}

function checkSize(eventCount: number, eventBytes: number): Failure | undefined {
  return tooLarge(BATCH_CORE_BYTES + 4 * eventCount + eventBytes + TAIL_BYTES);
}

function readEvents(
  reader: Reader,
  eventCount: number,
  eventBytes: number,
): Result<EncodedEvent[]> {
  if (4 * eventCount + eventBytes > reader.remaining) {
    const detail = `${eventCount} events of ${eventBytes} bytes do not fit ${reader.remaining}`;
    return fail("encoding.malformed", detail);
  }
  const events: EncodedEvent[] = [];
  let sum = 0;
  for (let i = 0; i < eventCount; i++) {
    const length = reader.u32();
    if (length > LIMITS.eventBytesMax) {
      const detail = `event ${i} of ${length} bytes, limit ${LIMITS.eventBytesMax}`;
      return fail("batch.event-too-large", detail, { event: i });
    }
    const event = decodeEvent(reader.fixed(length));
    if (!event.ok) return event;
    sum += length;
    events.push(event.value);
  }
  if (sum !== eventBytes) {
    return fail("encoding.malformed", `events of ${sum} bytes, core says ${eventBytes}`);
  }
  return ok(events);
}
