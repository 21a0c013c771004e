/** Deadlines of the fetch schedule: silent sources hold nobody up, and a slow one is given the time that it needs. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChunkSet } from "../../../src/crypto/objects/chunk-set.ts";
import { CHUNK_BYTES } from "../../../src/crypto/objects/tree.ts";
import { LIMITS } from "../../../src/limits.ts";
import {
  type Effect,
  FetchSchedule,
  type ScheduleOptions,
} from "../../../src/transport/objects/scheduler.ts";

/** As a node has them. */
const OPTIONS = {
  parallel: LIMITS.objectParallelMax,
  perSource: LIMITS.objectParallelPerSourceMax,
  deadlineMsMin: LIMITS.objectChunkMsMin,
  deadlineMsMax: LIMITS.objectChunkMsMax,
  stallMs: LIMITS.objectStallMs,
} as const satisfies Omit<ScheduleOptions, "held">;

const scheduleOf = (chunks: number, options: Partial<ScheduleOptions> = {}): FetchSchedule =>
  new FetchSchedule({ ...OPTIONS, held: new ChunkSet(chunks), ...options }, 0);

const STEP_MS = 10;
const TICK_MS = 250;
const BITS = 8 * (CHUNK_BYTES + 1);

/** Bits in a millisecond that come from a source, shared by what it was asked for; 0: it says nothing. */
type Link = number;
type Transfer = { readonly index: number; readonly untilMs: number; left: number };

/** A fetch over links, under virtual time. What a deadline ends is lost, as with a request that is cancelled. */
const fetchOver = (chunks: number, links: readonly Link[], rttMs = 5) => {
  const schedule = scheduleOf(chunks);
  const transfers = links.map((): Transfer[] => []);
  let end: "done" | "stalled" | undefined;
  let asks = 0;
  let nowMs = 0;
  const perform = (effects: readonly Effect[]): void => {
    for (const effect of effects) {
      if (effect.kind !== "ask") {
        end = effect.kind;
        continue;
      }
      asks += 1;
      const { index, deadlineMs } = effect;
      transfers[Number(effect.source)]?.push({ index, untilMs: nowMs + deadlineMs, left: BITS });
    }
  };
  const step = (source: number, link: Link): void => {
    const open = transfers[source] ?? [];
    const share = (link * STEP_MS) / open.length;
    for (const transfer of [...open]) {
      transfer.left -= share;
      const isHere = transfer.left <= 0;
      if (!isHere && nowMs < transfer.untilMs) continue;
      open.splice(open.indexOf(transfer), 1);
      if (end !== undefined) return;
      if (!isHere) perform(schedule.refused(String(source), transfer.index, "silent", nowMs));
      else if (schedule.received(String(source), transfer.index, nowMs)) {
        perform(schedule.kept(transfer.index, nowMs));
      }
    }
  };
  for (const source of links.keys()) {
    perform(schedule.sourceHas(String(source), ChunkSet.full(chunks), rttMs, nowMs));
  }
  while (end === undefined && nowMs < 3_600_000) {
    nowMs += STEP_MS;
    for (const [source, link] of links.entries()) step(source, link);
    if (nowMs % TICK_MS === 0 && end === undefined) perform(schedule.tick(nowMs));
  }
  return { end, nowMs, asks };
};

/** Mbit/s. */
const mbits = (rate: number): Link => rate * 1_000;

describe("with silent sources beside an honest one, a fetch", () => {
  it("ends soon after the honest one could have given everything", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 0, max: 4 }),
        fc.integer({ min: 0, max: 4 }),
        fc.integer({ min: 20, max: 1_000 }),
        (chunks, before, after, rate) => {
          const silent = (count: number): Link[] => Array.from({ length: count }, () => 0);
          const links = [...silent(before), mbits(rate), ...silent(after)];
          const alone = fetchOver(chunks, [mbits(rate)]);
          const run = fetchOver(chunks, links);
          expect([alone.end, run.end]).toEqual(["done", "done"]);
          // The silent ones may hold a chunk for a first deadline, two of them at a time; and some are asked again.
          const firstMs = OPTIONS.deadlineMsMin * (1 + Math.ceil((before + after) / 2));
          const againMs = (2 * OPTIONS.parallel * BITS) / mbits(rate);
          expect(run.nowMs - alone.nowMs).toBeLessThan(firstMs + againMs);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("asks the honest one for the last chunks by the honest one's own time", () => {
    const schedule = scheduleOf(2);
    expect(schedule.sourceHas("silent", ChunkSet.full(2), 1, 0)).toHaveLength(2);
    // It has missed both, is asked for one again, and has 30 s for it.
    expect(schedule.tick(4_000)).toEqual([
      { kind: "ask", source: "silent", index: 0, deadlineMs: OPTIONS.deadlineMsMax },
    ]);
    const asked = schedule.sourceHas("honest", ChunkSet.full(2), 1, 4_050);
    expect(asked).toEqual([expect.objectContaining({ kind: "ask", source: "honest", index: 1 })]);
    expect(schedule.received("honest", 1, 4_090)).toBe(true);
    const effects = [...schedule.kept(1, 4_091), ...schedule.tick(4_250)];
    expect(effects).toEqual([expect.objectContaining({ kind: "ask", source: "honest", index: 0 })]);
  });
});

