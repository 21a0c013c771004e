/** Pages of the log by global index. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import type { ProvenPage } from "../../ledger/handle.ts";
import type { BundleJson } from "../../ledger/verify/bundle.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiContext } from "./context.ts";
import { decodeIndexCursor, encodeIndexCursor } from "./cursor.ts";
import { logSizeAt, MIN_HEIGHT, reachHeight } from "./heights.ts";
import { entryJson } from "./json.ts";
import { described, type Operation, values } from "./openapi/operation.ts";
import { AFTER, COUNT, LIMIT, ref, TEXT, TYPE } from "./openapi/schemas.ts";
import {
  bundleAnswer,
  PROOF_QUERY,
  type ProofRequest,
  proofRequest,
  slicesOf,
  whenProvable,
} from "./proof.ts";
import { integer, readQuery, typeFilter } from "./query.ts";
import { scan } from "./read.ts";

const PAGE = {
  id: "listEvents",
  tag: "ledger",
  summary: "a page of the log",
  query: {
    from: {
      description: "index to begin at; not together with after",
      schema: { ...COUNT, default: 0 },
    },
    after: AFTER,
    limit: LIMIT(LIMITS.httpPageMax, LIMITS.httpPageDefault),
    type: TYPE,
    atHeight: { description: "the log as it was at this height", schema: COUNT },
    ...MIN_HEIGHT,
    ...PROOF_QUERY,
  },
  answers: {
    200: {
      description:
        "events in the order of the log; with proof=true a proof bundle of them, which shows that none " +
        "between them is left out, or that the log ends before the first",
      content: values({ oneOf: [ref("EventPage"), ref("Proof")] }),
      headers: { Link: { description: "the next page, where there is one", schema: TEXT } },
    },
  },
  problems: [
    "http.bad-cursor",
    "http.behind",
    "http.height-gone",
    "proof.pending",
    "proof.too-long",
    "store.corrupt",
    "store.io",
  ],
} as const satisfies Operation;

/** Size, root and height of the log that was read. */
const logAt = (context: ApiContext, atHeight: string | undefined) => {
  const status = context.handle.status();
  const at = atHeight === undefined ? undefined : context.handle.execution(Number(atHeight));
  const { logSize, logRoot, height } = at ?? { ...status, height: status.executedHeight };
  return { logSize, logRoot: toHex(logRoot), height };
};

const provenPage = async (
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  { from, limit, list }: { readonly from: number; readonly limit: number; readonly list: string },
  proof: ProofRequest,
): Promise<BundleJson> => {
  const page = { from, limit, bytesMax: LIMITS.httpPageBytesMax };
  const proven = await whenProvable<ProvenPage>(context, request, proof.waitMs, (done, turn) => {
    context.handle.proofs().range({ ...page, slice: slicesOf(turn) }, proof, done);
  });
  const { claim } = proven.bundle;
  if (proven.more && claim.kind === "range") {
    const after = encodeIndexCursor(list, from + claim.leaves.length);
    const query = `proof=true&trustedEpoch=${proof.trustedEpoch}&after=${after}&limit=${limit}`;
    reply.header("link", `</v1/events?${query}>; rel="next"`);
  }
  return bundleAnswer(context, reply, proven.bundle);
};

export const eventRoutes = (app: FastifyInstance, context: ApiContext): void => {
  app.get("/v1/events", described(PAGE), async (request, reply) => {
    const query = readQuery(request, PAGE.query);
    await reachHeight(context, request, query);
    if (query.from !== undefined && query.after !== undefined) {
      throw new TetradError("http.bad-parameter", "from and after exclude each other", {
        parameter: "after",
      });
    }
    const limit = integer(query.limit, "limit", {
      min: 1,
      max: LIMITS.httpPageMax,
      fallback: LIMITS.httpPageDefault,
    });
    const filter = typeFilter(query.type);
    const list = `events/${query.type ?? ""}`;
    const from =
      query.after === undefined
        ? integer(query.from, "from", { min: 0, max: Number.MAX_SAFE_INTEGER, fallback: 0 })
        : decodeIndexCursor(list, query.after);
    const proof = proofRequest(query);
    if (proof !== undefined) {
      // A proof is of all events of a range, by the newest header.
      for (const parameter of ["type", "atHeight"] as const) {
        if (query[parameter] === undefined) continue;
        const detail = `${parameter} and proof exclude each other`;
        throw new TetradError("http.bad-parameter", detail, { parameter });
      }
      const body = await provenPage(context, request, reply, { from, limit, list }, proof);
      return reply.header("cache-control", "no-cache").send(body);
    }
    const logSize = logSizeAt(context, query.atHeight);
    // Before the page is read: what it says of the log is then what it was read from.
    const log = logAt(context, query.atHeight);
    const { entries, next } = await context.load.work.run(request, (turn) =>
      scan(context, from, {
        end: logSize,
        limit,
        bytesMax: LIMITS.httpPageBytesMax,
        filter,
        turn,
        charge: (count, bytes) => context.load.outgoing.addItems(reply, count, bytes),
      }),
    );
    const more = next < logSize;
    const cursor = encodeIndexCursor(list, next);
    if (more) {
      const type = query.type === undefined ? "" : `&type=${encodeURIComponent(query.type)}`;
      const at = query.atHeight === undefined ? "" : `&atHeight=${query.atHeight}`;
      reply.header("link", `</v1/events?after=${cursor}&limit=${limit}${type}${at}>; rel="next"`);
    }
    return reply.header("cache-control", "no-cache").send({
      items: entries.map((entry) => entryJson(entry, context.formats, context.handle.timeOf)),
      // Always there: at the end of the log it is where the next page will begin.
      next: cursor,
      more,
      ...log,
    });
  });
};
