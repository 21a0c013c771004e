/** Scenarios as data: the swarm, the bank, parsing and shrinking. */
import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, it } from "vitest";
import { FAULT_KINDS } from "../../sim/fault-shape.ts";
import { blockedBy } from "../../sim/faults.ts";
import { type Fault, faultySlots, type Scenario } from "../../sim/scenario.ts";
import { parseScenario } from "../../sim/scenario-shape.ts";
import { BANK, bankScenario } from "../../sim/scenarios/index.ts";
import { randomScenario } from "../../sim/swarm.ts";

const byzantineShare = (entry: Scenario): number => {
  const nodes = new Set(entry.adversaries.map((adversary) => adversary.node));
  const total = entry.weights.reduce((sum, weight) => sum + weight, 0);
  return [...nodes].reduce((sum, node) => sum + (entry.weights[node] ?? 0), 0) / total;
};

describe("the swarm", () => {
  it("gives one scenario a seed, within the bounds of what must be survived", () => {
    for (let seed = 0; seed < 300; seed++) {
      const drawn = randomScenario(seed);
      expect(drawn).toEqual(randomScenario(seed));
      expect(byzantineShare(drawn)).toBeLessThan(1 / 3);
      expect(drawn.weights).toHaveLength(drawn.n);
      for (const fault of drawn.faults) expect(fault.atMs).toBeLessThan(drawn.healMs);
      const untrusted = [...faultySlots(drawn)].map((slot) => drawn.weights[slot] ?? 0);
      const total = drawn.weights.reduce((sum, weight) => sum + weight, 0);
      expect(3 * untrusted.reduce((sum, weight) => sum + weight, 0)).toBeLessThan(total);
    }
  });

  it("draws every kind of fault that it knows, and runs without faults too", () => {
    const kinds = new Set<string>();
    let calm = 0;
    for (let seed = 0; seed < 600; seed++) {
      const drawn = randomScenario(seed);
      if (drawn.faults.length === 0) calm += 1;
      for (const fault of drawn.faults) kinds.add(fault.kind);
    }
    expect([...kinds].sort()).toEqual([...FAULT_KINDS].sort());
    expect(calm).toBeGreaterThan(0);
  });

  it("puts back copies of an earlier moment only", () => {
    let copies = 0;
    for (let seed = 0; seed < 3_000; seed++) {
      for (const fault of randomScenario(seed).faults) {
        if (fault.kind !== "restore") continue;
        expect(fault.takenMs, `seed ${seed}`).toBeLessThan(fault.atMs);
        copies += 1;
      }
    }
    expect(copies).toBeGreaterThan(50);
  });
});

describe("the bank", () => {
  it("has scenarios of distinct names, each found by its name", () => {
    const names = BANK.map((entry) => entry.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) expect(bankScenario(name)?.name).toBe(name);
    expect(bankScenario("no such")).toBeUndefined();
  });

  it("is files named as the scenarios, each of which says what it shows and must have seen it", () => {
    const files = readdirSync(new URL("../../sim/scenarios/", import.meta.url), { recursive: true })
      .map((name) => basename(String(name)))
      .filter((name) => name.endsWith(".json"));
    expect(files.sort()).toEqual(BANK.map(({ name }) => `${name}.json`).sort());
    for (const { name, about, expect: expected } of BANK) {
      expect(`${name}: ${about ?? ""}`.length).toBeGreaterThan(name.length + 20);
      expect(`${name} ${expected.marks?.length ?? 0}`).not.toBe(`${name} 0`);
    }
  });

  it("survives being written to a file and read back", () => {
    for (const entry of BANK) expect(parseScenario(JSON.stringify(entry))).toEqual(entry);
  });

  it("keeps adversaries below a third of the weight", () => {
    for (const entry of BANK) expect(byzantineShare(entry)).toBeLessThan(1 / 3);
  });
});

describe("blocked links", () => {
  const at = { atMs: 0, untilMs: 1 };
  const linksOf = (fault: Fault, n = 4): string[] =>
    blockedBy(fault, n).map(([from, to]) => `${from}${to}`);

  it("are what the kind of partition says", () => {
    expect(linksOf({ kind: "one-way", from: [0], to: [1, 2], ...at })).toEqual(["01", "02"]);
    expect(linksOf({ kind: "isolate", node: 1, ...at })).toEqual([
      "01",
      "10",
      "12",
      "13",
      "21",
      "31",
    ]);
    const halves = linksOf({
      kind: "partition",
      groups: [
        [0, 1],
        [2, 3],
      ],
      ...at,
    });
    expect(halves).toEqual(["02", "03", "12", "13", "20", "21", "30", "31"]);
    expect(linksOf({ kind: "ring", ...at })).toEqual(["02", "13", "20", "31"]);
    const bridge = linksOf({ kind: "bridge", middle: 4, ...at }, 5);
    expect(bridge).toEqual(["02", "03", "12", "13", "20", "21", "30", "31"]);
  });
});
