/** Arbitraries draw all that a scenario file may say, and what must be survived is what the swarm says. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  anyScenarioArbitrary,
  faultArbitrary,
  knobsArbitrary,
  proofsArbitrary,
  scenarioArbitrary,
  weightsArbitrary,
  workloadArbitrary,
} from "../../sim/arbitraries.ts";
import { FAULT_KINDS } from "../../sim/fault-shape.ts";
import { simulate } from "../../sim/index.ts";
import { type Scenario, STRATEGIES, scenario, untrustedWeight } from "../../sim/scenario.ts";
import { parseScenario, SCENARIO_SHAPE } from "../../sim/scenario-shape.ts";
import type { Shape } from "../../sim/shape.ts";
import { keepSurvivable } from "../../sim/survivable.ts";

type Json = {
  readonly properties?: Readonly<Record<string, Json>>;
  readonly items?: Json;
  readonly oneOf?: readonly Json[];
  readonly enum?: readonly string[];
  readonly const?: string;
};

/** Every property of a schema by its path, every word that it may be, and every case of what has several. */
const namesOf = (schema: Json, path: string): string[] => {
  if (schema.oneOf !== undefined) {
    return schema.oneOf.flatMap((one) =>
      namesOf(one, `${path}(${one.properties?.["kind"]?.const})`),
    );
  }
  if (schema.items !== undefined) return [path, ...namesOf(schema.items, `${path}[]`)];
  const properties = Object.entries(schema.properties ?? {}).filter(([key]) => key !== "$schema");
  const words = (schema.enum ?? []).map((word) => `${path}=${word}`);
  return [path, ...words, ...properties.flatMap(([key, one]) => namesOf(one, `${path}.${key}`))];
};

/** The same of a value. */
const namesIn = (value: unknown, path: string): string[] => {
  if (typeof value === "string") return [path, `${path}=${value}`];
  if (Array.isArray(value)) return [path, ...value.flatMap((one) => namesIn(one, `${path}[]`))];
  if (typeof value !== "object" || value === null) return [path];
  const at = "kind" in value ? `${path}(${value.kind})` : path;
  return [at, ...Object.entries(value).flatMap(([key, one]) => namesIn(one, `${at}.${key}`))];
};

/** Numbers of a value by the path of their description. */
const numbersIn = (shape: Shape, value: unknown, path: string): (readonly [string, number])[] => {
  if (value === undefined) return [];
  switch (shape.type) {
    case "integer":
      return [[path, value as number]];
    case "list":
      return (value as unknown[]).flatMap((one) => numbersIn(shape.of, one, `${path}[]`));
    case "object":
      return Object.entries(shape.fields).flatMap(([key, field]) =>
        numbersIn(field, (value as Record<string, unknown>)[key], `${path}.${key}`),
      );
    case "variant": {
      const fields = value as Record<string, unknown>;
      const name = String(fields[shape.tag]);
      const body = shape.cases[name];
      return body === undefined ? [] : numbersIn(body, value, `${path}(${name})`);
    }
    default:
      return [];
  }
};

describe("anyScenarioArbitrary", () => {
  const drawn = fc.sample(anyScenarioArbitrary, { numRuns: 1_500, seed: 1 });

  it("draws every property of the schema, every kind of fault, every strategy and every other word", () => {
    const page = new URL("../../docs/scenario.schema.json", import.meta.url);
    const wanted = namesOf(JSON.parse(readFileSync(page, "utf8")), "scenario");
    expect(wanted).toContain("scenario.workload.floodAtMs");
    expect(wanted).toContain("scenario.faults[](twin).node");
    expect(wanted).toContain("scenario.adversaries[].strategy=early-answers");
    const seen = new Set(drawn.flatMap((one) => namesIn(one, "scenario")));
    expect(wanted.filter((name) => !seen.has(name))).toEqual([]);
  });

  it("draws what files may hold and nothing else: the reader takes every one as it is", () => {
    for (const one of drawn) expect(parseScenario(JSON.stringify(one))).toEqual(one);
  });

  it("draws numbers far from what is usual, and lists longer than a run would need", () => {
    const seen = new Map<string, [low: number, high: number]>();
    for (const [path, value] of drawn.flatMap((one) => numbersIn(SCENARIO_SHAPE, one, ""))) {
      const [low, high] = seen.get(path) ?? [value, value];
      seen.set(path, [Math.min(low, value), Math.max(high, value)]);
    }
    expect(seen.get(".faults[](delay).extraMs")?.[1]).toBeGreaterThan(300_000);
    expect(seen.get(".faults[](clock).offsetMs")?.[0]).toBeLessThan(-43_200_000);
    expect(seen.get(".faults[](drop-type).type")?.[1]).toBeGreaterThan(200);
    expect(seen.get(".faults[](isolate).untilMs")?.[1]).toBeGreaterThan(1e12);
    expect(seen.get(".weights[]")?.[1]).toBeGreaterThan(500_000_000);
    expect(seen.get(".knobs.net.linkBytesPerMs")?.[1]).toBeGreaterThan(1_000_000);
    expect(Math.max(...drawn.map(({ n }) => n))).toBeGreaterThan(100);
    expect(Math.max(...drawn.map(({ faults }) => faults.length))).toBeGreaterThan(8);
    expect(drawn.some(({ faults }) => new Set(faults.map(({ kind }) => kind)).size > 6)).toBe(true);
  });
});

