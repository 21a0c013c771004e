/**
 * The manifest of an object: its length and the hashes of its chunks, which together hash to its name.
 *
 *     u16 version = 1   u64 length   chunkCount(length) × hash(32)
 *
 * The number of hashes is not said: it follows from the length. Bytes of strangers; pure.
 */

import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { equalBytes } from "../bytes.ts";
import { DecodeError, Reader, Writer } from "../codec.ts";
import { chunkCount, objectRoot } from "./tree.ts";

export const MANIFEST_VERSION = 1;
export const MANIFEST_HEAD_BYTES = 10;
const HASH_BYTES = 32;

export type Manifest = {
  /** Bytes of the object. */
  readonly length: number;
  /** Of each chunk, in order. */
  readonly hashes: readonly Uint8Array[];
};

/** How many bytes the manifest of an object of so many bytes has. */
export const manifestBytes = (length: number): number =>
  MANIFEST_HEAD_BYTES + HASH_BYTES * chunkCount(length);

/** Throws RangeError for hashes that do not fit the length. */
export const encodeManifest = ({ length, hashes }: Manifest): Uint8Array => {
  if (hashes.length !== chunkCount(length)) {
    throw new RangeError(`${hashes.length} hashes for an object of ${length} bytes`);
  }
  const writer = new Writer(manifestBytes(length)).u16(MANIFEST_VERSION).u64(length);
  for (const hash of hashes) writer.hash(hash);
  return writer.finish();
};

/**
 * Codes: encoding.malformed, encoding.version, object.too-large. The size is held against the length before
 * anything is made of the hashes. What it is the manifest of is not looked at: `manifestOf` does.
 */
export const decodeManifest = (bytes: Uint8Array): Result<Manifest> => {
  try {
    const reader = new Reader(bytes);
    const version = reader.u16();
    if (version !== MANIFEST_VERSION) return fail("encoding.version", `manifest ${version}`);
    const length = reader.u64();
    if (length > LIMITS.objectBytesMax) {
      return fail("object.too-large", `${length} bytes, limit ${LIMITS.objectBytesMax}`);
    }
    if (bytes.length !== manifestBytes(length)) {
      return fail("encoding.malformed", "the hashes of a manifest do not fit its length");
    }
    const hashes = Array.from({ length: chunkCount(length) }, () => reader.hash().slice());
    return ok({ length, hashes });
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return fail("encoding.malformed", error.message);
  }
};

/** The manifest of the object with this name. Codes: those of `decodeManifest`, object.mismatch. */
export const manifestOf = (root: Uint8Array, bytes: Uint8Array): Result<Manifest> => {
  const manifest = decodeManifest(bytes);
  if (!manifest.ok) return manifest;
  if (equalBytes(objectRoot(manifest.value.length, manifest.value.hashes), root)) return manifest;
  return fail("object.mismatch", "the hashes of a manifest do not lead to the object's name");
};
