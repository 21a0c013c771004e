/**
 * Checks a table file of LevelDB from its first byte to its last, without LevelDB: that library reads
 * tables without verifying their checksums, and ends the process where damage breaks an assertion.
 *
 * Format (LevelDB, doc/table_format.md): blocks, each followed by u8 compression (0 none, 1 Snappy) and
 * u32 LE masked CRC-32C over block and compression; the last ones are the filter, the metaindex and the
 * index; then a footer of 48 bytes with the places of metaindex and index and a magic number. The index
 * names every data block, so all blocks together must cover the file without a gap.
 */
import { crc32c, maskCrc } from "./crc32c.ts";
import { VarReader } from "./varint.ts";

const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
const MAGIC = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
const SNAPPY = 1;
/** No block that we write is larger: one row of some MiB at most. */
const BLOCK_BYTES_MAX = 64 * 1024 * 1024;

type Place = { readonly offset: number; readonly size: number };

/** What is wrong with the bytes of a table file; undefined when nothing is. Any bytes: never throws. */
export const checkTable = (table: Uint8Array): string | undefined => {
  try {
    return findDamage(table);
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
};

function findDamage(table: Uint8Array): string | undefined {
  const footerAt = table.length - FOOTER_BYTES;
  if (footerAt < 0) return "shorter than a footer";
  if (MAGIC.some((byte, i) => table[table.length - 8 + i] !== byte)) return "bad magic number";
  const footer = new VarReader(table.subarray(footerAt));
  const metaindex = readPlace(footer);
  const index = readPlace(footer);
  const places = [metaindex, index, ...placesIn(table, metaindex), ...placesIn(table, index)];
  places.sort((a, b) => a.offset - b.offset);
  let at = 0;
  for (const place of places) {
    if (place.offset !== at) return `no block at byte ${at}`;
    readBlock(table, place);
    at = place.offset + place.size + TRAILER_BYTES;
  }
  return at === footerAt ? undefined : `no block at byte ${at}`;
}

const readPlace = (reader: VarReader): Place => ({
  offset: reader.number(),
  size: reader.number(),
});

/** The block at a place, still compressed; its checksum is good. */
function readBlock(table: Uint8Array, { offset, size }: Place): Uint8Array {
  const end = offset + size;
  if (end + TRAILER_BYTES > table.length) throw new RangeError(`block at byte ${offset} cut off`);
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  if (view.getUint32(end + 1, true) !== maskCrc(crc32c(table, offset, end + 1))) {
    throw new RangeError(`block at byte ${offset} fails its checksum`);
  }
  return table.subarray(offset, end);
}

/** The places that a metaindex or index block lists as values. */
function placesIn(table: Uint8Array, place: Place): Place[] {
  const raw = readBlock(table, place);
  const block = table[place.offset + place.size] === SNAPPY ? unsnap(raw) : raw;
  if (block.length < 4) throw new RangeError("index block too short");
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const entriesEnd = block.length - 4 - 4 * view.getUint32(block.length - 4, true);
  if (entriesEnd < 0) throw new RangeError("index block with too many restarts");
  const reader = new VarReader(block.subarray(0, entriesEnd));
  const places: Place[] = [];
  while (!reader.done) {
    reader.number();
    const keyBytes = reader.number();
    const valueBytes = reader.number();
    reader.take(keyBytes);
    places.push(readPlace(new VarReader(reader.take(valueBytes))));
  }
  return places;
}

/** Snappy, raw format: u32 varint length, then literals and copies of what has been written before. */
export function unsnap(input: Uint8Array): Uint8Array {
  const reader = new VarReader(input);
  const length = reader.number();
  if (length > BLOCK_BYTES_MAX) throw new RangeError("compressed block too large");
  const output = new Uint8Array(length);
  let at = 0;
  while (!reader.done) {
    const tag = littleEndian(reader.take(1));
    const kind = tag & 3;
    if (kind === 0) {
      const short = tag >>> 2;
      const count = (short < 60 ? short : littleEndian(reader.take(short - 59))) + 1;
      if (at + count > length) throw new RangeError("compressed block overflows");
      output.set(reader.take(count), at);
      at += count;
      continue;
    }
    const count = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    const high = kind === 1 ? (tag >>> 5) * 256 : 0;
    const back = high + littleEndian(reader.take(kind === 3 ? 4 : kind));
    if (back === 0 || back > at || at + count > length) throw new RangeError("bad copy in a block");
    // Byte by byte: a copy may reach into what it is writing.
    for (const end = at + count; at < end; at++) output[at] = output[at - back] ?? 0;
  }
  if (at !== length) throw new RangeError("compressed block too short");
  return output;
}

const littleEndian = (bytes: Uint8Array): number =>
  bytes.reduceRight((value, byte) => value * 256 + byte, 0);
