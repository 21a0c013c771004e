/** How bulk shares the event loop: what may move at once, how the rate follows the loop, who is woken. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BULK_LIMITS } from "../../src/limits-bulk.ts";
import {
  BULK_BURST_BYTES_MAX,
  BULK_RATE_MIN,
  BulkBudget,
} from "../../src/transport/bulk-budget.ts";

const MIB = 1024 * 1024;

class Loop {
  nowMs = 1_000;
  activeMs = 0;
  readonly timers: { atMs: number; run: () => void; live: boolean }[] = [];

  budget(loopShare: number): BulkBudget {
    return new BulkBudget({
      clock: { monotonicMs: () => this.nowMs, wallMs: () => this.nowMs },
      timers: {
        set: (delayMs, run) => {
          const timer = { atMs: this.nowMs + delayMs, run, live: true };
          this.timers.push(timer);
          return () => {
            timer.live = false;
          };
        },
      },
      loopTime: () => ({ activeMs: this.activeMs, idleMs: this.nowMs - this.activeMs }),
      loopShare,
    });
  }

  /** Time passes, of which the loop works this part. */
  pass(ms: number, busy: number): void {
    this.nowMs += ms;
    this.activeMs += ms * busy;
    for (const timer of this.timers) {
      if (!timer.live || timer.atMs > this.nowMs) continue;
      timer.live = false;
      timer.run();
    }
  }
}

/** Moves all that may be moved for so long, while the loop is so busy; bytes a second. */
const move = (loop: Loop, budget: BulkBudget, ms: number, busyOf: (rate: number) => number) => {
  let moved = 0;
  for (let passed = 0; passed < ms; passed += 2) {
    while (budget.hasRoom()) {
      budget.spend(16_000);
      moved += 16_000;
    }
    budget.wait(() => {});
    loop.pass(2, Math.min(1, busyOf(budget.rate)));
  }
  return (moved * 1000) / ms;
};

describe("the budget of bulk", () => {
  it("grows while the loop is idle, and the rate is what moves", () => {
    const loop = new Loop();
    const budget = loop.budget(0.5);
    const first = move(loop, budget, 50, () => 0.1);
    expect(first).toBeLessThan(40 * MIB);
    move(loop, budget, 2_000, () => 0.1);
    expect(budget.rate).toBeGreaterThan(100 * MIB);
  });

  it("settles where the loop has its share, whatever a byte costs", () => {
    for (const mibAtFull of [40, 200, 1_000]) {
      const loop = new Loop();
      const budget = loop.budget(0.5);
      const busyOf = (rate: number): number => 0.1 + rate / (mibAtFull * MIB);
      move(loop, budget, 5_000, busyOf);
      const rate = move(loop, budget, 2_000, busyOf);
      expect(busyOf(rate)).toBeGreaterThan(0.3);
      expect(busyOf(rate)).toBeLessThan(0.65);
    }
  });

  it("falls to its floor and no lower when others keep the loop busy, and comes back", () => {
    const loop = new Loop();
    const budget = loop.budget(0.5);
    move(loop, budget, 1_000, () => 1);
    expect(budget.rate).toBe(BULK_RATE_MIN);
    expect(move(loop, budget, 4_000, () => 1)).toBeGreaterThan(BULK_RATE_MIN / 2);
    move(loop, budget, 3_000, () => 0.05);
    expect(budget.rate).toBeGreaterThan(10 * BULK_RATE_MIN);
  });

  it("does not grow while nobody wants more than there is", () => {
    const loop = new Loop();
    const budget = loop.budget(0.5);
    const before = budget.rate;
    for (let i = 0; i < 200; i++) {
      expect(budget.hasRoom()).toBe(true);
      budget.spend(1_000);
      loop.pass(10, 0.01);
    }
    expect(budget.rate).toBe(before);
  });

  it("never lets more move at once than a burst and one write, at any rate", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            ms: fc.integer({ min: 0, max: 5_000 }),
            busy: fc.double({ min: 0, max: 1, noNaN: true }),
          }),
          { maxLength: 50 },
        ),
        (steps) => {
          const loop = new Loop();
          const budget = loop.budget(0.5);
          for (const { ms, busy } of steps) {
            loop.pass(ms, busy);
            let moved = 0;
            while (budget.hasRoom()) {
              budget.spend(64 * 1024);
              moved += 64 * 1024;
            }
            expect(moved).toBeLessThan(BULK_BURST_BYTES_MAX + 64 * 1024);
            budget.wait(() => {});
          }
        },
      ),
    );
  });

  it("takes a frame for more than its bytes, so that the smallest have a number a second", () => {
    const loop = new Loop();
    const budget = loop.budget(0.5);
    move(loop, budget, 1_000, () => 1);
    expect(budget.rate).toBe(BULK_RATE_MIN);
    let frames = 0;
    for (let passed = 0; passed < 1_000; passed += 2) {
      while (budget.hasRoom()) {
        budget.spend(9 * 10, 10);
        frames += 10;
      }
      loop.pass(2, 1);
    }
    const most = BULK_RATE_MIN / BULK_LIMITS.frameCostBytes;
    expect(frames).toBeLessThanOrEqual(most);
    expect(frames).toBeGreaterThan(0.9 * most);
  });

  it("wakes each who waits once, and not who has left", () => {
    const loop = new Loop();
    const budget = loop.budget(0.5);
    const woken: string[] = [];
    const gone = (): void => void woken.push("gone");
    budget.wait(() => void woken.push("a"));
    budget.wait(gone);
    budget.wait(() => void woken.push("b"));
    budget.leave(gone);
    loop.pass(10, 0);
    loop.pass(10, 0);
    expect(woken).toEqual(["a", "b"]);
    budget.wait(gone);
    budget.close();
    loop.pass(10, 0);
    expect(woken).toEqual(["a", "b"]);
  });

  it("is none where bulk may have the whole of the loop", () => {
    const loop = new Loop();
    const budget = loop.budget(1);
    for (let i = 0; i < 100; i++) {
      budget.spend(100 * MIB);
      expect(budget.hasRoom()).toBe(true);
      loop.pass(1, 1);
    }
  });
});
