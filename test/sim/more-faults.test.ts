/** Jitter, leaders cut off, crashes in a write, what is said again, and chains to which nobody writes. */
import { describe, expect, it } from "vitest";
import { createCoverage } from "../../sim/coverage.ts";
import { runOptions } from "../../sim/options.ts";
import { startReplay } from "../../sim/said-again.ts";
import { CALM, DEFAULT_WORKLOAD, type Fault, type Scenario, scenario } from "../../sim/scenario.ts";
import { type RunResult, simulate } from "../../sim/simulate.ts";
import { randomScenario } from "../../sim/swarm.ts";
import { MORE_KINDS, withMore } from "../../sim/swarm-more.ts";
import type { TraceEvent } from "../../sim/trace.ts";
import { createRig, peerAt, run as runFor, send, startPeer } from "./net-rig.ts";

type Seen = { readonly result: RunResult; readonly events: readonly TraceEvent[] };

const run = (faults: readonly Fault[], more: Partial<Scenario> = {}): Seen => {
  const events: TraceEvent[] = [];
  const whole = scenario("more", { faults, healMs: 4_000, ...more });
  const result = simulate(whole, {
    ...runOptions(),
    onEvent: (event) => events.push(event),
  });
  expect(result.violation).toBeUndefined();
  return { result, events };
};

const span = { atMs: 1_500, untilMs: 3_500 } as const;
const inSpan = ({ atUs }: TraceEvent): boolean => atUs >= 1_500_000 && atUs < 3_500_000;

describe("jitter", () => {
  /** How long frames have been under way on a link; those that look alike arrive in the order in which they left. */
  const flightsOf = ({ events }: Seen, from: number, to: number): number[] => {
    const waiting = new Map<string, number[]>();
    const flights: number[] = [];
    for (const event of events.filter(inSpan)) {
      const key = `${event.type}/${event.length}`;
      if (event.kind === "send" && event.node === from && event.other === to) {
        waiting.set(key, [...(waiting.get(key) ?? []), event.atUs]);
      }
      if (event.kind !== "deliver" || event.node !== to || event.other !== from) continue;
      const sentUs = waiting.get(key)?.shift();
      if (sentUs !== undefined) flights.push(event.atUs - sentUs);
    }
    return flights;
  };

  it("delays each frame of its link by an amount of its own, and those of no other", () => {
    const seen = run([{ kind: "jitter", ...span, from: 0, to: 1, upToMs: 60 }]);
    const [late, usual] = [flightsOf(seen, 0, 1), flightsOf(seen, 1, 0)];
    expect(Math.max(...late)).toBeGreaterThan(30_000);
    expect(Math.min(...late)).toBeLessThan(30_000);
    expect(Math.max(...late)).toBeLessThan(80_000);
    expect(Math.max(...usual)).toBeLessThan(20_000);
    expect(seen.result.marks.get("fault jitter")).toBe(1);
    expect(seen.result.marks.has("frame jittered")).toBe(true);
    expect(seen.result.marks.has("frame reordered")).toBe(false);
  }, 60_000);
});

describe("a leader that is cut off", () => {
  const heights = ({ events }: Seen): number[] =>
    events.filter((event) => event.kind === "executed" && inSpan(event)).map(({ other }) => other);
  const cutOff = ({ events }: Seen): number[] =>
    events.filter(({ note }) => note.startsWith("cut off as leader")).map(({ node }) => node);

  it("is one for the whole time: the others go on without it", () => {
    const seen = run([{ kind: "isolate-leader", ...span, follow: false }]);
    expect(cutOff(seen)).toHaveLength(1);
    expect(seen.result.marks.get("leader cut off in its view")).toBe(1);
    expect(seen.result.marks.get("fault isolate-leader")).toBe(1);
    expect(new Set(heights(seen)).size).toBeGreaterThan(2);
  }, 60_000);

  it("is in each view who leads it: nothing becomes final until that ends", () => {
    const seen = run([{ kind: "isolate-leader", ...span, follow: true }]);
    expect(new Set(cutOff(seen)).size).toBeGreaterThan(1);
    expect(seen.result.marks.get("leader cut off in its view")).toBe(cutOff(seen).length);
    // What was under way when it began may be executed yet.
    expect(new Set(heights(seen)).size).toBeLessThanOrEqual(2);
    expect(seen.result.finalHeight).toBeGreaterThan(Math.max(0, ...heights(seen)));
  }, 60_000);
});

