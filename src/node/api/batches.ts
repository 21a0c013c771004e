/** Submission of batches, what became of them, and the state of an actor's lane. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { fail, type Result, TetradError } from "../../errors.ts";
import type { BatchReceipt, WaitLevel } from "../../ledger/handle.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiContext } from "./context.ts";
import { laneJson, receiptJson } from "./json.ts";
import { hash, integer, oneOf, readQuery } from "./query.ts";

const LEVELS: readonly WaitLevel[] = ["accepted", "committed", "projected"];
const BATCH_TYPE = "application/octet-stream";

export const batchRoutes = (app: FastifyInstance, context: ApiContext): void => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(BATCH_TYPE, { parseAs: "buffer" }, (_request, body, done) => {
    done(null, body);
  });

  app.post("/v1/batches", async (request, reply) => {
    const query = readQuery(request, ["wait", "waitMs"]);
    const level = oneOf(query.wait, "wait", LEVELS, "accepted");
    const waitMs = integer(query.waitMs, "waitMs", {
      min: 1,
      max: LIMITS.httpWaitMsMax,
      fallback: LIMITS.httpWaitMsMax,
    });
    if (!(request.body instanceof Uint8Array)) {
      throw new TetradError("http.media-type", `A batch is sent as ${BATCH_TYPE}`);
    }
    // A copy: the framework's buffer may be a slice of a shared pool.
    const receipt = await submit(context, request, new Uint8Array(request.body), level, waitMs);
    // Nothing is promised before the block is synced here, and the status says so.
    return reply.status(receipt.level === "accepted" ? 202 : 200).send(receiptJson(receipt));
  });

  app.get<{ Params: { id: string } }>("/v1/batches/:id", async (request, reply) => {
    readQuery(request, []);
    const id = hash(request.params.id, "id");
    const found = context.handle.receipt(id);
    if (found === undefined) {
      throw new TetradError("batch.not-found", "No executed block on this node holds this batch");
    }
    return reply.send(receiptJson(found));
  });

  app.get<{ Params: { actor: string } }>("/v1/lanes/:actor", async (request, reply) => {
    readQuery(request, []);
    const actor = hash(request.params.actor, "actor");
    return reply.header("cache-control", "no-store").send(laneJson(context.handle.lane(actor)));
  });
};

/** Hands a batch to the ledger and waits for the level, the time limit, the client or the stop. */
const submit = async (
  context: ApiContext,
  request: FastifyRequest,
  bytes: Uint8Array,
  level: WaitLevel,
  waitMs: number,
): Promise<BatchReceipt> => {
  const { load } = context;
  if (load.waiters >= LIMITS.httpWaitersMax) {
    throw new TetradError("node.overloaded", "Too many requests wait for an outcome");
  }
  load.waiters += 1;
  const undo: (() => void)[] = [];
  try {
    const result = await new Promise<Result<BatchReceipt>>((resolve) => {
      undo.push(context.handle.submit(bytes, level, resolve));
      const stopped = (): void => resolve(fail("node.stopping", "The node is stopping"));
      load.onStop.add(stopped);
      undo.push(() => load.onStop.delete(stopped));
      const late = fail(
        "http.timeout",
        `The batch was taken but is not ${level} after ${waitMs} ms; sending it again is harmless`,
      );
      undo.push(context.timers.set(waitMs, () => resolve(late)));
      const gone = (): void => resolve(fail("http.timeout", "The client went away"));
      request.raw.socket.once("close", gone);
      undo.push(() => request.raw.socket.off("close", gone));
    });
    if (!result.ok) throw TetradError.from(result);
    return result.value;
  } finally {
    load.waiters -= 1;
    for (const step of undo) step();
  }
};
