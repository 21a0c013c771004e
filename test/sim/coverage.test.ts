/** Coverage by marks, and the atlas of good copies. */
import { describe, expect, it } from "vitest";
import { BENT_WAYS } from "../../sim/adversary/forgeries.ts";
import { FORGED_WAYS } from "../../sim/adversary/traffic.ts";
import { Atlas } from "../../sim/atlas.ts";
import { createCoverage, EXPECTED_MARKS } from "../../sim/coverage.ts";
import { FAULT_KINDS } from "../../sim/fault-shape.ts";
import { runOptions } from "../../sim/options.ts";
import { DIRECTED_STRATEGIES, type Fault, STRATEGIES, scenario } from "../../sim/scenario.ts";
import { BANK, bankScenario } from "../../sim/scenarios/index.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";

describe("coverage", () => {
  it("names what no run has seen, and counts runs and times of the rest", () => {
    const coverage = createCoverage(["a", "b", "c"]);
    coverage.add(new Map([["a", 3]]));
    coverage.add(
      new Map([
        ["a", 1],
        ["b", 1],
        ["other", 9],
      ]),
    );
    expect(coverage.missing()).toEqual(["c"]);
    expect(coverage.table()).toEqual([
      "mark    runs      times",
      "c          0          0",
      "b          1          1",
      "a          2          4",
    ]);
  });

  it("expects every kind of fault once", () => {
    expect(new Set(EXPECTED_MARKS).size).toBe(EXPECTED_MARKS.length);
    for (const kind of FAULT_KINDS) expect(EXPECTED_MARKS).toContain(`fault ${kind}`);
  });

  it("expects every kind of adversary, and the library has those that no mix draws", () => {
    for (const strategy of [...STRATEGIES, ...DIRECTED_STRATEGIES]) {
      expect(EXPECTED_MARKS).toContain(`adversary ${strategy}`);
    }
    const known = BANK.flatMap(({ adversaries }) => adversaries.map(({ strategy }) => strategy));
    expect(known).toEqual(expect.arrayContaining([...DIRECTED_STRATEGIES]));
    expect(bankScenario("adversary-two-faced")?.expect.marks).toContain("adversary two-faced");
  });

  it("expects every way in which a certificate is none, and the library does", () => {
    const ways = EXPECTED_MARKS.filter((mark) => /^(forged|bent) certificate /.test(mark));
    expect(ways.length).toBe(FORGED_WAYS.length + BENT_WAYS.length);
    expect(BANK.flatMap(({ expect: { marks } }) => marks ?? [])).toEqual(
      expect.arrayContaining(ways),
    );
  });
});

