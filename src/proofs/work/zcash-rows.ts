/**
 * The rows of Equihash as Zcash makes them: BLAKE2b with the personalisation "ZcashPoW" || u32le n ||
 * u32le k over input || nonce || u32le group. Published solutions are of these rows, so they are what the
 * check and the solver are tried on, and the benchmark compares them with SHA-512; no chain uses them.
 */
import { blake2b } from "@noble/hashes/blake2.js";
import { concatBytes } from "../../crypto/bytes.ts";
import { utf8 } from "../../crypto/codec.ts";
import { ROW_BYTES, ROWS_PER_HASH, type RowHash } from "./equihash.ts";

const N = 96;
const K = 5;

export const zcashRows = (input: Uint8Array, nonce: Uint8Array): RowHash => {
  const personalization = concatBytes(utf8("ZcashPoW"), Uint8Array.of(N, 0, 0, 0, K, 0, 0, 0));
  const dkLen = ROWS_PER_HASH * ROW_BYTES;
  const begun = blake2b.create({ dkLen, personalization }).update(input).update(nonce);
  const group32 = new Uint8Array(4);
  return (group, target) => {
    new DataView(group32.buffer).setUint32(0, group, true);
    target.set(begun.clone().update(group32).digest());
  };
};
