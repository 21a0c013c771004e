/**
 * Memory for many small byte strings that live as long as one block takes: rows, tree nodes. A
 * byte array of its own costs more in allocation and collection than the hashing of what is in it; these
 * are views of large arrays, one after the other, never overwritten.
 *
 * A view keeps its whole slab alive: whoever keeps one for longer than a block copies it.
 */

const SLAB_BYTES = 64 * 1024;
/** Larger strings are arrays of their own, so that little of a slab is left unused. */
const SHARED_BYTES_MAX = 4096;

let slab = new Uint8Array(SLAB_BYTES);
let used = 0;

/** `length` zero bytes. */
export const slabBytes = (length: number): Uint8Array => {
  if (length > SHARED_BYTES_MAX) return new Uint8Array(length);
  if (used + length > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    used = 0;
  }
  const start = used;
  used += length;
  return slab.subarray(start, used);
};
