/** The second phase: a core that just has a quorum goes on alone, and nobody is judged before the time is over. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CheckerFactory } from "../../sim/checkers/types.ts";
import { chooseCore } from "../../sim/core.ts";
import { Prng } from "../../sim/prng.ts";
import { scenario } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";

const FOREVER = 1_000_000_000;

describe("a core", () => {
  it("is honest, has a quorum, and no node more than the last one that completed it", () => {
    const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(weights, fc.nat(), fc.nat(11), (all, seed, liar) => {
        const node = liar % all.length;
        const adversaries = [{ node, strategy: "silent", fromMs: 0, untilMs: FOREVER } as const];
        const one = scenario("core", { n: all.length, weights: all, adversaries });
        const core = chooseCore(one, new Prng(seed, "core"));
        const total = all.reduce((sum, weight) => sum + weight, 0);
        const honest = total - (all[node] ?? 0);
        if (core === undefined) {
          expect(honest * 3).toBeLessThanOrEqual(total * 2);
          return;
        }
        const weight = core.reduce((sum, slot) => sum + (all[slot] ?? 0), 0);
        expect(core).not.toContain(node);
        expect(weight * 3).toBeGreaterThan(total * 2);
        const most = Math.max(...core.map((slot) => all[slot] ?? 0));
        expect((weight - most) * 3).toBeLessThanOrEqual(total * 2);
      }),
    );
  });

  it("leaves out who had no data taken last, and who lacks it first", () => {
    const taken = (node: number, wipe: boolean) => ({
      ...({ kind: "crash-after-vote", node, view: 3, statement: "finalize", wipe } as const),
      ...{ power: true, atMs: 0, downMs: 300 },
    });
    const coreOf = (wiped: readonly boolean[], seed: number, good: (slot: number) => boolean) => {
      const faults = wiped.map((wipe, node) => taken(node, wipe));
      return chooseCore(scenario("core", { faults }), new Prng(seed, "core"), good);
    };
    for (let seed = 1; seed <= 40; seed++) {
      expect(coreOf([false, true, false, false], seed, () => true)).toEqual([0, 2, 3]);
      expect(coreOf([true, true, true, false], seed, (slot) => slot !== 2)).toEqual([0, 1, 3]);
    }
  });

  it("makes progress, catches up and is audited while everybody else is gone for good", () => {
    const result = simulate(
      scenario("core-goes-on", {
        heal: "core",
        faults: [
          {
            kind: "partition",
            groups: [
              [0, 1],
              [2, 3],
            ],
            atMs: 1_000,
            untilMs: 3_500,
          },
          { kind: "crash", node: 1, power: true, atMs: 3_000, downMs: 60_000 },
        ],
        healMs: 4_000,
        expect: { marks: ["core healed"] },
      }),
      SYSTEM,
    );
    expect(result.violation).toBeUndefined();
    expect(result.healedInMs).toBeLessThan(5_000);
  });
});

describe("what is owed after the heal", () => {
  /** Something that has come about so long after the heal, and when the run ended. */
  const owed = (
    takesMs: number,
    judgedMs?: number,
  ): { readonly settled: boolean; readonly endedMs: number } => {
    const seen = { settled: false, endedMs: 0 };
    const checker: CheckerFactory = (context) => {
      let healedUs = Number.POSITIVE_INFINITY;
      const isOver = (): boolean => context.nowUs() - healedUs >= takesMs * 1000;
      return {
        ...{ id: "L4", title: "takes its time" },
        healed: (atUs) => {
          healedUs = atUs;
        },
        settled: isOver,
        // In the midst of a millisecond, as it is of what has come about then.
        ...(judgedMs === undefined ? {} : { settlesByUs: () => healedUs + judgedMs * 1000 + 678 }),
        end: () => {
          seen.settled = isOver();
          seen.endedMs = (context.nowUs() - healedUs) / 1000;
        },
      };
    };
    const run = scenario("owed", {
      healMs: 1_000,
      workload: {
        clients: 1,
        batchesPerSecond: 4,
        eventsPerBatch: 1,
        bodyBytes: 32,
        untilMs: 1_000,
      },
      expect: { convergeWithinMs: 4_000 },
    });
    expect(simulate(run, { ...SYSTEM, checkers: [checker] }).violation).toBeUndefined();
    return seen;
  };

  it("has its fifteen seconds, also where all must be level sooner, and no more", () => {
    expect(owed(14_900)).toEqual({ settled: true, endedMs: expect.closeTo(14_900, -3) });
    expect(owed(60_000)).toEqual({ settled: false, endedMs: expect.closeTo(15_000, -3) });
  });

  it("has longer where a checker judges it later, and ends then", () => {
    expect(owed(19_900, 20_000)).toEqual({ settled: true, endedMs: expect.closeTo(19_900, -3) });
    expect(owed(60_000, 20_000)).toEqual({ settled: false, endedMs: expect.closeTo(20_000, -3) });
    expect(owed(14_900, 2_000)).toEqual({ settled: true, endedMs: expect.closeTo(14_900, -3) });
  });

  it("keeps no run going that owes nothing", () => {
    expect(owed(0).endedMs).toBeLessThan(4_000);
  });
});
