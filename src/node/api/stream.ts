/**
 * The event stream: Server-Sent Events, or NDJSON where a client asks for it (stream-framing.ts).
 * The id of a message is the global index, so that a client that
 * reconnects with Last-Event-ID goes on without a gap and without a repeat.
 *
 * Catching up and following live are one loop: the log itself is the queue. A subscriber holds one piece
 * (64 KiB of events, or one event) and a position; when its socket is full the loop waits, and a client
 * that takes nothing for a minute is dropped and may resume, as is who has waited longest when all that
 * waits is too much (stream-load.ts). What is new is read and written as text once for all. Messages:
 *
 *     (default)          id: index     one event
 *     event: checkpoint  id: index of the last event looked at   {height, logSize, logRoot, next, …}
 *     : heartbeat        a comment when nothing else was sent
 */
import type { ServerResponse } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiContext } from "./context.ts";
import { corsHeaders } from "./cors.ts";
import { entryJson } from "./json.ts";
import { described, type Operation } from "./openapi/operation.ts";
import { COUNT, TYPE } from "./openapi/schemas.ts";
import { integer, readQuery, type TypeFilter, typeFilter } from "./query.ts";
import { scan } from "./read.ts";
import { clientOf, Shares } from "./shares.ts";
import { type Framing, framingOf } from "./stream-framing.ts";
import { RecentPages, Stalled, type StreamPage } from "./stream-load.ts";

/** Entries after which a filtered stream says how far it has looked even when nothing matched. */
const PAGE = 64;

const INDEX = { min: 0, max: Number.MAX_SAFE_INTEGER - 1 } as const;

const STREAM = {
  id: "streamEvents",
  tag: "ledger",
  summary: "the log as Server-Sent Events, or as NDJSON by `Accept: application/x-ndjson`",
  description:
    "Follows the log until the client goes away. The id of a message is the index of its event.",
  query: {
    from: {
      description: "index to begin at, or `end`",
      schema: { anyOf: [{ ...COUNT, maximum: INDEX.max }, { const: "end" }], default: 0 },
    },
    type: TYPE,
  },
  headers: {
    "Last-Event-ID": {
      description: "the last index that the client has; wins over from",
      schema: { ...COUNT, maximum: INDEX.max },
    },
  },
  answers: {
    200: {
      description: "one message an event, and checkpoints",
      content: {
        "text/event-stream": { type: "string" },
        "application/x-ndjson": { type: "string" },
      },
    },
  },
  caching: "none",
} as const satisfies Operation;

/** Where to begin: Last-Event-ID + 1 (a reconnect wins over the URL), ?from=, or the end for "end". */
const startOf = (
  context: ApiContext,
  request: FastifyRequest,
  from: string | undefined,
): number => {
  const last = request.headers["last-event-id"];
  if (typeof last === "string" && last !== "") {
    return integer(last, "Last-Event-ID", { ...INDEX, fallback: 0 }) + 1;
  }
  if (from === "end") return context.handle.status().logSize;
  return integer(from, "from", { ...INDEX, fallback: 0 });
};

/** What an answer begins with, also to HEAD. */
const beginningOf = (framing: Framing): Readonly<Record<string, string>> => ({
  "content-type": framing.contentType,
  "cache-control": "no-store",
  vary: "accept",
  "x-accel-buffering": "no",
});

export const streamRoutes = (app: FastifyInstance, context: ApiContext): void => {
  const slots = new Shares(LIMITS.httpSubscribersMax, LIMITS.httpClientSubscribersMax);
  const shared: SharedLoad = { pages: new RecentPages(), stalled: new Stalled() };
  // The framework would make HEAD of GET, which does not end; and without one HEAD were of an event "stream".
  app.head("/v1/events/stream", described(STREAM), async (request, reply) => {
    const query = readQuery(request, STREAM.query);
    typeFilter(query.type);
    startOf(context, request, query.from);
    return reply.headers(beginningOf(framingOf(request.headers.accept))).send();
  });
  app.get(
    "/v1/events/stream",
    { exposeHeadRoute: false, ...described(STREAM) },
    async (request, reply) => {
      const query = readQuery(request, STREAM.query);
      const filter = typeFilter(query.type);
      const position = startOf(context, request, query.from);
      const client = clientOf(request.raw.socket.remoteAddress);
      if (!slots.take(client, 1)) throw new TetradError("node.overloaded", "Too many subscribers");
      reply.hijack();
      const framing = framingOf(request.headers.accept);
      const list = `${framing.contentType}/${query.type ?? ""}`;
      const subscription = { position, filter, framing, list, client };
      const subscriber = new Subscriber(context, shared, reply.raw, subscription, () => {
        slots.give(client, 1);
        context.metrics.gauge("http_subscribers", slots.total);
      });
      context.metrics.gauge("http_subscribers", slots.total);
      subscriber.start(request.id);
    },
  );
};

type Subscription = {
  readonly position: number;
  readonly filter: TypeFilter | undefined;
  readonly framing: Framing;
  /** Equal for subscribers that get the same bytes at the same position. */
  readonly list: string;
  readonly client: string;
};

/** Whose turns the newest events are read in: no address is written so. */
const LIVE = "live";

type SharedLoad = { readonly pages: RecentPages; readonly stalled: Stalled };

class Subscriber {
  readonly #context: ApiContext;
  readonly #shared: SharedLoad;
  readonly #response: ServerResponse;
  readonly #filter: TypeFilter | undefined;
  readonly #framing: Framing;
  readonly #list: string;
  readonly #client: string;
  readonly #ended: () => void;
  readonly #undo: (() => void)[] = [];
  #position: number;
  #checkpointAt = -1;
  #running = false;
  #again = false;
  #open = true;
  #cancelHeartbeat: () => void = () => {};

