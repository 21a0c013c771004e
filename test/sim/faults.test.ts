/** What single kinds of fault do to a running network, as its trace shows. */
import { describe, expect, it } from "vitest";
import { type Fault, scenario } from "../../sim/scenario.ts";
import { type RunResult, simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";
import type { TraceEvent } from "../../sim/trace.ts";

type Seen = { readonly result: RunResult; readonly events: readonly TraceEvent[] };

const run = (faults: readonly Fault[], healMs: number): Seen => {
  const events: TraceEvent[] = [];
  const result = simulate(scenario("one-kind", { faults, healMs }), {
    ...SYSTEM,
    onEvent: (event) => events.push(event),
  });
  return { result, events };
};

const countOf = (
  { events }: Seen,
  [fromMs, untilMs]: readonly [number, number],
  fits: (event: TraceEvent) => boolean,
): number =>
  events.filter(
    (event) => event.atUs >= fromMs * 1000 && event.atUs < untilMs * 1000 && fits(event),
  ).length;

const isDelivery = ({ kind }: TraceEvent): boolean => kind === "deliver";

describe("a swizzle", () => {
  it("clogs nodes one by one and frees them in another order", () => {
    const times = { atMs: 2_000, untilMs: 6_000 };
    const seen = run(
      [{ kind: "swizzle", ...times, clogged: [0, 1, 2, 3], freed: [3, 1, 0, 2] }],
      6_500,
    );
    expect(seen.result.violation).toBeUndefined();
    const reach = (slot: number) => (event: TraceEvent) =>
      isDelivery(event) && (event.node === slot || event.other === slot);
    // Half a second between each; what was on its way has arrived after a tenth of that.
    expect(countOf(seen, [2_100, 4_500], reach(0))).toBe(0);
    expect(countOf(seen, [2_000, 2_500], isDelivery)).toBeGreaterThan(0);
    expect(countOf(seen, [3_100, 4_500], isDelivery)).toBe(0);
    // 3 and 1 are free from 5 s on, the last one from 6 s on.
    expect(countOf(seen, [5_000, 5_400], reach(3))).toBeGreaterThan(0);
    expect(countOf(seen, [5_000, 5_499], reach(0))).toBe(0);
    expect(countOf(seen, [3_100, 5_499], reach(2))).toBe(0);
    expect(countOf(seen, [6_000, 6_500], reach(2))).toBeGreaterThan(0);
  }, 30_000);
});

describe("short queues", () => {
  it("refuse what does not fit, and nothing once they are long again", () => {
    const seen = run(
      [{ kind: "queue-overflow", node: 0, bytes: 0, atMs: 2_000, untilMs: 4_000 }],
      5_000,
    );
    expect(seen.result.violation).toBeUndefined();
    const sends = ({ kind, node }: TraceEvent): boolean => kind === "send" && node === 0;
    expect(countOf(seen, [2_000, 4_000], sends)).toBe(0);
    expect(countOf(seen, [1_000, 2_000], sends)).toBeGreaterThan(0);
    expect(countOf(seen, [4_000, 5_000], sends)).toBeGreaterThan(0);
    expect(seen.result.marks.get("send queue overflow")).toBeGreaterThan(0);
  }, 30_000);
});

describe("a slow processor", () => {
  it("does less, in the same order", () => {
    const turns = (seen: Seen): number =>
      countOf(seen, [2_000, 4_000], (event) => isDelivery(event) && event.node === 1);
    const slow = run(
      [{ kind: "slow-cpu", node: 1, factor: 1_000, atMs: 2_000, untilMs: 4_000 }],
      5_000,
    );
    expect(slow.result.violation).toBeUndefined();
    // 20 ms a turn: at most a hundred turns in two seconds, deliveries among them.
    expect(turns(slow)).toBeLessThanOrEqual(100);
    expect(turns(slow)).toBeGreaterThan(20);
    expect(turns(run([], 5_000))).toBeGreaterThan(150);
  }, 30_000);
});

describe("narrow places", () => {
  it("bound what a node sends, or receives", () => {
    const span = { atMs: 2_000, untilMs: 6_000 } as const;
    const bytes = (seen: Seen, fits: (event: TraceEvent) => boolean): number =>
      seen.events
        .filter((event) => isDelivery(event) && event.atUs > 2_100_000 && event.atUs < 6_000_000)
        .filter(fits)
        .reduce((sum, event) => sum + event.length, 0);
    const up = run([{ kind: "uplink", node: 2, bytesPerMs: 10, ...span }], 6_000);
    expect(bytes(up, ({ other }) => other === 2)).toBeLessThanOrEqual(40_000);
    expect(bytes(up, ({ other }) => other === 2)).toBeGreaterThan(20_000);
    const down = run([{ kind: "downlink", node: 2, bytesPerMs: 10, ...span }], 6_000);
    expect(bytes(down, ({ node }) => node === 2)).toBeLessThanOrEqual(40_000);
    expect(bytes(down, ({ node }) => node === 2)).toBeGreaterThan(20_000);
  }, 30_000);
});

describe("a clog", () => {
  it("that is to last longer than the faults ends with them, for what it holds back too", () => {
    const clog = { kind: "clog", from: 0, to: 1, atMs: 2_000, untilMs: 60_000 } as const;
    const seen = run([clog], 4_000);
    expect(seen.result.violation).toBeUndefined();
    const clogged = (event: TraceEvent): boolean =>
      isDelivery(event) && event.node === 1 && event.other === 0;
    expect(countOf(seen, [1_000, 2_000], clogged)).toBeGreaterThan(0);
    expect(countOf(seen, [2_100, 4_000], clogged)).toBe(0);
    expect(countOf(seen, [4_000, 4_100], clogged)).toBeGreaterThan(0);
  }, 30_000);
});

describe("restores of one node", () => {
  it("put back the copy of their own moment each", () => {
    const restore = { kind: "restore", node: 2, votes: false, downMs: 100 } as const;
    const faults: readonly Fault[] = [
      { ...restore, takenMs: 2_000, atMs: 7_000 },
      { ...restore, takenMs: 6_500, atMs: 9_000 },
    ];
    const seen = run(faults, 11_000);
    expect(seen.result.violation).toBeUndefined();
    const executed = seen.events.filter(({ kind, node }) => kind === "executed" && node === 2);
    const lastBefore = (ms: number): number =>
      executed.findLast(({ atUs }) => atUs < ms * 1_000)?.other ?? -1;
    const firstAfter = (ms: number): number =>
      executed.find(({ atUs }) => atUs >= ms * 1_000)?.other ?? -1;
    expect(lastBefore(6_500)).toBeGreaterThan(lastBefore(2_000) + 2);
    expect(firstAfter(7_000)).toBe(lastBefore(2_000) + 1);
    expect(firstAfter(9_000)).toBe(lastBefore(6_500) + 1);
  }, 30_000);
});
