/**
 * The work of answering, shared out. Everything in a node runs on one thread, so what a client asks with a
 * line of text (a scan of the log, a page, a proof) keeps votes waiting while it is worked on. Two bounds:
 *
 * - **Turns.** Long work is done in slices of about a millisecond, and all slices of all clients together get
 *   one in each turn of the event loop: what came over the network is looked at between any two. Clients take
 *   turns one after the other, so that one with a thousand requests does not stand before another with one.
 * - **Places.** Few requests are worked on at once, and of one client fewer (LIMITS.httpWorkMax,
 *   httpClientWorkMax). Others wait for a place, in their number bounded as all that waits, and for a limited
 *   time: node.overloaded then, with Retry-After.
 */
import type { FastifyRequest } from "fastify";
import { fail, TetradError } from "../../errors.ts";
import type { Metrics, Timers } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import { clientOf, Shares } from "./shares.ts";

/** Resolves when the next slice may be worked on. */
export type Turn = () => Promise<void>;

/** First in, first out for each client, and clients one after the other. */
class FairQueue<T> {
  readonly #byClient = new Map<string, Set<T>>();

  add(client: string, one: T): void {
    const known = this.#byClient.get(client);
    if (known === undefined) this.#byClient.set(client, new Set([one]));
    else known.add(one);
  }

  remove(client: string, one: T): void {
    const waiting = this.#byClient.get(client);
    if (waiting?.delete(one) === true && waiting.size === 0) this.#byClient.delete(client);
  }

  get isEmpty(): boolean {
    return this.#byClient.size === 0;
  }

  /** The next one, of a client that `may`; that client is the last one after it. */
  next(may: (client: string) => boolean = () => true): T | undefined {
    for (const [client, waiting] of this.#byClient) {
      if (!may(client)) continue;
      const [one] = waiting;
      if (one === undefined) continue;
      waiting.delete(one);
      this.#byClient.delete(client);
      if (waiting.size > 0) this.#byClient.set(client, waiting);
      return one;
    }
    return undefined;
  }

  *all(): Generator<T> {
    for (const waiting of this.#byClient.values()) yield* waiting;
  }
}

const wentAway = (): TetradError => new TetradError("http.timeout", "The client went away");

type Place = { readonly give: () => void; readonly refuse: (error: TetradError) => void };

export class Work {
  readonly #timers: Timers;
  readonly #metrics: Metrics;
  readonly #running = new Shares(LIMITS.httpWorkMax, LIMITS.httpClientWorkMax);
  readonly #waiting = new Shares(LIMITS.httpWaitersMax, LIMITS.httpClientWaitersMax);
  readonly #places = new FairQueue<Place>();
  readonly #turns = new FairQueue<() => void>();
  #turning = false;

  constructor(timers: Timers, metrics: Metrics) {
    this.#timers = timers;
    this.#metrics = metrics;
  }

  /** Requests that are worked on, and that wait for a place. */
  get load(): { readonly running: number; readonly waiting: number } {
    return { running: this.#running.total, waiting: this.#waiting.total };
  }

  /** Resolves in a later turn of the event loop, which is then this client's for one slice. */
  turn(client: string): Promise<void> {
    return new Promise((resolve) => {
      this.#turns.add(client, resolve);
      this.#armTurns();
    });
  }

  #armTurns(): void {
    if (this.#turning) return;
    this.#turning = true;
    setImmediate(() => {
      this.#turning = false;
      this.#turns.next()?.();
      if (!this.#turns.isEmpty) this.#armTurns();
    });
  }

  /**
   * Works on a request when there is a place for it. `job` waits for `turn` before each slice; work for a
   * client that has gone ends there. Throws node.overloaded, node.stopping, and what `job` throws.
   */
  async run<T>(request: FastifyRequest, job: (turn: Turn) => Promise<T>): Promise<T> {
    const { socket } = request.raw;
    const client = clientOf(socket.remoteAddress);
    if (!this.#running.take(client, 1)) await this.#place(client, socket);
    this.#gauge();
    const turn = async (): Promise<void> => {
      await this.turn(client);
      if (socket.destroyed) throw wentAway();
    };
    try {
      return await job(turn);
    } finally {
      this.#running.give(client, 1);
      this.#grant();
      this.#gauge();
    }
  }

  /** Answers all that waits for a place with node.stopping. */
  stop(): void {
    const error = new TetradError("node.stopping", "The node is stopping");
    for (const place of [...this.#places.all()]) place.refuse(error);
  }

  #place(client: string, socket: FastifyRequest["raw"]["socket"]): Promise<void> {
    if (socket.destroyed) return Promise.reject(wentAway());
    const overloaded = TetradError.from(
      fail("node.overloaded", "Too many reads are being worked on at once"),
    );
    if (!this.#waiting.take(client, 1)) return Promise.reject(overloaded);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        cancel();
        socket.off("close", gone);
        this.#places.remove(client, place);
        this.#waiting.give(client, 1);
        this.#gauge();
      };
      const place: Place = {
        give: () => {
          this.#running.take(client, 1);
          end();
          resolve();
        },
        refuse: (error) => {
          end();
          reject(error);
        },
      };
      // Else connections would bound what waits no more: a request costs its client one line.
      const gone = (): void => place.refuse(wentAway());
      socket.once("close", gone);
      const cancel = this.#timers.set(LIMITS.httpWorkWaitMs, () => place.refuse(overloaded));
      this.#places.add(client, place);
      this.#gauge();
    });
  }

  /** Gives the place that has become free to the next one that may have it. */
  #grant(): void {
    this.#places.next((client) => this.#running.has(client, 1))?.give();
  }

  #gauge(): void {
    this.#metrics.gauge("http_work_waiting", this.#waiting.total);
  }
}