  constructor(
    context: ApiContext,
    shared: SharedLoad,
    response: ServerResponse,
    { position, filter, framing, list, client }: Subscription,
    ended: () => void,
  ) {
    this.#context = context;
    this.#shared = shared;
    this.#response = response;
    this.#position = position;
    this.#filter = filter;
    this.#framing = framing;
    this.#list = list;
    this.#client = client;
    this.#ended = ended;
  }

  start(requestId: string): void {
    const { handle, load } = this.#context;
    this.#response.writeHead(200, {
      ...corsHeaders("GET", "/v1/events/stream"),
      ...beginningOf(this.#framing),
      "x-content-type-options": "nosniff",
      "ledger-height": String(handle.status().executedHeight),
      "ledger-checkpoint": `${handle.status().logSize} ${toHex(handle.status().logRoot)}`,
      "ledger-genesis": toHex(handle.status().genesisHash),
      "request-id": requestId,
    });
    const stop = (): void => this.end();
    this.#response.once("close", stop);
    this.#response.on("error", stop);
    load.onStop.add(stop);
    this.#undo.push(
      () => load.onStop.delete(stop),
      handle.onExecuted(() => this.#kick()),
      () => this.#cancelHeartbeat(),
    );
    if (this.#framing.preamble !== "") this.#response.write(this.#framing.preamble);
    this.#response.flushHeaders();
    this.#armHeartbeat();
    this.#kick();
  }

  /** Ends the stream; the client may come back with the last id it has seen. */
  end(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const step of this.#undo) step();
    this.#response.end();
    this.#ended();
  }

  #armHeartbeat(): void {
    this.#cancelHeartbeat();
    this.#cancelHeartbeat = this.#context.timers.set(LIMITS.httpHeartbeatMs, () => {
      if (!this.#open) return;
      // A socket that is full needs no sign of life, and must not be given more.
      if (!this.#response.writableNeedDrain) this.#response.write(this.#framing.heartbeat);
      this.#armHeartbeat();
    });
  }

  /** Runs the loop, or has it look once more when it is running. */
  #kick(): void {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    this.#pump()
      .catch((error: unknown) => {
        const cause = error instanceof Error ? error.message : String(error);
        this.#context.logger.log("warn", "an event stream ended early", { cause });
        this.end();
      })
      .finally(() => {
        this.#running = false;
      });
  }

  async #pump(): Promise<void> {
    do {
      this.#again = false;
      while (this.#open && this.#position < this.#context.handle.status().logSize) {
        const before = this.#position;
        const { bytes, next } = await this.#page();
        if (!this.#open || next === before) break;
        this.#position = next;
        await this.#send(bytes);
      }
      await this.#checkpoint();
    } while (this.#again && this.#open);
  }

  /** The next events: of all who are at this place, the first reads them for all. */
  #page(): Promise<StreamPage> {
    const from = this.#position;
    return this.#shared.pages.get(this.#list, from, () => this.#read(from));
  }

  async #read(from: number): Promise<StreamPage> {
    const { formats, handle } = this.#context;
    // Whoever asks first for what is new reads it for all, so it is not charged to its own turns.
    const isNew = this.#filter === undefined && handle.status().logSize - from <= PAGE;
    const { entries, next } = await scan(this.#context, from, {
      turn: () => this.#context.load.work.turn(isNew ? LIVE : this.#client),
      limit: PAGE,
      bytesMax: LIMITS.httpSubscriberBytesMax,
      filter: this.#filter,
      // Bounded by what may wait for all subscribers together.
      charge: () => {},
    });
    let text = "";
    for (const entry of entries) {
      const json = JSON.stringify(entryJson(entry, formats, handle.timeOf));
      text += this.#framing.event(entry.index, json);
    }
    return { bytes: Buffer.from(text), next };
  }

  /** Once per height that was reached: how far this stream is, and what the log is there. */
  async #checkpoint(): Promise<void> {
    const status = this.#context.handle.status();
    if (!this.#open || status.executedHeight <= this.#checkpointAt) return;
    this.#checkpointAt = status.executedHeight;
    const data = JSON.stringify({
      chainId: status.chainId,
      genesisHash: toHex(status.genesisHash),
      height: status.executedHeight,
      logSize: status.logSize,
      logRoot: toHex(status.logRoot),
      next: this.#position,
    });
    await this.#send(Buffer.from(this.#framing.checkpoint(this.#position - 1, data)));
  }

  /** Writes and waits for the socket to take it; a client that takes nothing for long is dropped. */
  async #send(bytes: Uint8Array): Promise<void> {
    if (!this.#open || bytes.length === 0) return;
    this.#armHeartbeat();
    if (this.#response.write(bytes)) return;
    const { stalled } = this.#shared;
    const drained = await new Promise<boolean>((resolve) => {
      const finish = (value: boolean): void => {
        cancel();
        stalled.remove(drop);
        this.#response.off("drain", onDrain);
        this.#response.off("close", drop);
        resolve(value);
      };
      const onDrain = (): void => finish(true);
      const drop = (): void => finish(false);
      const cancel = this.#context.timers.set(LIMITS.httpStallMsMax, drop);
      this.#response.once("drain", onDrain);
      this.#response.once("close", drop);
      stalled.add(drop, bytes.length);
    });
    if (drained || !this.#open) return;
    this.#context.metrics.count("http_subscribers_dropped_total");
    this.end();
    this.#response.destroy();
  }
}
