/**
 * Bytes as strings of one character each: what keys of the simulated disk are sorted and looked up by. Without the
 * Buffer that `toString` would make for each.
 */
type Latin1 = {
  latin1Slice(this: Uint8Array, from: number, to: number): string;
  latin1Write(this: Uint8Array, text: string, at: number): number;
};

/** Node has both, and its types leave them out. */
const hasLatin1 = (value: object): value is Latin1 =>
  "latin1Slice" in value &&
  typeof value.latin1Slice === "function" &&
  "latin1Write" in value &&
  typeof value.latin1Write === "function";

const buffers: object = Buffer.prototype;
if (!hasLatin1(buffers)) throw new TypeError("this Node has no latin1Slice");

export const { latin1Slice, latin1Write } = buffers;
