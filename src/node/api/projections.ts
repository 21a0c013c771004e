/** Rows of projections, in key order, as JSON for people. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { toHex } from "../../crypto/bytes.ts";
import { type Result, TetradError } from "../../errors.ts";
import type { ProjectionRow, ProofOptions, ProvenPage } from "../../ledger/handle.ts";
import { Wrong } from "../../ledger/strict-json.ts";
import { bytesAt } from "../../ledger/verify/base64url.ts";
import type { Bundle, BundleJson } from "../../ledger/verify/bundle.ts";
import { LIMITS } from "../../limits.ts";
import { nearest } from "../suggest.ts";
import { IMMUTABLE } from "./caching.ts";
import type { ApiContext, Json } from "./context.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import {
  executionAt,
  MIN_HEIGHT,
  proofHeight,
  type RowSource,
  reachHeight,
  readStateAt,
} from "./heights.ts";
import { described, type Operation, type Parameter, values } from "./openapi/operation.ts";
import { AFTER, COUNT, HASH, LIMIT, listOf, objectOf, ref, TEXT } from "./openapi/schemas.ts";
import {
  bundleAnswer,
  PROOF_QUERY,
  type ProofRequest,
  proofRequest,
  slicesOf,
  whenProvable,
} from "./proof.ts";
import { integer, readQuery } from "./query.ts";
import type { Turn } from "./work.ts";

/** Rows read at a time: few at first, then twice as many, because values may be as large as events. */
const CHUNK_FIRST = 4;
const CHUNK_MAX = 64;

const checkName = (context: ApiContext, name: string): string => {
  if (context.formats.projections.includes(name)) return name;
  const meant = nearest(name, context.formats.projections);
  const known = context.formats.projections.join(", ");
  const hint = meant === undefined ? `; there are ${known}` : `; did you mean "${meant}"?`;
  throw new TetradError("http.not-found", `No such projection${hint}`);
};

const readRows = async (
  source: RowSource,
  name: string,
  prefix: Uint8Array,
  after: Uint8Array | undefined,
  limit: number,
): Promise<readonly ProjectionRow[]> => {
  const options = after === undefined ? { prefix, limit } : { prefix, after, limit };
  const result = await new Promise<Result<readonly ProjectionRow[]>>((resolve) => {
    source.rows(name, options, resolve);
  });
  if (!result.ok) throw TetradError.from(result);
  return result.value;
};

type Page = { readonly rows: readonly ProjectionRow[]; readonly more: boolean };

/** At most `limit` rows and LIMITS.httpPageBytesMax after a key; `charge` is told of what was taken. */
const pageOf = async (
  source: RowSource,
  name: string,
  { prefix, after: start, limit }: Pick<PagePlace, "prefix" | "after" | "limit">,
  turn: Turn,
  charge: (count: number, bytes: number) => void,
): Promise<Page> => {
  const rows: ProjectionRow[] = [];
  let bytes = 0;
  let after = start;
  for (let chunk = CHUNK_FIRST; ; chunk = Math.min(CHUNK_MAX, chunk * 2)) {
    await turn();
    const found = await readRows(source, name, prefix, after, chunk);
    const before = { count: rows.length, bytes };
    let full = false;
    for (const row of found) {
      const size = row.key.length + row.value.length;
      const heavy = rows.length > 0 && bytes + size > LIMITS.httpPageBytesMax;
      full = rows.length >= limit || heavy;
      if (full) break;
      rows.push(row);
      bytes += size;
      after = row.key;
    }
    charge(rows.length - before.count, bytes - before.bytes);
    if (full) return { rows, more: true };
    if (found.length < chunk) return { rows, more: false };
  }
};

const rowJson = (
  context: ApiContext,
  name: string,
  row: ProjectionRow,
): { readonly key: string; readonly value: Json } => ({
  key: context.formats.keyText(name, row.key),
  value: context.formats.row(name, row.key, row.value),
});

const NAMES = {
  id: "listProjections",
  tag: "state",
  summary: "the projections with their roots",
  query: {
    atHeight: { description: "the roots at this executed height", schema: COUNT },
    ...MIN_HEIGHT,
  },
  answers: {
    200: {
      description: "in the order of registration",
      content: values(
        objectOf({
          height: COUNT,
          stateRoot: HASH,
          items: listOf(objectOf({ name: TEXT, schemaVersion: COUNT, root: HASH })),
        }),
      ),
    },
  },
  problems: ["node.not-ready", "http.behind"],
} as const satisfies Operation;

const AT_HEIGHT: Parameter = {
  description:
    "the state at exactly this height: those of the last heights are held, as long as there is room",
  schema: COUNT,
};

const HEIGHT_PROBLEMS = ["http.not-found", "http.behind", "http.height-gone"] as const;

const NAME: Parameter = { description: "name of the projection", schema: TEXT, example: "records" };

const AFTER_KEY: Parameter = {
  description:
    "instead of `after`: the bytes of a key as base64url, as bundles have them; the page begins behind it",
  schema: { type: "string", minLength: 2 },
};

