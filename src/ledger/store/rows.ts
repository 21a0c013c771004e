/**
 * How a row lies in LevelDB: value || CRC-32 over key and value.
 *
 * LevelDB has a checksum of its own on every block, but the binding neither verifies it on reads nor
 * during compaction, which would give flipped bytes a fresh, valid checksum. So every row carries its
 * own, made before LevelDB sees it and checked after. The key is part of it: a row that turns up under
 * another key is refused too.
 */
import { crc32 } from "node:zlib";
import { ScratchViews } from "../../crypto/hash.ts";

const CRC_BYTES = 4;

/** Rows up to this size are laid out in one buffer: LevelDB copies what it is given. */
const SCRATCH_BYTES = 4096;
const scratch = new ScratchViews(SCRATCH_BYTES);

/** The bytes to store for a row: good until the next call. */
export const sealRow = (key: Uint8Array, value: Uint8Array): Uint8Array => {
  const at = value.length;
  const length = at + CRC_BYTES;
  const row = length > SCRATCH_BYTES ? new Uint8Array(length) : scratch.first(length);
  row.set(value);
  const crc = crc32(value, crc32(key));
  row[at] = crc >>> 24;
  row[at + 1] = crc >>> 16;
  row[at + 2] = crc >>> 8;
  row[at + 3] = crc;
  return row;
};

/**
 * The value of a stored row, as a view of it; undefined when its checksum does not fit. The result is a
 * plain Uint8Array also where the row is a Buffer, because Buffer.slice does not copy.
 */
export const openRow = (key: Uint8Array, row: Uint8Array): Uint8Array | undefined => {
  const length = row.length - CRC_BYTES;
  if (length < 0) return undefined;
  const value = new Uint8Array(row.buffer, row.byteOffset, length);
  const stated = new DataView(row.buffer, row.byteOffset + length, CRC_BYTES).getUint32(0);
  return crc32(value, crc32(key)) === stated ? value : undefined;
};
