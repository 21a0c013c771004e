/**
 * Keeps at most one bulk worker: starts it when somebody needs it, with the first driver that works, ends it when
 * nobody has needed it for a while, and after a fault waits longer each time before it starts another. Nothing here
 * is needed for bulk to work: without a worker it goes over sessions.
 */
import type { Clock, Logger, Metrics, Timers } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import { type Authority, createAuthority } from "../authority.ts";
import type { HostPort, QuicDriverName } from "../quic-endpoint.ts";
import { candidates, type DriverSetting, reasonFor, type Tried } from "./choose.ts";
import type { FromWorker, ToWorker } from "./worker-messages.ts";
import type { BulkWorker, StartWorker } from "./worker-port.ts";

export type SupervisorOptions = {
  readonly setting: DriverSetting;
  /** Where the worker listens: an IPv6 literal, port 0 for free ones. */
  readonly listen: HostPort;
  /** Listeners, and connections to a peer: 1, 2 or 4. */
  readonly connections: number;
  /** Files that are served lie below it. */
  readonly folder: string;
  /** What the worker's own certificate is made out to. */
  readonly serverName: string;
  readonly startWorker: StartWorker;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** A worker listens now. */
  readonly ready: () => void;
  /** It is gone, and all that was asked of it. */
  readonly lost: (reason: string) => void;
  readonly message: (message: FromWorker) => void;
};

/** What is known of the worker that listens. */
export type Running = {
  readonly driver: QuicDriverName;
  readonly ports: readonly number[];
  readonly authority: Authority;
};

type Phase = "asleep" | "starting" | "ready" | "down" | "closed";

