/**
 * Keeps one endpoint for sessions, for as long as the node runs. Whether it is beyond help is the driver's to say
 * (driver-watch.ts). What takes its place, after a pause:
 *
 *  1. At first one of the same driver, at the same address: what was wrong may have been that endpoint.
 *  2. Where the library fails, its loop stalls or it cannot open an endpoint, again before one has lasted: one of the
 *     reserve driver, where there is one and it opens. It carries for `reserveMs`, then the first driver is tried again
 *     and takes the sessions back when it opens; if it fails soon, the reserve carries for twice as long.
 *  3. Back at the next look where the reserve reaches too few members, and looks are as much rarer: who reaches a few
 *     on the reserve reaches nobody while the first driver fails. Back at once where the reserve fails itself.
 *  4. A fault of the socket is no fault of the driver. Where its address cannot be bound, twice in a row, the reserve
 *     carries until it can: that needs no such port.
 */
import { type Failure, fail, TetradError } from "../errors.ts";
import type { DriverFault, DriverFigures } from "../ledger/ports.ts";
import type { DriverLimits } from "../limits-driver.ts";
import { formatAddress } from "./address.ts";
import { RetryPlan } from "./driver-watch.ts";
import type { TransportPorts } from "./options.ts";
import {
  type HostPort,
  NO_STATS,
  type QuicDriverName,
  type QuicEndpointOptions,
  type QuicEndpointStats,
  type QuicIdentity,
  type QuicSession,
  type SessionEndpoint,
} from "./quic-endpoint.ts";

export type KeeperOptions = {
  /** Port 0 takes a free one, and keeps it. */
  readonly listen: HostPort;
  readonly limits: KeeperLimits;
  readonly ports: Pick<TransportPorts, "clock" | "timers" | "logger" | "metrics">;
  readonly bind: KeeperBind;
  /** Opens an endpoint of another driver, which need not listen. Left out: there is none. */
  readonly reserve?: KeeperBind;
  /** The reserve is about to be closed: its sessions have to end. */
  leaving(): void;
  /** Whether the reserve carries sessions with enough members. */
  reserveReaches(): boolean;
  /** Another endpoint has taken the place of one that failed or was left. */
  reopened(): void;
};

type KeeperLimits = Pick<
  DriverLimits,
  "retryMsMin" | "retryMsMax" | "reserveMs" | "reserveDoublingsMax" | "reserveCheckMs"
>;

type KeeperBind = (
  listen: HostPort,
  failed: NonNullable<QuicEndpointOptions["failed"]>,
) => Promise<SessionEndpoint>;

/** Before there was an endpoint. */
export const NO_DRIVER: DriverFigures = {
  driver: "quiche",
  state: "down",
  restarts: 0,
  lastFault: undefined,
};

export class EndpointKeeper {
  readonly local: HostPort;
  readonly #options: KeeperOptions;
  readonly #plan: RetryPlan;
  /** Of the endpoint that is open, or was last. */
  #driver: QuicDriverName;
  readonly #first: QuicDriverName;
  /** Of endpoints that are gone, so that totals never fall. */
  #before: QuicEndpointStats = NO_STATS;
  #endpoint: SessionEndpoint | undefined;
  /** The one that was open when the keeper was closed: what it counted stays. */
  #closed: SessionEndpoint | undefined;
  /** Another one than the first endpoint was made with. */
  #identity: QuicIdentity | undefined;
  /** Faults of the first driver itself, not of its socket, since an endpoint of it lasted. */
  #driverFaults = 0;
  /** Of those: returns from the reserve that failed soon. */
  #failedReturns = 0;
  /** The endpoint that is open took the sessions back from the reserve. */
  #hasReturned = false;
  /** The first driver is being opened while the reserve carries. */
  #isReturning = false;
  /** How often in a row the address of the first driver could not be bound. */
  #unbound = 0;
  /** False where the reserve did not open last time, or failed within `reserveCheckMs`: it is of no use at once. */
  #isReserveSound = true;
  #reserveSinceMs = 0;
  #accepting = false;
  /** No other endpoint is opened any more. */
  #ending = false;
  #restarts = 0;
  #lastFault: { readonly fault: DriverFault; readonly atMs: number } | undefined;
  #cancelRetry: (() => void) | undefined;
  #cancelReturn: (() => void) | undefined;

