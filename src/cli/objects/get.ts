/**
 * Getting an object from a node, into a file or to standard output. Every chunk is held against the name here: the
 * node is believed nothing. A file is written under a draft's name; what a run that was interrupted has left there
 * and is right is not asked for again.
 */
import { type FileHandle, open, rename } from "node:fs/promises";
import type { ApiClient } from "../../client/api.ts";
import { equalBytes, fromHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { fileError } from "../../node/folder.ts";
import { type Manifest, manifestBytes, manifestOf } from "../../transport/objects/manifest.ts";
import { CHUNK_BYTES, chunkHash } from "../../transport/objects/tree.ts";
import { inParallel, readChunk } from "./chunks.ts";

/** Chunks that are asked for at one time. */
const WIDTH = 4;
const PART = ".part";

export type GetOptions = {
  readonly client: ApiClient;
  readonly root: string;
  /** How long the node is asked again where it is slow, milliseconds. */
  readonly patienceMs: number;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
};

/** Asks again while the node only says that it takes longer, until patience ends. */
const patiently = async <T>(
  options: GetOptions,
  ask: (waitMs: number) => Promise<T>,
): Promise<T> => {
  const end = options.nowMs() + options.patienceMs;
  for (;;) {
    const leftMs = Math.max(1, Math.round(end - options.nowMs()));
    try {
      return await ask(Math.min(leftMs, LIMITS.httpWaitMsMax));
    } catch (error) {
      const isSlow = error instanceof TetradError && error.code === "http.timeout";
      if (!isSlow || options.nowMs() >= end) throw error;
    }
  }
};

/** The manifest, held against the name. Throws object.mismatch for a node that gives another. */
export const getManifest = async (options: GetOptions): Promise<Manifest> => {
  const { client, root, signal } = options;
  const bytes = await patiently(options, (waitMs) =>
    client.bytes(
      `/v1/objects/${root}/manifest`,
      { waitMs },
      manifestBytes(LIMITS.objectBytesMax),
      signal,
    ),
  );
  const manifest = manifestOf(fromHex(root), bytes);
  if (!manifest.ok) throw TetradError.from(manifest);
  return manifest.value;
};

const getChunk = async (
  options: GetOptions,
  manifest: Manifest,
  index: number,
): Promise<Uint8Array> => {
  const { client, root, signal } = options;
  const path = `/v1/objects/${root}/chunks/${index}`;
  const chunk = await patiently(options, (waitMs) =>
    client.bytes(path, { waitMs }, CHUNK_BYTES, signal),
  );
  const hash = manifest.hashes[index];
  if (hash !== undefined && equalBytes(chunkHash(chunk), hash)) return chunk;
  throw new TetradError("object.mismatch", `${client.base} gives another chunk ${index}`);
};

/** Which chunks of the draft are right already. */
const rightChunks = async (file: FileHandle, manifest: Manifest): Promise<Set<number>> => {
  const right = new Set<number>();
  for (const [i, hash] of manifest.hashes.entries()) {
    const chunk = await readChunk(file, manifest.length, i);
    if (chunk !== undefined && equalBytes(chunkHash(chunk), hash)) right.add(i);
  }
  return right;
};

/** Writes the object to a file, whole or not under that name. How many chunks a run before had left. */
export const getToFile = async (options: GetOptions, path: string): Promise<GotObject> => {
  const manifest = await getManifest(options);
  const draft = `${path}${PART}`;
  const file = await openDraft(draft);
  let resumed: Set<number>;
  try {
    resumed = await rightChunks(file, manifest);
    const total = manifest.hashes.length;
    let done = resumed.size;
    options.onProgress(done, total);
    const missing = manifest.hashes.map((_, i) => i).filter((i) => !resumed.has(i));
    await inParallel(missing, WIDTH, async (index) => {
      const chunk = await getChunk(options, manifest, index);
      await file.write(chunk, 0, chunk.length, index * CHUNK_BYTES).catch((error: unknown) => {
        throw fileError(draft, error);
      });
      done += 1;
      options.onProgress(done, total);
    });
    await file.truncate(manifest.length);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path).catch((error: unknown) => {
    throw fileError(path, error);
  });
  return { manifest, resumed: resumed.size };
};

export type GotObject = { readonly manifest: Manifest; readonly resumed: number };

const openDraft = async (draft: string): Promise<FileHandle> => {
  try {
    return await open(draft, "r+").catch(() => open(draft, "wx+"));
  } catch (error) {
    throw fileError(draft, error);
  }
};

/** Hands the chunks over in their order, some asked for ahead. */
export const getInOrder = async (
  options: GetOptions,
  take: (chunk: Uint8Array) => Promise<void>,
): Promise<GotObject> => {
  const manifest = await getManifest(options);
  const total = manifest.hashes.length;
  const ahead: Promise<Uint8Array>[] = [];
  for (let i = 0; i < total; i++) {
    while (ahead.length < WIDTH && i + ahead.length < total) {
      const asked = getChunk(options, manifest, i + ahead.length);
      // The first failure ends the loop; those behind it are nobody's.
      asked.catch(() => {});
      ahead.push(asked);
    }
    const next = ahead.shift();
    if (next !== undefined) await take(await next);
    options.onProgress(i + 1, total);
  }
  return { manifest, resumed: 0 };
};
