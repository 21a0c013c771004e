/**
 * The log as static resources that any client of transparency logs reads (c2sp.org/tlog-tiles): the cosigned
 * checkpoint, hash tiles, entry bundles; and the policy that says whose signatures count. The URL prefix is
 * /tlog. A leaf is what docs/protocol.md calls the leaf of the log, so hashing a bundle's entries by RFC 6962
 * gives the level 0 tile. Any partial tile of the log as it is may be asked for.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { TetradError } from "../../errors.ts";
import { encodeLeaf } from "../../ledger/leaf.ts";
import { TILE_WIDTH } from "../../ledger/log-tree.ts";
import { parseTilePath, type TilePlace } from "../../ledger/tile-path.ts";
import { IMMUTABLE } from "./caching.ts";
import type { ApiContext } from "./context.ts";
import { described, type Operation } from "./openapi/operation.ts";
import { TEXT } from "./openapi/schemas.ts";
import { readQuery } from "./query.ts";
import { scan } from "./read.ts";
import type { Turn } from "./work.ts";

const PLAIN = "text/plain; charset=utf-8";
const BINARY = "application/octet-stream";
/** A tile never changes: neither a full one nor one of a given width. */

const TILE = {
  path: {
    description:
      "index in groups of three digits, all but the last with an x: x001/x234/067; then .p/W",
    schema: { type: "string" },
  },
} as const;

const CHECKPOINT = {
  id: "getCheckpoint",
  tag: "tlog",
  summary: "the newest checkpoint that a quorum of validators has signed, as a signed note",
  query: {},
  answers: { 200: { description: "the note", content: { "text/plain": TEXT } } },
  problems: ["checkpoint.pending"],
  caching: "none",
} as const satisfies Operation;

const POLICY = {
  id: "getCheckpointPolicy",
  tag: "tlog",
  summary: "keys and quorum of checkpoints (c2sp.org/tlog-policy); compare it with the genesis",
  query: {},
  answers: { 200: { description: "the policy", content: { "text/plain": TEXT } } },
} as const satisfies Operation;

const HASHES = {
  id: "getTile",
  tag: "tlog",
  summary: "a hash tile: up to 256 hashes of one level",
  path: {
    level: {
      description: "0 to 63",
      schema: { type: "integer", minimum: 0, maximum: 63 },
    },
    ...TILE,
  },
  query: {},
  answers: { 200: { description: "hashes, one after the other", content: { [BINARY]: TEXT } } },
  problems: ["http.not-found"],
} as const satisfies Operation;

const ENTRIES = {
  id: "getEntryBundle",
  tag: "tlog",
  summary: "an entry bundle: up to 256 leaves of the log, each after its length in two bytes",
  path: TILE,
  query: {},
  answers: { 200: { description: "the leaves", content: { [BINARY]: TEXT } } },
  problems: ["http.not-found", "store.corrupt", "store.io"],
} as const satisfies Operation;

export const tlogRoutes = (app: FastifyInstance, context: ApiContext): void => {
  app.get("/tlog/checkpoint", described(CHECKPOINT), async (request, reply) => {
    readQuery(request, CHECKPOINT.query);
    const checkpoint = context.handle.checkpoint();
    if (checkpoint === undefined) {
      throw new TetradError("checkpoint.pending", "No checkpoint has a quorum of signatures yet");
    }
    return reply.type(PLAIN).header("cache-control", "no-store").send(checkpoint.note);
  });

  app.get("/tlog/policy", described(POLICY), async (request, reply) => {
    readQuery(request, POLICY.query);
    const policy = context.handle.checkpointPolicy();
    return reply.type(PLAIN).header("cache-control", "no-cache").send(policy);
  });

  app.get("/tlog/tile/entries/*", described(ENTRIES), async (request, reply) => {
    readQuery(request, ENTRIES.query);
    const { index, width } = placeOf(request, context, 0);
    const bundle = await context.load.work.run(request, (turn) =>
      bundleOf(context, reply, { from: index * TILE_WIDTH, count: width }, turn),
    );
    return reply.type(BINARY).header("cache-control", IMMUTABLE).send(bundle);
  });

  app.get("/tlog/tile/:level/*", described(HASHES), async (request, reply) => {
    readQuery(request, HASHES.query);
    const { level: text = "" } = request.params as { readonly level?: string };
    if (!/^(0|[1-9]|[1-5][0-9]|6[0-3])$/.test(text)) {
      throw new TetradError("http.bad-parameter", "level must be 0 to 63", { parameter: "level" });
    }
    const level = Number(text);
    const { index, width } = placeOf(request, context, level);
    const tile = context.handle.tile(level, index, width);
    if (tile === undefined) throw notThere();
    return reply.type(BINARY).header("cache-control", IMMUTABLE).send(Buffer.from(tile));
  });
};

const notThere = (): TetradError =>
  new TetradError("http.not-found", "The log has no such tile yet");

/** The place that the path names, which the log must have. */
const placeOf = (request: FastifyRequest, context: ApiContext, level: number): TilePlace => {
  const { "*": path = "" } = request.params as { readonly "*"?: string };
  const place = parseTilePath(path);
  if (place === undefined) {
    throw new TetradError("http.bad-parameter", "the path is not that of a tile", {
      parameter: "path",
    });
  }
  const count = Math.floor(context.handle.status().logSize / TILE_WIDTH ** level);
  if (place.index * TILE_WIDTH + place.width > count) throw notThere();
  return place;
};

/** u16 length || leaf, for each entry. */
const bundleOf = async (
  context: ApiContext,
  reply: FastifyReply,
  { from, count }: { readonly from: number; readonly count: number },
  turn: Turn,
): Promise<Buffer> => {
  const { entries } = await scan(context, from, {
    limit: count,
    bytesMax: Number.MAX_SAFE_INTEGER,
    filter: undefined,
    turn,
    charge: (items, bytes) => context.load.outgoing.addItems(reply, items, bytes),
  });
  if (entries.length !== count) throw new TetradError("internal", "a bundle is not whole");
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    const leaf = encodeLeaf(entry);
    parts.push(Uint8Array.of(leaf.length >>> 8, leaf.length & 0xff), leaf);
  }
  return Buffer.concat(parts);
};