  private constructor(options: KeeperOptions, { driver, local }: SessionEndpoint) {
    this.#options = options;
    this.#driver = driver;
    this.#first = driver;
    this.local = local;
    this.#plan = new RetryPlan(options.limits, options.ports.clock.monotonicMs());
  }

  /** Opens the first one. Throws what `bind` throws: a node does not start without. */
  static async open(options: KeeperOptions): Promise<EndpointKeeper> {
    const opened = Promise.withResolvers<FaultHeard>();
    const endpoint = await options.bind(options.listen, tell(opened.promise));
    const keeper = new EndpointKeeper(options, endpoint);
    keeper.#endpoint = endpoint;
    options.ports.metrics.gauge("tetrad_transport_endpoint_up", 1);
    opened.resolve((fault) => keeper.#failed(fault, endpoint));
    return keeper;
  }

  get stats(): QuicEndpointStats {
    const endpoint = this.#endpoint ?? this.#closed;
    return endpoint === undefined ? this.#before : sum(this.#before, endpoint.stats);
  }

  get connectionCount(): number {
    return this.#endpoint?.connectionCount ?? 0;
  }

  /** Why `dial` gave nobody. */
  get refusal(): Failure {
    const endpoint = this.#endpoint;
    if (endpoint !== undefined) {
      return endpoint.refusal ?? fail("node.overloaded", "connection cap reached");
    }
    return fail("transport.driver-failed", this.#lastFault?.fault.detail ?? "closed");
  }

  figures(): DriverFigures {
    const { clock } = this.#options.ports;
    const last = this.#lastFault;
    return {
      driver: this.#driver,
      state: this.#endpoint === undefined ? "down" : "up",
      restarts: this.#restarts,
      lastFault:
        last === undefined
          ? undefined
          : { ...last.fault, agoMs: Math.round(clock.monotonicMs() - last.atMs) },
    };
  }

  startAccepting(): void {
    this.#accepting = true;
    this.#endpoint?.startAccepting();
  }

  /** Throws key.invalid, and then nothing has changed. Where no endpoint is open, the next one checks it. */
  useIdentity(identity: QuicIdentity): void {
    this.#endpoint?.useIdentity(identity);
    this.#identity = identity;
  }

  dial(remote: HostPort): QuicSession | undefined {
    return this.#endpoint?.dial(remote);
  }

  /** The node is stopping: from now on the endpoint that is open stays, as long as it works, until it is closed. */
  stopWatching(): void {
    this.#ending = true;
    this.#cancelRetry?.();
    this.#cancelReturn?.();
  }

  close(code: number, reason: string, done: () => void): void {
    this.stopWatching();
    const endpoint = this.#endpoint;
    if (endpoint === undefined) {
      done();
      return;
    }
    this.#endpoint = undefined;
    // It is asked for its figures when it has closed: before that the reserve may have to wait for its threads.
    this.#closed = endpoint;
    endpoint.close(code, reason, done);
  }

  /** The endpoint is gone. */
  #failed(fault: DriverFault, endpoint: SessionEndpoint): void {
    // One that was left, for which another carries, fails nobody.
    if (this.#endpoint !== endpoint) return;
    const { clock, metrics } = this.#options.ports;
    this.#before = this.stats;
    this.#endpoint = undefined;
    if (this.#ending) return;
    this.#cancelReturn?.();
    this.#lastFault = { fault, atMs: clock.monotonicMs() };
    metrics.count("tetrad_transport_endpoint_restarts_total", 1, { cause: fault.cause });
    metrics.gauge("tetrad_transport_endpoint_up", 0);
    const message = "the endpoint of sessions has failed";
    if (endpoint.driver !== this.#first) {
      const carriedMs = clock.monotonicMs() - this.#reserveSinceMs;
      this.#isReserveSound = carriedMs >= this.#options.limits.reserveCheckMs;
      // The plan is of the first driver: what the reserve did says nothing of it.
      this.#retry(message, fault, this.#options.limits.retryMsMin);
      return;
    }
    const pauseMs = this.#plan.failed(clock.monotonicMs());
    if (this.#plan.faults === 1) {
      this.#driverFaults = 0;
      this.#failedReturns = 0;
    } else if (this.#hasReturned && fault.cause !== "socket") this.#failedReturns += 1;
    if (fault.cause === "socket") {
      this.#retry(message, fault, pauseMs);
      return;
    }
    this.#driverFaults += 1;
    this.#retry(message, fault, pauseMs, this.#wantedReserve());
  }

  #wantedReserve(): KeeperBind | undefined {
    return this.#driverFaults > 1 || this.#unbound > 1 ? this.#options.reserve : undefined;
  }

  /** `pauseMs` is what the first driver has to wait: nothing is gained by it before a reserve that works. */
  #retry(message: string, fault: DriverFault, pauseMs: number, reserve?: KeeperBind): void {
    if (this.#ending) return;
    const { ports, limits } = this.#options;
    const { cause, detail } = fault;
    const isAtOnce = reserve !== undefined && this.#isReserveSound;
    const retryMs = isAtOnce ? limits.retryMsMin : pauseMs;
    const code = "transport.driver-failed";
    ports.logger.log("error", message, { code, driver: this.#driver, cause, detail, retryMs });
    this.#cancelRetry = ports.timers.set(retryMs, () => void this.#reopen(reserve));
  }

  async #reopen(reserve: KeeperBind | undefined): Promise<void> {
    // What is on its way back has the port, and takes the place or says why it cannot.
    if (this.#isReturning) return;
    const opened = await this.#bind(reserve ?? this.#options.bind);
    if (opened !== undefined) await this.#settle(opened, reserve);
  }

  /** No endpoint is open, and this is what came of opening one. */
  async #settle(opened: Bound, reserve: KeeperBind | undefined): Promise<void> {
    if (opened.ok) {
      this.#opened(opened.endpoint, opened.tell);
      return;
    }
    const { cause, detail } = opened;
    if (reserve === undefined) {
      const pauseMs = this.#plan.failed(this.#options.ports.clock.monotonicMs());
      if (cause === "socket") this.#unbound += 1;
      else this.#driverFaults += 1;
      this.#retry("no other endpoint", { cause, detail }, pauseMs, this.#wantedReserve());
      return;
    }
    this.#isReserveSound = false;
    const message = "the reserve driver cannot take the sessions over";
    this.#options.ports.logger.log("warn", message, { code: "transport.driver-failed", detail });
    await this.#reopen(undefined);
  }

  /** Undefined: the keeper was closed meanwhile. A fault of the endpoint is heard after `tell` has been called. */
  async #bind(bind: KeeperBind): Promise<Bound | undefined> {
    const opened = Promise.withResolvers<FaultHeard>();
    let endpoint: SessionEndpoint;
    try {
      endpoint = await bind(this.local, tell(opened.promise));
    } catch (error) {
      return this.#ending ? undefined : { ok: false, ...causeOf(error) };
    }
    try {
      if (this.#ending) throw new Error("closed");
      if (this.#identity !== undefined) endpoint.useIdentity(this.#identity);
    } catch (error) {
      // The port is free before it is bound again.
      await new Promise<void>((resolve) => endpoint.close(0, "closed", resolve));
      return this.#ending ? undefined : { ok: false, cause: "library", detail: textOf(error) };
    }
    const heard: FaultHeard = (fault) => this.#failed(fault, endpoint);
    return { ok: true, endpoint, tell: () => opened.resolve(heard) };
  }

  #opened(endpoint: SessionEndpoint, tellFaults: () => void): void {
    if (this.#ending) {
      // Between the binding and this there was a moment.
      endpoint.close(0, "closed", () => {});
      return;
    }
    const { clock, metrics, logger } = this.#options.ports;
    this.#endpoint = endpoint;
    this.#driver = endpoint.driver;
    this.#hasReturned = false;
    this.#restarts += 1;
    if (endpoint.driver === this.#first) {
      this.#plan.opened(clock.monotonicMs());
      this.#unbound = 0;
    } else {
      this.#reserveSinceMs = clock.monotonicMs();
      this.#watchReserve();
    }
    metrics.gauge("tetrad_transport_endpoint_up", 1);
    logger.log("info", "another endpoint of sessions is open", {
      ...{ driver: endpoint.driver, address: formatAddress(endpoint.local) },
      restarts: this.#restarts,
    });
    if (this.#accepting) endpoint.startAccepting();
    this.#options.reopened();
    tellFaults();
  }

  /** Looks now and then whether the reserve has carried long enough, or reaches too few. */
  #watchReserve(): void {
    const { limits, ports } = this.#options;
    const { reserveMs, reserveDoublingsMax, reserveCheckMs, retryMsMax } = limits;
    const doublings = Math.min(this.#failedReturns, reserveDoublingsMax);
    // Without two the address was taken, by who may give it back soon.
    let leftMs = this.#driverFaults > 1 ? reserveMs * 2 ** doublings : retryMsMax;
    const look = (): void => {
      const waitMs = Math.min(leftMs, reserveCheckMs * 2 ** doublings);
      this.#cancelReturn = ports.timers.set(waitMs, () => {
        leftMs -= waitMs;
        const reaches = this.#options.reserveReaches();
        if (leftMs > 0 && reaches) {
          look();
          return;
        }
        const message = "the reserve driver reaches too few members, the first one is tried again";
        if (!reaches) ports.logger.log("warn", message, { code: "transport.driver-failed" });
        void this.#goBack();
      });
    };
    look();
  }

  /** The first driver takes the sessions back, if it opens. */
  async #goBack(): Promise<void> {
    const left = this.#endpoint;
    if (left === undefined) return;
    this.#isReturning = true;
    const opened = await this.#bind(this.#options.bind);
    this.#isReturning = false;
    if (opened === undefined) return;
    if (this.#endpoint !== left) {
      // The reserve has failed meanwhile: what opened takes its place sooner than its retry would.
      this.#cancelRetry?.();
      await this.#settle(opened, undefined);
      this.#hasReturned ||= opened.ok;
      return;
    }
    if (!opened.ok) {
      const { ports, limits } = this.#options;
      const message = "the first driver does not open, the reserve goes on";
      ports.logger.log("warn", message, { code: "transport.driver-failed", detail: opened.detail });
      this.#cancelReturn = ports.timers.set(limits.retryMsMax, () => void this.#goBack());
      return;
    }
    if (this.#ending) {
      // Between the binding and this there was a moment.
      opened.endpoint.close(0, "closed", () => {});
      return;
    }
    this.#options.leaving();
    this.#before = this.stats;
    left.close(0, "closed", () => {});
    // It carried until it was left.
    this.#isReserveSound = true;
    this.#opened(opened.endpoint, opened.tell);
    this.#hasReturned = true;
  }
}

type Bound =
  | { readonly ok: true; readonly endpoint: SessionEndpoint; tell(): void }
  | { readonly ok: false; readonly cause: DriverFault["cause"]; readonly detail: string };

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The system says why an address cannot be bound; whatever else keeps an endpoint from opening is the library's. */
const causeOf = (error: unknown): Pick<DriverFault, "cause" | "detail"> => {
  const isSystem = error instanceof TetradError && Boolean(error.data["errno"]);
  return { cause: isSystem ? "socket" : "library", detail: textOf(error) };
};

/** Told of a fault of one endpoint. */
type FaultHeard = (fault: DriverFault) => void;

/** A fault is heard when its endpoint is in place, however soon it comes. */
const tell =
  (heard: Promise<FaultHeard>): NonNullable<QuicEndpointOptions["failed"]> =>
  (detail, cause) => {
    void heard.then((hear) => hear({ detail, cause }));
  };

const sum = (a: QuicEndpointStats, b: QuicEndpointStats): QuicEndpointStats => ({
  datagramsIn: a.datagramsIn + b.datagramsIn,
  datagramsOut: a.datagramsOut + b.datagramsOut,
  bytesIn: a.bytesIn + b.bytesIn,
  bytesOut: a.bytesOut + b.bytesOut,
  dropped: a.dropped + b.dropped,
  retries: a.retries + b.retries,
  sendErrors: a.sendErrors + b.sendErrors,
  faults: a.faults + b.faults,
});
