/** Scenario files: read strictly, described by one JSON Schema, and drawn by arbitraries. */
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyScenarioArbitrary } from "../../sim/arbitraries.ts";
import { scenario } from "../../sim/scenario.ts";
import { scenarioPage } from "../../sim/scenario-page.ts";
import {
  parseScenario,
  readScenario,
  SCENARIO_SHAPE,
  scenarioSchema,
} from "../../sim/scenario-shape.ts";
import { BANK } from "../../sim/scenarios/index.ts";
import { readShape, type Shape } from "../../sim/shape.ts";
import { LIMITS } from "../../src/limits.ts";

const liar = (node: number) => ({ node, strategy: "future-flood" });
const crash = { kind: "crash", node: 0, atMs: 1, downMs: 1, power: true };

describe("scenario files", () => {
  const broken: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ n: 0 }, "n: expected an integer of 1 to 256, found 0"],
    [{ n: 257 }, "n: expected an integer of 1 to 256, found 257"],
    [{ weights: [1, 1, 1] }, "weights: expected 4 items, one a node, found 3"],
    [{ weights: [1, 1, 1, 0] }, "weights[3]: expected an integer of 1 to 1000000000, found 0"],
    [{ healMS: 5 }, 'healMS: unknown key; did you mean "healMs"?'],
    [{ knobs: { net: { losPpm: 1 } } }, 'knobs.net.losPpm: unknown key; did you mean "lossPpm"?'],
    [{ knobs: { disk: { visibleEarly: 1 } } }, "knobs.disk.visibleEarly: expected true or false"],
    [{ workload: { clients: 0.5 } }, "workload.clients: expected an integer of 1 to 64, found 0.5"],
    [{ faults: {} }, "faults: expected a list, found {}"],
    [{ faults: [{ node: 0, atMs: 1 }] }, "faults[0].kind: is missing"],
    [{ faults: [{ ...crash, kind: "crush" }] }, 'found "crush"; did you mean "crash"?'],
    [{ faults: [{ ...crash, atMs: undefined }] }, "faults[0].atMs: is missing"],
    [{ faults: [{ ...crash, node: 4 }] }, "faults[0].node: expected an integer of 0 to 3, found 4"],
    [{ faults: [crash, { ...crash, downMS: 1 }] }, "faults[1].downMS: unknown key"],
    [
      { faults: [{ kind: "ring", atMs: 5, untilMs: 4 }] },
      "faults[0].untilMs: must not be before 5",
    ],
    [
      { faults: [{ kind: "partition", atMs: 1, untilMs: 2, groups: [[0, 1], [1]] }] },
      "faults[0].groups: a node is in two groups",
    ],
    [
      {
        faults: [
          { kind: "restore", atMs: 9, node: 0, downMs: 1, votes: false, takenMs: 8 },
          { kind: "restore", atMs: 9, node: 0, downMs: 1, votes: false, takenMs: 9 },
        ],
      },
      "faults[1].takenMs: 9 is not before 9",
    ],
    [
      { faults: [{ kind: "partition", atMs: 1, untilMs: 2, groups: [[0, 0]] }] },
      "faults[0].groups[0]: an item is there twice",
    ],
    [
      { adversaries: [{ node: 0, strategy: "silence" }] },
      'found "silence"; did you mean "silent"?',
    ],
    [{ expect: { haltedMs: [[5, 4]] } }, "expect.haltedMs[0][1]: expected an integer of 5"],
    [{ expect: { mark: [] } }, 'expect.mark: unknown key; did you mean "marks"?'],
    [{ proofs: ["beacon", "epoch-keys"] }, "proofs: epoch-keys needs stake"],
    [{ proofs: ["location", "beacon"] }, "proofs: location needs space"],
    [{ n: 2, proofs: ["stake"] }, "proofs: stake needs more than 2 nodes"],
    [
      { n: 7, proofs: ["stake"], heal: "core" },
      "heal: on a chain with stake no core is sure to stay a quorum",
    ],
    [
      { n: 7, proofs: ["stake"], adversaries: [liar(4), liar(5)] },
      "adversaries[1].node: n5 joins later, as the last 2 do where stake decides",
    ],
    [
      { workload: { eventsPerBatch: 100, bodyBytes: 16_000 } },
      "workload.bodyBytes: 100 events of 16000 bytes are 1604300, a batch takes at most 1000000",
    ],
    [{ name: "x".repeat(121) }, "name: expected a text of at most 120 characters"],
  ];
  it.each(broken)("%j are refused", (value, why) => {
    const read = (): unknown => parseScenario(JSON.stringify(value));
    expect(read).toThrow(RangeError);
    expect(read).toThrow(why);
  });

  it("may leave everything out, and name their schema", () => {
    expect(parseScenario("{}")).toEqual(scenario("unnamed", {}));
    expect(parseScenario('{"$schema":"x"}')).toEqual(scenario("unnamed", {}));
    expect(() => parseScenario("[")).toThrow(SyntaxError);
    expect(() => parseScenario("7")).toThrow(RangeError);
    const staked = { n: 3, proofs: ["epoch-keys", "stake"] };
    expect(parseScenario(JSON.stringify(staked)).proofs).toEqual(staked.proofs);
    const last = { n: 7, adversaries: [liar(6)], heal: "core" };
    expect(parseScenario(JSON.stringify(last)).heal).toBe("core");
    const lies = { n: 7, proofs: ["stake"], adversaries: [liar(4)], heal: "all" };
    expect(parseScenario(JSON.stringify(lies)).adversaries).toMatchObject([liar(4)]);
    expect(() => parseScenario('{"n":4,"n":5}')).toThrow("a key is repeated");
  });

  it("have bounds on how much they hold", () => {
    const { faultsMax, fileCharactersMax } = LIMITS.simScenario;
    const full = { faults: new Array(faultsMax).fill(crash) };
    expect(parseScenario(JSON.stringify(full)).faults).toHaveLength(faultsMax);
    const over = { faults: new Array(faultsMax + 1).fill(crash) };
    expect(() => parseScenario(JSON.stringify(over))).toThrow("faults: expected 0 to 1000 items");
    expect(parseScenario(`{}${" ".repeat(fileCharactersMax - 2)}`).n).toBe(4);
    expect(() => parseScenario(`{}${" ".repeat(fileCharactersMax - 1)}`)).toThrow("longer than");
  });

  it("of any content are read or refused with RangeError", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          readScenario(value);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});

