/** CRC-32C (Castagnoli), as LevelDB uses it; node:zlib has only the other polynomial. */

const POLYNOMIAL = 0x82f63b78;

/** Four tables, so that four bytes are taken a step. */
const TABLES: readonly Int32Array[] = makeTables();

function makeTables(): Int32Array[] {
  const tables = Array.from({ length: 4 }, () => new Int32Array(256));
  const at = (table: number, index: number): number => tables[table]?.[index] ?? 0;
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 1 ? POLYNOMIAL : 0);
    tables[0]?.set([crc], byte);
  }
  for (let table = 1; table < 4; table++) {
    for (let byte = 0; byte < 256; byte++) {
      const crc = at(table - 1, byte);
      tables[table]?.set([(crc >>> 8) ^ at(0, crc & 0xff)], byte);
    }
  }
  return tables;
}

const [T0, T1, T2, T3] = TABLES as readonly [Int32Array, Int32Array, Int32Array, Int32Array];

/** CRC-32C of the bytes from `start` to `end`, as an unsigned number. */
export const crc32c = (bytes: Uint8Array, start = 0, end = bytes.length): number => {
  let crc = -1;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const b0 = bytes[at] ?? 0;
    const b1 = bytes[at + 1] ?? 0;
    const b2 = bytes[at + 2] ?? 0;
    const b3 = bytes[at + 3] ?? 0;
    crc ^= b0 | (b1 << 8) | (b2 << 16) | (b3 << 24);
    crc =
      (T3[crc & 0xff] ?? 0) ^
      (T2[(crc >>> 8) & 0xff] ?? 0) ^
      (T1[(crc >>> 16) & 0xff] ?? 0) ^
      (T0[crc >>> 24] ?? 0);
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ (T0[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0);
  return (crc ^ -1) >>> 0;
};

/** LevelDB stores a CRC in this form, so that a CRC over bytes with CRCs in them stays a good one. */
export const maskCrc = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
