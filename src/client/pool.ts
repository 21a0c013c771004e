/**
 * Several nodes of one chain as if they were one: a request that a node cannot answer goes to the next.
 *
 * What one node has refused for a reason that holds everywhere (a batch that is not valid, a key that is not
 * there) is not asked again elsewhere. What makes a node a bad one to ask: it does not answer, it is
 * overloaded or stopping, its answers are not of this API, or it is of another chain. A check that fails
 * (proof.*, trust.*) is never papered over with another node's answer: somebody has to know of it.
 */
import { type ErrorCode, TetradError } from "../errors.ts";
import type { WaitLevel } from "../ledger/handle.ts";
import { LIMITS } from "../limits.ts";
import {
  ApiClient,
  type ApiClientOptions,
  type Query,
  type ReceiptJson,
  type StatusJson,
} from "./api.ts";
import type { JsonObject } from "./http.ts";
import type { SseMessage } from "./sse.ts";
import { within } from "./within.ts";

export type PoolOptions = ApiClientOptions & {
  /** Told of each node that is left for the next one, with why. */
  readonly onFailover?: (base: string, error: TetradError) => void;
  /** Milliseconds that a node is waited for; LIMITS.clientRequestMsMax if not given. */
  readonly requestMs?: number;
};

const OTHER_NODE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "client.bad-answer",
  "folder.foreign",
  "internal",
  "node.not-voting",
  "store.corrupt",
  "store.io",
]);

/** Another node may do what this one could not. The wait for an outcome ends everywhere at the same time. */
export const isOfThisNode = (error: unknown): error is TetradError =>
  error instanceof TetradError &&
  error.code !== "http.timeout" &&
  (error.spec.retryable || OTHER_NODE.has(error.code));

/** A client of all the nodes; `base` is the one that is asked first now. */
export class PoolClient extends ApiClient {
  readonly #nodes: readonly ApiClient[];
  readonly #options: PoolOptions;
  #current = 0;

  /** Throws cli.usage for no node, too many, or an address that is none. */
  constructor(bases: readonly string[], options: PoolOptions = {}) {
    const [first] = bases;
    if (first === undefined || bases.length > LIMITS.clientNodesMax) {
      throw new TetradError("cli.usage", `give 1 to ${LIMITS.clientNodesMax} addresses of nodes`);
    }
    super(first, options);
    this.#options = options;
    this.#nodes = bases.map((base) => new ApiClient(base, options));
  }

  /** The node that is asked first now. */
  get node(): ApiClient {
    return this.#nodes[this.#current] ?? this;
  }

  /** How many nodes there are. */
  get size(): number {
    return this.#nodes.length;
  }

  /** Asks the next node first from now on; for what only the caller can see in an answer. */
  leave(error: TetradError): void {
    this.#options.onFailover?.(this.node.base, error);
    this.#current = (this.#current + 1) % this.#nodes.length;
  }

  /**
   * Tries each node once, the current one first; throws what the last one said. `isOther` says for which errors
   * another node may do better.
   */
  async each<T>(
    attempt: (node: ApiClient) => Promise<T>,
    isOther: (error: unknown) => error is TetradError = isOfThisNode,
  ): Promise<T> {
    const asked = new Set<ApiClient>();
    for (;;) {
      const node = this.#nextBut(asked);
      asked.add(node);
      try {
        const value = await attempt(node);
        return value;
      } catch (error) {
        // What no header covers yet is covered nowhere, or a moment later: the caller waits (prover.ts).
        if (!isOther(error) || error.code === "proof.pending") throw error;
        // Two requests may find out at the same time that a node is gone: leave it once.
        if (this.node === node) this.leave(error);
        if (asked.size >= this.#nodes.length) throw error;
      }
    }
  }

  /** The first from the current one on that was not asked: other requests move the current one meanwhile. */
  #nextBut(asked: ReadonlySet<ApiClient>): ApiClient {
    const inTurn = [...this.#nodes.slice(this.#current), ...this.#nodes.slice(0, this.#current)];
    return inTurn.find((node) => !asked.has(node)) ?? this.node;
  }

  override checkChain(genesisHash: string | null): void {
    super.checkChain(genesisHash);
    for (const node of this.#nodes) node.checkChain(genesisHash);
  }

  override async get(path: string, query: Query = {}, signal?: AbortSignal): Promise<JsonObject> {
    const body = await this.each((node) =>
      within(
        signal,
        this.#requestMs(query["waitMs"]),
        (asking) => node.get(path, query, asking),
        () => silent(node),
      ),
    );
    return body;
  }

  #requestMs(waitMs: unknown): number {
    const own = this.#options.requestMs ?? LIMITS.clientRequestMsMax;
    return own + (typeof waitMs === "number" ? waitMs : 0);
  }

  override status(signal?: AbortSignal): Promise<StatusJson> {
    return this.each((node) =>
      within(
        signal,
        this.#requestMs(undefined),
        (asking) => node.status(asking),
        () => silent(node),
      ),
    );
  }

  override submit(
    bytes: Uint8Array,
    wait: WaitLevel,
    signal?: AbortSignal,
    waitMs: number = LIMITS.httpWaitMsMax,
  ): Promise<ReceiptJson> {
    return this.each((node) =>
      within(
        signal,
        this.#requestMs(waitMs),
        (asking) => node.submit(bytes, wait, asking, waitMs),
        () => silent(node),
      ),
    );
  }

  /** One connection to the current node. When it breaks, the next one is of the next node. */
  override async *stream(
    query: Query,
    lastId: string,
    signal: AbortSignal,
  ): AsyncGenerator<SseMessage> {
    const { node } = this;
    try {
      yield* node.stream(query, lastId, signal);
    } catch (error) {
      if (!signal.aborted && isOfThisNode(error) && this.node === node) this.leave(error);
      throw error;
    }
  }
}

const silent = (node: ApiClient): never => {
  throw new TetradError("cli.unreachable", `${node.base} has not answered in time`);
};
