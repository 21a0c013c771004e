/**
 * Objects and their names (docs/protocol.md, "Objects"): bytes in chunks of 1 MiB, the last one shorter, under the
 * tree of RFC 9162. The name binds the length too, so that no object is another one cut off, and begins with a tag
 * of its own, so that no name is the root of another tree of the product. It is of no chain: the same bytes have
 * the same name everywhere. Pure.
 */

import { LIMITS } from "../../limits.ts";
import { concatBytes, equalBytes } from "../bytes.ts";
import { utf8, Writer } from "../codec.ts";
import { sha256 } from "../hash.ts";
import {
  merklePath,
  merkleRoot,
  RFC6962_EMPTY_ROOT,
  rfc6962Leaf,
  rfc6962Node,
  verifyMerklePath,
} from "../merkle.ts";

/** Part of the format: another size would give other names. */
export const CHUNK_BYTES: number = 1024 * 1024;

const TAG = sha256(utf8("hm/v1/object"));

/** How many chunks an object of so many bytes has; none of an empty one. */
export const chunkCount = (length: number): number => Math.ceil(length / CHUNK_BYTES);

/** Bytes of chunk `index` of an object of `length` bytes. Throws RangeError where there is no such chunk. */
export const chunkLength = (length: number, index: number): number => {
  const count = chunkCount(length);
  if (!Number.isSafeInteger(index) || index < 0 || index >= count) {
    throw new RangeError(`no chunk ${index} in an object of ${length} bytes`);
  }
  return index === count - 1 ? length - index * CHUNK_BYTES : CHUNK_BYTES;
};

/** SHA-256(0x00 || chunk), RFC 9162 section 2.1.1. */
export const chunkHash = (chunk: Uint8Array): Uint8Array => rfc6962Leaf(chunk);

const nameOf = (length: number, top: Uint8Array): Uint8Array =>
  sha256(concatBytes(TAG, new Writer(8).u64(length).finish(), top));

/**
 * The name of an object from the hashes of its chunks: SHA-256(SHA-256("hm/v1/object") || u64 length || tree root).
 * Throws RangeError when there are not as many hashes as the length has chunks.
 */
export const objectRoot = (length: number, hashes: readonly Uint8Array[]): Uint8Array => {
  if (hashes.length !== chunkCount(length)) {
    throw new RangeError(`${hashes.length} hashes for an object of ${length} bytes`);
  }
  return nameOf(length, hashes.length === 0 ? RFC6962_EMPTY_ROOT : merkleRoot(hashes, rfc6962Node));
};

/** What shows that a chunk is one of an object: the root of the tree, and the siblings up to it. */
export type ChunkProof = {
  readonly length: number;
  readonly index: number;
  readonly top: Uint8Array;
  /** From the leaf upwards, RFC 9162 section 2.1.3. */
  readonly path: readonly Uint8Array[];
};

/** Throws RangeError where there is no such chunk, and for a wrong number of hashes. */
export const proveChunk = (
  length: number,
  hashes: readonly Uint8Array[],
  index: number,
): ChunkProof => {
  if (hashes.length !== chunkCount(length)) {
    throw new RangeError(`${hashes.length} hashes for an object of ${length} bytes`);
  }
  const path = merklePath(hashes, index, rfc6962Node);
  return { length, index, top: merkleRoot(hashes, rfc6962Node), path };
};

/** Whether the object of this name has a chunk of this hash at the proof's place. False for anything odd. */
export const verifyChunkHash = (
  root: Uint8Array,
  hash: Uint8Array,
  { length, index, top, path }: ChunkProof,
): boolean =>
  Number.isSafeInteger(length) &&
  length > 0 &&
  length <= LIMITS.objectBytesMax &&
  verifyMerklePath(hash, index, chunkCount(length), path, top, rfc6962Node) &&
  equalBytes(nameOf(length, top), root);
