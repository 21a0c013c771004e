/**
 * The bytes of a backup: the public half of a node's folder, as it was at one moment.
 *
 *     "tetrad-backup" (13 bytes ASCII)   u16 version = 1   u32 length || head   u32 length || genesis file
 *     rows in ascending order of their keys: u8 1   u32 length || key   u32 length || value
 *     u8 0   tail   sha256(32) over all before
 *
 *     head: u64 made, ms   u8 storage format   name   listen   api     (texts: u32 length || UTF-8)
 *     tail: u64 rows   u64 height   hash(32)   u64 executed height   u64 log size   log root(32)
 *           state root(32)
 *
 * The rows are those of `db`. There is no key in it and no vote store: what a key has signed goes on growing
 * after the backup is made, so that an old vote store is one that a validator contradicts itself with.
 */
import { DecodeError, Reader, utf8, Writer } from "../../crypto/codec.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";

export const MAGIC: Uint8Array = utf8("tetrad-backup");
export const BACKUP_VERSION = 1;
export const PREFIX_BYTES: number = MAGIC.length + 2;
export const CHECKSUM_BYTES = 32;
/** Three short texts and two numbers. */
export const HEAD_BYTES_MAX = 1024;
export const TAIL_BYTES: number = 4 * 8 + 3 * 32;

export type BackupHead = {
  /** When the backup was begun, milliseconds since the Unix epoch. */
  readonly madeMs: number;
  readonly storeFormat: number;
  /** Settings that a restored folder begins with. */
  readonly name: string;
  readonly listen: string;
  readonly api: string;
};

/** What the rows come to: found while they are read, so that it is of the same moment. */
export type BackupTail = {
  readonly rows: number;
  readonly height: number;
  readonly hash: Uint8Array;
  readonly executedHeight: number;
  readonly logSize: number;
  readonly logRoot: Uint8Array;
  readonly stateRoot: Uint8Array;
};

export const encodePrefix = (): Uint8Array =>
  new Writer(PREFIX_BYTES).raw(MAGIC).u16(BACKUP_VERSION).finish();

export const encodeHead = (head: BackupHead): Uint8Array =>
  new Writer(256)
    .u64(head.madeMs)
    .u8(head.storeFormat)
    .string(head.name)
    .string(head.listen)
    .string(head.api)
    .finish();

const decoded = <T>(what: string, bytes: Uint8Array, read: (reader: Reader) => T): Result<T> => {
  try {
    const reader = new Reader(bytes);
    const value = read(reader);
    reader.end();
    return ok(value);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return fail("backup.invalid", `${what}: ${error.message}`);
  }
};

export const decodeHead = (bytes: Uint8Array): Result<BackupHead> =>
  decoded("the head of the backup", bytes, (reader) => ({
    madeMs: reader.u64(),
    storeFormat: reader.u8(),
    name: reader.string(LIMITS.nameBytesMax),
    listen: reader.string(LIMITS.addressBytesMax),
    api: reader.string(LIMITS.addressBytesMax),
  }));

export const encodeRow = (key: Uint8Array, value: Uint8Array): Uint8Array =>
  new Writer(9 + key.length + value.length).u8(1).bytes(key).bytes(value).finish();

export const encodeTail = (tail: BackupTail): Uint8Array =>
  new Writer(TAIL_BYTES)
    .u64(tail.rows)
    .u64(tail.height)
    .hash(tail.hash)
    .u64(tail.executedHeight)
    .u64(tail.logSize)
    .hash(tail.logRoot)
    .hash(tail.stateRoot)
    .finish();

export const decodeTail = (bytes: Uint8Array): Result<BackupTail> =>
  decoded("the end of the backup", bytes, (reader) => ({
    rows: reader.u64(),
    height: reader.u64(),
    hash: reader.hash().slice(),
    executedHeight: reader.u64(),
    logSize: reader.u64(),
    logRoot: reader.hash().slice(),
    stateRoot: reader.hash().slice(),
  }));
