/** Seeds of chains that ask for proofs: what they draw, and that two of them hold. */
import { describe, expect, it } from "vitest";
import { runOptions } from "../../sim/options.ts";
import { PROOF_PARTS, type ProofPart, type Scenario, untrustedSlots } from "../../sim/scenario.ts";
import { readScenario } from "../../sim/scenario-shape.ts";
import { simulate } from "../../sim/simulate.ts";
import { PROOF_SEEDS_FROM, randomScenario, STAKE_SEEDS_FROM } from "../../sim/swarm.ts";
import { simulateTwice } from "../../sim/twice.ts";
import { LIMITS } from "../../src/limits.ts";

const TIMEOUT_MS = 120_000;
const drawnOf = (i: number): Scenario => randomScenario(PROOF_SEEDS_FROM + i);
const FIRST_HUNDRED = Array.from({ length: 100 }, (_, i) => drawnOf(i));
const SOME = Array.from({ length: 500 }, (_, i) => drawnOf(i));

const has = ({ proofs = [] }: Scenario, part: ProofPart): boolean => proofs.includes(part);

/** Of the parts a liar is about, one is asked for. */
const ABOUT: Readonly<Record<string, readonly ProofPart[]>> = {
  "false-work": ["work"],
  "false-claims": ["time", "shares"],
  "forge-reveals": ["beacon"],
  "withhold-reveals": ["beacon"],
  "delete-space": ["space"],
  "borrow-space": ["space"],
  "replay-space": ["space"],
  "false-labels": ["space"],
  "delay-space": ["space"],
  "grind-space": ["space"],
  "low-receipts": ["location"],
  "early-answers": ["location"],
};

describe("seeds of chains with proofs", () => {
  it("lie apart from all others, below the largest seed that the command takes", () => {
    expect(drawnOf(-1).proofs).toEqual(["stake"]);
    expect(randomScenario(STAKE_SEEDS_FROM - 1).proofs).toBeUndefined();
    expect(PROOF_SEEDS_FROM).toBeGreaterThan(2 * STAKE_SEEDS_FROM);
    expect(drawnOf(LIMITS.simSeedsMax - 1 - PROOF_SEEDS_FROM).proofs).not.toEqual([]);
  });

  it("draw the same each time, and what the reader of scenarios takes", () => {
    for (const [i, drawn] of SOME.entries()) {
      expect(drawnOf(i)).toEqual(drawn);
      expect(readScenario(JSON.parse(JSON.stringify(drawn)))).toEqual(drawn);
    }
  });

  it("have every proof, and every pair of them, among a hundred", () => {
    for (const one of PROOF_PARTS) {
      for (const other of PROOF_PARTS) {
        const both = FIRST_HUNDRED.filter((drawn) => has(drawn, one) && has(drawn, other));
        expect(both.length, `${one} and ${other}`).toBeGreaterThan(0);
      }
    }
    const ofFour = (drawn: Scenario): string =>
      (["space", "stake", "work", "time"] as const).filter((part) => has(drawn, part)).join();
    expect(new Set(FIRST_HUNDRED.map(ofFour)).size).toBe(16);
  });

  it("are of four to seven nodes, and of epochs that end three times before the heal, where it is not near", () => {
    expect(new Set(SOME.map(({ n }) => n))).toEqual(new Set([4, 5, 6, 7]));
    for (const { epochMs, healMs } of SOME) {
      expect(epochMs === 2_000 || 3 * epochMs <= healMs).toBe(true);
    }
    expect(new Set(SOME.map(({ epochMs }) => epochMs))).toEqual(new Set([2_000, 4_000, 8_000]));
  });

  it("have faults of all kinds, and every second one a liar about what is asked for", () => {
    const kinds = new Set(SOME.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
    expect(kinds.size).toBeGreaterThan(35);
    const liars = SOME.flatMap((drawn) => drawn.adversaries.map((liar) => ({ drawn, ...liar })));
    expect(liars.length).toBeGreaterThan(150);
    expect(new Set(liars.map(({ strategy }) => strategy))).toEqual(new Set(Object.keys(ABOUT)));
    for (const { drawn, strategy } of liars) {
      expect(drawn.adversaries).toHaveLength(1);
      expect(ABOUT[strategy]?.some((part) => has(drawn, part))).toBe(true);
    }
  });

  it("leave whoever lies or has forgotten its votes below a third, of what may be left where stake decides", () => {
    for (const drawn of SOME) {
      const untrusted = [...untrustedSlots(drawn)];
      const sum = (slots: readonly number[]): number =>
        slots.reduce((all, slot) => all + (drawn.weights[slot] ?? 0), 0);
      const isStaked = has(drawn, "stake");
      const first = isStaked ? drawn.n - 2 : drawn.n;
      const total = sum([...drawn.weights.keys()].slice(0, first)) * (isStaked ? 0.75 : 1);
      expect(3 * sum(untrusted)).toBeLessThan(total);
      if (!isStaked) continue;
      expect(drawn.heal).toBe("all");
      expect(untrusted.every((slot) => slot < first)).toBe(true);
      const isBounded = has(drawn, "space") || has(drawn, "shares") || has(drawn, "time");
      if (isBounded) expect(untrusted).toHaveLength(drawn.adversaries.length);
    }
  });
});

describe("a chain with proofs of a seed", () => {
  it(
    "holds with stake, shares and keys of epochs, twice alike",
    () => {
      const { violation, marks } = simulateTwice(drawnOf(18), runOptions());
      expect(violation).toBeUndefined();
      for (const mark of ["epoch changed", "powers compared", "shares proven"]) {
        expect(marks.has(mark), mark).toBe(true);
      }
    },
    TIMEOUT_MS,
  );

  it(
    "holds with a liar about places, space, time and shares",
    () => {
      const drawn = drawnOf(34);
      expect(drawn.adversaries).toMatchObject([{ strategy: "early-answers" }]);
      const { violation, marks } = simulate(drawn, runOptions());
      expect(violation).toBeUndefined();
      for (const mark of ["adversary early-answers", "place measured", "epoch changed"]) {
        expect(marks.has(mark), mark).toBe(true);
      }
    },
    TIMEOUT_MS,
  );
});
