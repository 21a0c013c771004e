/** The fetch schedule against networks that are drawn: what it never does, and that it always ends. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChunkSet } from "../../../src/crypto/objects/chunk-set.ts";
import {
  type Effect,
  FetchSchedule,
  type ScheduleOptions,
} from "../../../src/transport/objects/scheduler.ts";

const OPTIONS = {
  parallel: 6,
  perSource: 3,
  deadlineMsMin: 1_000,
  deadlineMsMax: 8_000,
  stallMs: 20_000,
} as const satisfies Omit<ScheduleOptions, "held">;

type Behaviour = {
  readonly kind: "honest" | "liar" | "silent" | "forgetful" | "busy" | "leaves";
  readonly answerMs: number;
  /** Chunks that it has, of those of the object. */
  readonly share: readonly boolean[];
};

type Pending = { readonly at: number; run(now: number): void };

/** Runs a schedule over a drawn network under virtual time, and holds it against the rules all the while. */
const simulate = (chunks: number, already: readonly number[], network: readonly Behaviour[]) => {
  const held = new ChunkSet(chunks);
  for (const index of already) held.add(index);
  const schedule = new FetchSchedule({ ...OPTIONS, held }, 0);
  const queue: Pending[] = [];
  const sourceOf = new Map(network.map((behaviour, i) => [`s${i}`, behaviour]));
  const has = new Map<string, ChunkSet>();
  const asked = new Map<number, Map<string, number>>();
  const dropped = new Set<string>();
  const finished = new Set(already);
  let end: "done" | "stalled" | undefined;
  let asks = 0;
  const later = (at: number, run: (now: number) => void): void => void queue.push({ at, run });

  const perform = (effects: readonly Effect[], now: number): void => {
    for (const effect of effects) {
      expect(end).toBeUndefined();
      if (effect.kind !== "ask") {
        end = effect.kind;
        continue;
      }
      const { source, index, deadlineMs } = effect;
      asks += 1;
      expect(dropped.has(source)).toBe(false);
      expect(has.get(source)?.has(index)).toBe(true);
      expect(finished.has(index)).toBe(false);
      expect(deadlineMs).toBeGreaterThanOrEqual(OPTIONS.deadlineMsMin);
      expect(deadlineMs).toBeLessThanOrEqual(OPTIONS.deadlineMsMax);
      const of = asked.get(index) ?? new Map<string, number>();
      // What is past its deadline is nobody's any more.
      for (const [other, until] of of) if (until <= now) of.delete(other);
      expect(of.has(source)).toBe(false);
      of.set(source, now + deadlineMs);
      expect(of.size).toBeLessThanOrEqual(2);
      asked.set(index, of);
      expect(schedule.busyCount).toBeLessThanOrEqual(OPTIONS.parallel);
      for (const figures of schedule.sources()) {
        expect(figures.asks).toBeLessThanOrEqual(OPTIONS.perSource);
        expect(figures.asks).toBeGreaterThanOrEqual(0);
      }
      answer(source, index, now);
    }
  };
  const answer = (source: string, index: number, now: number): void => {
    const behaviour = sourceOf.get(source);
    if (behaviour === undefined || behaviour.kind === "silent") return;
    later(now + behaviour.answerMs, (at) => {
      if (end !== undefined || !has.has(source)) return;
      if (!dropped.has(source)) asked.get(index)?.delete(source);
      if (behaviour.kind === "liar") {
        dropped.add(source);
        for (const of of asked.values()) of.delete(source);
        perform(schedule.lied(source, at), at);
      } else if (behaviour.kind === "forgetful") {
        has.get(source)?.delete(index);
        perform(schedule.refused(source, index, "missing", at), at);
      } else if (behaviour.kind === "busy" && asks % 3 !== 0) {
        perform(schedule.refused(source, index, "busy", at), at);
      } else if (schedule.received(source, index, at)) {
        later(at + 5, (kept) => {
          if (end !== undefined) return;
          expect(finished.has(index)).toBe(false);
          finished.add(index);
          perform(schedule.kept(index, kept), kept);
        });
      }
      if (behaviour.kind === "leaves") {
        has.delete(source);
        dropped.add(source);
        for (const of of asked.values()) of.delete(source);
        perform(schedule.sourceGone(source, at), at);
      }
    });
  };
  network.forEach(({ share }, i) => {
    const set = new ChunkSet(chunks);
    for (let index = 0; index < chunks; index++) if (share[index % share.length]) set.add(index);
    later(i * 10, (now) => {
      has.set(`s${i}`, set);
      if (end === undefined) perform(schedule.sourceHas(`s${i}`, set, i, now), now);
    });
  });
  let now = 0;
  let ticks = 0;
  for (; end === undefined && ticks < 20_000; ticks++) {
    queue.sort((a, b) => a.at - b.at);
    const next = queue[0];
    if (next !== undefined && next.at <= now) {
      queue.shift();
      next.run(now);
      continue;
    }
    now = Math.min(next?.at ?? Number.POSITIVE_INFINITY, now + 250);
    perform(schedule.tick(now), now);
  }
  return { end, finished, asks, now, sources: schedule.sources() };
};