describe("the atlas", () => {
  /** One set of four for ever, where no others are given. */
  const create = (
    keep: boolean,
    untrusted: readonly number[] = [],
    sets: readonly (readonly bigint[])[] = [[1n, 1n, 1n, 1n]],
  ) => {
    const heights = new Map<number, number>();
    const marks: string[] = [];
    const unsure: number[] = [];
    const atlas = new Atlas({
      setOf: (epoch) => {
        const powers = sets[Math.min(epoch, sets.length - 1)] ?? [];
        const total = powers.reduce((sum, power) => sum + power, 0n);
        return { total, weightOf: (slot) => powers[slot] ?? 0n };
      },
      untrusted: new Set(untrusted),
      keep,
      heightOf: (slot) => heights.get(slot),
      unsure: () => unsure,
      happened: (what) => marks.push(what),
    });
    atlas.reached(100, 0);
    /** A fault that takes data: whether it was not spared. */
    const takes = (slot: number): boolean => {
      if (atlas.spares(slot)) return false;
      atlas.loses(slot);
      return true;
    };
    return { atlas, heights, marks, unsure, takes };
  };

  it("lets two of four lose their data, and spares the third until one has caught up", () => {
    const { atlas, heights, marks, takes } = create(true);
    expect(takes(0)).toBe(true);
    expect(takes(1)).toBe(true);
    expect(takes(1)).toBe(true);
    expect(takes(2)).toBe(false);
    expect(marks).toEqual(["atlas spared a disk"]);
    expect([0, 1, 2, 3].map((slot) => atlas.hasGoodCopy(slot))).toEqual([false, false, true, true]);
    // What was open at the loss may lie up to the largest gap above what was final.
    heights.set(0, 107);
    expect(takes(2)).toBe(false);
    heights.set(0, 108);
    expect(takes(2)).toBe(true);
    expect(atlas.lost).toBeUndefined();
  });

  it("counts the copies of those who lie for nothing", () => {
    const { takes } = create(true, [3]);
    expect(takes(0)).toBe(true);
    expect(takes(1)).toBe(false);
  });

  it("counts by the set of the running epoch and of the one before it", () => {
    const first = [1n, 1n, 1n, 1n, 1n, 0n, 0n];
    const second = [1n, 1n, 1n, 0n, 0n, 1n, 1n];
    const takenAt = (epoch: number, slots: readonly number[]): readonly boolean[] => {
      const { atlas, takes } = create(true, [], [first, second]);
      atlas.reached(200, epoch);
      return slots.map((slot) => takes(slot));
    };
    // Who joins later has nothing to lose.
    expect(takenAt(0, [5, 6, 0, 1, 2, 3])).toEqual([true, true, true, true, true, false]);
    expect(takenAt(1, [5, 6, 0, 1, 3])).toEqual([true, true, true, false, true]);
    expect(takenAt(1, [3, 4, 0, 1])).toEqual([true, true, true, false]);
    expect(takenAt(2, [3, 4, 0, 1, 5, 6])).toEqual([true, true, true, true, true, false]);
  });

  it("lets no more than three of the five of a genesis lose their data where two join later", () => {
    const wiped = scenario("wiped-before-anybody-joins", {
      ...{ n: 7, proofs: ["stake"], atlas: "keep", healMs: 2_000 },
      faults: [0, 1, 2, 3].map((node) => ({
        ...({ kind: "wipe", node, votes: false, atMs: 1_000, downMs: 300 } as const),
      })),
    });
    const { violation, marks } = simulate(wiped, runOptions());
    expect(violation).toBeUndefined();
    expect(marks.get("atlas spared a disk")).toBe(1);
  }, 60_000);

  it("says what was lost where it does not spare", () => {
    const { atlas, marks, takes } = create(false);
    for (const slot of [0, 1]) expect(takes(slot)).toBe(true);
    expect(atlas.lost).toBeUndefined();
    expect(takes(2)).toBe(true);
    expect(atlas.lost).toBe("n2 lost its data at height 100 while n0, n1 had no good copy");
    expect(marks).toEqual(["atlas lost the last copies"]);
  });

  it("explains a run that cannot go on, and keeps one from getting there", () => {
    const wiped = (atlas: "keep" | "report") =>
      scenario("all-data-at-once", {
        faults: [0, 1, 2, 3].map((node) => ({
          kind: "wipe" as const,
          node,
          votes: false,
          atMs: 3_000,
          downMs: 300,
        })),
        healMs: 4_000,
        atlas,
        expect: { finalWithinMs: 5_000 },
      });
    const lost = simulate(wiped("report"), SYSTEM);
    expect(lost.violation?.id).toBe("L1");
    expect(lost.violation?.detail).toContain("the last good copies are gone: n2 lost its data");
    expect(lost.dataLost).toContain("n2 lost its data");
    const kept = simulate(wiped("keep"), SYSTEM);
    expect(kept.violation).toBeUndefined();
    expect(kept.dataLost).toBeUndefined();
    expect(kept.marks.get("atlas spared a disk")).toBe(2);
  }, 60_000);

  it("counts a disk as lost when a fault has taken something, not when it might have", () => {
    const { atlas, marks } = create(true);
    for (const slot of [0, 1, 2, 3]) expect(atlas.spares(slot)).toBe(false);
    atlas.loses(0);
    expect(atlas.spares(1)).toBe(false);
    expect(atlas.hasGoodCopy(1)).toBe(true);
    atlas.loses(1);
    expect(atlas.spares(1)).toBe(false);
    expect(atlas.spares(2)).toBe(true);
    expect(marks).toEqual(["atlas spared a disk"]);
  });

  it("spares others while a disk may lose what it has, and counts that as lost only once it has", () => {
    const { atlas, marks, unsure } = create(true);
    unsure.push(0, 1);
    expect(atlas.spares(2)).toBe(true);
    expect([0, 1, 2].map((slot) => atlas.hasGoodCopy(slot))).toEqual([true, true, true]);
    unsure.length = 0;
    expect(atlas.spares(2)).toBe(false);
    const told = create(false);
    told.unsure.push(0, 1);
    // Nodes 0 and 1 have all that is final for as long as nothing takes it.
    told.atlas.loses(2);
    expect([told.atlas.lost, told.marks]).toEqual([undefined, []]);
    told.atlas.loses(0);
    told.atlas.loses(1);
    told.atlas.loses(1);
    expect(told.atlas.lost).toBe("n1 lost its data at height 100 while n2, n0 had no good copy");
    expect(told.marks).toEqual(["atlas lost the last copies"]);
    expect(marks).toEqual(["atlas spared a disk"]);
  });

  it("counts no disk as lost of which no write was, and spares no other for it", () => {
    const lie = (node: number, atMs: number): Fault[] => [
      { kind: "lost-writes", node, disk: "data", atMs, untilMs: atMs + 1_000 },
      { kind: "misdirected-write", node, disk: "data", atMs, nth: 1_000_000 },
    ];
    const countsOf = (faults: readonly Fault[], atlas: "keep" | "report") => {
      const one = scenario("lies", { faults, healMs: 6_000, atlas });
      const { violation, marks, dataLost } = simulate(one, SYSTEM);
      expect(violation).toBeUndefined();
      expect(dataLost).toBeUndefined();
      const names = ["lost-writes", "misdirected-write", "wipe"].map((kind) => `fault ${kind}`);
      return [...names, "atlas spared a disk"].map((mark) => marks.get(mark) ?? 0);
    };
    const down = [0, 1].flatMap((node): Fault[] => [
      { kind: "crash", node, power: true, atMs: 1_000, downMs: 600 },
      { kind: "lost-writes", node, disk: "data", atMs: 1_200, untilMs: 1_300 },
    ]);
    const wipe: Fault = { kind: "wipe", node: 2, votes: false, atMs: 3_000, downMs: 300 };
    expect(countsOf([...down, wipe], "keep")).toEqual([0, 0, 1, 0]);
    const live = [0, 1].flatMap((node) => lie(node, 1_200));
    // Who waits for a write that it misdirects may lose any: that lasts until the heal.
    expect(countsOf([...live, wipe], "keep")).toEqual([2, 0, 0, 1]);
    expect(countsOf([...live, wipe], "report")).toEqual([2, 0, 1, 0]);
    const lies = live.filter(({ kind }) => kind === "lost-writes");
    expect(countsOf([...lies, wipe], "keep")).toEqual([2, 0, 1, 0]);
  }, 60_000);

  it("says what was lost by lies and misdirected writes when it is lost", () => {
    const lie = (node: number): Fault[] => [
      { kind: "lost-writes", node, disk: "data", atMs: 1_000, untilMs: 3_000 },
      { kind: "crash", node, power: true, atMs: 2_900, downMs: 2_000 },
    ];
    const misdirected: Fault = {
      ...{ kind: "misdirected-write", node: 2, disk: "data", atMs: 2_000, nth: 1 },
    };
    const lost = (faults: readonly Fault[]) =>
      simulate(scenario("lost", { faults, healMs: 4_000, atlas: "report" }), SYSTEM);
    const two = lost([...lie(0), ...lie(1)]);
    expect([two.dataLost, two.marks.get("fault lost-writes")]).toEqual([undefined, 2]);
    const three = lost([...lie(0), ...lie(1), misdirected]);
    expect(three.dataLost).toMatch(
      /^n1 lost its data at height \d+ while n2, n0 had no good copy$/,
    );
  }, 60_000);

  it("counts no disk as lost that a restore has left as it was, and spares no other for it", () => {
    const run = (atlas: "keep" | "report", takenMs: number) => {
      const faults = [0, 1].flatMap((node): Fault[] => [
        { kind: "crash", node, power: true, atMs: 1_000, downMs: 6_000 },
        { kind: "restore", node, votes: false, takenMs, atMs: 3_000, downMs: 300 },
      ]);
      const wipe: Fault = { kind: "wipe", node: 2, votes: false, atMs: 3_500, downMs: 300 };
      const one = scenario("restored", { faults: [...faults, wipe], healMs: 8_000, atlas });
      const { violation, marks, dataLost } = simulate(one, SYSTEM);
      expect(violation).toBeUndefined();
      const counts = ["fault restore", "fault wipe", "atlas spared a disk"].map((mark) =>
        marks.get(mark),
      );
      return { counts, dataLost };
    };
    const unchanged = { counts: [undefined, 1, undefined], dataLost: undefined };
    // The copy of 1.5 s is what a disk has whose process went down at 1 s.
    expect(run("keep", 1_500)).toEqual(unchanged);
    expect(run("report", 1_500)).toEqual(unchanged);
    expect(run("keep", 500)).toEqual({ counts: [2, undefined, 1], dataLost: undefined });
  }, 60_000);

  it("is asked before a crash after a vote takes the data, too", () => {
    const wiped = (atlas: "keep" | "report") =>
      scenario("all-data-after-one-vote", {
        faults: [0, 1, 2, 3].map((node) => ({
          ...({ kind: "crash-after-vote", node, view: 20, statement: "finalize" } as const),
          ...{ power: true, wipe: true, atMs: 0, downMs: 300 },
        })),
        healMs: 4_000,
        atlas,
        expect: { finalWithinMs: 5_000 },
      });
    const lost = simulate(wiped("report"), SYSTEM);
    expect(lost.violation?.detail).toMatch(/the last good copies are gone: n\d lost its data/);
    expect(lost.dataLost).toBeDefined();
    const kept = simulate(wiped("keep"), SYSTEM);
    expect(kept.violation).toBeUndefined();
    expect(kept.dataLost).toBeUndefined();
    // What is spared is the disk: the process dies all the same.
    expect(kept.marks.get("fault crash-after-vote")).toBe(4);
    expect(kept.marks.get("atlas spared a disk")).toBe(2);
    expect(kept.marks.get("started on an empty disk")).toBe(2);
  }, 60_000);
});
