/** What a run with a third and more adversarial may end in: a halt is one, a node that is busy for nothing is none. */
import { describe, expect, it } from "vitest";
import { overThird } from "../../sim/byzantine.ts";
import { judgeOverThird, runCase } from "../../sim/byzantine-judge.ts";
import type { CheckerFactory } from "../../sim/checkers/types.ts";
import { SYSTEM } from "../../sim/system.ts";

const drawn = overThird(4, 2);
const one = { ...drawn, healMs: 200, faults: [], expect: { ...drawn.expect, marks: [] } };

/** Says of every run that this is broken, at the heal. */
const finds =
  (id: string): CheckerFactory =>
  (context) => ({
    ...{ id, title: "finds it" },
    healed: () => context.report(id, "of this"),
  });

describe("a run with a third and more adversarial", () => {
  it.each(["L1", "L2", "L3", "L4", "L5", "L7"])("has halted where it ends in %s", (id) => {
    expect(judgeOverThird(one, { ...SYSTEM, checkers: [finds(id)] })).toBe("halted");
  });

  it.each(["L0", "L6", "L8", "L9"])("is wrong where it ends in %s", (id) => {
    const options = { ...SYSTEM, checkers: [finds(id)] };
    expect(judgeOverThird(one, options)).toEqual({ wrong: `${id}: of this` });
    const found = runCase(
      { n: 4, weights: "equal", kind: "two-faced", share: "over", scenario: one },
      options,
    );
    expect([found.verdict, found.why]).toEqual(["FAILED", `${id}: of this`]);
  });

  it("is wrong where its nodes do more than a run may", () => {
    const verdict = judgeOverThird(one, { ...SYSTEM, checkers: [], maxSteps: 20 });
    expect(verdict).toEqual({ wrong: expect.stringMatching(/^L0: more than \d+ steps/) });
  });
});

describe("a mix", () => {
  const idle = {
    ...one,
    adversaries: [
      { node: 3, strategy: "two-faced", fromMs: 1_000_000, untilMs: 1_000_001 },
      { node: 3, strategy: "grind", fromMs: 1_000_000, untilMs: 1_000_001 },
    ],
  } as const;
  const options = { ...SYSTEM, checkers: [] };

  it.each(["under", "over"] as const)(
    "of which nothing has acted shows nothing, %s a third",
    (share) => {
      const found = runCase(
        { n: 4, weights: "equal", kind: "mix", share, scenario: idle },
        options,
      );
      expect([found.verdict, found.why]).toEqual([
        "FAILED",
        "none of two-faced, grind ever acted: the run shows nothing",
      ]);
      expect(found.result.outcome).toBe("ok");
    },
  );

  it("has shown something where one of its kinds has acted", () => {
    const [, second] = idle.adversaries;
    const adversaries = [
      { node: 3, strategy: "future-flood", fromMs: 0, untilMs: 1_000_000 },
      second,
    ] as const;
    const found = runCase(
      { n: 4, weights: "equal", kind: "mix", share: "under", scenario: { ...idle, adversaries } },
      options,
    );
    expect([found.verdict, found.why]).toEqual(["holds", ""]);
  });
});
