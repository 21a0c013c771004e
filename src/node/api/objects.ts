/**
 * Objects: reading them, which has the node fetch what it has not, and having it keep them, which an actor signs
 * for. A chunk that is put needs no signature of its own: only what an order named by its hash is taken.
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { ObjectState, ObjectsPort, OrderedState } from "../objects/port.ts";
import { IMMUTABLE } from "./caching.ts";
import type { ApiContext, Json } from "./context.ts";
import {
  type Content,
  described,
  type Operation,
  type Parameter,
  values,
} from "./openapi/operation.ts";
import { BYTES, COUNT, HASH, hashParameter, listOf, objectOf, TIME_MS } from "./openapi/schemas.ts";
import { integer, readQuery } from "./query.ts";
import { waitFor } from "./waiting.ts";

const BYTES_TYPE = "application/octet-stream";
const BINARY: Content = { [BYTES_TYPE]: { type: "string", format: "binary" } };
const BOOLEAN = { type: "boolean" } as const;

const STATE = objectOf({
  root: HASH,
  length: { ...COUNT, description: "bytes of the object" },
  chunks: COUNT,
  held: { ...COUNT, description: "chunks that are on this node's disk" },
  kept: { ...BOOLEAN, description: "an actor has this node keep it; else it goes for others" },
  usedMs: TIME_MS,
  fetch: {
    type: ["object", "null"],
    description: "while it is fetched: chunks and bytes that came since it began, and from whom",
  },
});

const WAIT_MS: Parameter = {
  description: "ends the wait with http.timeout; the node goes on fetching for a minute",
  schema: { type: "integer", minimum: 1, maximum: LIMITS.httpWaitMsMax },
};

const ROOT = { root: hashParameter("name of the object") };
const CHUNK = { ...ROOT, index: { description: "of the chunk, from 0", schema: COUNT } };

const FETCH_PROBLEMS = [
  "object.not-found",
  "object.stalled",
  "object.no-room",
  "store.full",
  "store.io",
  "http.timeout",
] as const;

const LIST = {
  id: "listObjects",
  tag: "objects",
  summary: "the objects on this node's disk, the one used last first",
  query: {},
  answers: { 200: { description: "all", content: values(objectOf({ items: listOf(STATE) })) } },
  caching: "none",
} as const satisfies Operation;

const SHOW = {
  id: "getObject",
  tag: "objects",
  summary: "how much of an object is on this node's disk; fetches nothing",
  path: ROOT,
  query: {},
  answers: { 200: { description: "its state", content: values(STATE) } },
  problems: ["object.not-found"],
  caching: "none",
} as const satisfies Operation;

const MANIFEST = {
  id: "getObjectManifest",
  tag: "objects",
  summary: "length and chunk hashes of an object; has the node fetch it",
  description:
    "In the encoding of docs/protocol.md. Whoever reads it holds it against the name, and chunks against it.",
  path: ROOT,
  query: { waitMs: WAIT_MS },
  answers: { 200: { description: "the manifest", content: BINARY } },
  problems: FETCH_PROBLEMS,
} as const satisfies Operation;

const READ = {
  id: "getObjectChunk",
  tag: "objects",
  summary: "a chunk of an object, 1 MiB or what is left of it; waits until the node has it",
  path: CHUNK,
  query: { waitMs: WAIT_MS },
  answers: { 200: { description: "the chunk", content: BINARY } },
  problems: FETCH_PROBLEMS,
} as const satisfies Operation;

const ORDER = {
  id: "orderObject",
  tag: "objects",
  summary: "have this node keep an object, or drop it, by a signed order",
  description:
    "The order (docs/protocol.md) is signed by an actor with the permission object.put or object.drop, for this node and a time at most an hour ahead. After an order to keep, the chunks that `bits` lacks are put.",
  query: {},
  body: {
    description: "the signed order",
    content: { [BYTES_TYPE]: { type: "string", maxLength: LIMITS.httpBodyBytesMax } },
  },
  answers: {
    200: {
      description: "what this node has of it; after an order to drop: nothing",
      content: values(
        objectOf({
          root: HASH,
          chunks: COUNT,
          held: COUNT,
          kept: BOOLEAN,
          bits: {
            ...BYTES,
            description: "a bit for each chunk that is here, the first one highest",
          },
        }),
      ),
    },
  },
  problems: [
    "encoding.malformed",
    "encoding.version",
    "object.order",
    "object.order-signature",
    "object.too-large",
    "object.mismatch",
    "object.no-room",
    "object.not-found",
    "event.unknown-actor",
    "event.forbidden",
    "http.body-too-large",
    "http.media-type",
    "store.full",
    "store.io",
  ],
} as const satisfies Operation;

const PUT = {
  id: "putObjectChunk",
  tag: "objects",
  summary: "put a chunk of an object that an order has this node keep",
  path: CHUNK,
  query: {},
  body: {
    description: "the chunk",
    content: { [BYTES_TYPE]: { type: "string", maxLength: LIMITS.httpBodyBytesMax } },
  },
  answers: {
    200: {
      description: "what this node has now; `kept` when that is all",
      content: values(objectOf({ root: HASH, chunks: COUNT, held: COUNT, kept: BOOLEAN })),
    },
  },
  problems: [
    "object.not-ordered",
    "object.mismatch",
    "http.body-too-large",
    "http.media-type",
    "store.full",
    "store.io",
  ],
} as const satisfies Operation;

const CHECK = {
  id: "checkObject",
  tag: "objects",
  summary: "read chunks from this node's disk and hold them against their hashes",
  path: ROOT,
  query: { from: { description: "first chunk", schema: { ...COUNT, default: 0 } } },
  answers: {
    200: {
      description: "a part of the object; `next` is where to go on, null at the end",
      content: values(
        objectOf({
          next: { type: ["integer", "null"] },
          checked: COUNT,
          missing: COUNT,
          damaged: {
            ...listOf(COUNT),
            description: "these have changed, and are not here any more",
          },
        }),
      ),
    },
  },
  problems: ["object.not-found", "store.io"],
  caching: "none",
} as const satisfies Operation;

const EVIDENCE = {
  id: "listObjectEvidence",
  tag: "objects",
  summary: "what this node keeps against members that served what is not of an object",
  query: {},
  answers: {
    200: {
      description: "the oldest first; the bytes lie in the node's folder",
      content: values(objectOf({ items: listOf({ type: "object" }) })),
    },
  },
  caching: "none",
} as const satisfies Operation;

const stateJson = ({ fetch, ...state }: ObjectState): Json => ({
  ...state,
  usedMs: Math.round(state.usedMs),
  fetch:
    fetch === undefined
      ? null
      : { ...fetch, sources: fetch.sources.map((source) => ({ ...source })) },
});

const orderedJson = ({ bits, ...state }: OrderedState): Json => ({
  ...state,
  bits: Buffer.from(bits).toString("base64url"),
});

const waitMsOf = (value: string | undefined): number =>
  integer(value, "waitMs", { min: 1, max: LIMITS.httpWaitMsMax, fallback: LIMITS.httpWaitMsMax });

const rootOf = (text: string): string => {
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw new TetradError("http.bad-parameter", "root must be 64 lower-case hex digits", {
    parameter: "root",
  });
};

const indexOf = (text: string): number =>
  integer(text, "index", { min: 0, max: LIMITS.objectChunksMax - 1, fallback: 0 });

const bodyOf = ({ body, headers }: FastifyRequest): Uint8Array => {
  const coding = headers["content-encoding"] ?? "identity";
  if (body instanceof Uint8Array && coding.toLowerCase() === "identity") return body;
  throw new TetradError("http.media-type", `It is sent as ${BYTES_TYPE}, without a coding`);
};

type RootPath = { readonly Params: { readonly root: string } };
type ChunkPath = { readonly Params: { readonly root: string; readonly index: string } };

const readRoutes = (app: FastifyInstance, context: ApiContext, objects: ObjectsPort): void => {
  app.get("/v1/objects", described(LIST), async (request, reply) => {
    readQuery(request, LIST.query);
    return reply.header("cache-control", "no-store").send({ items: objects.list().map(stateJson) });
  });

  app.get<RootPath>("/v1/objects/:root", described(SHOW), async (request, reply) => {
    readQuery(request, SHOW.query);
    const root = rootOf(request.params.root);
    const state = objects.state(root);
    if (state === undefined) {
      throw new TetradError("object.not-found", "the object is not here", { root });
    }
    return reply.header("cache-control", "no-store").send(stateJson(state));
  });

  app.get<RootPath>("/v1/objects/:root/manifest", described(MANIFEST), async (request, reply) => {
    const waitMs = waitMsOf(readQuery(request, MANIFEST.query).waitMs);
    const root = rootOf(request.params.root);
    const bytes = await waitFor<Uint8Array>(context, request, {
      waitMs,
      late: `no member has given the manifest in ${waitMs} ms; ask again`,
      start: (resolve) => objects.manifest(root, resolve),
    });
    return reply
      .header("cache-control", IMMUTABLE)
      .header("content-type", BYTES_TYPE)
      .send(Buffer.from(bytes));
  });

  app.get<ChunkPath>("/v1/objects/:root/chunks/:index", described(READ), async (request, reply) => {
    const waitMs = waitMsOf(readQuery(request, READ.query).waitMs);
    const root = rootOf(request.params.root);
    const index = indexOf(request.params.index);
    const chunk = await waitFor<Uint8Array>(context, request, {
      waitMs,
      late: `the chunk has not come in ${waitMs} ms; ask again`,
      start: (resolve) => objects.chunk(root, index, resolve),
    });
    return reply
      .header("cache-control", IMMUTABLE)
      .header("content-type", BYTES_TYPE)
      .send(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
  });

  app.get<RootPath>("/v1/objects/:root/check", described(CHECK), async (request, reply) => {
    const query = readQuery(request, CHECK.query);
    const root = rootOf(request.params.root);
    const max = LIMITS.objectChunksMax;
    const from = integer(query.from, "from", { min: 0, max, fallback: 0 });
    const page = await context.load.work.run(request, (turn) =>
      objects.check(root, from, LIMITS.objectCheckChunksMax, turn),
    );
    return reply
      .header("cache-control", "no-store")
      .send({ ...page, next: page.next ?? null, damaged: [...page.damaged] });
  });

  app.get("/v1/object-evidence", described(EVIDENCE), async (request, reply) => {
    readQuery(request, EVIDENCE.query);
    return reply.header("cache-control", "no-store").send({ items: objects.evidence() });
  });
};

const writeRoutes = (app: FastifyInstance, objects: ObjectsPort): void => {
  app.post("/v1/objects", described(ORDER), async (request, reply) => {
    readQuery(request, ORDER.query);
    const bytes = bodyOf(request);
    return reply.send(orderedJson(await objects.order(new Uint8Array(bytes))));
  });

  app.put<ChunkPath>("/v1/objects/:root/chunks/:index", described(PUT), async (request, reply) => {
    readQuery(request, PUT.query);
    const root = rootOf(request.params.root);
    const index = indexOf(request.params.index);
    const { bits: _, ...state } = await objects.upload(root, index, bodyOf(request));
    return reply.send(state);
  });
};

export const objectRoutes = (app: FastifyInstance, context: ApiContext): void => {
  readRoutes(app, context, context.objects);
  writeRoutes(app, context.objects);
};