const ROWS = {
  id: "listRows",
  tag: "state",
  summary: "a page of rows, in key order",
  path: { name: NAME },
  query: {
    after: AFTER,
    afterKey: AFTER_KEY,
    limit: LIMIT(LIMITS.httpPageMax, LIMITS.httpPageDefault),
    prefix: {
      description: "one group of rows where there are groups: the topic, for records",
      schema: TEXT,
    },
    atHeight: AT_HEIGHT,
    ...MIN_HEIGHT,
    ...PROOF_QUERY,
  },
  answers: {
    200: {
      description: "rows; with proof=true a proof bundle of each of them",
      content: values({ oneOf: [ref("RowPage"), ref("Proof")] }),
      headers: { Link: { description: "the next page, where there is one", schema: TEXT } },
    },
  },
  problems: [
    ...HEIGHT_PROBLEMS,
    "http.bad-cursor",
    "proof.pending",
    "proof.too-long",
    "store.corrupt",
    "store.io",
  ],
} as const satisfies Operation;

const ROW = {
  id: "getRow",
  tag: "state",
  summary: "one row, or a proof of it or of its absence",
  path: { name: NAME, key: { description: "key of the row", schema: TEXT } },
  query: { atHeight: AT_HEIGHT, ...MIN_HEIGHT, ...PROOF_QUERY },
  answers: {
    200: {
      description: "the row; with proof=true a proof bundle, also when there is no such row",
      content: values({ oneOf: [ref("RowRead"), ref("Proof")] }),
    },
  },
  problems: [...HEIGHT_PROBLEMS, "proof.pending", "proof.too-long"],
} as const satisfies Operation;

/** Of the height that is asked for; else a proven read is not older than a plain one now would be. */
const stateOf = (
  context: ApiContext,
  proof: ProofRequest,
  atHeight: number | undefined,
): ProofOptions => {
  if (atHeight !== undefined) return { trustedEpoch: proof.trustedEpoch, atHeight };
  const { executedHeight, stateRoot } = context.handle.status();
  return { trustedEpoch: proof.trustedEpoch, notBefore: { executedHeight, stateRoot } };
};

const lastKey = ({ claim }: Bundle): Uint8Array | undefined =>
  claim.kind === "rows" ? claim.rows.at(-1)?.key : undefined;

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };

type PagePlace = {
  readonly list: string;
  readonly prefix: Uint8Array;
  readonly after: Uint8Array | undefined;
  readonly limit: number;
  readonly group: string | undefined;
  readonly atHeight: number | undefined;
};

const provenPage = async (
  context: ApiContext,
  { request, reply }: Exchange,
  name: string,
  { list, prefix, after, limit, group, atHeight }: PagePlace,
  proof: ProofRequest,
): Promise<BundleJson> => {
  const start = after === undefined ? {} : { after };
  const page = { ...start, prefix, limit, bytesMax: LIMITS.httpPageBytesMax };
  const wanted = stateOf(context, proof, atHeight);
  const proven = await whenProvable<ProvenPage>(context, request, proof.waitMs, (done, turn) => {
    context.handle.proofs().page(name, { ...page, slice: slicesOf(turn) }, wanted, done);
  });
  const last = lastKey(proven.bundle);
  if (proven.more && last !== undefined) {
    const filter = group === undefined ? "" : `&prefix=${encodeURIComponent(group)}`;
    const from = `&trustedEpoch=${proof.trustedEpoch}`;
    const pinned = atHeight === undefined ? "" : `&atHeight=${atHeight}`;
    const at = `after=${encodeCursor(list, last)}&limit=${limit}${filter}${pinned}`;
    reply.header("link", `</v1/projections/${name}?proof=true${from}&${at}>; rel="next"`);
  }
  return bundleAnswer(context, reply, proven.bundle);
};

const provenRow = async (
  context: ApiContext,
  { request, reply }: Exchange,
  name: string,
  key: Uint8Array,
  proof: ProofRequest,
  atHeight: number | undefined,
): Promise<BundleJson> => {
  if (key.length === 0 || key.length > LIMITS.rowKeyBytesMax) {
    throw new TetradError("http.bad-parameter", "no row has a key of this length", {
      parameter: "key",
    });
  }
  const wanted = stateOf(context, proof, atHeight);
  const bundle = await whenProvable<Bundle>(context, request, proof.waitMs, (done) =>
    context.handle.proofs().rows(name, [key], wanted, done),
  );
  return bundleAnswer(context, reply, bundle);
};

/**
 * The key that a page begins behind: of a cursor, or told by who has read up to there. So a reader that
 * checks rows goes on from what it has checked, and needs no cursor of the node's.
 */
