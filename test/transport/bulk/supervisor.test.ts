/** When a worker is started, which driver it tries, and what follows a fault: time and workers are the test's. */
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import type { DriverSetting } from "../../../src/transport/bulk/choose.ts";
import { BulkSupervisor } from "../../../src/transport/bulk/supervisor.ts";
import type { ToWorker } from "../../../src/transport/bulk/worker-messages.ts";
import type { WorkerEvents } from "../../../src/transport/bulk/worker-port.ts";
import { type LogLine, silentMetrics } from "../support.ts";

type Started = {
  readonly events: WorkerEvents;
  readonly sent: ToWorker[];
  readonly ends: string[];
  readonly driver: string;
  readonly trial: boolean;
};

class World {
  nowMs = 0;
  readonly workers: Started[] = [];
  readonly logs: LogLine[] = [];
  readonly events: string[] = [];
  readonly supervisor: BulkSupervisor;
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];

  constructor(setting: DriverSetting = "auto") {
    this.supervisor = new BulkSupervisor({
      ...{ setting, listen: { host: "::1", port: 0 }, connections: 2, folder: "/x" },
      serverName: "x.invalid",
      startWorker: (events) => this.#started(events),
      clock: { monotonicMs: () => this.nowMs, wallMs: () => 1_800_000_000_000 + this.nowMs },
      timers: {
        set: (delayMs, run) => {
          const timer = { atMs: this.nowMs + delayMs, run };
          this.#timers.push(timer);
          return () => {
            this.#timers = this.#timers.filter((other) => other !== timer);
          };
        },
      },
      logger: {
        log: (level, message, fields = {}) => void this.logs.push({ level, message, fields }),
      },
      metrics: silentMetrics,
      ready: () => this.events.push("ready"),
      lost: (reason) => this.events.push(`lost: ${reason}`),
      message: () => {},
    });
  }

  get last(): Started {
    const worker = this.workers.at(-1);
    if (worker === undefined) throw new Error("no worker");
    return worker;
  }

  ready(): void {
    this.last.events.message({ kind: "ready", ports: [1, 2], ms: 5 });
  }

  /** Lets time pass, a step at a time. */
  pass(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.nowMs = Math.min(end, this.nowMs + 100);
      for (const timer of this.#timers.filter(({ atMs }) => atMs <= this.nowMs)) {
        this.#timers = this.#timers.filter((other) => other !== timer);
        timer.run();
      }
    }
  }

  #started(events: WorkerEvents) {
    const sent: ToWorker[] = [];
    const ends: string[] = [];
    return {
      pid: 1,
      send: (message: ToWorker) => {
        sent.push(message);
        if (message.kind !== "start") return;
        this.workers.push({ events, sent, ends, driver: message.driver, trial: message.trial });
      },
      end: (how: string, reason: string) => ends.push(`${how}: ${reason}`),
    };
  }
}

describe("the supervisor of the bulk worker", () => {
  it("tries the reactor first, then quiche, and says why", () => {
    const world = new World();
    world.supervisor.wake();
    expect(world.last).toMatchObject({ driver: "reactor", trial: true });
    world.last.events.ended("no library");
    expect(world.last).toMatchObject({ driver: "quiche", trial: true });
    world.ready();
    expect(world.supervisor.running).toMatchObject({ driver: "quiche", ports: [1, 2] });
    expect(world.logs).toContainEqual({
      level: "info",
      message: "driver for bulk",
      fields: {
        driver: "quiche",
        setting: "auto",
        reason: "reactor does not work: no library; quiche carried bytes over [::1] in 5 ms",
      },
    });
    expect(world.events).toEqual(["ready"]);
  });

  it("uses what is set, or nothing", () => {
    const world = new World("reactor");
    world.supervisor.wake();
    world.last.events.ended("no library");
    expect(world.workers).toHaveLength(1);
    expect(world.supervisor.running).toBeUndefined();
    expect(world.supervisor.reason).toBe("reactor: no library");
    expect(world.supervisor.canWake).toBe(false);
    world.supervisor.wake();
    expect(world.workers).toHaveLength(1);
    world.pass(LIMITS.bulkRetryMsMin);
    world.supervisor.wake();
    expect(world.workers).toHaveLength(2);
  });

  it("ends a worker that was only tried, and one that nobody needs any more", () => {
    const world = new World();
    world.supervisor.probe();
    world.ready();
    expect(world.last.ends).toEqual(["stop: tried"]);
    expect(world.supervisor.running).toBeUndefined();
    world.supervisor.wake();
    // It is known to work, so it need not be tried again.
    expect(world.last).toMatchObject({ driver: "reactor", trial: false });
    world.ready();
    world.pass(LIMITS.bulkIdleWorkerMs - 1_000);
    expect(world.last.ends).toEqual([]);
    world.pass(3_000);
    expect(world.last.ends).toEqual(["stop: idle"]);
  });

  it("waits twice as long after each fault, a minute at most, and from the start after a good time", () => {
    const world = new World();
    const pauses: number[] = [];
    for (let fault = 0; fault < 9; fault++) {
      world.supervisor.wake();
      world.ready();
      world.last.events.ended("a fault");
      const line = world.logs.findLast(({ message }) => message.includes("its worker has ended"));
      const pause = Number(line?.fields["retryMs"]);
      pauses.push(pause);
      world.pass(pause - 100);
      world.supervisor.wake();
      expect(world.supervisor.canWake).toBe(false);
      world.pass(100);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1_000));
    world.supervisor.wake();
    world.ready();
    world.pass(30_000);
    world.supervisor.wake();
    world.pass(LIMITS.bulkRetryMsMax - 20_000);
    world.last.events.ended("another, later");
    const line = world.logs.findLast(({ message }) => message.includes("its worker has ended"));
    expect(line?.fields["retryMs"]).toBe(LIMITS.bulkRetryMsMin);
  });

  it("ends a worker that does not listen in time", () => {
    const world = new World();
    world.supervisor.wake();
    world.pass(LIMITS.bulkStartTimeoutMs - 100);
    expect(world.last.ends).toEqual([]);
    world.pass(100);
    expect(world.last.ends).toHaveLength(1);
  });

  it("ends a worker of half of its certificates' time in a pause, and not while it is used", () => {
    const world = new World();
    world.supervisor.wake();
    world.ready();
    world.nowMs = LIMITS.bulkAuthorityMs / 2 - LIMITS.bulkQuietMs;
    world.supervisor.wake();
    // Not old, and quiet for as long as it may be.
    world.pass(LIMITS.bulkQuietMs);
    for (let second = 0; second < 60; second++) {
      world.supervisor.send({ kind: "cancel", id: second });
      world.pass(1_000);
    }
    expect(world.last.ends).toEqual([]);
    world.pass(LIMITS.bulkQuietMs - 1_000);
    expect(world.last.ends).toEqual([]);
    world.pass(2_000);
    expect(world.last.ends).toEqual(["stop: old"]);
  });

  it("ends a worker that is never quiet while its certificates still outlast a grant", () => {
    const world = new World();
    world.supervisor.wake();
    world.ready();
    const lastMs = LIMITS.bulkAuthorityMs - LIMITS.bulkGrantMs;
    world.nowMs = lastMs - 10_000;
    for (let second = 0; second < 10; second++) {
      world.supervisor.send({ kind: "cancel", id: second });
      world.pass(1_000);
    }
    expect(world.last.ends).toEqual([]);
    world.supervisor.send({ kind: "cancel", id: 0 });
    world.pass(2_000);
    expect(world.last.ends).toEqual(["stop: old"]);
  });
});
