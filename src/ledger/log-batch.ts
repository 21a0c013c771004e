/**
 * What execution stores of the log: one record a batch, under the index of the batch's first event. The
 * events are not in it: they are in the batch, which append has stored and nothing deletes. An entry of
 * the log is both together (adr/0009).
 *
 *     u16 record version = 1   u64 height   batchId(32)   batchDigest(32)   u32 count
 *     count × (u8 length || code (ASCII); length 0: accepted)   count × effectsHash(32)
 *
 * Local storage: nothing hashes these bytes, but a later version must still read them. Whatever does not
 * fit throws TetradError "store.corrupt" with the index of the entry that cannot be told.
 */
import { equalBytes } from "../crypto/bytes.ts";
import { DecodeError, Reader, Writer } from "../crypto/codec.ts";
import type { Hasher } from "../crypto/hash.ts";
import { fail, ok, type Result, TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { decodeBatch } from "./batch.ts";
import { batchKey, logBatchKey } from "./keys.ts";
import { isRefusalCode } from "./leaf.ts";
import type { ExecutionRecord, ReadStore } from "./records.ts";
import { openStoredBatch, type StoredBatch } from "./stored-batch.ts";
import type { Batch, EncodedEvent, Hash, LogEntry, Outcome } from "./types.ts";

const RECORD_VERSION = 1;
const HASH_BYTES = 32;
/** All fields of fixed width: 2 + 8 + 32 + 32 + 4. */
const FIXED_BYTES = 78;

export type LogBatch = {
  readonly firstIndex: number;
  readonly height: number;
  readonly batchId: Hash;
  readonly digest: Hash;
  readonly count: number;
  /** By position in the batch. */
  readonly outcomes: readonly Outcome[];
  /** The hash of each event's effects, one after the other. */
  readonly effects: Uint8Array;
};

const ACCEPTED: Outcome = { kind: "accepted" };

export const corruptEntry = (index: number, detail: string): TetradError =>
  new TetradError("store.corrupt", `log entry ${index} ${detail}`, { index });

const codeOf = (outcome: Outcome): string => (outcome.kind === "refused" ? outcome.code : "");

/** The record of the batch with this digest, which gave these entries. */
export const encodeLogBatch = (digest: Hash, entries: readonly LogEntry[]): Uint8Array => {
  const [first] = entries;
  if (first === undefined) throw new RangeError("a batch has at least one event");
  const writer = new Writer(FIXED_BYTES + entries.length * (HASH_BYTES + 2))
    .u16(RECORD_VERSION)
    .u64(first.height)
    .hash(first.batchId)
    .hash(digest)
    .u32(entries.length);
  for (const { outcome } of entries) {
    const code = codeOf(outcome);
    writer.u8(code.length);
    for (let i = 0; i < code.length; i++) writer.u8(code.charCodeAt(i));
  }
  for (const { effectsHash } of entries) writer.hash(effectsHash);
  return writer.finish();
};

/** Reads a record from bytes that nobody vouches for: "encoding.malformed" or "encoding.version". */
export const decodeLogBatch = (firstIndex: number, bytes: Uint8Array): Result<LogBatch> => {
  try {
    return readRecord(firstIndex, new Reader(bytes));
  } catch (error) {
    if (error instanceof DecodeError) return fail("encoding.malformed", error.message);
    throw error;
  }
};

function readRecord(firstIndex: number, reader: Reader): Result<LogBatch> {
  const version = reader.u16();
  if (version !== RECORD_VERSION) return fail("encoding.version", `record version ${version}`);
  const height = reader.u64();
  const batchId = reader.hash();
  const digest = reader.hash();
  const count = reader.count32(LIMITS.batchEventsMax, 1 + HASH_BYTES);
  if (count === 0) return fail("encoding.malformed", "a batch has at least one event");
  const outcomes: Outcome[] = [];
  for (let at = 0; at < count; at++) {
    const length = reader.u8();
    if (length === 0) outcomes.push(ACCEPTED);
    else {
      const code = String.fromCharCode(...reader.fixed(length));
      if (!isRefusalCode(code)) return fail("encoding.malformed", "a code that none can be");
      outcomes.push({ kind: "refused", code });
    }
  }
  const effects = reader.fixed(count * HASH_BYTES);
  reader.end();
  return ok({ firstIndex, height, batchId, digest, count, outcomes, effects });
}

/** The record under a key of the store. */
export const openLogBatch = (firstIndex: number, bytes: Uint8Array): LogBatch => {
  const record = decodeLogBatch(firstIndex, bytes);
  if (!record.ok) throw corruptEntry(firstIndex, `is damaged: ${record.detail}`);
  return record.value;
};

/** The record of the batch whose first event has this index. */
export const readLogBatch = (read: ReadStore, firstIndex: number): LogBatch => {
  const bytes = read(logBatchKey(firstIndex));
  if (bytes === undefined) throw corruptEntry(firstIndex, "is missing");
  return openLogBatch(firstIndex, bytes);
};

/** The records of an executed height, in log order. */
export const readLogBatches = (
  read: ReadStore,
  { height, firstIndex, count }: Pick<ExecutionRecord, "height" | "firstIndex" | "count">,
): LogBatch[] => {
  const records: LogBatch[] = [];
  const end = firstIndex + count;
  for (let next = firstIndex; next < end; ) {
    const record = readLogBatch(read, next);
    if (record.height !== height || next + record.count > end) {
      throw corruptEntry(next, `is not of height ${height} with its ${count} events`);
    }
    records.push(record);
    next += record.count;
  }
  return records;
};

/** The batch that a record is about. Its signature was checked before it became final. */
export const readBatchOf = (read: ReadStore, hasher: Hasher, record: LogBatch): Batch => {
  const batch = decodeBatch(hasher, batchBytesOf(read, record));
  if (!batch.ok) {
    throw corruptEntry(record.firstIndex, `has a damaged batch: ${batch.detail}`);
  }
  checkBatch(record, batch.value, batch.value.events.length);
  return batch.value;
};

/** The same for readers of some of its events: checked by its digest, decoded event by event. */
export const readStoredBatchOf = (
  read: ReadStore,
  hasher: Hasher,
  record: LogBatch,
): StoredBatch => {
  const batch = openStoredBatch(hasher, batchBytesOf(read, record), record.digest);
  if (!batch.ok) {
    throw corruptEntry(record.firstIndex, `has a damaged batch: ${batch.detail}`);
  }
  checkBatch(record, batch.value, batch.value.count);
  return batch.value;
};

function batchBytesOf(read: ReadStore, { firstIndex, digest }: LogBatch): Uint8Array {
  const bytes = read(batchKey(digest));
  if (bytes === undefined) throw corruptEntry(firstIndex, "has lost its batch");
  return bytes;
}

function checkBatch(record: LogBatch, batch: Pick<Batch, "id" | "digest">, count: number): void {
  const fits =
    count === record.count &&
    equalBytes(batch.digest, record.digest) &&
    equalBytes(batch.id, record.batchId);
  if (!fits) throw corruptEntry(record.firstIndex, "is not of the batch that is stored for it");
}

/** Adds the entries from..from+count, all of this batch, to `out`. */
export const addEntries = (
  record: LogBatch,
  batch: Pick<Batch, "id" | "digest" | "events">,
  from: number,
  count: number,
  out: LogEntry[],
): void => {
  checkBatch(record, batch, batch.events.length);
  for (let index = from; index < from + count; index++) {
    out.push(entryAt(record, index, batch.events[index - record.firstIndex]));
  }
};

/** The same of a batch that `readStoredBatchOf` gave for this record: decodes these events and no others. */
export const addStoredEntries = (
  record: LogBatch,
  batch: StoredBatch,
  from: number,
  count: number,
  out: LogEntry[],
): void => {
  for (let index = from; index < from + count; index++) {
    out.push(entryAt(record, index, batch.event(index - record.firstIndex)));
  }
};

function entryAt(record: LogBatch, index: number, event: EncodedEvent | undefined): LogEntry {
  const { firstIndex, height, batchId, outcomes, effects } = record;
  const position = index - firstIndex;
  const outcome = outcomes[position];
  if (event === undefined || outcome === undefined) {
    throw new RangeError(`the batch at ${firstIndex} has no entry ${index}`);
  }
  const at = position * HASH_BYTES;
  const effectsHash = effects.subarray(at, at + HASH_BYTES);
  return { index, height, batchId, position, outcome, effectsHash, event };
}

/** The first entry whose outcome or effects are not what its record says; undefined where all are. */
export const differingIndex = (
  records: readonly LogBatch[],
  entries: readonly LogEntry[],
): number | undefined => {
  let next = 0;
  for (const { outcomes, effects } of records) {
    for (const [position, outcome] of outcomes.entries()) {
      const entry = entries[next++];
      if (entry === undefined) return undefined;
      const at = position * HASH_BYTES;
      const same =
        codeOf(outcome) === codeOf(entry.outcome) &&
        equalBytes(effects.subarray(at, at + HASH_BYTES), entry.effectsHash);
      if (!same) return entry.index;
    }
  }
  return undefined;
};
