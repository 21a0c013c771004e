/** Validators that join, leave, are jailed, come back and are slashed, over boundaries and under faults. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { setsOf } from "../../sim/checkers/sets.ts";
import type { CheckerFactory } from "../../sim/checkers/types.ts";
import { runOptions } from "../../sim/options.ts";
import { loadOwn, type Own } from "../../sim/own.ts";
import type { Fault, Scenario } from "../../sim/scenario.ts";
import { scenario, untrustedSlots } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { stakeRun } from "../../sim/stake.ts";
import { randomScenario, STAKE_SEEDS_FROM } from "../../sim/swarm.ts";
import { simulateTwice } from "../../sim/twice.ts";

const TIMEOUT_MS = 300_000;

/** Five validators of weight 10 and two that are not in the genesis; an epoch takes two seconds. */
const changing = (parts: Partial<Scenario>): Scenario =>
  scenario("changing sets", {
    n: 7,
    weights: [10, 10, 10, 10, 10, 10, 10],
    epochMs: 2_000,
    healMs: 25_000,
    workload: {
      clients: 3,
      batchesPerSecond: 6,
      eventsPerBatch: 2,
      bodyBytes: 32,
      untilMs: 30_000,
    },
    ...parts,
  });

const partitions: readonly Fault[] = [3_000, 9_000, 15_000].map((atMs) => ({
  kind: "partition",
  atMs,
  untilMs: atMs + 2_500,
  groups: [
    [0, 1, 2],
    [3, 4, 5, 6],
  ],
}));

const crashes: readonly Fault[] = Array.from({ length: 8 }, (_, i) => ({
  kind: "crash",
  atMs: 2_000 + i * 2_600,
  node: i % 7,
  downMs: 1_200,
  power: i % 2 === 0,
}));

const wiped: readonly Fault[] = [5, 6].map((node) => ({
  kind: "wipe",
  atMs: 12_000 + node * 500,
  node,
  downMs: 800,
  votes: false,
}));

const lossy: readonly Fault[] = [{ kind: "loss", atMs: 1_000, untilMs: 20_000, ppm: 80_000 }];

const liar = {
  node: 1,
  strategy: "equivocate-proposal" as const,
  fromMs: 0,
  untilMs: Number.MAX_SAFE_INTEGER,
};

const run = (parts: Partial<Scenario>) => {
  const result = simulate(changing(parts), stakeRun(2));
  expect(result.violation).toBeUndefined();
  expect(result.outcome).toBe("ok");
  expect(result.marks.get("powers compared")).toBeGreaterThan(0);
  // Else a checker would have had nothing to count a vote by.
  expect(result.marks.has("set not known")).toBe(false);
  return result;
};

describe("seeds of chains with stake", () => {
  it("draw what such a chain must survive: one liar of the first five at most", () => {
    for (let i = 0; i < 300; i++) {
      const drawn = randomScenario(STAKE_SEEDS_FROM + i);
      expect(drawn.proofs).toEqual(["stake"]);
      expect([drawn.n, drawn.heal]).toEqual([7, "all"]);
      const untrusted = [...untrustedSlots(drawn)];
      expect(untrusted.length).toBeLessThanOrEqual(1);
      expect(untrusted.every((slot) => slot < 5)).toBe(true);
    }
    expect(randomScenario(STAKE_SEEDS_FROM - 1).proofs).toBeUndefined();
  });
});

