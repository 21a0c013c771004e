/**
 * Bulk with the members: asks over the connections of the worker where they are up, else over the session. What
 * goes wrong with a worker or a connection costs a request a second way, and nobody else anything.
 */
import { type Failure, fail, ok, type Result } from "../../errors.ts";
import type { PeerId } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import type { BulkUser, BulkPort as SessionPort } from "../bulk.ts";
import { BulkLinks } from "./links.ts";
import type { BulkAnswer, BulkPath, BulkPort, BulkServe } from "./port.ts";
import { SessionLane } from "./session-lane.ts";
import { BulkSupervisor, type SupervisorOptions } from "./supervisor.ts";
import type { AnswerStatus, FromWorker, WorkerCounts } from "./worker-messages.ts";

export type BulkChannelOptions = Omit<
  SupervisorOptions,
  "ready" | "lost" | "message" | "serverName"
> & {
  /** Id of this node. */
  readonly self: PeerId;
  /** Gives the class `bulk` of the sessions to this user. */
  readonly attach: (user: BulkUser) => SessionPort;
};

type Pending = {
  readonly id: number;
  readonly peer: PeerId;
  readonly name: Uint8Array;
  readonly startedMs: number;
  path: BulkPath;
  readonly resolve: (result: Result<BulkAnswer>) => void;
  readonly settled: () => void;
};

const REQUEST_ID_MAX = 0xffff_ffff;

export class BulkChannel implements BulkPort {
  readonly #options: BulkChannelOptions;
  readonly #session: SessionPort;
  readonly #supervisor: BulkSupervisor;
  readonly #links: BulkLinks;
  readonly #lane: SessionLane;
  readonly #pending = new Map<number, Pending>();
  readonly #counts = new Map<PeerId, number>();
  #serve: BulkServe = async () => undefined;
  #lastId = 0;
  #cancelTick: (() => void) | undefined;

