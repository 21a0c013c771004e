/** A scenario whose runs are not alike (I17): what each has found is told, where they part, and that it fails. */
import { describe, expect, it } from "vitest";
import { CHECKERS } from "../../sim/checkers/index.ts";
import type { CheckerFactory } from "../../sim/checkers/types.ts";
import { examine, reportText } from "../../sim/failure.ts";
import type { RunOptions } from "../../sim/run-options.ts";
import { scenario } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";
import { simulateAgain, simulateTwice, Trail } from "../../sim/twice.ts";
import { recordPut } from "../../src/ledger/projections/events.ts";

const brief = scenario("brief", { seed: 2, n: 1, healMs: 600 });
const REPORT = { commit: "abc", replay: "nexus sim run brief.json" };

/** Clients write what no two runs have alike, but have the same size. */
const restless = (): RunOptions => {
  let written = 1_000_000;
  const events = () => {
    written += 1;
    return [recordPut.encode({ topic: "t", key: `${written}`, body: new Uint8Array(1) })];
  };
  return { ...SYSTEM, events };
};

/** Complains in the runs of these numbers only, from 1, as soon as a node is at height 2. */
const fickle = (...runs: readonly number[]): RunOptions => {
  let made = 0;
  const factory: CheckerFactory = ({ report }) => {
    made += 1;
    const run = made;
    return {
      id: "OWN2",
      title: "sometimes nothing is this high",
      status: (slot, { finalHeight }) => {
        if (runs.includes(run) && finalHeight >= 2) report("OWN2", `n${slot} is at ${finalHeight}`);
      },
    };
  };
  return { ...SYSTEM, checkers: [...CHECKERS, factory] };
};

describe("two runs of one scenario that are not alike", () => {
  it("are a failure that says what either has found", () => {
    const result = simulateTwice(brief, fickle(1));
    expect(result).toMatchObject({ outcome: "correctness", violation: { id: "I17" } });
    const [first, second, third] = result.violation?.detail.split("\n") ?? [];
    expect(first).toMatch(/^traces \w{16} and \w{16} of one seed$/);
    expect(second).toMatch(/^the first run: correctness OWN2 at .*: n0 is at \d$/);
    expect(third).toBe("the second run: ok");
    expect(result.report.length).toBeGreaterThan(0);
  });

  it("are those of one trace as well, where only one of them fails", () => {
    let runs = 0;
    const late: CheckerFactory = ({ report }) => {
      runs += 1;
      const run = runs;
      return { id: "OWN4", title: "some", end: () => run === 2 && report("OWN4", "the second") };
    };
    const result = simulateTwice(brief, { ...SYSTEM, checkers: [...CHECKERS, late] });
    expect(result.violation).toMatchObject({
      id: "I17",
      detail: expect.stringMatching(/^one trace, \w{16}, but .*\n.* ok\n.* correctness OWN4 at/),
    });
  });

  it("are found of a run that has passed, too", () => {
    const options = restless();
    const first = simulate(brief, options);
    expect(first.outcome).toBe("ok");
    expect(simulateAgain(first, options).violation?.id).toBe("I17");
    expect(simulateAgain(simulate(brief, SYSTEM), SYSTEM).outcome).toBe("ok");
  });

  it("have a report that says where two more part, by the number of the event", () => {
    const options = restless();
    const found = simulateTwice(brief, options);
    const lines: string[] = [];
    const { report, result } = examine(brief, options, {
      ...{ ...REPORT, found },
      onLine: (line) => lines.push(line),
    });
    expect(report).toMatchObject({ invariant: "I17", outcome: "correctness" });
    expect(report?.verdict).toMatch(
      /^correctness I17 at .*: traces \w{16} and \w{16} of one seed$/,
    );
    expect(result.violation?.detail).toBe(report?.detail);
    const [, number = "", event = ""] =
      /two more runs part at event (\d+): (.*)$/.exec(report?.detail ?? "") ?? [];
    expect(lines[Number(number) - 1]?.trim()).toBe(event);
    expect(event).toMatch(/^0\.\d{6} +n0 +sign$/);
    expect(report === undefined ? "" : reportText(report)).toContain("I17: Two runs of one seed");
  });

  it("are told apart from two more that are alike", () => {
    const options = fickle(1);
    const found = simulateTwice(brief, options);
    const { report } = examine(brief, options, { ...REPORT, found });
    expect(report?.invariant).toBe("I17");
    expect(report?.detail).toMatch(/two more runs are alike$/);
  });
});

describe("a failure that does not come again", () => {
  it("has a report all the same, of what was found", () => {
    const options = fickle(1);
    const found = simulate(brief, options);
    expect(found.violation?.id).toBe("OWN2");
    const { report } = examine(brief, options, { ...REPORT, found });
    expect(report).toMatchObject({ invariant: "OWN2", outcome: "correctness" });
    expect(report?.detail).toContain("run again to be shown it did not fail");
    expect(examine(brief, options, REPORT).report).toBeUndefined();
  });

  it("is named beside another one", () => {
    const found = simulate(brief, fickle(1));
    const broken: CheckerFactory = ({ report }) => ({
      ...{ id: "OWN3", title: "nothing is" },
      status: () => report("OWN3", "something is"),
    });
    const options = { ...SYSTEM, checkers: [...CHECKERS, broken] };
    const { report } = examine(brief, options, { ...REPORT, found });
    expect(report?.invariant).toBe("OWN3");
    expect(report?.detail).toMatch(/an earlier run: correctness OWN2 at/);
    const same = examine(brief, fickle(1), { ...REPORT, found }).report;
    expect(same?.detail).not.toContain("an earlier run");
  });
});

describe("a trail", () => {
  const trailOf = (max: number, first: readonly number[], second: readonly number[]): Trail => {
    const trail = new Trail(max);
    for (const digest of first) trail.add(digest);
    for (const digest of second) trail.compare(digest);
    return trail;
  };
  const many = Array.from({ length: 3_000 }, (_, i) => i * 7);

  it("says at which event the second run parts from the first", () => {
    expect(trailOf(9, [1, 2, 3], [1, 2, 3]).text("")).toBe("two more runs are alike");
    expect(trailOf(9, [1, 2, 3], [1, 4, 5]).partedAt).toBe(2);
    expect(trailOf(9_000, many, many).partedAt).toBe(0);
    expect(trailOf(9_000, many, [...many.slice(0, -1), 1]).partedAt).toBe(3_000);
    for (const [first, second] of [
      [[1, 2], [1]],
      [[1], [1, 2]],
    ] as const) {
      const counts = `${first.length} and ${second.length} events`;
      expect(trailOf(9, first, second).text("")).toContain(counts);
    }
  });

  it("holds no more than its bound, and says so", () => {
    expect(trailOf(3, [1, 2, 3], [1, 2, 4]).partedAt).toBe(3);
    const past = trailOf(3, [1, 2, 3, 4], [1, 2, 3, 5]);
    expect(past.partedAt).toBe(0);
    expect(past.text("")).toBe("two more runs are alike in their first 3 events");
  });
});
