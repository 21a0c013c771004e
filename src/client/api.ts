/**
 * A client of one node's HTTP API. Answers are bounded and checked for the shape that is relied on; problems
 * become errors of the error table. Only fetch is used, so that it also runs in a browser.
 *
 * A client is of one chain, that of the first answer: positions and cursors mean nothing on another one, so
 * an answer of another chain at the same address is folder.foreign.
 */
import { TetradError } from "../errors.ts";
import type { WaitLevel } from "../ledger/handle.ts";
import { LIMITS } from "../limits.ts";
import {
  badAnswer,
  type Fetch,
  isObject,
  type JsonObject,
  parseJson,
  problemError,
  readBytes,
  readText,
} from "./http.ts";
import { createSseParser, type SseMessage } from "./sse.ts";

export type { JsonObject } from "./http.ts";

/** Of the reference that stands beside it; the node's word (docs/sdk.md). */
export type WorkJson = {
  /** 32 bytes, hex. */
  readonly beacon: string;
  /** In 1/65536 of an effort for so many units, decimal. */
  readonly price: string;
  readonly pricedUnits: string;
  readonly puzzle: { readonly kind: string; readonly memoryKiB?: number };
  /** How many times the effort asked for the node takes now; absent: once. */
  readonly times?: number;
};

export type DriverJson = {
  readonly driver: string;
  readonly state: "up" | "down";
  readonly restarts: number;
  readonly lastFault: {
    readonly cause: string;
    readonly detail: string;
    readonly agoMs: number;
  } | null;
};