describe("scenarioArbitrary", () => {
  it("gives what a file gives back", () => {
    const same = (one: unknown): void => {
      expect(parseScenario(JSON.stringify(one))).toEqual(one);
    };
    fc.assert(fc.property(scenarioArbitrary(), same));
    const weather = { knobs: knobsArbitrary, weights: weightsArbitrary(5) };
    fc.assert(fc.property(scenarioArbitrary({ n: 5, ...weather }), same));
    fc.assert(fc.property(scenarioArbitrary({ n: 7, healMs: 3_000, kinds: ["twin"] }), same));
    fc.assert(fc.property(scenarioArbitrary({ n: 7, proofs: fc.constant(["stake"]) }), same));
  });

  it("draws every field that a run may have, and several adversaries and proofs", () => {
    const any = scenarioArbitrary({ n: 7, proofs: proofsArbitrary });
    const drawn = fc.sample(any, { numRuns: 400, seed: 2 });
    const seen = new Set(drawn.flatMap((one) => namesIn(one, "scenario")));
    for (const name of [
      "workload.pipeline",
      "workload.contested",
      "workload.rights",
      "workload.floodBatches",
      "workload.floodAtMs",
      "heal=core",
      "heal=all",
      ...["beacon", "work", "space", "time", "shares", "location"].map(
        (part) => `proofs[]=${part}`,
      ),
      ...STRATEGIES.map((strategy) => `adversaries[].strategy=${strategy}`),
    ]) {
      expect(seen, name).toContain(`scenario.${name}`);
    }
    expect(new Set(drawn.map(({ epochMs }) => epochMs)).size).toBe(3);
    expect(drawn.some(({ adversaries }) => adversaries.length === 2)).toBe(true);
    for (const { clients, floodBatches = 0 } of fc.sample(workloadArbitrary, 200)) {
      expect(clients).toBeGreaterThan(floodBatches === 0 ? 0 : 1);
    }
  });

  it("leaves kinds of faults out", () => {
    const drawn = fc.sample(scenarioArbitrary({ faultsMax: 40 }), { numRuns: 300, seed: 3 });
    const sizes = drawn
      .filter(({ faults }) => faults.length >= 8)
      .map(({ faults }) => new Set(faults.map(({ kind }) => kind)).size);
    expect(Math.min(...sizes)).toBeLessThanOrEqual(2);
    expect(Math.max(...sizes)).toBeGreaterThan(6);
  });

  it("keeps those who lie, forget or live in another hour below a third of the weight", () => {
    const any = scenarioArbitrary({ n: 7, kinds: FAULT_KINDS, faultsMax: 20 });
    fc.assert(
      fc.property(any, (drawn) => {
        const { weight, total } = untrustedWeight(drawn);
        expect(weight * 3).toBeLessThan(total);
        for (const fault of drawn.faults) expect(fault.atMs).toBeLessThan(drawn.healMs);
      }),
    );
  });

  it("is survived", () => {
    const mixed = { knobs: knobsArbitrary, proofs: proofsArbitrary };
    const any = scenarioArbitrary({ healMs: 1_500, faultsMax: 4, ...mixed });
    fc.assert(
      fc.property(any, (drawn) => {
        const { violation } = simulate(drawn);
        expect(violation).toBeUndefined();
      }),
      { numRuns: 5, seed: 11 },
    );
  }, 120_000);
});

describe("faultArbitrary", () => {
  it("draws every kind of fault", () => {
    const kinds = new Set(fc.sample(faultArbitrary(4, 8_000), 2_000).map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual([...FAULT_KINDS].sort());
  });
});

describe("what must be survived", () => {
  const wrongClock = { kind: "clock", atMs: 0, untilMs: 9, node: 0, offsetMs: 3_600_000 } as const;
  const liar = { node: 1, strategy: "silent", fromMs: 0, untilMs: 9 } as const;
  const forgets = { kind: "wipe", atMs: 0, node: 2, downMs: 1, votes: true } as const;
  const kept = (parts: Partial<Scenario>): readonly [number, number, readonly number[]] => {
    const { adversaries, faults, expect: wanted } = keepSurvivable(scenario("some", parts));
    return [adversaries.length, faults.length, wanted.exempt];
  };

  it("is one untrusted of four, whether it lies, forgets or lives in another hour", () => {
    expect(kept({ faults: [wrongClock] })).toEqual([0, 1, []]);
    expect(kept({ faults: [wrongClock, forgets] })).toEqual([0, 1, []]);
    expect(kept({ faults: [forgets, wrongClock] })).toEqual([0, 1, [2]]);
    expect(kept({ adversaries: [liar], faults: [wrongClock, forgets] })).toEqual([1, 0, []]);
    expect(kept({ adversaries: [liar, { ...liar, node: 3 }] })).toEqual([1, 0, []]);
    expect(kept({ adversaries: [liar], faults: [{ ...forgets, node: 1 }] })).toEqual([1, 1, [1]]);
  });

  it("is nobody of three, and two of seven", () => {
    expect(kept({ n: 3, adversaries: [liar], faults: [wrongClock] })).toEqual([0, 0, []]);
    expect(kept({ n: 7, adversaries: [liar], faults: [wrongClock, forgets] })).toEqual([1, 1, []]);
  });
});
