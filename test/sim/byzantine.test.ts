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
      expect(over.some(({ kind }) => kind === "mix")).toBe(n <= 31);
    },
  );

  it("has at a third and more every kind at n = 4, all that need no proof to n = 10, and at n = 31 those that split it", () => {
    const kindsAt = (n: number): Set<string> =>
      new Set(cases.filter((one) => one.n === n && one.share === "over").map(({ kind }) => kind));
    expect(kindsAt(4)).toEqual(new Set([...BYZANTINE_KINDS, "mix"]));
    for (const n of [7, 10]) {
      const missing = BYZANTINE_KINDS.filter((kind) => !kindsAt(n).has(kind));
      const asked = cases.filter(({ scenario: { proofs } }) => proofs !== undefined);
      expect(new Set(missing)).toEqual(new Set(asked.map(({ kind }) => kind)));
    }
    expect(kindsAt(31)).toEqual(
      new Set([
        ...["two-faced", "twins", "equivocate-vote", "skip-and-finalize", "lie-to-one"],
        "mix",
      ]),
    );
    expect(kindsAt(100)).toEqual(new Set(["two-faced"]));
  });

  it("demands of a mix what is sure to act, and an occasion for it in a small network", () => {
    const known = (one: (typeof cases)[number]): string[] => [...(one.scenario.expect.marks ?? [])];
    const mixes = cases.filter(({ kind, share }) => kind === "mix" && share === "under");
    for (const one of mixes) {
      const { adversaries } = one.scenario;
      const alone = adversaries.filter(({ node, strategy }) => {
        const isAlone = adversaries.filter((other) => other.node === node).length === 1;
        const waits = ["lying-sync", "lying-snapshot", "withhold-payload"].includes(strategy);
        return isAlone && !waits && one.n <= 10;
      });
      const free = adversaries.filter(({ strategy }) =>
        ["future-flood", "forge-certificates"].includes(strategy),
      );
      const wanted = [...alone, ...free].map(({ strategy }) => `adversary ${strategy}`);
      expect(new Set(known(one))).toEqual(new Set(wanted));
      const isBlind = one.scenario.faults.some(({ kind }) => kind === "drop-statement");
      const isTwoFaced = adversaries.some(({ strategy }) => strategy === "two-faced");
      expect(isBlind).toBe(isTwoFaced && one.n <= 10);
    }
    expect(mixes.some((one) => known(one).length > 0)).toBe(true);
    for (const one of cases.filter(({ kind }) => kind !== "mix")) {
      expect(known(one)).toEqual([`adversary ${one.kind}`]);
    }
  });

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
