/** Submission of batches, what became of them, and the state of an actor's lane. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { ERRORS, type ErrorCode, TetradError } from "../../errors.ts";
import { batchIdOf } from "../../ledger/batch.ts";
import type { BatchReceipt, WaitLevel } from "../../ledger/handle.ts";
import { LIMITS } from "../../limits.ts";
import { IMMUTABLE } from "./caching.ts";
import type { ApiContext } from "./context.ts";
import { laneJson, receiptJson } from "./json.ts";
import {
  type Content,
  described,
  type Operation,
  type Parameters,
  values,
} from "./openapi/operation.ts";
import { HASH, hashParameter, ref } from "./openapi/schemas.ts";
import { hash, integer, oneOf, readQuery } from "./query.ts";
import { waitFor } from "./waiting.ts";

const LEVELS: readonly WaitLevel[] = ["accepted", "committed", "projected"];
const BATCH_TYPE = "application/octet-stream";

/** What every operation has whose body is a batch. */
export const BATCH_BODY = {
  headers: {
    "Idempotency-Key": {
      description: "the id of the batch, which is its identity with and without this header",
      schema: HASH,
    },
  },
  body: {
    description: "the bytes of one batch, as docs/protocol.md lays them out",
    content: { [BATCH_TYPE]: { type: "string", maxLength: LIMITS.httpBodyBytesMax } },
  },
} as const satisfies {
  readonly headers: Parameters;
  readonly body: { description: string; content: Content };
};

const SUBMIT = {
  id: "submitBatch",
  tag: "ledger",
  summary: "submit a signed batch",
  description:
    "The signature of the batch authorises it. Sending the same bytes again is harmless at any time, and is how the outcome is learnt.",
  query: {
    wait: { description: "what is waited for", schema: { enum: LEVELS, default: "accepted" } },
    waitMs: {
      description: "ends the wait with http.timeout; the batch is taken all the same",
      schema: { type: "integer", minimum: 1, maximum: LIMITS.httpWaitMsMax },
    },
  },
  ...BATCH_BODY,
  answers: {
    200: { description: "committed or projected", content: values(ref("Receipt")) },
    202: {
      description: "in this node's memory; nothing is promised",
      content: values(ref("Receipt")),
    },
  },
  problems: [
    ...(Object.keys(ERRORS) as ErrorCode[]).filter((code) => code.startsWith("batch.")),
    "encoding.malformed",
    "event.unknown-type",
    "event.invalid",
    "http.body-too-large",
    "http.media-type",
    "http.timeout",
    "http.idempotency",
    "node.not-ready",
  ],
} as const satisfies Operation;

const FIND = {
  id: "getBatch",
  tag: "ledger",
  summary: "what became of an executed batch",
  path: { id: hashParameter("batch id") },
  query: {},
  answers: { 200: { description: "its outcomes", content: values(ref("Receipt")) } },
  problems: ["batch.not-found"],
} as const satisfies Operation;

const LANE = {
  id: "getLane",
  tag: "ledger",
  summary: "where an actor's next batch goes",
  path: { actor: hashParameter("id of the actor") },
  query: {},
  answers: { 200: { description: "head of the lane", content: values(ref("Lane")) } },
} as const satisfies Operation;

export const batchRoutes = (app: FastifyInstance, context: ApiContext): void => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(BATCH_TYPE, { parseAs: "buffer" }, (_request, body, done) => {
    done(null, body);
  });

  app.post("/v1/batches", described(SUBMIT), async (request, reply) => {
    const query = readQuery(request, SUBMIT.query);
    const level = oneOf(query.wait, "wait", LEVELS, "accepted");
    const waitMs = integer(query.waitMs, "waitMs", {
      min: 1,
      max: LIMITS.httpWaitMsMax,
      fallback: LIMITS.httpWaitMsMax,
    });
    const bytes = batchOf(context, request);
    const receipt = await submit(context, request, bytes, level, waitMs);
    // Nothing is promised before the block is synced here, and the status says so.
    return reply.status(receipt.level === "accepted" ? 202 : 200).send(receiptJson(receipt));
  });

  app.get<{ Params: { id: string } }>(
    "/v1/batches/:id",
    described(FIND),
    async (request, reply) => {
      readQuery(request, FIND.query);
      const id = hash(request.params.id, "id");
      const found = context.handle.receipt(id);
      if (found === undefined) {
        throw new TetradError("batch.not-found", "No executed block on this node holds this batch");
      }
      // What is executed never changes.
      return reply.header("cache-control", IMMUTABLE).send(receiptJson(found));
    },
  );

  app.get<{ Params: { actor: string } }>(
    "/v1/lanes/:actor",
    described(LANE),
    async (request, reply) => {
      readQuery(request, LANE.query);
      const actor = hash(request.params.actor, "actor");
      return reply.header("cache-control", "no-cache").send(laneJson(context.handle.lane(actor)));
    },
  );
};

/**
 * The bytes of the batch that a request has as its body. Throws http.media-type, and http.idempotency where
 * the header names another batch: it says nothing that the batch does not say, so a client that mixes batches
 * up is told. What has no id is no batch, which its decoder says better.
 */
export const batchOf = (context: ApiContext, request: FastifyRequest): Uint8Array => {
  const { headers, body } = request;
  const coding = headers["content-encoding"] ?? "identity";
  if (!(body instanceof Uint8Array) || coding.toLowerCase() !== "identity") {
    throw new TetradError("http.media-type", `A batch is sent as ${BATCH_TYPE}, without a coding`);
  }
  // A copy: the framework's buffer may be a slice of a shared pool.
  const bytes = new Uint8Array(body);
  const key = headers["idempotency-key"];
  if (key === undefined) return bytes;
  const id = batchIdOf(createHasher(context.chainId), bytes);
  // A structured string (RFC 9651, 3.3.3) has quotes, which the value is without.
  if (id === undefined || String(key).replace(/^"(.*)"$/, "$1") === toHex(id)) return bytes;
  throw new TetradError(
    "http.idempotency",
    "Idempotency-Key is the id of the batch, 64 hex digits",
  );
};

/** Hands a batch to the ledger and waits for the level, the time limit, the client or the stop. */
export const submit = (
  context: ApiContext,
  request: FastifyRequest,
  bytes: Uint8Array,
  level: WaitLevel,
  waitMs: number,
): Promise<BatchReceipt> =>
  waitFor(context, request, {
    waitMs,
    late: `The batch was taken but is not ${level} after ${waitMs} ms; sending it again is harmless`,
    start: (resolve) => context.handle.submit(bytes, level, resolve),
  });