export class BulkSupervisor {
  readonly #options: SupervisorOptions;
  readonly #failed: Tried[] = [];
  #phase: Phase = "asleep";
  #worker: BulkWorker | undefined;
  #running: Running | undefined;
  /** Told once: the driver of the first worker that listened. */
  #chosen: QuicDriverName | undefined;
  #reason = "no worker has been started yet";
  /** Since the worker was started. */
  #needed = false;
  #faults = 0;
  #retryAtMs = 0;
  #usedMs = 0;
  #startedMs = 0;
  #cancelStart: (() => void) | undefined;
  #cancelLook: (() => void) | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#look();
  }

  /** Undefined while no worker listens. */
  get running(): Running | undefined {
    return this.#running;
  }

  /** Why the driver is the one that it is, or why there is none, for people. */
  get reason(): string {
    return this.#reason;
  }

  /** Tries the driver: a worker is started, and ended when it listens and nobody needs it. */
  probe(): void {
    if (this.#phase === "asleep") this.#start();
  }

  /** Somebody needs a worker: one is started unless there is one or a fault is too fresh. */
  wake(): void {
    this.#needed = true;
    this.#usedMs = this.#options.clock.monotonicMs();
    if (this.#phase === "down" && this.#usedMs >= this.#retryAtMs) this.#phase = "asleep";
    if (this.#phase === "asleep") this.#start();
  }

  /** False for good, or for now. */
  get canWake(): boolean {
    return this.#phase === "asleep" || this.#phase === "starting" || this.#phase === "ready";
  }

  send(message: ToWorker): void {
    this.#usedMs = this.#options.clock.monotonicMs();
    if (this.#running !== undefined) this.#worker?.send(message);
  }

  close(): void {
    this.#phase = "closed";
    this.#cancelStart?.();
    this.#cancelLook?.();
    this.#running = undefined;
    this.#worker?.end("stop", "the node stops");
    this.#worker = undefined;
  }

  #start(): void {
    const { setting, listen, clock, timers, serverName, connections, folder } = this.#options;
    const choice = candidates(setting, listen);
    const driver = this.#chosen ?? choice.drivers[this.#failed.length] ?? choice.drivers.at(-1);
    if (driver === undefined) return;
    this.#phase = "starting";
    this.#startedMs = clock.monotonicMs();
    const authority = createAuthority("bulk", clock.wallMs(), LIMITS.bulkAuthorityMs);
    const worker = this.#options.startWorker({
      message: (message) => {
        if (worker !== this.#worker) return;
        if (message.kind === "ready") this.#ready(driver, authority, message.ports, message.ms);
        else if (message.kind !== "failed") this.#options.message(message);
      },
      ended: (reason) => {
        if (worker === this.#worker) this.#over(driver, reason);
      },
    });
    this.#worker = worker;
    this.#cancelStart = timers.set(LIMITS.bulkStartTimeoutMs, () => {
      worker.end("kill", `the worker did not listen in ${LIMITS.bulkStartTimeoutMs} ms`);
    });
    worker.send({
      kind: "start",
      ...{ driver, listen, folder, listeners: connections },
      // After a fault it is tried again; what only slept is known to work.
      trial: this.#chosen === undefined || this.#faults > 0,
      identity: authority.identity({ subject: "bulk", serverName }),
      authorityPem: authority.certPem,
    });
  }

  #ready(driver: QuicDriverName, authority: Authority, ports: readonly number[], ms: number): void {
    this.#cancelStart?.();
    this.#phase = "ready";
    this.#running = { driver, ports, authority };
    if (this.#chosen === undefined) {
      const { setting, listen, logger } = this.#options;
      this.#chosen = driver;
      this.#reason = reasonFor(driver, candidates(setting, listen), this.#failed, ms);
      logger.log("info", "driver for bulk", { driver, setting, reason: this.#reason });
    }
    const pid = this.#worker?.pid;
    this.#options.logger.log("debug", "a bulk worker listens", { driver, pid, ms });
    if (this.#needed) this.#options.ready();
    else this.#sleep("tried");
  }

  #over(driver: QuicDriverName, reason: string): void {
    const { clock, logger, metrics, setting, listen } = this.#options;
    const listened = this.#running !== undefined;
    this.#cancelStart?.();
    this.#worker = undefined;
    this.#running = undefined;
    if (this.#phase === "asleep") return;
    metrics.count("tetrad_bulk_worker_faults_total", 1, { driver });
    const others = candidates(setting, listen).drivers.length - this.#failed.length;
    if (!listened && this.#chosen === undefined && others > 0) {
      this.#failed.push({ driver, reason });
      if (others > 1) {
        this.#start();
        return;
      }
      // None of them works here now: from the first again, later.
      this.#reason = this.#failed.map((tried) => `${tried.driver}: ${tried.reason}`).join("; ");
      this.#failed.length = 0;
    }
    if (clock.monotonicMs() - this.#startedMs > LIMITS.bulkRetryMsMax) this.#faults = 0;
    const pauseMs = Math.min(LIMITS.bulkRetryMsMax, LIMITS.bulkRetryMsMin * 2 ** this.#faults);
    this.#faults += 1;
    this.#phase = "down";
    this.#retryAtMs = clock.monotonicMs() + pauseMs;
    logger.log("warn", "bulk goes over sessions: its worker has ended", {
      ...{ driver, reason, retryMs: pauseMs },
    });
    this.#options.lost(reason);
  }

  /**
   * Ends a worker that nobody needs. One whose certificates have had half of their time is ended in a pause of what is
   * asked, and where there is none before the last grant that they leave time for: what was asked over it is then
   * asked again over sessions.
   */
  #look(): void {
    this.#cancelLook = this.#options.timers.set(LIMITS.bulkHeartbeatMs, () => {
      const now = this.#options.clock.monotonicMs();
      const quietMs = now - this.#usedMs;
      const ageMs = now - this.#startedMs;
      const idle = quietMs > LIMITS.bulkIdleWorkerMs;
      const old =
        ageMs > LIMITS.bulkAuthorityMs - LIMITS.bulkGrantMs ||
        (ageMs > LIMITS.bulkAuthorityMs / 2 && quietMs > LIMITS.bulkQuietMs);
      if (this.#phase === "ready" && (idle || old)) this.#sleep(idle ? "idle" : "old");
      this.#look();
    });
  }

  #sleep(why: string): void {
    this.#phase = "asleep";
    this.#needed = false;
    this.#running = undefined;
    this.#faults = 0;
    const worker = this.#worker;
    this.#worker = undefined;
    worker?.end("stop", why);
    this.#options.logger.log("debug", "the bulk worker is ended until it is needed", { why });
    this.#options.lost(why);
  }
}
