/**
 * What nodes ask each other about objects, over bulk (docs/protocol.md, "Objects"): a request is the name that a
 * member is asked for, and its answer is what comes back.
 *
 *     request    u8 1 (have)       root(32)
 *                u8 2 (manifest)   root(32)
 *                u8 3 (chunk)      root(32)   u32 index
 *     answer     u8 9 (busy)                                            to any of them: ask again later
 *     have       u8 1 (all)        u64 length
 *                u8 2 (some)       u64 length   bits of the chunks
 *     manifest   u8 3   bytes manifest   FALCON key(1793)   signature(1280)
 *     chunk      u8 0   the chunk
 *
 * What a peer has none of it says by the not-found of bulk. A chunk's answer is what its hash is over, so nobody
 * copies it to check it. Bytes of strangers; pure.
 */
import { DecodeError, Reader, Writer } from "../../crypto/codec.ts";
import { sha256 } from "../../crypto/hash.ts";
import { ChunkSet } from "../../crypto/objects/chunk-set.ts";
import { manifestBytes } from "../../crypto/objects/manifest.ts";
import { chunkCount } from "../../crypto/objects/tree.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";

const REQUEST = { have: 1, manifest: 2, chunk: 3 } as const;
const ANSWER = { chunk: 0, all: 1, some: 2, manifest: 3, busy: 9 } as const;

export type ObjectRequest =
  | { readonly kind: "have"; readonly root: Uint8Array }
  | { readonly kind: "manifest"; readonly root: Uint8Array }
  | { readonly kind: "chunk"; readonly root: Uint8Array; readonly index: number };

/** What a peer has of an object. */
export type Holding = { readonly length: number; readonly chunks: ChunkSet };

/** A manifest as a peer served it, with who says so. */
export type ServedManifest = {
  readonly manifest: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly signature: Uint8Array;
};

/** What is before the chunk in its answer: the byte with which RFC 9162 begins a leaf. */
export const CHUNK_ANSWER_HEAD: Uint8Array = Uint8Array.of(ANSWER.chunk);
export const BUSY_ANSWER: Uint8Array = Uint8Array.of(ANSWER.busy);

export const encodeRequest = (request: ObjectRequest): Uint8Array => {
  const writer = new Writer(37).u8(REQUEST[request.kind]).hash(request.root);
  if (request.kind === "chunk") writer.u32(request.index);
  return writer.finish();
};

const reading = <T>(bytes: Uint8Array, read: (reader: Reader) => Result<T>): Result<T> => {
  try {
    return read(new Reader(bytes));
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return fail("encoding.malformed", error.message);
  }
};

/** Code: encoding.malformed. */
export const decodeRequest = (bytes: Uint8Array): Result<ObjectRequest> =>
  reading<ObjectRequest>(bytes, (reader) => {
    const kind = reader.u8();
    const root = reader.hash().slice();
    const index = kind === REQUEST.chunk ? reader.u32() : 0;
    reader.end();
    if (kind === REQUEST.have) return ok({ kind: "have", root });
    if (kind === REQUEST.manifest) return ok({ kind: "manifest", root });
    if (kind === REQUEST.chunk && index < LIMITS.objectChunksMax) {
      return ok({ kind: "chunk", root, index });
    }
    return fail("encoding.malformed", `no request of kind ${kind}, chunk ${index}`);
  });

export const isBusy = (answer: Uint8Array): boolean =>
  answer.length === 1 && answer[0] === ANSWER.busy;

export const encodeHolding = ({ length, chunks }: Holding): Uint8Array => {
  const writer = new Writer(16 + chunks.size / 8);
  writer.u8(chunks.isFull ? ANSWER.all : ANSWER.some).u64(length);
  if (!chunks.isFull) writer.raw(chunks.encode());
  return writer.finish();
};

/** Codes: encoding.malformed, object.too-large. */
export const decodeHolding = (bytes: Uint8Array): Result<Holding> =>
  reading(bytes, (reader) => {
    const kind = reader.u8();
    const length = reader.u64();
    if (length > LIMITS.objectBytesMax) {
      return fail("object.too-large", `${length} bytes, limit ${LIMITS.objectBytesMax}`);
    }
    const size = chunkCount(length);
    if (kind === ANSWER.all) {
      reader.end();
      return ok({ length, chunks: ChunkSet.full(size) });
    }
    const chunks = kind === ANSWER.some ? ChunkSet.decode(size, reader.rest()) : undefined;
    // All chunks have an encoding of their own, so that there is one of each holding.
    if (chunks === undefined || chunks.isFull) {
      return fail("encoding.malformed", "not the chunks that a peer has");
    }
    return ok({ length, chunks });
  });

export const encodeServedManifest = (served: ServedManifest): Uint8Array =>
  new Writer(8 + served.manifest.length + 4096)
    .u8(ANSWER.manifest)
    .bytes(served.manifest)
    .fixed(served.publicKey, LIMITS.falconPublicKeyBytes)
    .fixed(served.signature, LIMITS.falconSignatureBytes)
    .finish();

/** Code: encoding.malformed. The signature is not checked. */
export const decodeServedManifest = (bytes: Uint8Array): Result<ServedManifest> =>
  reading(bytes, (reader) => {
    const kind = reader.u8();
    if (kind !== ANSWER.manifest) return fail("encoding.malformed", `no manifest but ${kind}`);
    const manifest = reader.bytes(manifestBytes(LIMITS.objectBytesMax)).slice();
    const publicKey = reader.fixed(LIMITS.falconPublicKeyBytes).slice();
    const signature = reader.fixed(LIMITS.falconSignatureBytes).slice();
    reader.end();
    return ok({ manifest, publicKey, signature });
  });

/** The hash of the chunk in an answer, and the chunk, a view; undefined where it is none. */
export const openChunkAnswer = (
  answer: Uint8Array,
): { readonly hash: Uint8Array; readonly chunk: Uint8Array } | undefined =>
  answer[0] === ANSWER.chunk ? { hash: sha256(answer), chunk: answer.subarray(1) } : undefined;
