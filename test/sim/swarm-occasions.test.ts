/** What the swarm draws beside its mix: liars that take turns or change their minds, far worlds. */
import { describe, expect, it } from "vitest";
import { STRATEGIES } from "../../sim/scenario.ts";
import { randomScenario, STAKE_SEEDS_FROM } from "../../sim/swarm.ts";
import {
  drawFar,
  drawLiarOfTurn,
  drawMoods,
  TURN_EVERY,
  TURNS,
} from "../../sim/swarm-occasions.ts";

const EQUAL = [1, 1, 1, 1];

describe("liars that take turns", () => {
  it("have all had theirs after as many seeds as that takes, wherever one begins", () => {
    const seeds = TURN_EVERY * TURNS.length;
    expect(seeds).toBeLessThan(100);
    for (const from of [1, 17, 1_000_000]) {
      const kinds = Array.from({ length: seeds }, (_, i) => drawLiarOfTurn(from + i, EQUAL, 5_000))
        .map((liar) => liar?.strategy)
        .filter((strategy) => strategy !== undefined);
      expect(kinds.sort()).toEqual([...TURNS].sort());
    }
    expect(TURNS).toEqual(expect.arrayContaining([...STRATEGIES]));
  });

  it("weigh less than a third, or there are none", () => {
    // Slot 0 has just a third.
    const nodes = new Set<number>();
    for (let seed = TURN_EVERY; seed <= 60; seed += TURN_EVERY) {
      expect(drawLiarOfTurn(seed, [1, 1, 1], 5_000)).toBeUndefined();
      const liar = drawLiarOfTurn(seed, [10, 1, 1, 9, 9], 5_000);
      if (liar !== undefined) nodes.add(liar.node);
      expect(liar?.fromMs).toBeLessThan(5_000 / 4);
    }
    expect([...nodes].sort()).toEqual([1, 2, 3, 4]);
  });

  it("stand in the scenario of their seed in place of those of the mix, and in no other", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const { weights, healMs, adversaries, knobs } = randomScenario(seed);
      const liar = drawLiarOfTurn(seed, weights, healMs);
      expect(liar === undefined || seed % TURN_EVERY === 0).toBe(true);
      if (liar === undefined) continue;
      expect(adversaries).toEqual([liar]);
      expect(knobs.net.latencyMeanUs).toBe(30_000);
    }
  });
});

describe("worlds that are far apart", () => {
  it("come one time in twelve, and are slower than all others", () => {
    let far = 0;
    for (let seed = 1; seed <= 600; seed++) {
      const { latencyMinUs } = drawFar(seed);
      const { net } = randomScenario(seed).knobs;
      if (latencyMinUs === undefined) expect(net.latencyMinUs).toBeLessThanOrEqual(20_000);
      else {
        far += 1;
        expect(latencyMinUs).toBeGreaterThanOrEqual(150_000);
        expect(net).toMatchObject({ latencyMinUs, latencyMeanUs: 30_000 });
      }
    }
    expect(far).toBeGreaterThan(30);
    expect(far).toBeLessThan(75);
  });

  it("have no stake: whoever is late for long is rightly jailed there", () => {
    for (let i = 0; i < 100; i++) {
      const { net } = randomScenario(STAKE_SEEDS_FROM + i).knobs;
      expect(net.latencyMinUs).toBeLessThanOrEqual(20_000);
    }
  });
});

describe("a liar that changes its mind", () => {
  it("has three ways, the last of which is silence, while another node is away", () => {
    let seen = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const moods = drawMoods(seed, EQUAL, 10_000);
      if (moods === undefined) continue;
      seen += 1;
      expect(drawLiarOfTurn(seed, EQUAL, 10_000)).toBeUndefined();
      const { adversaries, away } = moods;
      expect(new Set(adversaries.map(({ node }) => node)).size).toBe(1);
      expect(adversaries.map(({ strategy }) => strategy)[2]).toBe("silent");
      for (const [i, { untilMs }] of adversaries.entries()) {
        expect(adversaries[i + 1]?.fromMs ?? untilMs).toBe(untilMs);
      }
      expect(away).toMatchObject({ kind: "isolate", untilMs: 9_700 });
      if (away.kind === "isolate") expect(away.node).not.toBe(adversaries[0]?.node);
      const { adversaries: drawn, faults, weights, healMs } = randomScenario(seed);
      const own = drawMoods(seed, weights, healMs);
      if (own === undefined) continue;
      expect(drawn).toEqual(own.adversaries);
      expect(faults).toContainEqual(own.away);
    }
    expect(seen).toBeGreaterThan(20);
  });

  it("needs a node with less than a third of the weight", () => {
    for (let seed = 1; seed <= 30; seed++)
      expect(drawMoods(seed, [1, 1, 1], 10_000)).toBeUndefined();
  });
});
