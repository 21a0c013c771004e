/** Shrinking: the result fails in the same way, is never bigger, and has lost what it does not need. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyScenarioArbitrary, scenarioArbitrary } from "../../sim/arbitraries.ts";
import { CHECKERS } from "../../sim/checkers/index.ts";
import type { CheckerFactory } from "../../sim/checkers/types.ts";
import { FAULT_KINDS, FAULT_SHAPES } from "../../sim/fault-shape.ts";
import { calmed, degreesOf, halved } from "../../sim/milder.ts";
import { plainScenario, withoutNode } from "../../sim/reduce.ts";
import {
  type Fault,
  faultySlots,
  type ProofPart,
  type Scenario,
  scenario,
  untrustedWeight,
} from "../../sim/scenario.ts";
import { parseScenario, readScenario } from "../../sim/scenario-shape.ts";
import { bankScenario } from "../../sim/scenarios/index.ts";
import { type Failed, type Failing, shrink } from "../../sim/shrink.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";

const failsWhen =
  (is: (candidate: Scenario) => boolean): Failing =>
  (candidate) =>
    is(candidate) ? { id: "I1" } : undefined;

const FOREVER = Number.MAX_SAFE_INTEGER;

/** Seven nodes, uneven weights, rough links, ten faults and two adversaries. */
const big = (): Scenario =>
  scenario("big", {
    seed: 5,
    n: 7,
    weights: [3, 1, 2, 4, 1, 2, 3],
    epochMs: 4_000,
    healMs: 6_000,
    workload: { clients: 4, batchesPerSecond: 8, eventsPerBatch: 4, bodyBytes: 90, untilMs: 7_000 },
    faults: [
      { kind: "loss", atMs: 200, untilMs: 4_000, ppm: 20_000 },
      { kind: "delay", atMs: 300, untilMs: 2_000, node: 4, extraMs: 40 },
      { kind: "isolate", atMs: 500, untilMs: 900, node: 6 },
      { kind: "reset", atMs: 700, a: 0, b: 3 },
      { kind: "pause", atMs: 900, untilMs: 1_700, node: 1 },
      { kind: "crash", atMs: 1_500, node: 2, downMs: 700, power: true },
      { kind: "slow-disk", atMs: 1_800, untilMs: 3_000, node: 5, factor: 9 },
      {
        kind: "partition",
        atMs: 2_000,
        untilMs: 2_600,
        groups: [
          [0, 1, 2, 3],
          [4, 5, 6],
        ],
      },
      { kind: "duplicate", atMs: 2_500, untilMs: 4_500, ppm: 30_000 },
      { kind: "clock", atMs: 3_000, untilMs: 5_000, node: 0, offsetMs: 300 },
    ],
    adversaries: [
      { node: 4, strategy: "stale", fromMs: 100, untilMs: FOREVER },
      { node: 1, strategy: "nullify-only", fromMs: 800, untilMs: 3_000 },
    ],
  });