describe("a stall", () => {
  const all = ChunkSet.full(1);
  const early = OPTIONS.stallMs - 100;

  it("is none while a source that has missed nothing is being asked, until its deadline", () => {
    const schedule = scheduleOf(1);
    schedule.sourceHas("silent", all, 1, 0);
    for (let at = 250; at < early; at += 250) schedule.tick(at);
    const asked = schedule.sourceHas("late", all, 1, early);
    expect(asked).toEqual([expect.objectContaining({ kind: "ask", source: "late" })]);
    expect(schedule.tick(OPTIONS.stallMs + 250)).toEqual([]);
    expect(schedule.received("late", 0, OPTIONS.stallMs + 500)).toBe(true);
    expect(schedule.kept(0, OPTIONS.stallMs + 501)).toEqual([{ kind: "done" }]);
  });

  it("is one when that source says nothing either", () => {
    const schedule = scheduleOf(1);
    schedule.sourceHas("late", all, 1, early);
    expect(schedule.tick(early + OPTIONS.deadlineMsMin - 1)).toEqual([]);
    expect(schedule.tick(early + OPTIONS.deadlineMsMin)).toContainEqual({ kind: "stalled" });
  });

  it("is one after twice stallMs, though a source answers each request just in time with nothing", () => {
    const chunks = 10_000;
    const schedule = scheduleOf(chunks);
    let asked = schedule.sourceHas("teaser", ChunkSet.full(chunks), 1, 0);
    let nowMs = 0;
    while (!schedule.hasEnded && nowMs < 10 * OPTIONS.stallMs) {
      nowMs += OPTIONS.deadlineMsMin - 1;
      const open = asked;
      asked = [];
      for (const ask of open) {
        if (ask.kind !== "ask") continue;
        asked.push(...schedule.refused("teaser", ask.index, "missing", nowMs));
      }
    }
    expect(nowMs).toBeGreaterThanOrEqual(2 * OPTIONS.stallMs);
    expect(nowMs).toBeLessThan(2 * OPTIONS.stallMs + OPTIONS.deadlineMsMin);
  });

  it("comes later than a chunk that is asked for after a first miss could come", () => {
    expect(OPTIONS.stallMs).toBeGreaterThan(OPTIONS.deadlineMsMin + OPTIONS.deadlineMsMax + 5_000);
  });
});

describe("a lone slow source", () => {
  it("gives a whole object from 0.3 Mbit/s on: a chunk within the longest deadline", () => {
    // A long round trip says nothing of the rate: the first requests have no more time for it.
    for (const rttMs of [5, 100, 250, 600]) {
      for (const rate of [0.3, 0.5, 0.8, 1, 1.2, 2, 5, 50]) {
        const run = fetchOver(12, [mbits(rate)], rttMs);
        expect([rttMs, rate, run.end]).toEqual([rttMs, rate, "done"]);
        // What is cancelled half way costs less than everything once more, beside the first requests.
        const idealMs = (12 * BITS) / mbits(rate);
        expect(run.nowMs, `${rate}`).toBeLessThan(2 * idealMs + 15_000);
      }
    }
  });

  it("is asked for one chunk at a time after a miss, until it has answered", () => {
    const schedule = scheduleOf(20);
    const all = ChunkSet.full(20);
    expect(schedule.sourceHas("slow", all, 1, 0)).toHaveLength(OPTIONS.perSource);
    schedule.tick(4_000);
    const [ask, ...more] = schedule.tick(9_000);
    expect(more).toEqual([]);
    if (ask?.kind !== "ask") throw new Error("not asked");
    // It took over 4 s, so 4 s would be no time.
    expect(ask.deadlineMs).toBe(OPTIONS.deadlineMsMax);
    expect(schedule.received("slow", ask.index, 9_400)).toBe(true);
    expect(schedule.kept(ask.index, 9_400)).toHaveLength(OPTIONS.perSource);
  });
});
