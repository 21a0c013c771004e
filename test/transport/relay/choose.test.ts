import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  choosePath,
  DIRECT,
  NO_PATH,
  type PathChange,
  type PathKey,
  type PathLimits,
  type PathSample,
  pathCost,
} from "../../../src/transport/relay/choose.ts";

const LIMITS: PathLimits = { holdMs: 10_000, dwellMs: 30_000, silentMs: 4_000 };
const STEP_MS = 1_000;

const sample = (key: PathKey, rttMs: number, more: Partial<PathSample> = {}): PathSample => ({
  ...{ key, rttMs, loss: 0, silentMs: 0 },
  ...more,
});

type Change = { readonly atMs: number; readonly change: PathChange; readonly key: PathKey };

/** Looks once a second at what `samplesAt` gives. */
const follow = (
  steps: number,
  samplesAt: (step: number) => readonly PathSample[],
): { readonly changes: readonly Change[]; readonly current: PathKey | undefined } => {
  const changes: Change[] = [];
  let state = NO_PATH;
  for (let step = 0; step < steps; step++) {
    const atMs = step * STEP_MS;
    const next = choosePath(state, samplesAt(step), atMs, LIMITS);
    state = next.state;
    if (next.change !== undefined && state.current !== undefined) {
      changes.push({ atMs, change: next.change, key: state.current });
    }
  }
  return { changes, current: state.current };
};

const KEYS = [DIRECT, "b", "c"] as const;
const measured = fc.record({
  rttMs: fc.integer({ min: 0, max: 500 }),
  loss: fc.double({ min: 0, max: 1, noNaN: true }),
  silentMs: fc.integer({ min: 0, max: 8_000 }),
  up: fc.boolean(),
});
const course = fc.array(fc.tuple(measured, measured, measured), { minLength: 1, maxLength: 300 });
type Course = readonly (readonly {
  rttMs: number;
  loss: number;
  silentMs: number;
  up: boolean;
}[])[];

const samplesOf = (steps: Course, step: number): readonly PathSample[] =>
  KEYS.flatMap((key, i) => {
    const one = steps[step]?.[i];
    return one?.up === true ? [sample(key, one.rttMs, one)] : [];
  }).map(({ key, rttMs, loss, silentMs }) => ({ key, rttMs, loss, silentMs }));

describe("the path that is chosen", () => {
  it("is always one that is up, and there is one when any is up", () => {
    fc.assert(
      fc.property(course, (steps) => {
        let state = NO_PATH;
        for (const step of steps.keys()) {
          const samples = samplesOf(steps, step);
          state = choosePath(state, samples, step * STEP_MS, LIMITS).state;
          expect(state.current === undefined).toBe(samples.length === 0);
          if (state.current === undefined) continue;
          expect(samples.map(({ key }) => key)).toContain(state.current);
        }
      }),
    );
  });

  it("changes at leisure at most once in dwellMs, however the measurements jump", () => {
    fc.assert(
      fc.property(course, (steps) => {
        const { changes } = follow(steps.length, (step) => samplesOf(steps, step));
        for (const [i, { atMs, change }] of changes.entries()) {
          const before = changes[i - 1];
          if (change !== "better" || before === undefined) continue;
          expect(atMs - before.atMs).toBeGreaterThanOrEqual(LIMITS.dwellMs);
        }
      }),
    );
  });

  it("changes at most once to each path while costs stay within a factor of 1.2", () => {
    const bases = fc.tuple(...KEYS.map(() => fc.integer({ min: 0, max: 300 })));
    const wobble = fc.array(
      fc.tuple(...KEYS.map(() => fc.double({ min: 0, max: 1, noNaN: true }))),
      {
        minLength: 200,
        maxLength: 400,
      },
    );
    fc.assert(
      fc.property(bases, wobble, (base, steps) => {
        const { changes } = follow(steps.length, (step) =>
          KEYS.map((key, i) => {
            const rtt = (base[i] ?? 0) + 5;
            return sample(key, rtt * (1 + 0.2 * (steps[step]?.[i] ?? 0)) - 5);
          }),
        );
        const better = changes.filter(({ change }) => change === "better").map(({ key }) => key);
        expect(new Set(better).size).toBe(better.length);
        expect(better.length).toBeLessThan(KEYS.length);
      }),
      { numRuns: 50 },
    );
  });

  it("comes to rest where measurements do, at no more than 5/4 of the least cost", () => {
    fc.assert(
      fc.property(course, fc.tuple(...KEYS.map(() => fc.nat(300))), (steps, rtts) => {
        const calm = KEYS.map((key, i) => sample(key, rtts[i] ?? 0));
        const restless = steps.length;
        const { changes, current } = follow(restless + 200, (step) =>
          step < restless ? samplesOf(steps, step) : calm,
        );
        const costs = calm.map(pathCost);
        const chosen = calm.find(({ key }) => key === current);
        expect(chosen && pathCost(chosen)).toBeLessThanOrEqual(1.25 * Math.min(...costs) + 1e-9);
        const last = changes[changes.length - 1]?.atMs ?? 0;
        expect(last).toBeLessThan((restless + 100) * STEP_MS);
      }),
      { numRuns: 50 },
    );
  });

  it("is the direct one when it costs the same, and when it is up to twice as long", () => {
    for (const rttMs of [0, 1, 10, 40]) {
      const { current } = follow(60, () => [sample("b", rttMs), sample(DIRECT, rttMs * 1.5)]);
      expect(current).toBe(DIRECT);
    }
  });

  it("goes back to the direct one after it was there for holdMs, and not before", () => {
    const backAt = 40;
    const { changes } = follow(80, (step) => [
      sample("b", 10),
      ...(step >= backAt ? [sample(DIRECT, 10)] : []),
    ]);
    expect(changes).toEqual([
      { atMs: 0, change: "lost", key: "b" },
      { atMs: backAt * STEP_MS + LIMITS.holdMs, change: "better", key: DIRECT },
    ]);
  });

  it("does not go back to a direct one that comes and goes", () => {
    const { changes } = follow(300, (step) => [
      sample("b", 10),
      ...(step % 9 < 8 ? [sample(DIRECT, 10)] : []),
    ]);
    expect(changes.filter(({ change }) => change === "better")).toEqual([]);
  });

  it("leaves a path at once that is gone, and one that is silent for silentMs", () => {
    const gone = follow(20, (step) => [sample("b", 50), ...(step < 5 ? [sample("c", 10)] : [])]);
    expect(gone.changes[1]).toEqual({ atMs: 5 * STEP_MS, change: "lost", key: "b" });
    const silent = follow(20, (step) => [
      sample("b", 50),
      sample("c", 10, { silentMs: Math.max(0, step - 5) * STEP_MS }),
    ]);
    expect(silent.changes[1]).toEqual({
      ...{ atMs: 5 * STEP_MS + LIMITS.silentMs, change: "silent", key: "b" },
    });
  });

  it("stays where every path is silent: the whole network is, or we are", () => {
    const { changes } = follow(50, (step) =>
      KEYS.map((key) => sample(key, 10, { silentMs: step * STEP_MS })),
    );
    expect(changes).toHaveLength(1);
  });

  it("leaves a direct path that loses a tenth of its packets for a relayed one of the same length", () => {
    const { current } = follow(60, () => [sample(DIRECT, 20, { loss: 0.1 }), sample("b", 20)]);
    expect(current).toBe("b");
  });
});