const startOf = (
  list: string,
  prefix: Uint8Array,
  { after, afterKey }: { readonly after?: string; readonly afterKey?: string },
): Uint8Array | undefined => {
  if (afterKey === undefined) return after === undefined ? undefined : decodeCursor(list, after);
  const bad = (detail: string): TetradError =>
    new TetradError("http.bad-parameter", `afterKey ${detail}`, { parameter: "afterKey" });
  if (after !== undefined) throw bad("and after exclude each other");
  const key = keyBytes(afterKey);
  if (key === undefined) throw bad(`must be 1 to ${LIMITS.rowKeyBytesMax} bytes as base64url`);
  // A key below the group would begin the page at rows outside of it.
  const isInside = key.length >= prefix.length && prefix.every((byte, i) => key[i] === byte);
  if (!isInside) throw bad("is not a key of this list");
  return key;
};

const keyBytes = (text: string): Uint8Array | undefined => {
  try {
    return bytesAt("afterKey", text, 1, LIMITS.rowKeyBytesMax);
  } catch (error) {
    if (error instanceof Wrong) return undefined;
    throw error;
  }
};

export const projectionRoutes = (app: FastifyInstance, context: ApiContext): void => {
  app.get("/v1/projections", described(NAMES), async (request, reply) => {
    const query = readQuery(request, NAMES.query);
    await reachHeight(context, request, query);
    const executed = executionAt(context, query.atHeight);
    const caching = query.atHeight === undefined ? "no-cache" : IMMUTABLE;
    return reply.header("cache-control", caching).send({
      height: executed.height,
      stateRoot: toHex(executed.stateRoot),
      items: executed.projections.map(({ name, root }, i) => ({
        name,
        schemaVersion: executed.schemaVersions[i] ?? 0,
        root: toHex(root),
      })),
    });
  });

  app.get<{ Params: { name: string } }>(
    "/v1/projections/:name",
    described(ROWS),
    async (request, reply) => {
      const query = readQuery(request, ROWS.query);
      await reachHeight(context, request, query);
      const name = checkName(context, request.params.name);
      const limit = integer(query.limit, "limit", {
        min: 1,
        max: LIMITS.httpPageMax,
        fallback: LIMITS.httpPageDefault,
      });
      const prefix = context.formats.prefix(name, query.prefix);
      if (!prefix.ok) throw TetradError.from(prefix);
      const list = `projections/${name}/${query.prefix ?? ""}`;
      const after = startOf(list, prefix.value, query);
      const proof = proofRequest(query);
      if (proof !== undefined) {
        const atHeight = proofHeight(context, query.atHeight);
        const place = { list, prefix: prefix.value, after, limit, group: query.prefix, atHeight };
        const body = await provenPage(context, { request, reply }, name, place, proof);
        return reply.header("cache-control", "no-cache").send(body);
      }
      const place = { prefix: prefix.value, after, limit };
      const page = await context.load.work.run(request, (turn) =>
        readStateAt(context, query.atHeight, async (source) => {
          const found = await pageOf(source, name, place, turn, (count, bytes) =>
            context.load.outgoing.addItems(reply, count, bytes),
          );
          return { ...found, height: source.height, stateRoot: source.stateRoot };
        }),
      );
      const last = page.rows.at(-1);
      const next = page.more && last !== undefined ? encodeCursor(list, last.key) : null;
      if (next !== null) {
        const group =
          query.prefix === undefined ? "" : `&prefix=${encodeURIComponent(query.prefix)}`;
        const at = query.atHeight === undefined ? "" : `&atHeight=${query.atHeight}`;
        const url = `/v1/projections/${name}?after=${next}&limit=${limit}${group}${at}`;
        reply.header("link", `<${url}>; rel="next"`);
      }
      return reply.header("cache-control", "no-cache").send({
        projection: name,
        items: page.rows.map((row) => rowJson(context, name, row)),
        next,
        height: page.height,
        stateRoot: toHex(page.stateRoot),
      });
    },
  );
  rowRoute(app, context);
};

const rowRoute = (app: FastifyInstance, context: ApiContext): void => {
  app.get<{ Params: { name: string; key: string } }>(
    "/v1/projections/:name/:key",
    described(ROW),
    async (request, reply) => {
      const query = readQuery(request, ROW.query);
      await reachHeight(context, request, query);
      const proof = proofRequest(query);
      const name = checkName(context, request.params.name);
      const key = context.formats.keyBytes(name, request.params.key);
      if (!key.ok) throw TetradError.from(key);
      if (proof !== undefined) {
        const atHeight = proofHeight(context, query.atHeight);
        const body = await provenRow(context, { request, reply }, name, key.value, proof, atHeight);
        return reply.header("cache-control", "no-cache").send(body);
      }
      const { value, height } = await readStateAt(context, query.atHeight, async (source) => ({
        value: await source.row(name, key.value),
        height: source.height,
      }));
      if (value === undefined) {
        throw new TetradError("http.not-found", `${name} has no row with this key`);
      }
      return reply
        .header("cache-control", "no-cache")
        .send({ ...rowJson(context, name, { key: key.value, value }), height });
    },
  );
};