  constructor(options: BulkChannelOptions) {
    this.#options = options;
    this.#session = options.attach(this.#user());
    this.#supervisor = new BulkSupervisor({
      ...options,
      serverName: BulkLinks.serverNameOf(options.self),
      ready: () => this.#links.workerReady(),
      lost: () => this.#workerLost(),
      message: (message) => this.#fromWorker(message),
    });
    this.#links = new BulkLinks({
      ...options,
      supervisor: this.#supervisor,
      session: this.#session,
      refused: (code) => this.#options.metrics.count("tetrad_bulk_refused_total", 1, { code }),
      closed: (peer) => this.#reroute(peer),
    });
    this.#lane = new SessionLane({
      ...{ folder: options.folder, clock: options.clock },
      send: (peer, frame) => this.#session.send(peer, frame),
      serve: (peer, name) => this.#serve(peer, name),
      answered: (id, status, bytes) => this.#answered(id, "session", status, bytes),
      served: (_peer, bytes) => this.#count("served", "session", bytes),
      breach: (peer, failure) => this.#session.breach(peer, failure),
    });
    this.#tick();
  }

  /** Tries the driver now, so that the log says at the start which one it is. */
  start(): void {
    this.#supervisor.probe();
  }

  serve(serve: BulkServe): void {
    this.#serve = serve;
  }

  peers(): readonly { readonly id: PeerId; readonly path: BulkPath }[] {
    return this.#links.complete().map((id) => ({ id, path: this.pathTo(id) }));
  }

  /** The way that a request to that member would take. */
  pathTo(peer: PeerId): BulkPath {
    const running = this.#supervisor.running;
    return running !== undefined && this.#links.isUp(peer) ? running.driver : "session";
  }

  request(
    peer: PeerId,
    name: Uint8Array,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Result<BulkAnswer>> {
    const refusal = this.#refuse(peer, name, signal);
    if (refusal !== undefined) return Promise.resolve(refusal);
    return new Promise((resolve) => {
      const id = this.#nextId();
      const cancelTimer = this.#options.timers.set(timeoutMs, () => {
        this.#giveUp(id, fail("bulk.timeout", `no answer in ${timeoutMs} ms`));
      });
      const abort = (): void => this.#giveUp(id, fail("bulk.timeout", "given up by who asked"));
      signal?.addEventListener("abort", abort, { once: true });
      const settled = (): void => {
        cancelTimer();
        signal?.removeEventListener("abort", abort);
      };
      const startedMs = this.#options.clock.monotonicMs();
      const pending: Pending = {
        ...{ id, peer, name, startedMs, resolve, settled },
        path: this.pathTo(peer),
      };
      this.#pending.set(id, pending);
      this.#counts.set(peer, (this.#counts.get(peer) ?? 0) + 1);
      if (pending.path === "session") {
        this.#links.want(peer);
        this.#lane.request(id, peer, name);
      } else {
        this.#links.asked(peer, this.#counts.get(peer) ?? 1);
        this.#supervisor.send({ kind: "request", id, peer, name });
      }
    });
  }

  close(): void {
    this.#cancelTick?.();
    for (const { id } of [...this.#pending.values()]) {
      this.#settle(id, fail("bulk.unreachable", "the node stops"));
    }
    this.#links.close();
    this.#supervisor.close();
  }

  #user(): BulkUser {
    return {
      peerUp: () => {},
      secured: (peer) => this.#links.secured(peer),
      note: (peer, bytes) => this.#links.note(peer, bytes),
      frame: (peer, bytes) => this.#lane.frame(peer, bytes),
      drained: (peer) => this.#lane.drained(peer),
      peerDown: (peer) => {
        this.#links.ended(peer);
        this.#lane.end(peer);
        for (const { id } of [...this.#pending.values()].filter((open) => open.peer === peer)) {
          this.#settle(id, fail("bulk.unreachable", "the session ended"));
        }
      },
    };
  }

  #refuse(peer: PeerId, name: Uint8Array, signal?: AbortSignal): Failure | undefined {
    if (name.length < 1 || name.length > LIMITS.bulkNameBytesMax) {
      return fail("bulk.malformed", `a name has 1 to ${LIMITS.bulkNameBytesMax} bytes`);
    }
    if (signal?.aborted === true) return fail("bulk.timeout", "given up by who asked");
    if (!this.#links.isComplete(peer)) {
      return fail("bulk.unreachable", "no complete session with that member");
    }
    return (this.#counts.get(peer) ?? 0) >= LIMITS.bulkRequestsPerPeerMax
      ? fail("node.overloaded", "too many requests wait for that member")
      : undefined;
  }

  /** Ids come round after four thousand million; one that is open is passed over. */
  #nextId(): number {
    do this.#lastId = this.#lastId >= REQUEST_ID_MAX ? 1 : this.#lastId + 1;
    while (this.#pending.has(this.#lastId));
    return this.#lastId;
  }

  #giveUp(id: number, failure: Failure): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    if (pending.path === "session") this.#lane.cancel(id, pending.peer);
    else this.#supervisor.send({ kind: "cancel", id });
    this.#settle(id, failure);
  }

  #settle(id: number, result: Result<BulkAnswer>): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    const left = (this.#counts.get(pending.peer) ?? 1) - 1;
    if (left > 0) this.#counts.set(pending.peer, left);
    else this.#counts.delete(pending.peer);
    pending.settled();
    const outcome = result.ok ? "ok" : result.code;
    this.#options.metrics.count("tetrad_bulk_requests_total", 1, { path: pending.path, outcome });
    pending.resolve(result);
  }

  #answered(id: number, path: BulkPath, status: AnswerStatus, bytes: Uint8Array): void {
    const pending = this.#pending.get(id);
    // An answer on a way that was given up means nothing any more.
    if (pending === undefined || pending.path !== path) return;
    if (status === "ok") {
      this.#count("fetched", path, bytes.length);
      const ms = this.#options.clock.monotonicMs() - pending.startedMs;
      this.#settle(id, ok({ bytes, path, ms }));
    } else if (status === "absent") {
      this.#settle(id, fail("bulk.not-found", "the member has not what was asked for"));
    } else if (path !== "session") {
      this.#overSession(pending);
    } else this.#settle(id, fail("node.overloaded", "too many requests wait at that member"));
  }

  #count(direction: "served" | "fetched", path: BulkPath, bytes: number): void {
    this.#options.metrics.count("tetrad_bulk_bytes_total", bytes, { direction, path });
  }

  #overSession(pending: Pending): void {
    pending.path = "session";
    this.#options.metrics.count("tetrad_bulk_failovers_total", 1);
    this.#lane.request(pending.id, pending.peer, pending.name);
  }

  /** Connections to that member are gone: what was asked over them is asked again. */
  #reroute(peer: PeerId): void {
    for (const pending of this.#pending.values()) {
      if (pending.peer !== peer || pending.path === "session") continue;
      this.#supervisor.send({ kind: "cancel", id: pending.id });
      this.#overSession(pending);
    }
  }

  #workerLost(): void {
    this.#links.workerLost();
    for (const pending of this.#pending.values()) {
      if (pending.path !== "session") this.#overSession(pending);
    }
  }

  #fromWorker(message: FromWorker): void {
    const path = this.#supervisor.running?.driver ?? "session";
    switch (message.kind) {
      case "answer":
        // "lost" and "busy" are our worker's words: nothing came.
        if (message.status === "ok" || message.status === "absent") {
          this.#links.answered(this.#pending.get(message.id)?.peer);
        }
        this.#answered(message.id, path, message.status, message.bytes);
        return;
      case "find":
        this.#find(message.id, message.peer, message.name);
        return;
      case "connections":
        this.#links.connections(message);
        return;
      case "admitted":
        this.#links.admitted(message.peer, message.fingerprint);
        return;
      case "pong":
        for (const peer of message.active) this.#links.answered(peer);
        this.#counted(message, path);
        return;
      default:
        return;
    }
  }

  #counted({ refused, servedBytes }: WorkerCounts, path: BulkPath): void {
    if (servedBytes > 0) this.#count("served", path, servedBytes);
    for (const { detail, count } of refused) {
      this.#options.logger.log("debug", "bulk turned somebody away", { detail, count });
      this.#options.metrics.count("tetrad_bulk_refused_total", count, { code: "connection" });
    }
  }

  #find(id: number, peer: PeerId, name: Uint8Array): void {
    this.#serve(peer, name).then(
      (source) => this.#supervisor.send({ kind: "found", id, source }),
      () => this.#supervisor.send({ kind: "found", id, source: undefined }),
    );
  }

  #tick(): void {
    this.#cancelTick = this.#options.timers.set(LIMITS.bulkHeartbeatMs, () => {
      const asked = new Set<PeerId>();
      for (const { peer, path } of this.#pending.values()) if (path !== "session") asked.add(peer);
      this.#links.look(asked);
      this.#tick();
    });
  }
}