const folder = mkdtempSync(join(tmpdir(), "tetrad-stake-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The module of the tutorial of docs/simulation.md, over the simulator of this checkout. */
const tutorial = async (): Promise<Own> => {
  const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const text = readFileSync(at("docs/examples/simulation/tickets.ts"), "utf8");
  const file = join(folder, "tickets.ts");
  writeFileSync(file, text.replace('"tetrad/sim"', JSON.stringify(at("sim/index.ts"))));
  return loadOwn(file);
};

describe("a module of one's own on a chain with stake", () => {
  const short = changing({
    ...{ n: 6, weights: [10, 10, 10, 10, 10, 10], healMs: 1_500, proofs: ["stake"], seed: 6 },
    // Orders wait meanwhile, and one block has several.
    faults: [
      {
        kind: "partition",
        atMs: 500,
        untilMs: 1_400,
        groups: [
          [0, 2, 4],
          [1, 3, 5],
        ],
      },
    ],
  });

  it("has its events written by every client, and finds the bug of the tutorial", async () => {
    const own = await tutorial();
    const clients = new Set<number>();
    const types = new Set<string>();
    const { violation } = simulate(
      short,
      runOptions({
        ...own,
        events: (random, client) => {
          clients.add(client);
          return own.events?.(random, client) ?? [];
        },
        property: (nodes) => {
          for (const { type } of nodes[0]?.events ?? []) types.add(type);
          return own.property?.(nodes);
        },
      }),
    );
    expect([...clients].sort()).toEqual([0, 1, 2]);
    expect(violation).toMatchObject({ id: "property" });
    expect(violation?.detail).toMatch(/^n0 has [1-9]\d* orders and [1-9]\d* tickets$/);
    // Stake is moved beside it, as it was.
    expect([...types]).toContain("stake.bonded");
  }, 60_000);

  it("changes no run where it has no events", () => {
    const without = simulate(short, runOptions());
    expect(without.violation).toBeUndefined();
    expect(simulate(short, runOptions({ events: () => [] })).traceHash).toBe(without.traceHash);
  }, 60_000);
});

describe("what a chain with stake cannot be asked", () => {
  it("is refused before the run, wherever the scenario comes from", () => {
    const flooded = { node: 6, strategy: "future-flood" as const, fromMs: 0, untilMs: 1_000 };
    expect(() => simulate(changing({ heal: "core" }), stakeRun(2))).toThrow(/^heal: on a chain/);
    const joins = /^adversaries\[1\]\.node: n6 joins later/;
    expect(() => simulate(changing({ adversaries: [liar, flooded] }), stakeRun(2))).toThrow(joins);
  });
});

describe("a run with checkers of its own", () => {
  it("has sets that change all the same", () => {
    const seen = new Set<number>();
    const counting: CheckerFactory = (context) => {
      const sets = setsOf(context);
      return {
        ...{ id: "own", title: "counts" },
        status: (_slot, { epoch }) => {
          if (sets.at(epoch) !== undefined) seen.add(epoch);
        },
      };
    };
    const short = changing({ healMs: 7_000, epochMs: 1_000 });
    const { violation, marks } = simulate(short, { ...stakeRun(2), checkers: [counting] });
    expect(violation).toBeUndefined();
    expect(marks.has("set not known")).toBe(false);
    expect(Math.max(...seen)).toBeGreaterThan(3);
  }, 60_000);
});

describe("a set that changes", () => {
  it(
    "is the one that follows from the log, and the run repeats itself",
    () => {
      const result = simulateTwice(changing({ seed: 3 }), stakeRun(2));
      expect(result.violation).toBeUndefined();
      expect(result.marks.get("validator joined the set")).toBeGreaterThan(0);
      expect(result.marks.get("validator left the set")).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  it.each([
    ["partitions over boundaries", partitions],
    ["crashes of one after the other", crashes],
    ["wiped folders of those who joined", wiped],
    ["loss", lossy],
    ["all of it", [...partitions, ...crashes, ...wiped, ...lossy]],
  ])(
    "under %s",
    (_name, faults) => {
      const runs = [1, 2].map((seed) => run({ seed, faults }));
      // All faults together can keep whoever joins out of one run for its 25 seconds, not out of both.
      expect(runs.some(({ marks }) => marks.has("validator joined the set"))).toBe(true);
    },
    TIMEOUT_MS,
  );

  it(
    "ends and slashes who equivocates",
    () => {
      const runs = [1, 2, 3].map((seed) => run({ seed, faults: lossy, adversaries: [liar] }));
      // Loss and a liar can keep whoever joins out of one run, not out of all.
      for (const mark of ["validator slashed", "validator joined the set"]) {
        expect(runs.filter(({ marks }) => marks.has(mark)).length, mark).toBeGreaterThan(0);
      }
    },
    TIMEOUT_MS,
  );
});