const behaviour = fc.record<Behaviour>({
  kind: fc.constantFrom("honest", "liar", "silent", "forgetful", "busy", "leaves"),
  answerMs: fc.integer({ min: 1, max: 3_000 }),
  share: fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }),
});

describe("the fetch schedule", () => {
  it("keeps its rules with any sources, and always ends", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 40 }),
        fc.array(fc.nat(39), { maxLength: 20 }),
        fc.array(behaviour, { maxLength: 6 }),
        (chunks, already, network) => {
          const kept = already.filter((index) => index < chunks);
          const { end, finished } = simulate(chunks, kept, network);
          expect(end).toBeDefined();
          expect(end === "done").toBe(finished.size === chunks);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("ends with every chunk where one honest source has them all, whatever the others do", () => {
    const honest: Behaviour = { kind: "honest", answerMs: 400, share: [true] };
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.array(behaviour, { maxLength: 5 }),
        (chunks, others) => {
          const { end, finished } = simulate(chunks, [], [...others, honest]);
          expect(end).toBe("done");
          expect(finished.size).toBe(chunks);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("asks for nothing that is here already", () => {
    const honest: Behaviour = { kind: "honest", answerMs: 10, share: [true] };
    expect(simulate(10, [0, 1, 2, 3, 4, 5, 6, 7, 8], [honest]).asks).toBe(1);
    expect(simulate(3, [0, 1, 2], [honest])).toMatchObject({ end: "done", asks: 0 });
    expect(simulate(0, [], []).end).toBe("done");
  });

  it("asks the faster source for more, and for nothing twice while there is something else", () => {
    const fast: Behaviour = { kind: "honest", answerMs: 20, share: [true] };
    const slow: Behaviour = { kind: "honest", answerMs: 900, share: [true] };
    const run = simulate(200, [], [slow, fast]);
    expect(run.end).toBe("done");
    // 200 chunks at three a time from the slow one alone would take 60 s.
    expect(run.now).toBeLessThan(6_000);
    expect(run.asks).toBeLessThanOrEqual(200 + OPTIONS.parallel);
  });

  it("stalls where nobody has what is missing, after stallMs without a chunk", () => {
    const half: Behaviour = { kind: "honest", answerMs: 10, share: [true, false] };
    const run = simulate(8, [], [half]);
    expect(run.end).toBe("stalled");
    expect(run.finished.size).toBe(4);
    expect(run.now).toBeGreaterThanOrEqual(OPTIONS.stallMs);
    expect(run.now).toBeLessThan(OPTIONS.stallMs + 1_000);
  });

  it("takes at most `parallel` at once and `perSource` of one, at the limit and past it", () => {
    const schedule = new FetchSchedule({ ...OPTIONS, held: new ChunkSet(20) }, 0);
    const all = ChunkSet.full(20);
    expect(schedule.sourceHas("a", all, 1, 0)).toHaveLength(OPTIONS.perSource);
    expect(schedule.sourceHas("b", all, 1, 0)).toHaveLength(OPTIONS.perSource);
    expect(schedule.sourceHas("c", all, 1, 0)).toHaveLength(0);
    expect(schedule.busyCount).toBe(OPTIONS.parallel);
    expect(schedule.received("a", 0, 5)).toBe(true);
    // Being written counts: else memory would grow where the disk is slower than the network.
    expect(schedule.tick(5)).toHaveLength(0);
    expect(schedule.kept(0, 6)).toHaveLength(1);
  });

  it("asks a second source at the end, and never a third", () => {
    const schedule = new FetchSchedule({ ...OPTIONS, held: new ChunkSet(1) }, 0);
    const all = ChunkSet.full(1);
    expect(schedule.sourceHas("a", all, 1, 0)).toHaveLength(1);
    expect(schedule.sourceHas("b", all, 1, 0)).toHaveLength(0);
    expect(schedule.sourceHas("c", all, 1, 0)).toHaveLength(0);
    expect(schedule.tick(500)).toEqual([expect.objectContaining({ kind: "ask", source: "b" })]);
    expect(schedule.tick(900)).toHaveLength(0);
    expect(schedule.received("b", 0, 950)).toBe(true);
    expect(schedule.received("a", 0, 951)).toBe(false);
    expect(schedule.kept(0, 960)).toEqual([{ kind: "done" }]);
    expect(schedule.kept(0, 961)).toEqual([]);
  });

  it("takes no source back that has lied, and none of another number of chunks", () => {
    const schedule = new FetchSchedule({ ...OPTIONS, held: new ChunkSet(4) }, 0);
    expect(schedule.sourceHas("a", ChunkSet.full(4), 1, 0)).toHaveLength(3);
    expect(schedule.lied("a", 1)).toEqual([]);
    expect(schedule.busyCount).toBe(0);
    expect(schedule.sourceHas("a", ChunkSet.full(4), 1, 2)).toEqual([]);
    expect(schedule.sourceHas("b", ChunkSet.full(5), 1, 2)).toEqual([]);
  });
});
