/** When sessions are held against their certificates: wall time and the timers' time are the test's. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import { ExpiryWatch } from "../../src/transport/expiry-watch.ts";

const START_MS = 1_800_000_000_000;
const CHECK_MS = LIMITS.sessionCheckMs;

type One = { readonly name: string; readonly certificateEndMs: number };

class World {
  /** Time of the timers since the start, and how far wall time is from it. */
  nowMs = 0;
  stepMs = 0;
  wakeUps = 0;
  readonly all = new Set<One>();
  readonly ended: { readonly name: string; readonly atMs: number }[] = [];
  readonly watch: ExpiryWatch<One>;
  /** False: an end is asked for, and nothing comes of it. */
  obeys = true;
  timers: { readonly atMs: number; readonly run: () => void }[] = [];

  constructor() {
    this.watch = new ExpiryWatch({
      clock: { monotonicMs: () => this.nowMs, wallMs: () => this.wallMs },
      timers: {
        set: (delayMs, run) => {
          const timer = { atMs: this.nowMs + delayMs, run };
          this.timers.push(timer);
          return () => {
            this.timers = this.timers.filter((other) => other !== timer);
          };
        },
      },
      checkMs: CHECK_MS,
      all: () => [...this.all],
      expired: (one) => {
        this.ended.push({ name: one.name, atMs: this.nowMs });
        if (this.obeys) this.all.delete(one);
      },
    });
  }

  get wallMs(): number {
    return START_MS + this.nowMs + this.stepMs;
  }

  /** `leftMs` from now, by wall time, is the last millisecond of the certificate. */
  add(name: string, leftMs: number): void {
    this.all.add({ name, certificateEndMs: this.wallMs + leftMs });
    this.watch.added();
  }

  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const next = this.timers.reduce<World["timers"][number] | undefined>(
        (first, one) => (first === undefined || one.atMs < first.atMs ? one : first),
        undefined,
      );
      if (next === undefined || next.atMs > untilMs) break;
      this.timers = this.timers.filter((other) => other !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.wakeUps += 1;
      next.run();
    }
    this.nowMs = untilMs;
  }
}

describe("the watch over certificates", () => {
  it("leaves a session in its last millisecond, and ends it in the next", () => {
    const world = new World();
    world.add("a", 10_000);
    world.pass(10_000);
    expect(world.ended).toEqual([]);
    world.pass(1);
    expect(world.ended).toEqual([{ name: "a", atMs: 10_001 }]);
  });

  it("has no timer where there is no session, before and after", () => {
    const world = new World();
    world.watch.added();
    expect(world.timers).toEqual([]);
    world.add("a", 5);
    expect(world.timers).toHaveLength(1);
    world.pass(100_000);
    expect(world.ended).toHaveLength(1);
    expect(world.timers).toEqual([]);
  });

  it("ends the next one when a later session has the earlier end", () => {
    const world = new World();
    world.add("late", CHECK_MS);
    world.add("early", 10);
    world.pass(11);
    expect(world.ended).toEqual([{ name: "early", atMs: 11 }]);
    world.pass(CHECK_MS - 10);
    expect(world.ended.at(-1)).toEqual({ name: "late", atMs: CHECK_MS + 1 });
    expect(world.wakeUps).toBe(2);
  });

  it("ends what is over already, but not before it has come back from `added`", () => {
    const world = new World();
    world.add("over", -1);
    expect(world.ended).toEqual([]);
    world.pass(0);
    expect(world.ended).toEqual([{ name: "over", atMs: 0 }]);
  });

  it("ends a session within a second after wall time has stepped past its end", () => {
    const world = new World();
    world.add("a", 86_400_000);
    world.pass(5 * CHECK_MS + 1);
    world.stepMs = 86_400_000;
    world.pass(CHECK_MS - 1);
    expect(world.ended).toEqual([{ name: "a", atMs: 6 * CHECK_MS }]);
    expect(CHECK_MS).toBeLessThan(1_000);
  });

  it("ends nothing that wall time has stepped away from", () => {
    const world = new World();
    world.add("a", 500);
    world.pass(499);
    world.stepMs = -100;
    world.pass(101);
    expect(world.ended).toEqual([]);
    world.pass(1);
    expect(world.ended).toEqual([{ name: "a", atMs: 601 }]);
  });

  it("waits for a certificate of centuries, and for one without end, no longer than the check", () => {
    for (const leftMs of [2 ** 31, 10 ** 13, Number.POSITIVE_INFINITY]) {
      const world = new World();
      world.add("a", leftMs);
      world.pass(10 * CHECK_MS);
      expect(world.ended).toEqual([]);
      expect(world.wakeUps).toBe(10);
    }
  });

  it("asks again for an end that does not come, and not in a busy loop", () => {
    const world = new World();
    world.obeys = false;
    world.add("a", 0);
    world.pass(1 + 3 * CHECK_MS);
    expect(world.ended.map(({ atMs }) => atMs)).toEqual([0, 1, 2, 3].map((i) => 1 + i * CHECK_MS));
  });

  it("ends nothing after it was stopped, and starts no timer", () => {
    const world = new World();
    world.add("a", 5);
    world.watch.stop();
    world.add("b", 5);
    world.pass(10_000);
    expect(world.ended).toEqual([]);
    expect(world.timers).toEqual([]);
  });

  it("is never a second late and never early, whatever comes and however the clock steps", () => {
    const act = fc.oneof(
      fc.record({ add: fc.integer({ min: -2_000, max: 10_000 }) }),
      fc.record({ pass: fc.integer({ min: 0, max: 3_000 }) }),
      fc.record({ step: fc.integer({ min: -5_000, max: 5_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
        const world = new World();
        const overSince = new Map<One, number>();
        const check = (): void => {
          for (const one of world.all) {
            if (world.wallMs <= one.certificateEndMs) overSince.delete(one);
            else if (!overSince.has(one)) overSince.set(one, world.nowMs);
            const lateMs = world.nowMs - (overSince.get(one) ?? world.nowMs);
            expect(lateMs).toBeLessThan(1_000);
          }
        };
        acts.forEach((one, i) => {
          const before = [...world.all];
          if ("add" in one) world.add(`${i}`, one.add);
          else if ("step" in one) world.stepMs += one.step;
          else {
            for (let ms = 0; ms < one.pass; ms += 100) {
              world.pass(100);
              check();
            }
          }
          for (const gone of before.filter((old) => !world.all.has(old))) {
            expect(world.wallMs).toBeGreaterThan(gone.certificateEndMs);
          }
          check();
        });
      }),
      { numRuns: 300 },
    );
  });
});
