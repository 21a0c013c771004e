/**
 * What a client that does not read may cost. An answer lies in memory until its client has taken it, so the
 * bytes of all of them have a limit, and each has a time: a client that opens many connections and reads
 * none of them gets 503 on the next, and loses them after a minute. Event streams have bounds of their own.
 */
import type { FastifyReply } from "fastify";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiContext } from "./context.ts";

/** Smaller answers fit the socket's own buffer, and are let through so that health can always be asked. */
const SMALL_BYTES = 64 * 1024;

const sizeOf = (payload: unknown): number => {
  if (typeof payload === "string") return Buffer.byteLength(payload);
  return payload instanceof Uint8Array ? payload.length : 0;
};

/** Counts an answer until it is taken or its connection ends. Throws "node.overloaded" past the limit. */
export const boundAnswer = (context: ApiContext, reply: FastifyReply, payload: unknown): void => {
  const bytes = sizeOf(payload);
  if (bytes <= SMALL_BYTES) return;
  const { load, timers } = context;
  if (load.answerBytes + bytes > LIMITS.httpAnswerBytesMax) {
    context.metrics.count("http_answers_refused_total");
    throw new TetradError("node.overloaded", "Clients have not taken their answers; try later");
  }
  load.answerBytes += bytes;
  const response = reply.raw;
  const cancel = timers.set(LIMITS.httpAnswerMsMax, () => {
    context.metrics.count("http_answers_dropped_total");
    response.destroy();
  });
  response.once("close", () => {
    cancel();
    load.answerBytes -= bytes;
  });
};
