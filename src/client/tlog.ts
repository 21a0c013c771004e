/**
 * A client of transparency logs as c2sp.org/tlog-tiles has them, for our own: the checkpoint, and proofs that
 * the log only grew, put together from hash tiles. Nothing that is fetched is trusted: the checkpoint is
 * checked by verify/checkpoint.ts, and tiles by the roots that they must lead to.
 */
import { TetradError } from "../errors.ts";
import { consistencyPath, TILE_WIDTH, tileKey } from "../ledger/log-tree.ts";
import { formatTilePath } from "../ledger/tile-path.ts";
import { type Checkpoint, checkConsistency } from "../ledger/verify/checkpoint.ts";
import { LIMITS } from "../limits.ts";
import { badAnswer, type Fetch, parseJson, problemError } from "./http.ts";

export type TlogOptions = {
  /** Address of the node, without /tlog. */
  readonly base: string;
  readonly fetch?: Fetch;
  readonly signal?: AbortSignal;
};

const HASH_BYTES = 32;

const fetchBytes = async (
  { base, fetch: ask = fetch, signal }: TlogOptions,
  path: string,
  bytesMax: number,
): Promise<Uint8Array> => {
  const within = AbortSignal.timeout(LIMITS.httpRequestTimeoutMs);
  const both = signal === undefined ? within : AbortSignal.any([signal, within]);
  let response: Response;
  try {
    response = await ask(`${base}/tlog/${path}`, { signal: both });
  } catch (error) {
    signal?.throwIfAborted();
    const detail = error instanceof Error ? error.message : String(error);
    throw new TetradError("cli.unreachable", `no node answers at ${base} (${detail})`);
  }
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > bytesMax) throw badAnswer(base, `the answer is over ${bytesMax} bytes`);
    parts.push(part);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  if (response.ok) return bytes;
  const text = new TextDecoder().decode(bytes);
  throw problemError(base, response.status, parseJson(base, text));
};

/** The newest checkpoint of a node, unchecked. Codes: checkpoint.pending, cli.unreachable, client.bad-answer. */
export const fetchCheckpoint = (options: TlogOptions): Promise<Uint8Array> =>
  fetchBytes(options, "checkpoint", LIMITS.noteBytesMax);

/** Asks for a tile that is not here yet; thrown through the reader of the tree. */
class Missing extends Error {
  readonly key: string;
  constructor(key: string) {
    super(key);
    this.key = key;
  }
}

/**
 * Checks that the log of the newer checkpoint continues that of the older: fetches the tiles of the newer one
 * that a consistency proof needs. Throws checkpoint.inconsistent, checkpoint.foreign, or why tiles are not
 * to be had.
 */
export const fetchConsistency = async (
  options: TlogOptions,
  older: Checkpoint,
  newer: Checkpoint,
): Promise<void> => {
  const tiles = new Map<string, Uint8Array>();
  const read = (key: Uint8Array): Uint8Array => {
    const name = nameOf(key);
    const tile = tiles.get(name);
    if (tile === undefined) throw new Missing(name);
    return tile;
  };
  for (;;) {
    try {
      const grows = older.size < newer.size;
      const proof = grows ? consistencyPath(read, older.size, newer.size) : [];
      const failure = checkConsistency(older, newer, proof);
      if (failure !== undefined) throw TetradError.from(failure);
      return;
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      tiles.set(error.key, await fetchTile(options, error.key, newer.size));
    }
  }
};

/** `<level>/<index>` of a key of the tree. */
const nameOf = (key: Uint8Array): string => {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  const [prefix] = [tileKey(0, 0).length - 9];
  return `${view.getUint8(prefix)}/${view.getBigUint64(prefix + 1)}`;
};

const fetchTile = async (options: TlogOptions, name: string, size: number): Promise<Uint8Array> => {
  const [level = 0, index = 0] = name.split("/").map(Number);
  const count = Math.floor(size / TILE_WIDTH ** level);
  const width = Math.min(TILE_WIDTH, count - index * TILE_WIDTH);
  const path = `tile/${level}/${formatTilePath({ index, width })}`;
  const tile = await fetchBytes(options, path, TILE_WIDTH * HASH_BYTES);
  if (tile.length === width * HASH_BYTES) return tile;
  throw badAnswer(options.base, `tile ${name} has ${tile.length} bytes`);
};