export type StatusJson = {
  readonly name: string;
  readonly nodeId: string;
  readonly chainId: string;
  readonly genesisHash: string;
  readonly leader: string;
  readonly epoch: number;
  readonly view: number;
  readonly finalHeight: number;
  readonly finalTimeMs?: number;
  readonly executedHeight: number;
  readonly logSize: number;
  readonly logRoot: string;
  readonly stateRoot: string;
  readonly refHeight: number;
  readonly refHash: string;
  /** What a batch with this reference has to show of work; null or absent: nothing. */
  readonly work?: WorkJson | null;
  /** Null or absent on a chain without a beacon. */
  readonly beacon?: { readonly value: string } | null;
  /** Null or absent on a chain whose powers are the weights of its genesis. */
  readonly stake?: { readonly degraded: boolean } | null;
  readonly voting: string;
  readonly peers: readonly string[];
  readonly problems: readonly { readonly code: string; readonly detail: string }[];
  /** The QUIC driver of sessions; absent of nodes that do not tell. */
  readonly driver?: DriverJson | null;
  readonly viewTimeMs: number;
  /** The newest checkpoint with a quorum of signatures. */
  readonly checkpoint?: { readonly size: number; readonly time: string } | null;
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

/** A page of a list; which other fields there are is of the list (docs/api.md). */
export type PageJson = JsonObject & { readonly items: readonly unknown[] };

export type RowJson = { readonly key: string; readonly value: unknown };

/** Items asked for at a time. */
const PAGE = 500;

export type Query = Readonly<Record<string, string | number | undefined>>;

export type ApiClientOptions = {
  /** Instead of the global fetch. */
  readonly fetch?: Fetch;
  /** The only chain to talk to, hex; else that of the first answer. */
  readonly genesisHash?: string;
  /** The name that this chain has. */
  readonly chainId?: string;
};

export class ApiClient {
  readonly base: string;
  readonly #send: Fetch;
  readonly #chainId: string | undefined;
  #genesisHash: string | undefined;

  /** Throws cli.usage for a base that is no http(s) URL. */
  constructor(base: string, options: ApiClientOptions = {}) {
    const url = URL.canParse(base) ? new URL(base) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
      throw new TetradError("cli.usage", `"${base}" is not an API address like http://[::1]:8440`);
    }
    this.base = url.origin;
    // The global one is looked up when it is used: browsers want it called without a receiver.
    this.#send = options.fetch ?? ((address, init) => fetch(address, init));
    this.#chainId = options.chainId;
    this.#genesisHash = options.genesisHash;
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
      `${this.base} serves another chain (genesis ${now}…, expected ${before}…)`,
    );
  }

  /** Throws cli.unreachable when nobody answers. */
  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const response = await this.#reach(url, init);
    try {
      this.checkChain(response.headers.get("ledger-genesis"));
    } catch (error) {
      await response.body?.cancel();
      throw error;
    }
    return response;
  }

  async #reach(url: string, init: RequestInit): Promise<Response> {
    try {
      return await this.#send(url, { ...init, redirect: "error" });
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      const cause = error instanceof Error ? error.cause : undefined;
      const code =
        isObject(cause) && typeof cause["code"] === "string" ? ` (${cause["code"]})` : "";
      throw new TetradError("cli.unreachable", `no node answers at ${this.base}${code}`);
    }
  }

  async #text(response: Response, init: RequestInit): Promise<string> {
    try {
      return await readText(this.base, response);
    } catch (error) {
      if (init.signal?.aborted === true || error instanceof TetradError) throw error;
      // The connection may have ended inside the answer: the caller may try again.
      throw new TetradError("cli.unreachable", `the answer of ${this.base} was cut off`);
    }
  }

  async #json(url: string, init: RequestInit): Promise<JsonObject> {
    const response = await this.#fetch(url, init);
    const text = await this.#text(response, init);
    if (!response.ok) throw problemError(this.base, response.status, tryJson(text));
    const body = parseJson(this.base, text);
    if (!isObject(body)) throw problemError(this.base, response.status, body);
    return body;
  }

  /** GET of any path; problems are thrown. */
  async get(path: string, query: Query = {}, signal?: AbortSignal): Promise<JsonObject> {
    // A kept answer proves what it proved before; what is asked for is what holds now.
    const init: RequestInit = query["proof"] === undefined ? {} : { cache: "no-store" };
    return this.#json(this.#url(path, query), withSignal(init, signal));
  }

  /** GET of bytes, of which there are at most `bytesMax`; problems are thrown. */
  async bytes(
    path: string,
    query: Query,
    bytesMax: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    // Nodes say that such bytes may be kept for a year. Wrong ones, kept by a browser, would be wrong for as long.
    const init = withSignal({ cache: "no-store" }, signal);
    const response = await this.#fetch(this.#url(path, query), init);
    if (!response.ok) {
      throw problemError(this.base, response.status, tryJson(await this.#text(response, init)));
    }
    try {
      return await readBytes(this.base, response, bytesMax);
    } catch (error) {
      if (init.signal?.aborted === true || error instanceof TetradError) throw error;
      throw new TetradError("cli.unreachable", `the answer of ${this.base} was cut off`);
    }
  }

  /** Sends bytes that need no batch; problems are thrown. */
  async send(
    method: "POST" | "PUT",
    path: string,
    bytes: Uint8Array,
    signal?: AbortSignal,
  ): Promise<JsonObject> {
    const headers = { "content-type": "application/octet-stream" };
    const init: RequestInit = { method, headers, body: bytes.slice() };
    return this.#json(this.#url(path), withSignal(init, signal));
  }

  async status(signal?: AbortSignal): Promise<StatusJson> {
    const body = await this.get("/v1/status", {}, signal);
    if (typeof body["genesisHash"] !== "string" || typeof body["executedHeight"] !== "number") {
      throw problemError(this.base, 200, undefined);
    }
    this.checkChain(body["genesisHash"]);
    if (this.#chainId !== undefined && body["chainId"] !== this.#chainId) {
      throw new TetradError(
        "folder.foreign",
        `${this.base} does not say that it is ${this.#chainId}`,
      );
    }
    return body as unknown as StatusJson;
  }

  async lane(actor: string, signal?: AbortSignal): Promise<LaneJson> {
    const body = await this.get(`/v1/lanes/${actor}`, {}, signal);
    if (typeof body["pendingSeq"] !== "number" || typeof body["pendingId"] !== "string") {
      throw problemError(this.base, 200, undefined);
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
    return this.#post("/v1/batches", { wait, waitMs }, bytes, signal);
  }

  /** Submits a signed certificate request and waits for the certificate (docs/ca.md); twice is harmless. */
  async requestCertificate(
    bytes: Uint8Array,
    signal?: AbortSignal,
    waitMs?: number,
  ): Promise<ReceiptJson> {
    return this.#post("/ca/v1/certificates", { waitMs }, bytes, signal);
  }

  async #post(
    path: string,
    query: Query,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<ReceiptJson> {
    const init: RequestInit = {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: bytes.slice(),
    };
    const body = await this.#json(this.#url(path, query), withSignal(init, signal));
    if (typeof body["batchId"] !== "string") throw problemError(this.base, 200, undefined);
    return body as unknown as ReceiptJson;
  }

  /** Pages of a list, each as the node gave it, until it ends. `limit` is of one page. */
  async *pages(path: string, query: Query, signal?: AbortSignal): AsyncGenerator<PageJson> {
    let cursor: Query = query;
    let empty = 0;
    let mark: unknown;
    for (let count = 1; ; count++) {
      const page = await this.get(path, { limit: PAGE, ...cursor }, signal);
      if (!Array.isArray(page["items"])) throw problemError(this.base, 200, undefined);
      empty = page["items"].length === 0 ? empty + 1 : 0;
      if (empty > LIMITS.clientEmptyPagesMax) throw badAnswer(this.base, "a list of empty pages");
      yield page as PageJson;
      if (page["more"] === false || typeof page["next"] !== "string") return;
      // A cursor stands for the place, so it takes the place of what named the first one.
      const { from: _, ...filters } = query;
      // Cursors that come round are met where the count is a power of two, or soon after (Brent).
      if (cursor["after"] === page["next"] || mark === page["next"]) {
        throw badAnswer(this.base, "a page leads back to itself");
      }
      if (Number.isInteger(Math.log2(count))) mark = page["next"];
      cursor = { ...filters, after: page["next"] };
    }
  }

  /** Items of a paged list until `limit` were given or the list ends. */
  async *items(
    path: string,
    query: Query,
    limit: number,
    signal?: AbortSignal,
  ): AsyncGenerator<unknown> {
    if (limit <= 0) return;
    let left = limit;
    for await (const page of this.pages(path, { ...query, limit: Math.min(limit, PAGE) }, signal)) {
      for (const item of page.items) {
        yield item;
        left -= 1;
        if (left <= 0) return;
      }
    }
  }

  /**
   * One connection to the event stream, until it ends. Resuming is the caller's (follow.ts). A node that
   * is silent for longer than its heartbeats allow is cli.unreachable.
   */
  async *stream(query: Query, lastId: string, signal: AbortSignal): AsyncGenerator<SseMessage> {
    signal.throwIfAborted();
    const dog = createWatchdog(signal);
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (lastId !== "") headers["last-event-id"] = lastId;
      const init = { headers, signal: dog.signal };
      const response = await dog.watch(this.#fetch(this.#url("/v1/events/stream", query), init));
      if (!response.ok) {
        const text = await dog.watch(this.#text(response, init));
        throw problemError(this.base, response.status, tryJson(text));
      }
      if (response.body === null) throw problemError(this.base, response.status, undefined);
      const parser = createSseParser(LIMITS.clientMessageCharactersMax);
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await dog.watch(reader.read());
        if (done) return;
        yield* parser.push(value);
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof TetradError) throw error;
      if (error instanceof RangeError) throw badAnswer(this.base, error.message);
      const why = dog.signal.aborted ? "is silent" : "broke off";
      throw new TetradError("cli.unreachable", `the stream of ${this.base} ${why}`);
    } finally {
      dog.release();
    }
  }
}

/** Aborts with the caller's signal, when one wait takes longer than a stream may be silent, and at the end. */
const createWatchdog = (signal: AbortSignal) => {
  const closing = new AbortController();
  const abort = (): void => closing.abort(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  return {
    signal: closing.signal,
    /** Time runs only while the node is waited for, not while the reader of the events takes its own. */
    async watch<T>(waiting: Promise<T>): Promise<T> {
      const timer = setTimeout(() => closing.abort(), LIMITS.clientSilenceMsMax);
      try {
        return await waiting;
      } finally {
        clearTimeout(timer);
      }
    },
    release(): void {
      signal.removeEventListener("abort", abort);
      closing.abort();
    },
  };
};

/** The body of a refusal, which may be of a proxy and anything. */
const tryJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const withSignal = (init: RequestInit, signal: AbortSignal | undefined): RequestInit =>
  signal === undefined ? init : { ...init, signal };