describe("every bound of a scenario", () => {
  /** Every part of the description that has bounds, by its path. */
  const bounded = (shape: Shape, path: string): (readonly [string, Shape])[] => {
    switch (shape.type) {
      case "object":
        return Object.entries(shape.fields).flatMap(([name, field]) =>
          bounded(field, `${path}.${name}`),
        );
      case "variant":
        return Object.entries(shape.cases).flatMap(([name, one]) =>
          bounded(one, `${path}.${name}`),
        );
      case "list":
        return [[path, shape], ...bounded(shape.of, `${path}[]`)];
      default:
        return [[path, shape]];
    }
  };
  const all = bounded(SCENARIO_SHAPE, "scenario");
  const read = (shape: Shape, value: unknown, n = 256): unknown => readShape("x", value, shape, n);

  it("of a number holds at it, and not past it", () => {
    let seen = 0;
    for (const [path, shape] of all) {
      if (shape.type !== "integer") continue;
      seen += 1;
      for (const value of [shape.min, shape.max]) expect(read(shape, value), path).toBe(value);
      for (const value of [shape.min - 1, shape.max + 1]) {
        expect(() => read(shape, value), path).toThrow(RangeError);
      }
    }
    expect(seen).toBeGreaterThan(50);
  });

  it("of a text, a span and a node too", () => {
    for (const [path, shape] of all) {
      if (shape.type === "text") {
        expect(read(shape, "x".repeat(shape.max)), path).toHaveLength(shape.max);
        expect(() => read(shape, "x".repeat(shape.max + 1)), path).toThrow(RangeError);
      } else if (shape.type === "span") {
        expect(read(shape, [shape.max, shape.max]), path).toEqual([shape.max, shape.max]);
        expect(() => read(shape, [0, shape.max + 1]), path).toThrow(RangeError);
      } else if (shape.type === "slot") {
        expect(read(shape, 255), path).toBe(255);
        expect(() => read(shape, 256), path).toThrow(RangeError);
      }
    }
  });

  it("of a list too", () => {
    const { marksMax, haltsMax, groupsMax, adversariesMax, nodesMax } = LIMITS.simScenario;
    const halts = (count: number): unknown => ({
      expect: { haltedMs: new Array(count).fill([1, 2]) },
    });
    const marks = (count: number): unknown => ({ expect: { marks: new Array(count).fill("m") } });
    const groups = (count: number): unknown => ({
      faults: [{ kind: "partition", atMs: 1, untilMs: 2, groups: new Array(count).fill([]) }],
    });
    const liars = (count: number): unknown => ({
      adversaries: new Array(count).fill({ node: 0, strategy: "silent" }),
    });
    const exempt = (count: number): unknown => ({
      n: nodesMax,
      expect: { exempt: Array.from({ length: count }, (_, slot) => slot) },
    });
    for (const [make, max] of [
      ...([
        [halts, haltsMax],
        [marks, marksMax],
        [groups, groupsMax],
      ] as const),
      ...([
        [liars, adversariesMax],
        [exempt, nodesMax],
      ] as const),
    ]) {
      expect(() => readScenario(make(max))).not.toThrow();
      expect(() => readScenario(make(max + 1))).toThrow(RangeError);
    }
  });
});

