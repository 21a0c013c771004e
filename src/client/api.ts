/**
 * A client of one node's HTTP API. Answers are checked for the shape that is relied on; problems become
 * errors of the error table. Only fetch is used, so that it also runs in a browser.
 *
 * A client is of one chain, that of the first answer: positions and cursors mean nothing on another one, so
 * an answer of another chain at the same address is folder.foreign.
 */
import { ERRORS, isErrorCode, TetradError } from "../errors.ts";
import type { WaitLevel } from "../ledger/handle.ts";
import { createSseParser, type SseMessage } from "./sse.ts";

export type JsonObject = { readonly [key: string]: unknown };

export type StatusJson = {
  readonly name: string;
  readonly nodeId: string;
  readonly chainId: string;
  readonly genesisHash: string;
  readonly leader: string;
  readonly view: number;
  readonly finalHeight: number;
  readonly finalTimeMs?: number;
  readonly executedHeight: number;
  readonly logSize: number;
  readonly logRoot: string;
  readonly stateRoot: string;
  readonly refHeight: number;
  readonly refHash: string;
  readonly voting: string;
  readonly peers: readonly string[];
  readonly problems: readonly { readonly code: string; readonly detail: string }[];
  readonly viewTimeMs: number;
  readonly mempoolBatches: number;
};

export type OutcomeJson = { readonly kind: "accepted" | "refused"; readonly code?: string };

export type ReceiptJson = {
  readonly batchId: string;
  readonly level: WaitLevel;
  readonly height?: number;
  readonly firstIndex?: number;
  readonly outcomes?: readonly OutcomeJson[];
};

export type LaneJson = {
  readonly laneSeq: number;
  readonly batchId: string;
  readonly pendingSeq: number;
  readonly pendingId: string;
};

export type EventJson = {
  readonly index: number;
  readonly height: number;
  readonly time?: string;
  readonly batchId: string;
  readonly position: number;
  readonly type: string;
  readonly version: number;
  readonly outcome: OutcomeJson;
  readonly data?: unknown;
  readonly payload: string;
};

export type RowJson = { readonly key: string; readonly value: unknown };

/** Characters of one stream message: an event of 60 KiB in base64, twice, with room. */
const MESSAGE_CHARACTERS_MAX = 1024 * 1024;

/** Items asked for at a time. */
const PAGE = 500;

type Query = Readonly<Record<string, string | number | undefined>>;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A problem document as the error it stands for. */
const problemError = (status: number, body: unknown): TetradError => {
  if (isObject(body) && isErrorCode(body["code"])) {
    const detail = typeof body["detail"] === "string" ? body["detail"] : ERRORS[body["code"]].title;
    return new TetradError(body["code"], detail);
  }
  return new TetradError("cli.unreachable", `the answer (HTTP ${status}) is not of this API`);
};

export class ApiClient {
  readonly base: string;
  #genesisHash: string | undefined;

