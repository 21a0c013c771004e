/**
 * A solution of Equihash(96,5) in 68 bytes: 32 indices of 17 bits, most significant bit first, without a
 * gap, as Zcash packs them. 32 · 17 = 544 bits are 68 bytes and 2^17 are the rows there are, so every string
 * of 68 bytes is one list of indices, and there is no second writing of any.
 */
import { EQUIHASH_INDICES } from "./equihash.ts";

export const SOLUTION_BYTES = 68;
const INDEX_BITS = 17;

/** Throws RangeError for anything but 32 indices below 2^17. */
export const packIndices = (indices: Uint32Array): Uint8Array => {
  if (indices.length !== EQUIHASH_INDICES) throw new RangeError(`${indices.length} indices`);
  const bytes = new Uint8Array(SOLUTION_BYTES);
  let at = 0;
  let held = 0;
  let bits = 0;
  for (const index of indices) {
    if (index >>> INDEX_BITS !== 0) throw new RangeError(`index ${index} is over 17 bits`);
    held = (held << INDEX_BITS) | index;
    for (bits += INDEX_BITS; bits >= 8; bits -= 8) {
      bytes[at] = held >>> (bits - 8);
      at += 1;
    }
    // What is left is under eight bits, so the next index fits.
    held &= (1 << bits) - 1;
  }
  return bytes;
};

/** Throws RangeError for anything but 68 bytes. */
export const unpackIndices = (bytes: Uint8Array): Uint32Array => {
  if (bytes.length !== SOLUTION_BYTES) throw new RangeError(`${bytes.length} bytes`);
  const indices = new Uint32Array(EQUIHASH_INDICES);
  let at = 0;
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    if (bits < INDEX_BITS) continue;
    bits -= INDEX_BITS;
    indices[at] = held >>> bits;
    at += 1;
    held &= (1 << bits) - 1;
  }
  return indices;
};
