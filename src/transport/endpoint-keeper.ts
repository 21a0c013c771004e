/**
 * Keeps one endpoint for sessions: when the driver gives it up, opens another at the same address after a pause,
 * for as long as the node runs. Whether it is beyond help is the driver's to say (driver-watch.ts).
 */
import { type Failure, fail } from "../errors.ts";
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
  readonly limits: Pick<DriverLimits, "retryMsMin" | "retryMsMax">;
  readonly ports: Pick<TransportPorts, "clock" | "timers" | "logger" | "metrics">;
  bind(
    listen: HostPort,
    failed: NonNullable<QuicEndpointOptions["failed"]>,
  ): Promise<SessionEndpoint>;
  /** Another endpoint has taken the place of one that failed. */
  reopened(): void;
};

/** Before there was an endpoint. */
export const NO_DRIVER: DriverFigures = {
  driver: "quiche",
  state: "down",
  restarts: 0,
  lastFault: undefined,
};

export class EndpointKeeper {
  readonly local: HostPort;
  readonly #driver: QuicDriverName;
  readonly #options: KeeperOptions;
  readonly #plan: RetryPlan;
  /** Of endpoints that are gone, so that totals never fall. */
  #before: QuicEndpointStats = NO_STATS;
  #endpoint: SessionEndpoint | undefined;
  /** Another one than the first endpoint was made with. */
  #identity: QuicIdentity | undefined;
  #accepting = false;
  #closed = false;
  #restarts = 0;
  #lastFault: { readonly fault: DriverFault; readonly atMs: number } | undefined;
  #cancelRetry: (() => void) | undefined;

  private constructor(options: KeeperOptions, { driver, local }: SessionEndpoint) {
    this.#options = options;
    this.#driver = driver;
    this.local = local;
    this.#plan = new RetryPlan(options.limits, options.ports.clock.monotonicMs());
  }

  /** Opens the first one. Throws what `bind` throws: a node does not start without. */
  static async open(options: KeeperOptions): Promise<EndpointKeeper> {
    const opened = Promise.withResolvers<EndpointKeeper>();
    const endpoint = await options.bind(options.listen, tell(opened.promise));
    const keeper = new EndpointKeeper(options, endpoint);
    keeper.#endpoint = endpoint;
    options.ports.metrics.gauge("tetrad_transport_endpoint_up", 1);
    opened.resolve(keeper);
    return keeper;
  }

  get stats(): QuicEndpointStats {
    return this.#endpoint === undefined ? this.#before : sum(this.#before, this.#endpoint.stats);
  }

  get connectionCount(): number {
    return this.#endpoint?.connectionCount ?? 0;
  }

  /** Why `dial` gives nobody. */
  get refusal(): Failure {
    if (this.#endpoint !== undefined) return fail("node.overloaded", "connection cap reached");
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

  close(code: number, reason: string, done: () => void): void {
    this.#closed = true;
    this.#cancelRetry?.();
    const endpoint = this.#endpoint;
    this.#endpoint = undefined;
    if (endpoint === undefined) done();
    else endpoint.close(code, reason, done);
  }

  /** The endpoint is gone. */
  failed(fault: DriverFault): void {
    if (this.#closed) return;
    const { clock, metrics } = this.#options.ports;
    this.#before = this.stats;
    this.#endpoint = undefined;
    this.#lastFault = { fault, atMs: clock.monotonicMs() };
    metrics.count("tetrad_transport_endpoint_restarts_total", 1, { cause: fault.cause });
    metrics.gauge("tetrad_transport_endpoint_up", 0);
    this.#retry("the endpoint of sessions has failed", fault);
  }

  #retry(message: string, { cause, detail }: DriverFault): void {
    const { clock, timers, logger } = this.#options.ports;
    const retryMs = this.#plan.failed(clock.monotonicMs());
    const code = "transport.driver-failed";
    logger.log("error", message, { code, driver: this.#driver, cause, detail, retryMs });
    this.#cancelRetry = timers.set(retryMs, () => void this.#reopen());
  }

  async #reopen(): Promise<void> {
    const opened = Promise.withResolvers<EndpointKeeper>();
    let endpoint: SessionEndpoint;
    try {
      endpoint = await this.#options.bind(this.local, tell(opened.promise));
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      if (!this.#closed) this.#retry("no other endpoint", { cause: "socket", detail });
      return;
    }
    if (this.#closed) {
      endpoint.close(0, "closed", () => {});
      return;
    }
    try {
      if (this.#identity !== undefined) endpoint.useIdentity(this.#identity);
    } catch (error) {
      // The port is free before it is bound again.
      const detail = error instanceof Error ? error.message : String(error);
      endpoint.close(0, "closed", () => {
        if (!this.#closed) this.#retry("no other endpoint", { cause: "library", detail });
      });
      return;
    }
    this.#opened(endpoint);
    opened.resolve(this);
  }

  #opened(endpoint: SessionEndpoint): void {
    const { clock, metrics, logger } = this.#options.ports;
    this.#endpoint = endpoint;
    this.#restarts += 1;
    this.#plan.opened(clock.monotonicMs());
    metrics.gauge("tetrad_transport_endpoint_up", 1);
    logger.log("info", "another endpoint of sessions is open", {
      ...{ address: formatAddress(endpoint.local), restarts: this.#restarts },
    });
    if (this.#accepting) endpoint.startAccepting();
    this.#options.reopened();
  }
}

/** A fault is heard when its endpoint is in place, however soon it comes. */
const tell =
  (keeper: Promise<EndpointKeeper>): NonNullable<QuicEndpointOptions["failed"]> =>
  (detail, cause) => {
    void keeper.then((one) => one.failed({ detail, cause }));
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
