/** Files as objects: read in chunks, named, and written chunk by chunk. */
import { type FileHandle, open } from "node:fs/promises";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { Manifest } from "../../transport/objects/manifest.ts";
import { CHUNK_BYTES, chunkCount, chunkHash, chunkLength } from "../../transport/objects/tree.ts";

const refuse = (path: string, detail: string): TetradError =>
  new TetradError("cli.usage", `${path} ${detail}`, { path });

/** Opens a regular file to be put. Throws cli.usage, object.too-large. */
export const openInput = async (
  path: string,
): Promise<{ readonly file: FileHandle; readonly length: number }> => {
  const file = await open(path, "r").catch((error: unknown) => {
    throw refuse(path, `cannot be read: ${(error as Error).message}`);
  });
  const info = await file.stat();
  if (info.isFile() && info.size <= LIMITS.objectBytesMax) return { file, length: info.size };
  await file.close();
  if (!info.isFile()) throw refuse(path, "is no regular file");
  throw new TetradError("object.too-large", `${path} has ${info.size} bytes`);
};

/** Chunk `index` of a file; undefined where the file does not hold it whole. */
export const readChunk = async (
  file: FileHandle,
  length: number,
  index: number,
): Promise<Uint8Array | undefined> => {
  const chunk = new Uint8Array(chunkLength(length, index));
  let done = 0;
  while (done < chunk.length) {
    const at = index * CHUNK_BYTES + done;
    const { bytesRead } = await file.read(chunk, done, chunk.length - done, at);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return chunk;
};

/** The manifest of a file. Throws cli.usage where it gets shorter meanwhile. */
export const manifestOfFile = async (
  path: string,
  file: FileHandle,
  length: number,
  onProgress: (done: number) => void,
  signal: AbortSignal,
): Promise<Manifest> => {
  const hashes: Uint8Array[] = [];
  for (let i = 0; i < chunkCount(length); i++) {
    signal.throwIfAborted();
    const chunk = await readChunk(file, length, i);
    if (chunk === undefined) throw refuse(path, "has changed while it was read");
    hashes.push(chunkHash(chunk));
    onProgress(i + 1);
  }
  return { length, hashes };
};

/** Runs a job for each item, some at one time; ends with the first that fails. */
export const inParallel = async <T>(
  items: readonly T[],
  width: number,
  job: (item: T) => Promise<void>,
): Promise<void> => {
  let next = 0;
  let failed = false;
  const lane = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const item = items[next] as T;
      next += 1;
      try {
        await job(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
};
