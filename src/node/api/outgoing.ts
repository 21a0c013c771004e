/**
 * The bytes of answers that clients have not taken yet, counted over all connections. A client decides how
 * fast it reads, so what is waiting for it must be bounded, as a whole and for each client: past the bound a
 * page is refused with node.overloaded, and a client that has not taken its answer in time is cut off.
 *
 * A page is charged while it is read, before its text exists, by what the text will be at most; when the
 * text is made the charge becomes its length. Small answers are always given, so that a supervisor still
 * hears of a node whose pages are stuck.
 */
import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import { TetradError } from "../../errors.ts";
import type { Metrics, Timers } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import { clientOf, Shares } from "./shares.ts";

/** An event in an answer: its payload in base64, the same again as `data`, names and hashes. */
const TEXT_PER_BYTE = 3;
const TEXT_PER_ITEM = 512;

type Lease = { readonly client: string; bytes: number };

export class Outgoing {
  readonly #timers: Timers;
  readonly #metrics: Metrics;
  readonly #leases = new WeakMap<ServerResponse, Lease>();
  readonly #shares = new Shares(LIMITS.httpOutgoingBytesMax, LIMITS.httpClientOutgoingBytesMax);

  constructor(timers: Timers, metrics: Metrics) {
    this.#timers = timers;
    this.#metrics = metrics;
  }

  get bytes(): number {
    return this.#shares.total;
  }

  /** Charges items that were read for an answer. Throws node.overloaded. */
  addItems(reply: FastifyReply, count: number, bytes: number): void {
    const lease = this.#leaseOf(reply.raw);
    this.#set(lease, lease.bytes + count * TEXT_PER_ITEM + bytes * TEXT_PER_BYTE);
  }

  /** The answer is made and this long: the client has a minute to take it. Throws node.overloaded. */
  setBody(reply: FastifyReply, bytes: number): void {
    const response = reply.raw;
    const lease = this.#leaseOf(response);
    if (bytes <= LIMITS.httpSmallAnswerBytesMax) {
      this.#release(lease);
      if (bytes === 0) return;
    } else this.#set(lease, bytes);
    const cancel = this.#timers.set(LIMITS.httpStallMsMax, () => {
      this.#metrics.count("http_answers_dropped_total");
      response.destroy();
    });
    response.once("finish", cancel);
    response.once("close", cancel);
  }

  #leaseOf(response: ServerResponse): Lease {
    const known = this.#leases.get(response);
    if (known !== undefined) return known;
    const client = clientOf(response.socket?.remoteAddress);
    const lease: Lease = { client, bytes: 0 };
    this.#leases.set(response, lease);
    const release = (): void => this.#release(lease);
    // "finish" is when the last byte was handed to the system: the memory is ours no more.
    response.once("finish", release);
    response.once("close", release);
    return lease;
  }

  #set(lease: Lease, bytes: number): void {
    this.#shares.give(lease.client, lease.bytes);
    const taken = this.#shares.take(lease.client, bytes);
    lease.bytes = taken ? bytes : 0;
    this.#gauge();
    if (taken) return;
    throw new TetradError("node.overloaded", "Too much that clients asked for is not taken yet");
  }

  #release(lease: Lease): void {
    this.#shares.give(lease.client, lease.bytes);
    lease.bytes = 0;
    this.#gauge();
  }

  #gauge(): void {
    this.#metrics.gauge("http_outgoing_bytes", this.#shares.total);
  }
}