describe("scenario files with one thing wrong", () => {
  /** A value with something else put at a random place in it. */
  const spoilt = (value: unknown, path: readonly number[], other: unknown): unknown => {
    const [step, ...rest] = path;
    if (step === undefined || typeof value !== "object" || value === null) return other;
    const keys = Object.keys(value);
    const key = keys[step % Math.max(1, keys.length)];
    if (key === undefined) return other;
    if (Array.isArray(value)) {
      return value.map((item, i) => (String(i) === key ? spoilt(item, rest, other) : item));
    }
    const inner = (value as Record<string, unknown>)[key];
    return { ...value, [key]: spoilt(inner, rest, other) };
  };

  it("are refused with RangeError, or are scenarios that are read back as they were read", () => {
    const path = fc.array(fc.nat(20), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(anyScenarioArbitrary, path, fc.jsonValue(), (drawn, where, other) => {
        const text = JSON.stringify(spoilt(drawn, where, other));
        try {
          const read = parseScenario(text);
          expect(parseScenario(JSON.stringify(read))).toEqual(read);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("docs/scenario.schema.json", () => {
  const validate = new Ajv2020({ allErrors: false }).compile(scenarioSchema());

  it("is what npm run docs makes", () => {
    const page = readFileSync(new URL("../../docs/scenario.schema.json", import.meta.url), "utf8");
    expect(page).toBe(`${JSON.stringify(scenarioSchema(), null, 2)}\n`);
  });

  it("takes every scenario of the bank, and every one that the reader takes", () => {
    for (const entry of BANK) expect(validate(JSON.parse(JSON.stringify(entry)))).toBe(true);
    fc.assert(
      fc.property(anyScenarioArbitrary, (drawn) => {
        expect(validate(JSON.parse(JSON.stringify(drawn)))).toBe(true);
      }),
    );
  });

  it("refuses what the reader refuses for its form", () => {
    const bad = [
      { healMS: 5 },
      { n: 0 },
      { faults: [{ ...crash, kind: "crush" }] },
      { faults: [{ ...crash, downMS: 1 }] },
      { adversaries: [{ node: 0, strategy: "silence" }] },
    ];
    for (const value of bad) expect(validate(value)).toBe(false);
  });
});

describe("docs/scenarios.md", () => {
  const page = readFileSync(new URL("../../docs/scenarios.md", import.meta.url), "utf8");

  it("is what npm run docs makes", () => {
    expect(page).toBe(scenarioPage(BANK));
  });

  it("says what every kind of fault does, and what every scenario shows", () => {
    const cells = page.split("\n").filter((line) => line.startsWith("| `"));
    expect(cells.filter((line) => line.includes("|  |"))).toEqual([]);
    for (const { name } of BANK) expect(page).toContain(`| \`${name}\` |`);
  });
});
