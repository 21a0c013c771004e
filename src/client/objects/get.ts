/**
 * Getting an object. The manifest is held against the name and every chunk against the manifest before anything of
 * it is given, so that a node, its disk and who stands between can withhold an object but not change it.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import { type Manifest, manifestBytes, manifestOf } from "../../crypto/objects/manifest.ts";
import { CHUNK_BYTES, chunkHash, chunkLength } from "../../crypto/objects/tree.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiClient } from "../api.ts";
import { badAnswer } from "../http.ts";
import { ask, askPatiently, type Nodes, rootBytes } from "./ask.ts";
import type { ChunkStore, GetObjectOptions, ObjectName } from "./types.ts";

/** Chunks that are asked for at one time. */
const WIDTH = 4;

type Asking = Pick<GetObjectOptions, "patienceMs"> & {
  readonly signal: AbortSignal | undefined;
  readonly endsAway?: boolean;
};

/** Bytes of a node. That they are not the object's is for the client to find out, never the node's word. */
const bytesFrom = async (
  node: ApiClient,
  path: string,
  waitMs: number,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Uint8Array> => {
  try {
    return await node.bytes(path, { waitMs }, bytesMax, signal);
  } catch (error) {
    if (!(error instanceof TetradError) || error.code !== "object.mismatch") throw error;
    throw badAnswer(node.base, "it says what only a client can find out");
  }
};

/** Asks the nodes in their turn; what `read` makes of the bytes is what counts. */
const askBytes = <T>(
  nodes: Nodes,
  asking: Asking,
  path: string,
  bytesMax: number,
  read: (node: ApiClient, bytes: Uint8Array) => T,
): Promise<T> =>
  askPatiently(nodes, asking, async (node, { waitMs, limitMs }) => {
    const request = (signal: AbortSignal): Promise<Uint8Array> =>
      bytesFrom(node, path, waitMs, bytesMax, signal);
    return read(node, await ask(node, asking.signal, request, limitMs));
  });

const getManifest = (nodes: Nodes, root: string, asking: Asking): Promise<Manifest> => {
  const name = rootBytes(root);
  const bytesMax = manifestBytes(LIMITS.objectBytesMax);
  const first = { ...asking, endsAway: true };
  return askBytes(nodes, first, `/v1/objects/${root}/manifest`, bytesMax, ({ base }, bytes) => {
    const manifest = manifestOf(name, bytes);
    if (manifest.ok) return manifest.value;
    const detail = `${base} gives another manifest: ${manifest.detail}`;
    throw new TetradError("object.mismatch", detail, { base, root });
  });
};

const isChunk = (manifest: Manifest, index: number, chunk: Uint8Array): boolean => {
  const hash = manifest.hashes[index];
  return hash !== undefined && equalBytes(chunkHash(chunk), hash);
};

const getChunk = (
  nodes: Nodes,
  root: string,
  manifest: Manifest,
  index: number,
  asking: Asking,
): Promise<Uint8Array> =>
  askBytes(nodes, asking, `/v1/objects/${root}/chunks/${index}`, CHUNK_BYTES, ({ base }, chunk) => {
    if (isChunk(manifest, index, chunk)) return chunk;
    const detail = `${base} gives other bytes as chunk ${index}`;
    throw new TetradError("object.mismatch", detail, { base, root, index });
  });

/** A chunk that is kept and right; undefined where it has to be asked for. */
const keptChunk = async (
  kept: ChunkStore | undefined,
  manifest: Manifest,
  index: number,
): Promise<Uint8Array | undefined> => {
  const chunk = await kept?.read(index, chunkLength(manifest.length, index));
  return chunk !== undefined && isChunk(manifest, index, chunk) ? chunk : undefined;
};

/** What the name stands for, held against it. Throws as `Objects.get`. */
export const describeObject = async (
  nodes: Nodes,
  root: string,
  { patienceMs, signal }: Omit<GetObjectOptions, "offset" | "kept"> = {},
): Promise<ObjectName> => {
  const asking = patienceMs === undefined ? { signal } : { signal, patienceMs };
  const { length, hashes } = await getManifest(nodes, root, asking);
  return { root, length, chunks: hashes.length };
};

const startOf = (offset: number, length: number): number => {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset <= length) return offset;
  throw new TetradError("cli.usage", `offset: ${offset} is not in 0..${length}`);
};

/** As `Objects.get`. Who leaves the loop ends what is still being asked. */
export async function* getObject(
  nodes: Nodes,
  root: string,
  options: GetObjectOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { offset = 0, kept, signal, onProgress, patienceMs } = options;
  rootBytes(root);
  signal?.throwIfAborted();
  const own = new AbortController();
  const abort = (): void => own.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const asking = { signal: own.signal, ...(patienceMs === undefined ? {} : { patienceMs }) };
    const manifest = await getManifest(nodes, root, asking);
    const { length, hashes } = manifest;
    const first = Math.floor(startOf(offset, length) / CHUNK_BYTES);
    const fetchChunk = async (index: number): Promise<Uint8Array> => {
      const here = await keptChunk(kept, manifest, index);
      if (here !== undefined) return here;
      const chunk = await getChunk(nodes, root, manifest, index, asking);
      await kept?.write(index, chunk);
      return chunk;
    };
    const ahead: Promise<Uint8Array>[] = [];
    onProgress?.({ step: "get", bytes: offset, totalBytes: length });
    for (let index = first; index * CHUNK_BYTES < length && offset < length; index++) {
      while (ahead.length < WIDTH && index + ahead.length < hashes.length) {
        const asked = fetchChunk(index + ahead.length);
        // The first failure ends the loop; those behind it are nobody's.
        asked.catch(() => undefined);
        ahead.push(asked);
      }
      const chunk = await ahead.shift();
      if (chunk === undefined) throw new RangeError("no chunk was asked for");
      const bytes = index * CHUNK_BYTES + chunk.length;
      onProgress?.({ step: "get", bytes, totalBytes: length });
      yield index === first ? chunk.subarray(offset - index * CHUNK_BYTES) : chunk;
    }
  } finally {
    own.abort();
    signal?.removeEventListener("abort", abort);
  }
}
