/** The mark of a fault says that it has happened, and a second one that somebody has felt it. */
import { describe, expect, it } from "vitest";
import { FAULT_KINDS } from "../../sim/fault-shape.ts";
import { type Fault, type Scenario, scenario } from "../../sim/scenario.ts";
import { bankScenario } from "../../sim/scenarios/index.ts";
import { simulate } from "../../sim/simulate.ts";
import { randomScenario } from "../../sim/swarm.ts";
import { SYSTEM } from "../../sim/system.ts";
import { isLocationFrame } from "../../src/ledger/location-messages.ts";
import { messageTypeOf } from "../../src/ledger/wire.ts";

const HOUR_MS = 3_600_000;

const marksOf = (faults: readonly Fault[], more: Partial<Scenario> = {}) => {
  const { violation, marks } = simulate(
    scenario("marks", { faults, healMs: 3_500, ...more }),
    SYSTEM,
  );
  expect(violation).toBeUndefined();
  return marks;
};

const span = { atMs: 1_500, untilMs: 3_000 };
const at = { atMs: 2_000 };

/** Of each row: what the faults are, and by what marks they must show beside their own. */
const FELT: readonly (readonly [faults: readonly Fault[], felt: readonly string[]])[] = [
  [
    [
      { kind: "pause", ...span, node: 0 },
      { kind: "slow-disk", ...span, node: 1, factor: 5 },
      { kind: "delay", ...span, node: 2, extraMs: 40 },
      { kind: "slow-cpu", ...span, node: 3, factor: 5 },
    ],
    ["turn held by a pause", "write slowed", "frame delayed", "turn slowed"],
  ],
  [
    [
      { kind: "clock", ...span, node: 0, offsetMs: 700 },
      { kind: "clock-periodic", ...span, node: 1, amplitudeMs: 100, periodMs: 900 },
      { kind: "drift", ...at, node: 2, ppm: 300 },
      { kind: "reset", ...at, a: 2, b: 3 },
    ],
    ["clock off", "clock swung", "clock drifted", "session reset"],
  ],
  [
    [
      { kind: "wipe", ...at, node: 0, votes: false, downMs: 200 },
      { kind: "restore", atMs: 3_000, node: 1, votes: false, takenMs: 1_500, downMs: 200 },
    ],
    ["started on an empty disk", "started on a restored disk"],
  ],
  [
    [
      { kind: "loss", ...span, ppm: 30_000 },
      { kind: "duplicate", ...span, ppm: 30_000 },
      { kind: "reorder", ...span, ppm: 300_000 },
      { kind: "corrupt", ...span, ppm: 100_000 },
      { kind: "drop-statement", ...span, statement: "finalize", to: 1 },
    ],
    ["frame lost", "frame duplicated", "frame reordered", "frame corrupted"],
  ],
  [[{ kind: "disk-error", ...at, node: 0, disk: "data", nth: 3 }], ["write failed"]],
  [
    [{ kind: "crash-at", ...at, node: 0, point: "send", nth: 3, power: true, downMs: 200 }],
    ["crash at send"],
  ],
];

