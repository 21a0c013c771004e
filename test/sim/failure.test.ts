/** What a failing run leaves: invariants with a sentence, roots that differ, timelines that change nothing. */
import { describe, expect, it } from "vitest";
import { CHECKERS } from "../../sim/checkers/index.ts";
import type { CheckContext, CheckerFactory, Dump } from "../../sim/checkers/types.ts";
import { faultText, msText } from "../../sim/describe.ts";
import { examine, reportText } from "../../sim/failure.ts";
import { INVARIANTS, sentenceOf } from "../../sim/invariants.ts";
import { ownOf } from "../../sim/own.ts";
import { type Moment, momentLine, record } from "../../sim/recorder.ts";
import { RootWatch } from "../../sim/root-diff.ts";
import { scenario } from "../../sim/scenario.ts";
import { EXIT_CODES, simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";
import { ERRORS } from "../../src/errors.ts";
import { statusWith } from "./support.ts";

const small = scenario("small", {
  seed: 4,
  healMs: 1_500,
  faults: [
    { kind: "crash", atMs: 400, node: 1, power: true, downMs: 300 },
    { kind: "loss", atMs: 200, untilMs: 1_000, ppm: 50_000 },
  ],
});
const REPORT = { commit: "abc", replay: "nexus sim run small.json" };

/** Breaks once a node is as high as that. */
const tooHigh =
  (limit: number): CheckerFactory =>
  ({ report }) => ({
    id: "OWN2",
    title: "nothing is this high",
    status: (slot, { finalHeight }) => {
      if (finalHeight >= limit) report("OWN2", `n${slot} is at ${finalHeight}\nsecond line`);
    },
  });

describe("invariants", () => {
  it("have a sentence for every checker of the simulator", () => {
    const context = {
      ...{ members: [], chainId: "", genesisHash: new Uint8Array(32), genesisTimeMs: 0 },
      report: () => undefined,
      mark: () => undefined,
    } as unknown as CheckContext;
    const ids = CHECKERS.map((factory) => factory(context).id).filter((id) => /^[IL]\d+$/.test(id));
    expect(ids.length).toBeGreaterThan(10);
    expect(ids.filter((id) => sentenceOf(id) === undefined)).toEqual([]);
    for (const sentence of Object.values(INVARIANTS)) expect(sentence).toMatch(/^[A-Z].*\.$/);
    expect(sentenceOf("OWN1")).toBeUndefined();
  });

  it("have the exit codes of the table of errors", () => {
    expect(EXIT_CODES).toEqual({ ok: 0, module: 1, crash: 10, liveness: 11, correctness: 12 });
    expect(ERRORS["sim.crash"].exitCode).toBe(10);
  });
});

describe("a recording", () => {
  it("changes nothing in a run, and tells of every event in order", () => {
    const moments: Moment[] = [];
    const recorded = record(small, SYSTEM, { moment: (moment) => moments.push(moment) });
    const plain = simulate(small, SYSTEM);
    expect(recorded.traceHash).toBe(plain.traceHash);
    expect(moments.map(({ atUs }) => atUs)).toEqual(
      moments.map(({ atUs }) => atUs).sort((a, b) => a - b),
    );
    const frames = moments.filter(({ kind }) => kind === "send" || kind === "deliver");
    expect(frames.length).toBeGreaterThan(100);
    expect(frames.filter(({ bytes }) => bytes === undefined)).toEqual([]);
    const lines = moments.map(momentLine);
    expect(lines).toContainEqual(
      expect.stringMatching(/^ +0\.400000 {2}n1 +fault +crash n1, power, down 300 ms$/),
    );
    expect(lines).toContainEqual(expect.stringMatching(/ all +heal$/));
    expect(lines).toContainEqual(expect.stringMatching(/ n\d +> n\d +send +proposal, view \d+ \(/));
  });
});

describe("a report", () => {
  it("has verdict, rule, replay, scenario, nodes, roots, and the last events", () => {
    const whole: string[] = [];
    const options = { ...SYSTEM, checkers: [...CHECKERS, tooHigh(5)] };
    const { report } = examine(small, options, {
      ...REPORT,
      lines: 10,
      onLine: (line) => whole.push(line),
    });
    expect(report).toMatchObject({
      outcome: "correctness",
      invariant: "OWN2",
      sentence: null,
      commit: "abc",
      replay: REPORT.replay,
      events: whole.length,
      timeline: whole.slice(-10),
    });
    expect(report?.verdict).toMatch(/^correctness OWN2 at [\d.]+ m?s: n\d is at 5$/);
    expect(report?.nodes).toHaveLength(4);
    expect(report?.roots).toMatchObject({ differences: [] });
    expect(report?.roots.equalUpTo).toBeGreaterThan(2);
    const text = report === undefined ? "" : reportText(report);
    expect(text).toContain('"kind": "crash"');
    expect(text).toContain("What was found\n  second line");
    expect(text).toContain(`Last 10 of ${whole.length} events`);
  });

  it("is none for a run that passes", () => {
    expect(examine(small, SYSTEM, REPORT).report).toBeUndefined();
  });

  it("tells of a node that throws as of a crash", () => {
    const throws = {
      ...SYSTEM,
      createSystem: () => ({ freshVotes: () => [], boot: () => boom(), rules: () => boom() }),
    };
    const boom = (): never => {
      throw new Error("no room");
    };
    const { report } = examine(small, throws, REPORT);
    expect(report).toMatchObject({ outcome: "crash", invariant: "exception" });
    expect(report?.verdict).toContain("no room");
    expect(report?.sentence).toBe("No node throws.");
  });
});

describe("the difference of roots", () => {
  const at = (executedHeight: number, stateRoot: string) =>
    statusWith({ executedHeight, stateRoot });

  it("is the first height at which two nodes differ", () => {
    const watch = new RootWatch();
    for (const [slot, root] of [
      [0, "a"],
      [1, "a"],
      [2, "b"],
      [3, "c"],
    ] as const) {
      watch.status(slot, at(7, "same"));
      watch.status(slot, at(8, root));
      watch.status(slot, at(9, root));
    }
    const { equalUpTo, differences, nodes } = watch.diff((slot) => slot < 3);
    expect(equalUpTo).toBe(7);
    expect(nodes.map(({ height }) => height)).toEqual([9, 9, 9]);
    expect(differences).toEqual([
      {
        what: "state root at height 8",
        values: [
          { value: "a", slots: [0, 1] },
          { value: "b", slots: [2] },
        ],
      },
    ]);
  });

  it("has the rows and the first entry that differ where a run was audited", () => {
    const watch = new RootWatch();
    const key = new TextEncoder().encode("notes/first");
    const dump = (slot: number, value: number | undefined): Dump => ({
      slot,
      status: statusWith({}),
      entries: [],
      timesMs: [],
      rows: new Map([
        ["records", value === undefined ? [] : [{ key, value: Uint8Array.of(value) }]],
      ]),
    });
    for (const slot of [0, 1, 2]) watch.status(slot, at(7, "same"));
    watch.end([dump(0, 1), dump(1, 1), dump(2, undefined)]);
    expect(watch.diff(() => true).differences).toEqual([
      {
        what: "records notes/first",
        values: [
          { value: "01", slots: [0, 1] },
          { value: "(absent)", slots: [2] },
        ],
      },
    ]);
  });
});

describe("words", () => {
  it("for faults and times are short", () => {
    const groups = [
      [0, 1, 2, 3],
      [4, 6],
    ];
    expect(faultText({ kind: "partition", atMs: 1, untilMs: 2, groups })).toBe(
      "partition n0-n3 | n4 n6",
    );
    expect(faultText({ kind: "delay", atMs: 1, untilMs: 2, node: 3, extraMs: 40 })).toBe(
      "delay n3, extra 40 ms",
    );
    expect([999, 1_000, 1_250, Number.MAX_SAFE_INTEGER].map(msText)).toEqual([
      "999 ms",
      "1 s",
      "1.25 s",
      "for ever",
    ]);
  });
});

describe("a module of one's own", () => {
  it("adds its checkers to those of the simulator, and is refused for what it cannot be", () => {
    const property = (): undefined => undefined;
    const factory = tooHigh(1);
    expect(ownOf({ property, checkers: [factory] })).toEqual({
      property,
      checkers: [...CHECKERS, factory],
    });
    expect(() => ownOf({ other: 1 })).toThrow("exports none of property");
    expect(() => ownOf({ property: 1 })).toThrow("property: a function");
    expect(() => ownOf({ checkers: [1] })).toThrow("checkers: a list of functions");
    expect(() => ownOf({ projections: property })).toThrow("projections: a list");
  });
});
