/** A part of the matrix of Byzantine runs, and that the matrix is what it says; scripts/byzantine.mjs runs all. */
import { describe, expect, it } from "vitest";
import {
  BYZANTINE_KINDS,
  BYZANTINE_SIZES,
  byzantineMatrix,
  underThird,
} from "../../sim/byzantine.ts";
import { runCase } from "../../sim/byzantine-judge.ts";
import { faultySlots } from "../../sim/scenario.ts";
import { readScenario } from "../../sim/scenario-shape.ts";
import { SYSTEM } from "../../sim/system.ts";

/** Kinds that no directed scenario has. */
const KINDS = [
  "false-cosignatures",
  "censor",
  "timestamp-edge",
  "grind",
  "twins",
  "votes-to-some",
  "bend-certificates",
  "impersonate",
  "lying-snapshot",
];

/** A run takes a second or two of CPU, and much longer where the machine is busy. */
const RUN_MS_MAX = 120_000;

const RUNS = [
  ...underThird(4, { unequal: false, mixes: 0 }).filter(({ kind }) => KINDS.includes(kind)),
  ...underThird(7, { unequal: true, mixes: 1 }).slice(-1),
  ...underThird(10, { unequal: true, mixes: 1 }).slice(-1),
];

describe("with just under a third of the weight adversarial", () => {
  it.each(RUNS.map((run) => [run.scenario.name, run] as const))(
    "%s holds and goes on",
    (_name, run) => {
      const { verdict, why } = runCase(run, SYSTEM);
      expect(why).toBe("");
      expect(verdict).toBe("holds");
    },
    RUN_MS_MAX,
  );
});

describe("the matrix", () => {
  const cases = [...byzantineMatrix()];

  it.each(BYZANTINE_SIZES)(
    "has every kind and mixes at n = %i, with both kinds of weights",
    (n) => {
      for (const weights of ["equal", "unequal"]) {
        const kinds = cases
          .filter((one) => one.n === n && one.weights === weights && one.share === "under")
          .map(({ kind }) => kind);
        expect(new Set(kinds)).toEqual(new Set([...BYZANTINE_KINDS, "mix"]));
      }
      const over = cases.filter((one) => one.n === n && one.share === "over");
      expect(new Set(over.map(({ weights }) => weights)).size).toBe(n <= 10 ? 2 : 1);
      expect(over.some(({ kind }) => kind === "mix")).toBe(n <= 10);
    },
  );

  it("gives adversaries the most that is less than a third, or the least that is not", () => {
    for (const { share, weights, scenario } of cases) {
      const all = scenario.weights.reduce((sum, weight) => sum + weight, 0);
      const faulty = [...faultySlots(scenario)];
      const weightsOf = (slots: readonly number[]): number[] =>
        slots.map((slot) => scenario.weights[slot] ?? 0);
      const lying = weightsOf(faulty).reduce((sum, weight) => sum + weight, 0);
      const honest = scenario.weights.filter((_, slot) => !faulty.includes(slot));
      if (share === "under") {
        expect(3 * lying).toBeLessThan(all);
        expect(3 * (lying + Math.min(...honest))).toBeGreaterThanOrEqual(all);
      } else {
        expect(3 * lying).toBeGreaterThanOrEqual(all);
        // Any of them less would be less than a third.
        expect(3 * (lying - Math.min(...weightsOf(faulty)))).toBeLessThan(all);
      }
      expect(new Set(scenario.weights).size > 1).toBe(weights === "unequal");
    }
  });

  it("has a name of its own for each run, and scenarios that a file may hold", () => {
    const names = cases.map(({ scenario: { name, seed } }) => `${name} ${seed}`);
    expect(new Set(names).size).toBe(cases.length);
    for (const { scenario } of cases) {
      expect(readScenario(JSON.parse(JSON.stringify(scenario)))).toEqual(scenario);
    }
  });
});