describe("the mark of a fault", () => {
  it.each(FELT)(
    "comes when it has happened, and another one when it is felt: %j",
    (faults, felt) => {
      const marks = marksOf(faults);
      for (const { kind } of faults) expect(marks.get(`fault ${kind}`), kind).toBe(1);
      for (const mark of felt) expect(marks.has(mark), mark).toBe(true);
      expect(marks.has("clock hours off")).toBe(false);
    },
    60_000,
  );

  it("comes of a second process that votes, as in the library", () => {
    const twice = bankScenario("same-key-twice-stops");
    if (twice === undefined) throw new Error("no such scenario");
    const { marks } = simulate(twice, SYSTEM);
    expect(marks.get("fault twin")).toBe(1);
    expect(marks.has("twin signed")).toBe(true);
  }, 60_000);

  it("tells a clock that is hours off from one that is off", () => {
    const hours = (offsetMs: number) =>
      marksOf([{ kind: "clock", ...span, node: 0, offsetMs }]).has("clock hours off");
    expect(hours(-HOUR_MS)).toBe(true);
    expect(hours(HOUR_MS - 1)).toBe(false);
  }, 60_000);

  it("does not come of what changes nothing", () => {
    const idle: readonly Fault[] = [
      { kind: "reset", ...at, a: 1, b: 1 },
      { kind: "clog", ...span, from: 2, to: 2 },
      { kind: "swizzle", ...span, clogged: [], freed: [] },
      { kind: "partition", ...span, groups: [[0, 1, 2, 3]] },
      { kind: "one-way", ...span, from: [], to: [1] },
      { kind: "delay", ...span, node: 0, extraMs: 0 },
      { kind: "jitter", ...span, upToMs: 0 },
      // Nobody begins a new session.
      { kind: "replay", ...span, node: 0 },
      { kind: "slow-cpu", ...span, node: 0, factor: 1 },
      { kind: "slow-disk", ...span, node: 0, factor: 1 },
      { kind: "clock", ...span, node: 0, offsetMs: 0 },
      { kind: "drift", ...at, node: 0, ppm: 0 },
      // No earlier moment.
      { kind: "restore", ...at, node: 0, votes: false, takenMs: 2_000, downMs: 1 },
      { kind: "restore", ...at, node: 1, votes: true, takenMs: 3_000, downMs: 1 },
      { kind: "loss", ...span, ppm: 0 },
      { kind: "duplicate", ...span, ppm: 0 },
      { kind: "reorder", ...span, ppm: 0 },
      { kind: "corrupt", ...span, ppm: 0 },
      // No message begins with this byte, and no view comes so far.
      { kind: "drop-type", ...span, type: 255, ppm: 1_000_000 },
      { kind: "drop-statement", ...span, view: 1_000_000 },
      // What is armed and never fires: no node writes or signs so much in this time.
      { kind: "disk-error", ...at, node: 0, disk: "data", nth: 1_000_000 },
      { kind: "read-error", ...at, node: 0, disk: "votes", nth: 1_000_000 },
      { kind: "misdirected-write", ...at, node: 0, disk: "votes", nth: 1_000_000 },
      { kind: "crash-at", ...at, node: 0, point: "sign", nth: 1_000_000, power: true, downMs: 1 },
      {
        ...{ kind: "crash-after-vote", ...at, node: 0, view: 1_000_000, statement: "nullify" },
        ...{ power: true, downMs: 1, wipe: false },
      },
    ];
    const marks = marksOf(idle);
    for (const { kind } of idle) expect(marks.has(`fault ${kind}`), kind).toBe(false);
  }, 60_000);

  it("does not come of a process that is down, nor of a second process where there is no room", () => {
    const down: Fault = { kind: "crash", ...at, node: 0, power: false, downMs: 1_500 };
    const marks = marksOf([
      down,
      { kind: "crash", atMs: 2_500, node: 0, power: true, downMs: 100 },
      { kind: "pause", atMs: 2_500, untilMs: 3_000, node: 0 },
      { kind: "reset", atMs: 2_500, a: 0, b: 1 },
    ]);
    expect(marks.get("fault crash")).toBe(1);
    expect(marks.has("fault pause")).toBe(false);
    expect(marks.has("fault reset")).toBe(false);
  }, 60_000);

  it("does not come of a copy that is no other than the disk", () => {
    const down: Fault = { kind: "crash", atMs: 1_000, node: 0, power: true, downMs: 2_400 };
    const restore = { kind: "restore", node: 0, votes: true, takenMs: 1_500, downMs: 1 } as const;
    const marksAt = (atMs: number) => marksOf([down, { ...restore, atMs }], { healMs: 6_000 });
    const [same, older] = [marksAt(3_000), marksAt(5_500)];
    for (const mark of ["fault restore", "started on a restored disk"]) {
      expect(same.has(mark), mark).toBe(false);
      expect(older.get(mark), mark).toBe(1);
    }
  }, 60_000);

  it("does not come of a disk that the atlas has spared", () => {
    const wipes = [0, 1, 2, 3].map(
      (node): Fault => ({ kind: "wipe", node, votes: false, ...at, downMs: 200 }),
    );
    const marks = marksOf(wipes, { atlas: "keep" });
    expect(marks.get("fault wipe")).toBe(2);
    expect(marks.get("atlas spared a disk")).toBe(2);
  }, 60_000);
});

describe("messages that a swarm drops by their type", () => {
  it("are of every type that there is", () => {
    const isKnown = (type: number): boolean =>
      messageTypeOf(type) !== undefined || isLocationFrame(Uint8Array.of(type));
    const known = Array.from({ length: 256 }, (_, type) => type).filter(isKnown);
    const drawn = new Set<number>();
    for (let seed = 1; seed <= 2_000; seed++) {
      for (const fault of randomScenario(seed).faults) {
        if (fault.kind === "drop-type") drawn.add(fault.type);
      }
    }
    expect([...drawn].sort((a, b) => a - b)).toEqual(known);
    expect(FAULT_KINDS).toContain("drop-type");
  });
});