describe("a crash in a write", () => {
  it("comes between the beginning of a write and its end", () => {
    const at = { node: 2, downMs: 300, power: true } as const;
    const seen = run([
      { kind: "crash-in-write", atMs: 1_500, ppm: 500_000, ...at },
      { kind: "crash-in-write", atMs: 2_500, ppm: 0, ...at },
    ]);
    const own = seen.events.filter(({ node }) => node === 2);
    const crashes = own.filter(({ kind }) => kind === "crash");
    expect(crashes).toHaveLength(2);
    for (const crash of crashes) {
      const before = own.slice(0, own.indexOf(crash));
      const written = before.findLastIndex(({ kind }) => kind === "write");
      const synced = before.findLastIndex(({ kind }) => kind === "synced");
      expect(written).toBeGreaterThan(synced);
      expect(crash.atUs - (before[written]?.atUs ?? 0)).toBeLessThan(20_000);
    }
    const { marks } = seen.result;
    expect(marks.get("fault crash-in-write")).toBe(2);
    const during = (what: string): number => marks.get(`crash during ${what}`) ?? 0;
    expect(during("sync") + during("write")).toBe(2);
  }, 60_000);

  it("does not come after the heal in a write that has begun before", () => {
    // Each write takes so long that one is under way at the heal.
    const slow = { ...CALM.disk, syncMinUs: 20_000, syncMeanUs: 8_000 };
    const at = { kind: "crash-in-write", node: 2, ppm: 900_000, downMs: 600_000 } as const;
    for (let healMs = 2_000; healMs <= 2_100; healMs += 25) {
      const { events } = run([{ ...at, atMs: healMs - 5, power: false }], {
        healMs,
        knobs: { ...CALM, disk: slow },
      });
      const late = events.filter(({ kind, atUs }) => kind === "crash" && atUs >= healMs * 1000);
      expect(late, `heal ${healMs}`).toEqual([]);
    }
  }, 60_000);
});

describe("a member that says again what it has heard", () => {
  const replay = { kind: "replay", node: 3, atMs: 500, untilMs: 4_000 } as const;

  it("says it to who begins a new session with it, whatever it was", () => {
    const { result } = run([
      replay,
      { kind: "crash", node: 0, atMs: 2_000, downMs: 300, power: true },
    ]);
    const { marks } = result;
    expect(marks.get("fault replay")).toBe(1);
    for (const type of ["vote", "proposal", "batch", "cosignature"]) {
      expect(marks.get(`${type} replayed after a restart`), type).toBeGreaterThan(0);
    }
  }, 60_000);

  it("says nothing where no session begins anew, and what it says after a reset is of no process before", () => {
    expect(run([replay]).result.marks.has("fault replay")).toBe(false);
    const { marks } = run([replay, { kind: "reset", a: 3, b: 1, atMs: 2_000 }]).result;
    expect(marks.get("fault replay")).toBe(1);
    expect([...marks.keys()].filter((mark) => mark.endsWith("after a restart"))).toEqual([]);
  }, 60_000);
});

