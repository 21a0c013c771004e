/** The regression set of seeds, each run twice; the directed scenarios are beside it, in `library`. */
import { describe, expect, it } from "vitest";
import { BANK } from "../../sim/scenarios/index.ts";
import { simulate } from "../../sim/simulate.ts";
import { randomScenario } from "../../sim/swarm.ts";
import { SYSTEM } from "../../sim/system.ts";
import { simulateTwice } from "../../sim/twice.ts";
import { verdict } from "./support.ts";

/** Those of the first that take a second or two: the night has long ones. */
const SEEDS = [2, 3, 4, 6, 7, 8];
const TIMEOUT_MS = 300_000;

describe("seeds", () => {
  it.each(SEEDS)(
    "%i gives the same trace twice and breaks nothing",
    (seed) => {
      const result = simulateTwice(randomScenario(seed), SYSTEM);
      expect(verdict(result)).toBe("ok");
      expect(result.finalHeight).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );
});

describe("certificates", () => {
  it("are asked for and issued while the network runs, and never refused for what they are", () => {
    const { marks, outcome } = simulate(randomScenario(19), SYSTEM);
    expect(outcome).toBe("ok");
    expect(marks.get("ca.issuer.created accepted")).toBe(1);
    expect(marks.get("ca.certificate.requested accepted")).toBeGreaterThan(3);
    expect(marks.get("ca.certificate.issued accepted")).toBeGreaterThan(3);
    const wrong = [...marks.keys()].filter((mark) => /ca\.certificate-/.test(mark));
    expect(wrong).toEqual([]);
  });
});

describe("a run that cannot succeed", () => {
  it("is a liveness failure, and says so", () => {
    const entry = BANK.find(({ name }) => name === "three-of-four-go-on");
    if (entry === undefined) throw new RangeError("not in the bank");
    // Adversaries on half of the weight, silent for ever: nothing can become final.
    const silent = [0, 1].map((node) => ({
      node,
      strategy: "silent" as const,
      fromMs: 0,
      untilMs: Number.MAX_SAFE_INTEGER,
    }));
    const expectation = { ...entry.expect, finalWithinMs: 3_000 };
    const stuck = { ...entry, adversaries: silent, faults: [], healMs: 2_000, expect: expectation };
    const result = simulate(stuck, SYSTEM);
    expect(result.outcome).toBe("liveness");
    expect(result.violation?.id).toBe("L1");
    expect(result.report.length).toBeGreaterThan(4);
  });
});
