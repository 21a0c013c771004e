/** The header of a final block, as the store has it. */
import type { Hasher } from "../crypto/hash.ts";
import { TetradError } from "../errors.ts";
import { decodeHeader, HEADER_BYTES } from "./block.ts";
import { blockKey, heightKey } from "./keys.ts";
import type { ReadStore } from "./records.ts";
import type { Header } from "./types.ts";

/** Throws "store.corrupt" where the block is missing or does not decode. */
export const readFinalHeader = (hasher: Hasher, read: ReadStore, height: number): Header => {
  const hash = read(heightKey(height));
  const bytes = hash?.length === 32 ? read(blockKey(hash)) : undefined;
  const header =
    bytes === undefined ? undefined : decodeHeader(hasher, bytes.subarray(0, HEADER_BYTES));
  if (header?.ok === true) return header.value;
  throw new TetradError("store.corrupt", `the header of height ${height} is missing`, { height });
};