describe("shrinking", () => {
  it("leaves only the faults that the failure needs, whatever else there was", () => {
    fc.assert(
      fc.property(scenarioArbitrary(), fc.nat(100), (drawn, pick) => {
        const kind = drawn.faults[pick % Math.max(1, drawn.faults.length)]?.kind;
        if (kind === undefined) return;
        const failing = failsWhen(({ faults }) => faults.some((fault) => fault.kind === kind));
        const small = shrink(drawn, failing, { budget: 500 }).scenario;
        expect(small.faults.map((fault) => fault.kind)).toEqual([kind]);
        expect(small.adversaries).toEqual([]);
        expect(small.n).toBeLessThanOrEqual(drawn.n);
        expect(failing(small)).toEqual({ id: "I1" });
        // It can be given away as a file.
        expect(parseScenario(JSON.stringify(plainScenario(small)))).toEqual(small);
      }),
      { numRuns: 50 },
    );
  });

  it("takes halves away first: of many faults the one is found in few runs", () => {
    const crash = { kind: "crash", node: 3, downMs: 0, power: false } as const;
    const many = scenario("many", {
      faults: Array.from({ length: 128 }, (_, i) => ({ ...crash, atMs: i * 50 })),
    });
    const { scenario: small, runs } = shrink(
      many,
      failsWhen(({ faults, n }) => n === 4 && faults.some(({ atMs }) => atMs === 3_250)),
    );
    expect(small.faults).toHaveLength(1);
    expect(runs).toBeLessThan(100);
  });

  it("leaves a copy that comes back older than what it takes the place of", () => {
    const restore = { kind: "restore", node: 1, downMs: 300, votes: false } as const;
    const late = scenario("late", {
      faults: [{ ...restore, atMs: 4_400, takenMs: 4_350 }],
      healMs: 6_000,
    });
    const shrunk = shrink(
      late,
      failsWhen(({ faults }) => faults.some(({ kind }) => kind === "restore")),
    );
    expect(shrunk?.scenario.faults).toMatchObject([{ kind: "restore", atMs: 1, takenMs: 0 }]);
  });

  it("spends no more runs than it may, and ends when it is told to", () => {
    const always = failsWhen(() => true);
    let runs = 0;
    const counted: Failing = (candidate) => {
      runs += 1;
      return always(candidate);
    };
    expect(shrink(big(), counted, { budget: 7 }).runs).toBe(7);
    expect(runs).toBe(7);
    expect(shrink(big(), counted, { stop: () => runs >= 10 }).runs).toBe(3);
    const steps: number[] = [];
    shrink(big(), always, { budget: 5, onStep: (step) => steps.push(step.runs) });
    expect(steps).toEqual([1, 2, 3, 4, 5]);
  });

  it("does not trade one failure for another, and gives back what passes", () => {
    const two = bankScenario("two-of-four-down-halts-safely");
    if (two === undefined) throw new RangeError("not in the bank");
    const other = (candidate: Scenario): Failed =>
      candidate.faults.length === 2 ? { id: "I1" } : { id: "L1" };
    expect(shrink(two, other, { budget: 50 }).scenario.faults).toHaveLength(2);
    expect(shrink(two, () => undefined).scenario).toBe(two);
    // Of two exceptions the message counts, but not the numbers in it.
    const thrown: Failing = ({ faults }) => ({
      id: "exception",
      detail: faults.length >= 2 ? `no room for ${faults.length}\n  at x` : "something else",
    });
    expect(shrink(two, thrown, { budget: 50 }).scenario.faults).toHaveLength(2);
  });

  it("leaves a scenario of the same kind: no more of the weight lies than may, or than did", () => {
    const always = failsWhen(() => true);
    fc.assert(
      fc.property(anyScenarioArbitrary, (drawn) => {
        if (faultySlots(drawn).size === drawn.n) return;
        const whole = { budget: 60 };
        const wants = ({ adversaries, faults }: Scenario): number =>
          Math.min(2, adversaries.length) + Math.min(2, faults.length);
        // What needs some of its liars and faults, and what needs none of them.
        for (const failing of [always, failsWhen((one) => wants(one) >= wants(drawn))]) {
          const { scenario: small } = shrink(drawn, failing, whole);
          const [before, after] = [untrustedWeight(drawn), untrustedWeight(small)];
          expect(faultySlots(small).size).toBeLessThan(small.n);
          if (before.weight * 3 < before.total) {
            expect(after.weight * 3).toBeLessThan(after.total);
          } else {
            expect(after.weight / after.total).toBeLessThanOrEqual(before.weight / before.total);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it("does not take the honest nodes from around one that lies", () => {
    const lied = failsWhen(({ adversaries }) => adversaries.length > 0);
    const one = { node: 3, strategy: "silent", fromMs: 0, untilMs: FOREVER } as const;
    const small = shrink(scenario("one-of-four", { adversaries: [one] }), lied).scenario;
    expect(small.n).toBe(4);
    const seven = shrink(scenario("one-of-seven", { n: 7, adversaries: [one] }), lied).scenario;
    expect(seven.n).toBe(4);
    // Where half of the weight lies already, it may stay at half.
    const half = { ...one, node: 1 };
    const two = shrink(scenario("two-of-four", { adversaries: [half, one] }), lied).scenario;
    expect([two.n, faultySlots(two).size]).toEqual([2, 1]);
  });

  it("takes a wrong clock of half a day for a node that nobody can count on", () => {
    const clock = { kind: "clock", node: 3, offsetMs: 43_200_000, atMs: 1, untilMs: 900 } as const;
    const off = (byMs: number): Failing =>
      failsWhen(({ faults: [one] }) => one?.kind === "clock" && one.offsetMs >= byMs);
    expect(shrink(scenario("off", { faults: [clock] }), off(40_000_000)).scenario.n).toBe(4);
    const near = { ...clock, offsetMs: 400 };
    expect(shrink(scenario("near", { faults: [near] }), off(400)).scenario.n).toBe(1);
    // Made milder it can be counted on again, and fewer nodes are enough.
    const mild = shrink(scenario("mild", { faults: [clock] }), off(200)).scenario;
    expect([mild.n, mild.faults]).toMatchObject([1, [{ offsetMs: 329 }]]);
  });

  it("keeps what a scenario expects of itself where that is what fails, and else drops it", () => {
    const two = bankScenario("two-of-four-down-halts-safely");
    if (two === undefined) throw new RangeError("not in the bank");
    const claims = { ...two, expect: { ...two.expect, marks: ["view nullified"] } };
    const always =
      (id: string): Failing =>
      () => ({ id, detail: "it never happened" });
    expect(shrink(claims, always("mark"))).toEqual({ scenario: claims, runs: 1 });
    const halts = shrink(claims, always("L8")).scenario;
    expect([halts.n, halts.faults, halts.expect]).toEqual([4, two.faults, claims.expect]);
    const { haltedMs, ...anywhere } = claims.expect;
    expect(haltedMs).toHaveLength(1);
    expect(shrink({ ...claims, expect: anywhere }, always("L8")).scenario.faults).toEqual([]);
    const agreement = shrink(claims, always("I1")).scenario;
    expect(agreement.expect).not.toHaveProperty("haltedMs");
    expect(agreement.expect).not.toHaveProperty("marks");
  });

  it("does not take a run that has lost its data for the one that was stuck before", () => {
    const stuck: Failing = ({ faults }) => ({
      id: "L1",
      detail:
        faults.length > 1
          ? "no new final block"
          : "no new final block; the last good copies are gone: n2",
    });
    const two = bankScenario("two-of-four-down-halts-safely");
    if (two === undefined) throw new RangeError("not in the bank");
    expect(shrink(two, stuck, { budget: 50 }).scenario.faults).toHaveLength(2);
  });

  it("moves what speaks of the other nodes when one goes", () => {
    const small = withoutNode(big(), 1);
    expect(small.n).toBe(6);
    expect(small.weights).toEqual([3, 2, 4, 1, 2, 3]);
    expect(small.faults.filter(({ kind }) => kind === "pause")).toEqual([]);
    expect(small.faults).toContainEqual(expect.objectContaining({ kind: "crash", node: 1 }));
    expect(small.faults).toContainEqual(expect.objectContaining({ kind: "reset", a: 0, b: 2 }));
    expect(small.faults).toContainEqual(
      expect.objectContaining({
        groups: [
          [0, 1, 2],
          [3, 4, 5],
        ],
      }),
    );
    expect(small.adversaries).toEqual([
      { node: 3, strategy: "stale", fromMs: 100, untilMs: FOREVER },
    ]);
  });

  it("drops proofs, all or one by one, a core and the atlas where the failure needs none of them", () => {
    const proofs: readonly ProofPart[] = ["beacon", "space", "stake", "epoch-keys", "location"];
    const whole: Scenario = { ...big(), proofs, heal: "core", atlas: "keep" };
    const plain = shrink(
      whole,
      failsWhen(() => true),
    ).scenario;
    expect(plain).not.toHaveProperty("proofs");
    expect(plain).not.toHaveProperty("heal");
    expect(plain).not.toHaveProperty("atlas");
    // Needed parts stay, and those that these need.
    const needs =
      (...parts: ProofPart[]): Failing =>
      (one) =>
        failsWhen(() => parts.every((part) => one.proofs?.includes(part)))(one);
    expect(shrink(whole, needs("beacon")).scenario.proofs).toEqual(["beacon"]);
    expect(shrink(whole, needs("epoch-keys")).scenario.proofs).toEqual(["stake", "epoch-keys"]);
    const core = shrink(
      whole,
      failsWhen(({ heal }) => heal === "core"),
    ).scenario;
    expect([core.heal, core.proofs, core.atlas]).toEqual(["core", undefined, undefined]);
  });

  it("spares the last good copies for as long as a fault could take them", () => {
    const wiped = { kind: "wipe", atMs: 1, node: 0, downMs: 1, votes: false } as const;
    const faults = [wiped, { kind: "ring", atMs: 1, untilMs: 2 } as const];
    const spared = scenario("spared", { atlas: "keep", faults });
    const having = (kind: string): Failing =>
      failsWhen((one) => one.faults.some((fault) => fault.kind === kind));
    expect(shrink(spared, having("wipe")).scenario.atlas).toBe("keep");
    expect(shrink(spared, having("ring")).scenario).not.toHaveProperty("atlas");
  });

  it("leaves a chain with stake nodes in its genesis, most of which can be counted on", () => {
    const staked = scenario("staked", {
      n: 7,
      proofs: ["stake"],
      adversaries: [{ node: 1, strategy: "silent", fromMs: 0, untilMs: FOREVER }],
    });
    const needs = failsWhen(({ proofs }) => proofs?.includes("stake") === true);
    expect(shrink(staked, needs).scenario.n).toBe(3);
    const lied = failsWhen((one) => one.proofs !== undefined && one.adversaries.length > 0);
    expect(shrink(staked, lied).scenario.n).toBe(7);
  });

  it("makes the faults that are left milder, at last, and only as far as the failure allows", () => {
    const faults: readonly Fault[] = [
      { kind: "loss", atMs: 100, untilMs: 900, ppm: 800_000 },
      {
        ...{ kind: "crash-after-vote", atMs: 200, node: 1, downMs: 900, view: 20 },
        ...{ statement: "notarize", power: true, wipe: true },
      },
      { kind: "uplink", atMs: 300, untilMs: 900, node: 2, bytesPerMs: 10 },
      { kind: "clock", atMs: 400, untilMs: 900, node: 2, offsetMs: -3_000 },
      { kind: "drop-type", atMs: 500, untilMs: 900, type: 7, ppm: 1_000_000 },
    ];
    const rough = scenario("rough", { faults });
    const needs = failsWhen(({ faults: left }) => {
      const is = (i: number, field: string, fits: (value: number) => boolean): boolean =>
        fits(Number(Reflect.get(left[i] ?? {}, field)));
      const [loss, uplink, clock] = [
        is(0, "ppm", (value) => value > 100_000),
        is(2, "bytesPerMs", (value) => value < 50),
        is(3, "offsetMs", (value) => value < -1_000),
      ];
      return left.length === faults.length && loss && uplink && clock;
    });
    const order: string[] = [];
    const small = shrink(rough, (one) => {
      order.push(one.faults.some((fault) => "wipe" in fault && !fault.wipe) ? "milder" : "bigger");
      return needs(one);
    });
    expect(small.scenario.faults).toMatchObject([
      { kind: "loss", ppm: 200_000 },
      { kind: "crash-after-vote", downMs: 0, view: 20, power: false, wipe: false },
      { kind: "uplink", bytesPerMs: 40 },
      { kind: "clock", offsetMs: -1_500 },
      { kind: "drop-type", type: 7, ppm: 0 },
    ]);
    expect(small.runs).toBeLessThan(200);
    // Nodes and load have gone by then.
    expect(order.indexOf("milder")).toBeGreaterThan(30);
  });

  it("tries only milder faults that a file may have, each nearer to the mildest of all", () => {
    const distance = (fault: Fault): number =>
      degreesOf(fault).reduce((sum, one) => sum + Math.abs(+one.value - +one.mildest), 0);
    fc.assert(
      fc.property(anyScenarioArbitrary, (drawn) => {
        for (const [i, fault] of drawn.faults.entries()) {
          const degrees = degreesOf(fault);
          const milder = [
            ...degrees.flatMap((one) => [calmed(fault, [one]), halved(fault, one.name)]),
            ...(degrees.length > 0 ? [calmed(fault, degrees)] : []),
          ].filter((one) => JSON.stringify(one) !== JSON.stringify(fault));
          expect(milder.every((one) => distance(one) < distance(fault))).toBe(true);
          for (const one of milder) readScenario({ ...drawn, faults: drawn.faults.with(i, one) });
        }
      }),
      { numRuns: 20 },
    );
    // Every kind of number of every kind of fault has a way, or is a name.
    const ways = new Map(
      FAULT_KINDS.flatMap((kind) =>
        Object.entries(FAULT_SHAPES[kind].fields).flatMap(([name, shape]) =>
          shape.type === "integer" && shape.moment !== true ? [[name, shape.mild ?? "zero"]] : [],
        ),
      ),
    );
    expect(Object.fromEntries(ways)).toMatchObject({ ppm: "zero", factor: "zero", nth: "zero" });
    expect([ways.get("view"), ways.get("type")]).toEqual(["none", "none"]);
    expect([ways.get("bytesPerMs"), ways.get("periodMs")]).toEqual(["most", "most"]);
  });

  it("finds the crash behind a property that real runs break", () => {
    // The bug: "no node goes back to work after a crash once two blocks are final".
    const planted: CheckerFactory = (context) => {
      let height = 0;
      return {
        id: "OWN1",
        title: "nobody comes back",
        status: (_slot, status) => {
          height = Math.max(height, status.finalHeight);
        },
        booted: (slot, incarnation) => {
          if (incarnation > 1 && height >= 2) context.report("OWN1", `n${slot} has come back`);
        },
      };
    };
    const options = { ...SYSTEM, checkers: [...CHECKERS, planted] };
    const failing: Failing = (candidate) => simulate(candidate, options).violation;
    const { scenario: small, runs } = shrink(big(), failing, { budget: 80 });
    expect(failing(small)?.id).toBe("OWN1");
    expect(small.faults.map(({ kind }) => kind)).toEqual(["crash"]);
    expect(small.adversaries).toEqual([]);
    expect(small.n).toBeLessThan(7);
    expect(small.workload.clients).toBe(1);
    expect(runs).toBeLessThanOrEqual(80);
    expect(failing(parseScenario(JSON.stringify(plainScenario(small))))?.id).toBe("OWN1");
  }, 120_000);
});
