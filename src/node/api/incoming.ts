/**
 * The bodies of requests that are being read or worked on, counted over all connections, and for each client,
 * before the first byte is read: by the length that the request says, or by the most that it may have where
 * it says none.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { TetradError } from "../../errors.ts";
import type { Metrics } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import { clientOf, Shares } from "./shares.ts";

const lengthOf = ({ headers }: FastifyRequest): number => {
  if (headers["transfer-encoding"] !== undefined) return LIMITS.httpBodyBytesMax;
  const length = Number(headers["content-length"] ?? 0);
  return Number.isSafeInteger(length) ? Math.min(length, LIMITS.httpBodyBytesMax) : 0;
};

export class Incoming {
  readonly #metrics: Metrics;
  readonly #shares = new Shares(LIMITS.httpIncomingBytesMax, LIMITS.httpClientIncomingBytesMax);

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Charges the request's body until its answer is gone. Throws node.overloaded. */
  take(request: FastifyRequest, reply: FastifyReply): void {
    const bytes = lengthOf(request);
    if (bytes === 0) return;
    const client = clientOf(request.raw.socket.remoteAddress);
    if (!this.#shares.take(client, bytes)) {
      throw new TetradError("node.overloaded", "Too many requests are being read at once");
    }
    this.#gauge();
    reply.raw.once("close", () => {
      this.#shares.give(client, bytes);
      this.#gauge();
    });
  }

  #gauge(): void {
    this.#metrics.gauge("http_incoming_bytes", this.#shares.total);
  }
}