describe("what is told of a member that says again", () => {
  it("is told when it has arrived", () => {
    const rig = createRig({ latencyMinUs: 20_000, blockedDrops: true });
    const told: string[] = [];
    const end = startReplay({
      world: rig.world,
      net: rig.net,
      nodes: rig.peers,
      slot: 0,
      mark: (name) => told.push(name),
      felt: () => told.push("felt"),
    });
    const [status, vote] = [0, 2];
    send(rig, 0, "b", status);
    send(rig, 0, "b", vote);
    runFor(rig, 100);
    expect(told).toEqual([]);
    const restart = (): void => {
      peerAt(rig, 1).host.kill("test");
      rig.net.crashed(1);
      startPeer(rig.net, peerAt(rig, 1));
    };
    const raised = (): number => peerAt(rig, 1).events.filter((event) => event === "+a").length;
    // What it says is lost on the way.
    restart();
    const drop = { type: undefined, from: 0, to: 1, ppm: 1_000_000 };
    rig.net.links.addRule(drop);
    runFor(rig, 2_000);
    expect([raised(), told, rig.marks]).toEqual([
      2,
      [],
      ["frame dropped by kind", "frame dropped by kind"],
    ]);
    rig.net.links.removeRule(drop);
    restart();
    runFor(rig, 5_000);
    expect(raised()).toBe(3);
    const whole = told.filter((what) => what !== "felt");
    expect(whole).toContain("vote replayed after a restart");
    expect(told.filter((what) => what === "felt")).toHaveLength(whole.length);
    end();
  });
});

describe("a chain to which nobody writes", () => {
  it("goes on with empty blocks", () => {
    const workload = { ...DEFAULT_WORKLOAD, batchesPerSecond: 0 };
    const { result } = run([], { workload });
    expect(result.logSize).toBe(0);
    expect(result.acknowledged).toBe(0);
    expect(result.marks.get("idle chain went on")).toBe(1);
    expect(run([]).result.marks.has("idle chain went on")).toBe(false);
  }, 60_000);
});

describe("what a share of the seeds has beside the others", () => {
  const drawn = Array.from({ length: 600 }, (_, seed) => randomScenario(seed));

  it("is there, each of it, and leaves most seeds what they were", () => {
    const coverage = createCoverage([...MORE_KINDS, "idle", "flood"]);
    for (const { faults, workload } of drawn) {
      const marks = new Map<string, number>(faults.map(({ kind }) => [kind, 1]));
      if (workload.batchesPerSecond === 0) marks.set("idle", 1);
      if (workload.floodBatches !== undefined) marks.set("flood", 1);
      coverage.add(marks);
    }
    for (const { mark, runs } of coverage.rows()) expect(runs, mark).toBeGreaterThan(4);
    const isMore = ({ faults, workload }: Scenario): boolean =>
      faults.some(({ kind }) => MORE_KINDS.includes(kind)) ||
      workload.batchesPerSecond === 0 ||
      workload.floodBatches !== undefined;
    expect(drawn.filter((one) => !isMore(one)).length).toBeGreaterThan(300);
    // What is not drawn changes nothing: of most seeds the scenario goes through as it is.
    const same = drawn.filter((one) => JSON.stringify(withMore(one, true)) === JSON.stringify(one));
    expect(same.length).toBeGreaterThan(280);
  });

  it("has ten crashes in a write for one elsewhere", () => {
    const liar = { node: 0, strategy: "silent", fromMs: 0, untilMs: 1 } as const;
    // With an adversary nobody is made to say things again, which takes crashes of its own.
    const kinds = Array.from({ length: 1_000 }, (_, seed) => {
      const bare = scenario("bare", { seed, adversaries: [liar] });
      return withMore(bare, false).faults.map(({ kind }) => kind);
    }).flat();
    const [inWrite = 0, elsewhere = 0] = ["crash-in-write", "crash"].map(
      (kind) => kinds.filter((one) => one === kind).length,
    );
    expect(inWrite).toBeGreaterThan(200);
    expect(inWrite / elsewhere).toBeGreaterThan(7);
    expect(inWrite / elsewhere).toBeLessThan(14);
  });
});
