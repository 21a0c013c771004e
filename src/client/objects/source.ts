/**
 * What is put, as chunks that can be read again: once for the name, once to send them. A stream comes only once,
 * so its chunks wait in a spool until the name is known.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import type { Manifest } from "../../crypto/objects/manifest.ts";
import {
  CHUNK_BYTES,
  chunkCount,
  chunkHash,
  chunkLength,
  objectRoot,
} from "../../crypto/objects/tree.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { abortable } from "../within.ts";
import type { ChunkStore, ObjectBytes, ObjectProgress, ObjectSource } from "./types.ts";

/** An object that is named, and its chunks. */
export type NamedSource = {
  readonly root: Uint8Array;
  readonly manifest: Manifest;
  /** Throws object.mismatch where the bytes are not those any more that were named. */
  chunk(index: number): Promise<Uint8Array>;
};

export type SourceOptions = {
  readonly spool: ChunkStore | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: ObjectProgress) => void) | undefined;
};

const tooLarge = (detail: string): TetradError =>
  new TetradError("object.too-large", `${detail}; an object has ${LIMITS.objectBytesMax} at most`);

const usage = (detail: string): TetradError => new TetradError("cli.usage", detail);

const mebibytes = (bytes: number): string => `${bytes / 2 ** 20} MiB`;

/** Keeps chunks in memory. Throws client.stream-too-large past LIMITS.clientStreamBytesMax. */
export const memorySpool = (): ChunkStore => {
  const chunks = new Map<number, Uint8Array>();
  let bytes = 0;
  return {
    read: (index, length) => {
      const chunk = chunks.get(index);
      return chunk === undefined || chunk.length < length ? undefined : chunk.subarray(0, length);
    },
    write(index, chunk) {
      bytes += chunk.length - (chunks.get(index)?.length ?? 0);
      if (bytes > LIMITS.clientStreamBytesMax) {
        const detail = `a stream of more than ${mebibytes(LIMITS.clientStreamBytesMax)} needs a spool to wait in`;
        throw new TetradError("client.stream-too-large", detail);
      }
      chunks.set(index, chunk);
    },
  };
};

const isBlob = (source: object): source is Blob =>
  typeof Blob !== "undefined" && source instanceof Blob;

/** The pieces of a stream, as an iterator: not every browser iterates over streams itself. */
const piecesOf = (
  source: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncIterator<Uint8Array> => {
  if (!("getReader" in source)) return source[Symbol.asyncIterator]();
  const reader = source.getReader();
  return {
    async next() {
      const read = await reader.read();
      return read.done ? { done: true, value: undefined } : { done: false, value: read.value };
    },
    async return() {
      await reader.cancel();
      return { done: true, value: undefined };
    },
  };
};

/** Cuts pieces of any size into chunks, of which each has bytes of its own. */
export async function* cutChunks(
  pieces: AsyncIterator<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let chunk = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  let isOver = false;
  try {
    for (;;) {
      const { done, value } = await abortable(pieces.next(), signal);
      if (done === true) break;
      if (!(value instanceof Uint8Array)) throw usage("a stream gives something else than bytes");
      for (let at = 0; at < value.length; ) {
        const part = value.subarray(at, at + CHUNK_BYTES - filled);
        chunk.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < CHUNK_BYTES) continue;
        yield chunk;
        chunk = new Uint8Array(CHUNK_BYTES);
        filled = 0;
      }
    }
    isOver = true;
    if (filled > 0) yield chunk.slice(0, filled);
  } finally {
    // Not waited for: a stream that hangs would hang here too.
    if (!isOver) void Promise.resolve(pieces.return?.()).catch(() => undefined);
  }
}

const checked = (chunk: Uint8Array | undefined, hash: Uint8Array | undefined): Uint8Array => {
  if (chunk !== undefined && hash !== undefined && equalBytes(chunkHash(chunk), hash)) return chunk;
  throw new TetradError("object.mismatch", "the bytes have changed while they were put");
};

const nameStream = async (
  pieces: AsyncIterator<Uint8Array>,
  { spool = memorySpool(), signal, onProgress }: SourceOptions,
): Promise<NamedSource> => {
  const hashes: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of cutChunks(pieces, signal)) {
    length += chunk.length;
    if (length > LIMITS.objectBytesMax) throw tooLarge("the stream has more bytes");
    const index = hashes.push(chunkHash(chunk)) - 1;
    await spool.write(index, chunk);
    onProgress?.({ step: "hash", bytes: length, totalBytes: undefined });
  }
  return {
    root: objectRoot(length, hashes),
    manifest: { length, hashes },
    chunk: async (index) =>
      checked(await spool.read(index, chunkLength(length, index)), hashes[index]),
  };
};

const nameBytes = async (
  source: ObjectBytes,
  { signal, onProgress }: SourceOptions,
): Promise<NamedSource> => {
  const { length } = source;
  if (!Number.isSafeInteger(length) || length < 0) throw usage(`${length} is no length`);
  if (length > LIMITS.objectBytesMax) throw tooLarge(`it has ${length} bytes`);
  const read = async (index: number): Promise<Uint8Array> => {
    const want = chunkLength(length, index);
    const chunk = await abortable(source.read(index * CHUNK_BYTES, want), signal);
    if (chunk.length === want) return chunk;
    const detail = `chunk ${index} has ${chunk.length} bytes now instead of ${want}`;
    throw new TetradError(
      "object.mismatch",
      `the bytes have changed while they were put: ${detail}`,
    );
  };
  const hashes: Uint8Array[] = [];
  for (let index = 0; index < chunkCount(length); index++) {
    signal?.throwIfAborted();
    const chunk = await read(index);
    hashes.push(chunkHash(chunk));
    const bytes = index * CHUNK_BYTES + chunk.length;
    onProgress?.({ step: "hash", bytes, totalBytes: length });
  }
  return {
    root: objectRoot(length, hashes),
    manifest: { length, hashes },
    chunk: async (index) => checked(await read(index), hashes[index]),
  };
};

const ofMemory = (bytes: Uint8Array): ObjectBytes => ({
  length: bytes.length,
  read: async (offset, length) => bytes.subarray(offset, offset + length),
});

const ofBlob = (blob: Blob): ObjectBytes => ({
  length: blob.size,
  read: async (offset, length) =>
    new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
});

/** Reads a source to its end and names it. Throws object.too-large, client.stream-too-large, cli.usage. */
export const nameSource = async (
  source: ObjectSource,
  options: SourceOptions,
): Promise<NamedSource> => {
  options.signal?.throwIfAborted();
  if (source instanceof Uint8Array) return nameBytes(ofMemory(source), options);
  if (isBlob(source)) return nameBytes(ofBlob(source), options);
  if ("getReader" in source || Symbol.asyncIterator in source) {
    return nameStream(piecesOf(source), options);
  }
  if ("read" in source) return nameBytes(source, options);
  throw usage("what is put are bytes, a Blob, a stream of bytes, or an async iterable of them");
};
