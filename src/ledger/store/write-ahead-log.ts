/**
 * Checks LevelDB's logs before LevelDB replays them: the write-ahead logs and the manifest, which has the
 * same format. The binding opens LevelDB in its
 * tolerant mode: a record that fails its checksum is skipped and the ones behind it are applied, so a
 * flipped byte would silently take one write out of the middle. Here that is an error.
 *
 * Format (LevelDB, doc/log_format.md): blocks of 32 KiB; records of u32 LE masked CRC-32C over type and
 * data, u16 LE length, u8 type (1 full, 2 first, 3 middle, 4 last), data; a record that does not fit is
 * split; fewer than 7 bytes at the end of a block are zero.
 *
 * What a power cut leaves is a prefix of the synced writes and at most one interrupted batch behind it:
 * LevelDB holds one batch at a time. So a bad record is an interrupted write as long as no later record
 * begins, in this log or a later one; else it is corruption.
 */
import { concatBytes } from "../../crypto/bytes.ts";
import { crc32c, maskCrc } from "./crc32c.ts";

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
/** A batch begins with u64 LE number of its first change and u32 LE count of changes. */
const BATCH_HEADER_BYTES = 12;
/** More changes than one interrupted batch can hold. */
const SEQUENCE_WINDOW = 2 ** 26;
const FULL = 1;
const FIRST = 2;
const LAST = 4;

export type LogCheck = {
  /** Batches that LevelDB will replay. */
  readonly records: number;
  /** Where the interrupted write begins: a byte offset, undefined when the log ends cleanly. */
  readonly tornAt: number | undefined;
  /** Where a record fails with a later one behind it. */
  readonly corruptAt: number | undefined;
};

type Fragment = { readonly type: number; readonly next: number };

/** The fragment at `at`, or undefined where the bytes are none: cut off, zero, or with a bad checksum. */
function fragmentAt(log: Uint8Array, view: DataView, at: number): Fragment | undefined {
  const blockEnd = Math.min(log.length, at - (at % BLOCK_BYTES) + BLOCK_BYTES);
  if (at + HEADER_BYTES > blockEnd) return undefined;
  const length = view.getUint16(at + 4, true);
  const type = log[at + 6] ?? 0;
  const next = at + HEADER_BYTES + length;
  if (type < FULL || type > LAST || next > blockEnd) return undefined;
  const masked = view.getUint32(at, true);
  return masked === maskCrc(crc32c(log, at + 6, next)) ? { type, next } : undefined;
}

/**
 * Whether the record that does not end at `at` (tornAt) is there in its whole length and fails its checksum,
 * and not cut off: a power cut shortens a log, and does not change what it leaves.
 */
export const isDamagedTail = (log: Uint8Array, tornAt: number): boolean => {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  let at = tornAt;
  for (;;) {
    const fragment = at < log.length ? fragmentAt(log, view, at) : undefined;
    if (fragment === undefined) break;
    at = skipTrailer(fragment.next);
  }
  const blockEnd = at - (at % BLOCK_BYTES) + BLOCK_BYTES;
  if (at + HEADER_BYTES > Math.min(log.length, blockEnd)) return false;
  return at + HEADER_BYTES + view.getUint16(at + 4, true) <= Math.min(log.length, blockEnd);
};

const skipTrailer = (at: number): number => {
  const left = BLOCK_BYTES - (at % BLOCK_BYTES);
  return left < HEADER_BYTES ? at + left : at;
};

/**
 * Number of the first row change of the batch that a fragment begins, and of the one behind its last.
 * Undefined when the 12 bytes that say so are not all in the fragment.
 */
function sequenceAt(
  view: DataView,
  at: number,
  next: number,
): readonly [number, number] | undefined {
  if (next - at < HEADER_BYTES + BATCH_HEADER_BYTES) return undefined;
  const data = at + HEADER_BYTES;
  const first = view.getUint32(data + 4, true) * 2 ** 32 + view.getUint32(data, true);
  return [first, first + view.getUint32(data + 8, true)];
}

/**
 * Checks one log. `batches` tells a write-ahead log, whose records carry running numbers, from a
 * manifest. `take` is called with each whole record. Any bytes: never throws.
 */
export const checkLog = (
  log: Uint8Array,
  batches: boolean,
  take?: (record: Uint8Array) => void,
): LogCheck => {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  let records = 0;
  let expected: number | undefined;
  let openAt: number | undefined;
  let parts: Uint8Array[] = [];
  let at = 0;
  while (at < log.length) {
    const fragment = fragmentAt(log, view, at);
    const begins = fragment?.type === FULL || fragment?.type === FIRST;
    if (fragment === undefined || begins === (openAt !== undefined)) {
      const tornAt = openAt ?? at;
      // A record that begins before the last one has ended is itself the later one.
      const damaged = begins || beginsBehind(log, view, at, expected);
      return { records, tornAt, corruptAt: damaged ? tornAt : undefined };
    }
    if (begins) {
      openAt = at;
      if (batches) expected = sequenceAt(view, at, fragment.next)?.[1] ?? expected;
    }
    if (take !== undefined) parts.push(log.subarray(at + HEADER_BYTES, fragment.next));
    if (fragment.type === FULL || fragment.type === LAST) {
      openAt = undefined;
      records += 1;
      take?.(concatBytes(...parts));
      parts = [];
    }
    at = skipTrailer(fragment.next);
  }
  return { records, tornAt: openAt, corruptAt: undefined };
};

/**
 * True when a record begins behind the bad bytes at `at`. In later blocks the headers are where the
 * format puts them. In the bad block the length that leads to the next header may be what is damaged,
 * so every offset is tried; there, bytes of a user's that look like a record must not count, and the
 * running number of the batch tells: it has to follow `expected`, that of the last good one.
 */
function beginsBehind(
  log: Uint8Array,
  view: DataView,
  at: number,
  expected: number | undefined,
): boolean {
  const blockEnd = Math.min(log.length, at - (at % BLOCK_BYTES) + BLOCK_BYTES);
  for (let offset = at + 1; offset < blockEnd; offset++) {
    const type = log[offset + 6];
    if (type !== FULL && type !== FIRST) continue;
    const fragment = fragmentAt(log, view, offset);
    if (fragment === undefined) continue;
    if (expected === undefined) return true;
    const first = sequenceAt(view, offset, fragment.next)?.[0];
    if (first === undefined) continue;
    if (first > expected && first < expected + SEQUENCE_WINDOW) return true;
  }
  for (let block = blockEnd; block < log.length; block += BLOCK_BYTES) {
    let offset = block;
    for (;;) {
      const fragment = offset < log.length ? fragmentAt(log, view, offset) : undefined;
      if (fragment === undefined) break;
      if (fragment.type === FULL || fragment.type === FIRST) return true;
      offset = skipTrailer(fragment.next);
      if (offset >= block + BLOCK_BYTES) break;
    }
  }
  return false;
}
