/** One event of the log by its index, as values or with a proof. */
import type { FastifyInstance } from "fastify";
import { type Result, TetradError } from "../../errors.ts";
import type { Bundle } from "../../ledger/verify/bundle.ts";
import { LIMITS } from "../../limits.ts";
import { IMMUTABLE } from "./caching.ts";
import type { ApiContext } from "./context.ts";
import { entryJson } from "./json.ts";
import { described, type Operation, values } from "./openapi/operation.ts";
import { COUNT, ref } from "./openapi/schemas.ts";
import { bundleAnswer, PROOF_QUERY, proofRequest, whenProvable } from "./proof.ts";
import { flag, integer, readQuery } from "./query.ts";
import { readEvents } from "./read.ts";

const EVENT = {
  id: "getEvent",
  tag: "ledger",
  summary: "one event of the log, or a proof of it",
  description:
    "With proof=true the answer is a proof bundle: of the event, its outcome and who signed it, or that " +
    "the log ends before the index. The same index is the same event for ever.",
  path: { index: { description: "global index, from 0", schema: COUNT } },
  query: {
    ...PROOF_QUERY,
    newest: {
      description: "with proof: by the newest header, not by the first that commits to the event",
      schema: { type: "boolean", default: false },
    },
    waitMs: {
      description: "with proof: how long to wait for a header that commits to it",
      schema: {
        type: "integer",
        minimum: 0,
        maximum: LIMITS.httpWaitMsMax,
        default: LIMITS.httpProofWaitMs,
      },
    },
  },
  answers: {
    200: {
      description: "the event; with proof=true a proof bundle, also when there is no such event",
      content: values({ oneOf: [ref("Event"), ref("Proof")] }),
    },
  },
  problems: ["http.not-found", "proof.pending", "proof.too-long", "store.corrupt", "store.io"],
} as const satisfies Operation;

export const eventRoute = (app: FastifyInstance, context: ApiContext): void => {
  app.get<{ Params: { index: string } }>(
    "/v1/events/:index",
    described(EVENT),
    async (request, reply) => {
      const query = readQuery(request, EVENT.query);
      const proof = proofRequest(query);
      const newest = flag(query.newest, "newest");
      if (proof === undefined) {
        const parameter = newest ? "newest" : query.waitMs === undefined ? undefined : "waitMs";
        if (parameter !== undefined) {
          throw new TetradError("http.bad-parameter", `${parameter} is of proofs`, { parameter });
        }
      }
      const max = Number.MAX_SAFE_INTEGER - 1;
      const index = integer(request.params.index, "index", { min: 0, max, fallback: 0 });
      const { handle } = context;
      if (proof !== undefined) {
        const attempt = (done: (result: Result<Bundle>) => void): void =>
          handle.proofs().event(index, { ...proof, newest }, done);
        const bundle = await whenProvable(context, request, proof.waitMs, attempt);
        const isFinal = bundle.claim.kind === "events" && !newest;
        // What an index names does not change, and a proof that was right stays right.
        reply.header("cache-control", isFinal ? IMMUTABLE : "no-cache");
        return reply.send(bundleAnswer(context, reply, bundle));
      }
      const [entry] = (await readEvents(context, index, 1)).entries;
      if (entry === undefined) {
        const { logSize } = handle.status();
        throw new TetradError("http.not-found", `The log has ${logSize} events, from 0`);
      }
      context.load.outgoing.addItems(reply, 1, entry.event.bytes.length);
      return reply
        .header("cache-control", IMMUTABLE)
        .send(entryJson(entry, context.formats, handle.timeOf));
    },
  );
};