  /** Throws cli.usage for a base that is no http(s) URL. */
  constructor(base: string) {
    const url = URL.canParse(base) ? new URL(base) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
      throw new TetradError("cli.usage", `"${base}" is not an API address like http://[::1]:8440`);
    }
    this.base = url.origin;
  }

  #url(path: string, query: Query = {}): string {
    const url = new URL(path, this.base);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return url.href;
  }

  /** Remembers the chain of the first answer; throws folder.foreign when a later one is of another. */
  checkChain(genesisHash: string | null): void {
    if (genesisHash === null) return;
    this.#genesisHash ??= genesisHash;
    if (this.#genesisHash === genesisHash) return;
    const [now, before] = [genesisHash, this.#genesisHash].map((hash) => hash.slice(0, 12));
    throw new TetradError(
      "folder.foreign",
      `${this.base} serves another chain now (genesis ${now}…, before ${before}…)`,
    );
  }

  /** Throws cli.unreachable when nobody answers. */
  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const response = await this.#send(url, init);
    try {
      this.checkChain(response.headers.get("ledger-genesis"));
    } catch (error) {
      await response.body?.cancel();
      throw error;
    }
    return response;
  }

  async #send(url: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, { ...init, redirect: "error" });
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      const cause = error instanceof Error ? error.cause : undefined;
      const code =
        isObject(cause) && typeof cause["code"] === "string" ? ` (${cause["code"]})` : "";
      throw new TetradError("cli.unreachable", `no node answers at ${this.base}${code}`);
    }
  }

  async #json(url: string, init: RequestInit): Promise<JsonObject> {
    const response = await this.#fetch(url, init);
    let body: unknown;
    try {
      body = await response.json();
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      // The connection may have ended inside the answer: the caller may try again.
      throw new TetradError("cli.unreachable", `the answer of ${this.base} was cut off`);
    }
    if (!response.ok) throw problemError(response.status, body);
    if (!isObject(body)) throw problemError(response.status, body);
    return body;
  }

  /** GET of any path; problems are thrown. */
  async get(path: string, query: Query = {}, signal?: AbortSignal): Promise<JsonObject> {
    return this.#json(this.#url(path, query), withSignal({}, signal));
  }

  async status(signal?: AbortSignal): Promise<StatusJson> {
    const body = await this.get("/v1/status", {}, signal);
    if (typeof body["genesisHash"] !== "string" || typeof body["executedHeight"] !== "number") {
      throw problemError(200, undefined);
    }
    this.checkChain(body["genesisHash"]);
    return body as unknown as StatusJson;
  }

  async lane(actor: string, signal?: AbortSignal): Promise<LaneJson> {
    const body = await this.get(`/v1/lanes/${actor}`, {}, signal);
    if (typeof body["pendingSeq"] !== "number" || typeof body["pendingId"] !== "string") {
      throw problemError(200, undefined);
    }
    return body as unknown as LaneJson;
  }

  /**
   * Submits a signed batch. Doing it twice is harmless: the batch id is the identity. The node waits for
   * the level for `waitMs` at most and then answers http.timeout; without it, as long as nodes wait.
   */
  async submit(
    bytes: Uint8Array,
    wait: WaitLevel,
    signal?: AbortSignal,
    waitMs?: number,
  ): Promise<ReceiptJson> {
    const init: RequestInit = {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: bytes.slice(),
    };
    const url = this.#url("/v1/batches", { wait, waitMs });
    const body = await this.#json(url, withSignal(init, signal));
    if (typeof body["batchId"] !== "string") throw problemError(200, undefined);
    return body as unknown as ReceiptJson;
  }

  /** Rows of a paged list until `limit` were given or the list ends. */
  async *items(
    path: string,
    query: Query,
    limit: number,
    signal?: AbortSignal,
  ): AsyncGenerator<unknown> {
    let left = limit;
    let cursor: Query = query;
    while (left > 0) {
      const page = await this.get(path, { ...cursor, limit: Math.min(left, PAGE) }, signal);
      if (!Array.isArray(page["items"])) throw problemError(200, undefined);
      for (const item of page["items"] as unknown[]) {
        yield item;
        left -= 1;
      }
      if (page["more"] === false || typeof page["next"] !== "string") return;
      // A cursor stands for the place, so it takes the place of what named the first one.
      const { from: _, ...filters } = query;
      cursor = { ...filters, after: page["next"] };
    }
  }

  /** One connection to the event stream, until it ends. Resuming is the caller's (tail.ts). */
  async *stream(query: Query, lastId: string, signal: AbortSignal): AsyncGenerator<SseMessage> {
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (lastId !== "") headers["last-event-id"] = lastId;
    const response = await this.#fetch(this.#url("/v1/events/stream", query), { headers, signal });
    if (!response.ok) throw problemError(response.status, await response.json().catch(() => null));
    if (response.body === null) throw problemError(response.status, undefined);
    const parser = createSseParser(MESSAGE_CHARACTERS_MAX);
    try {
      for await (const piece of response.body) yield* parser.push(piece);
    } catch (error) {
      if (signal.aborted) throw error;
      throw new TetradError("cli.unreachable", `the stream of ${this.base} broke off`);
    }
  }
}

const withSignal = (init: RequestInit, signal: AbortSignal | undefined): RequestInit =>
  signal === undefined ? init : { ...init, signal };
