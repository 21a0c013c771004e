/**
 * What execution notes beside the log: where a batch was executed (i/) and what each height came to (x/).
 * Local storage: nothing hashes these bytes, but a later version must still read them.
 */
import { DecodeError, Reader, Writer } from "../crypto/codec.ts";
import { fail, ok, type Result, TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { batchIndexKey, executionKey } from "./keys.ts";
import type { ExecutionRoots, Hash } from "./types.ts";

const RECORD_VERSION = 1;

/** Gives the stored value of a key of the main store. */
export type ReadStore = (key: Uint8Array) => Uint8Array | undefined;

/** Where the events of a batch are in the log, and who wrote them. */
export type BatchLocation = {
  readonly height: number;
  readonly firstIndex: number;
  readonly count: number;
  readonly actor: Hash;
};

/** What executing one height gave. */
export type ExecutionRecord = ExecutionRoots & {
  /** Ledger time of the block, milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** Global index of the height's first event; the log size after it is firstIndex + count. */
  readonly firstIndex: number;
  readonly count: number;
  /** Schema version of each projection, in the order of `projections`. */
  readonly schemaVersions: readonly number[];
};

const decoded = <T>(name: string, bytes: Uint8Array, read: (reader: Reader) => T): Result<T> => {
  try {
    const reader = new Reader(bytes);
    const version = reader.u16();
    if (version !== RECORD_VERSION) return fail("encoding.version", `${name} version ${version}`);
    const value = read(reader);
    reader.end();
    return ok(value);
  } catch (error) {
    if (error instanceof DecodeError)
      return fail("encoding.malformed", `${name}: ${error.message}`);
    throw error;
  }
};

export const encodeBatchLocation = (location: BatchLocation): Uint8Array =>
  new Writer(64)
    .u16(RECORD_VERSION)
    .u64(location.height)
    .u64(location.firstIndex)
    .u32(location.count)
    .hash(location.actor)
    .finish();

export const decodeBatchLocation = (bytes: Uint8Array): Result<BatchLocation> =>
  decoded("batch location", bytes, (reader) => ({
    height: reader.u64(),
    firstIndex: reader.u64(),
    count: reader.u32(),
    actor: reader.hash(),
  }));

export const encodeExecutionRecord = (record: ExecutionRecord): Uint8Array => {
  const writer = new Writer(512)
    .u16(RECORD_VERSION)
    .u64(record.height)
    .u64(record.timeMs)
    .u64(record.firstIndex)
    .u32(record.count)
    .u64(record.logSize)
    .hash(record.logRoot)
    .hash(record.stateRoot)
    .u32(record.projections.length);
  record.projections.forEach(({ name, root }, at) => {
    writer
      .string(name)
      .u16(record.schemaVersions[at] ?? 0)
      .hash(root);
  });
  return writer.finish();
};

export const decodeExecutionRecord = (bytes: Uint8Array): Result<ExecutionRecord> =>
  decoded("execution record", bytes, (reader) => {
    const fixed = {
      height: reader.u64(),
      timeMs: reader.u64(),
      firstIndex: reader.u64(),
      count: reader.u32(),
      logSize: reader.u64(),
      logRoot: reader.hash(),
      stateRoot: reader.hash(),
    };
    const projections: { name: string; root: Hash }[] = [];
    const schemaVersions: number[] = [];
    // A projection takes at least a length, a version and a root.
    for (let left = reader.count32(LIMITS.projectionsMax, 38); left > 0; left--) {
      const name = reader.string(LIMITS.nameBytesMax);
      schemaVersions.push(reader.u16());
      projections.push({ name, root: reader.hash() });
    }
    return { ...fixed, projections, schemaVersions };
  });

const corrupt = (what: string, detail: string): TetradError =>
  new TetradError("store.corrupt", `${what}: ${detail}`, { what });

/** The record of an executed height; undefined when it has not been executed. Throws "store.corrupt". */
export const readExecution = (read: ReadStore, height: number): ExecutionRecord | undefined => {
  const bytes = read(executionKey(height));
  if (bytes === undefined) return undefined;
  const record = decodeExecutionRecord(bytes);
  if (!record.ok) throw corrupt(`execution record of height ${height}`, record.detail);
  return record.value;
};

/** Where a batch was executed; undefined when it was not. Throws "store.corrupt". */
export const readBatchLocation = (read: ReadStore, batchId: Hash): BatchLocation | undefined => {
  const bytes = read(batchIndexKey(batchId));
  if (bytes === undefined) return undefined;
  const location = decodeBatchLocation(bytes);
  if (!location.ok) throw corrupt("batch location", location.detail);
  return location.value;
};
