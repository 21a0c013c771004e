/** How a worker shares itself among members: who is looked after, who waits, and who waits for nobody. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import { BULK_LIMITS } from "../../../src/limits-bulk.ts";
import { Serving } from "../../../src/transport/bulk/serving.ts";

type Job = { readonly peer: string; readonly bytes: number };

const MIB = 1024 * 1024;
const ALL = LIMITS.bulkServingBytesMax;
const OWN = LIMITS.bulkServingBytesPerPeerMax;

const open = () => {
  const finding: Job[] = [];
  const reading: Job[] = [];
  const timers: { readonly atMs: number; readonly run: () => void }[] = [];
  let nowMs = 0;
  const serving = new Serving<Job>({
    clock: { monotonicMs: () => nowMs },
    timers: {
      set: (delayMs, run) => {
        timers.push({ atMs: nowMs + delayMs, run });
        return () => {};
      },
    },
    find: (job) => finding.push(job),
    read: (job) => reading.push(job),
  });
  return {
    ...{ serving, finding, reading, timers },
    /** Time passes, and each timer that is due has its turn. */
    pass: (ms: number): void => {
      for (const end = nowMs + ms; nowMs < end; nowMs += 1) {
        for (const timer of timers.splice(0)) {
          if (timer.atMs <= nowMs) timer.run();
          else timers.push(timer);
        }
      }
    },
    ask: (peer: string, bytes = MIB): Job => {
      const job = { peer, bytes };
      serving.asked(peer, job);
      return job;
    },
    /** The node finds all that it was asked for. */
    findAll: (): void => {
      for (let job = finding.shift(); job !== undefined; job = finding.shift()) {
        serving.found(job.peer, job, job.bytes);
      }
    },
    held: (peer: string): number =>
      reading.filter((job) => job.peer === peer).reduce((sum, { bytes }) => sum + bytes, 0),
  };
};

describe("requests that one member has before the node", () => {
  it("have a number, at the limit and past it, also when they are given up", () => {
    const { serving, finding, ask } = open();
    const jobs = Array.from({ length: LIMITS.bulkServedPerPeerMax }, () => ask("a"));
    expect(finding).toHaveLength(LIMITS.bulkServedPerPeerMax);
    for (const job of jobs) serving.givenUp("a", job);
    const [next, gone] = [ask("a"), ask("a")];
    serving.givenUp("a", gone);
    expect(finding).toHaveLength(LIMITS.bulkServedPerPeerMax);
    ask("b");
    expect(finding.at(-1)?.peer).toBe("b");
    const [first, second] = jobs;
    if (first === undefined || second === undefined) throw new RangeError("two jobs");
    serving.found("a", first, undefined);
    serving.found("a", second, undefined);
    expect(finding.slice(LIMITS.bulkServedPerPeerMax + 1)).toEqual([next]);
  });
});

describe("requests that one member has before the node in a second", () => {
  const { findsPerPeerPerSecond: RATE, findsPerPeerBurst: BURST, findWaitMs } = BULK_LIMITS;

  /** Has 5 requests a millisecond of a member, each answered at once; how many were brought before the node. */
  const flood = ({ ask, finding, serving, pass }: ReturnType<typeof open>, ms: number): number => {
    let found = 0;
    const answerAll = (): void => {
      for (let job = finding.shift(); job !== undefined; job = finding.shift(), found++) {
        serving.found(job.peer, job, undefined);
      }
    };
    for (let passed = 0; passed < ms; passed++) {
      for (let i = 0; i < 5; i++) ask("a");
      answerAll();
      pass(1);
      answerAll();
    }
    return found;
  };

  it("are as many as the burst at once, and not one more", () => {
    const { ask, finding, serving } = open();
    for (let i = 0; i < BURST; i++) {
      const job = ask("a");
      expect(finding.splice(0)).toEqual([job]);
      serving.found("a", job, undefined);
    }
    ask("a");
    expect(finding).toEqual([]);
    const other = ask("b");
    expect(finding).toEqual([other]);
  });

  it("are the burst and the rate of 5000 that are asked for, the others wait, and one timer is set", () => {
    const opened = open();
    const found = flood(opened, 2_000);
    expect(found).toBeLessThanOrEqual(BURST + 2 * RATE);
    expect(found).toBeGreaterThan(BURST + 2 * RATE - (2 * RATE * findWaitMs) / 1000);
    expect(opened.timers).toHaveLength(1);
    // Whoever has been forgotten for nothing has the burst again.
    opened.serving.forgetIdle();
    expect(flood(opened, 100)).toBeLessThanOrEqual((RATE * (100 + findWaitMs)) / 1000 + 1);
  });

  it("are none of those that are given up while they wait", () => {
    const { ask, finding, serving, pass } = open();
    for (let i = 0; i < BURST; i++) serving.found("a", ask("a"), undefined);
    finding.length = 0;
    const [gone, next] = [ask("a"), ask("a")];
    serving.givenUp("a", gone);
    pass(findWaitMs + 1);
    expect(finding).toEqual([next]);
  });
});

describe("memory for answers", () => {
  it("of one member has its limit, and another member is served past it", () => {
    const { serving, reading, ask, findAll, held } = open();
    for (let i = 0; i < 100; i++) ask("a");
    findAll();
    expect(held("a")).toBe(OWN);
    ask("b");
    findAll();
    expect(reading.at(-1)?.peer).toBe("b");
    serving.done("a", MIB);
    expect(held("a")).toBe(OWN + MIB);
    expect(serving.heldBytes).toBe(OWN + MIB);
  });

  it("is there for one answer to whoever has none, when others have all of it", () => {
    const { serving, reading, ask, findAll, held } = open();
    const many = Array.from({ length: ALL / OWN }, (_, i) => `many ${i}`);
    for (const peer of many) for (let i = 0; i < 30; i++) ask(peer);
    findAll();
    expect(serving.heldBytes).toBe(ALL);
    for (const peer of ["x", "y"]) for (let i = 0; i < 3; i++) ask(peer);
    findAll();
    expect([held("x"), held("y"), serving.heldBytes]).toEqual([MIB, MIB, ALL + 2 * MIB]);
    // Turns: what becomes free goes to each in its turn, and not back to who had it.
    for (const peer of many.slice(0, 3)) for (let i = 0; i < 2; i++) serving.done(peer, MIB);
    const turns = reading.slice(-4).map(({ peer }) => peer);
    expect(new Set(turns).size).toBe(4);
    expect(serving.heldBytes).toBe(ALL);
  });

  it("is never over the limits, and nobody waits for ever: for any course", () => {
    const step = fc.record({
      peer: fc.constantFrom("a", "b", "c", "d", "e", "f", "g"),
      what: fc.constantFrom("ask", "ask", "ask", "find", "done", "give up"),
      bytes: fc.integer({ min: 1, max: 8 * MIB }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const { serving, finding, reading, ask, findAll, held } = open();
        const asked: Job[] = [];
        let given = 0;
        for (const { peer, what, bytes } of steps) {
          if (what === "ask") asked.push(ask(peer, bytes));
          else if (what === "find") findAll();
          else if (what === "done") {
            const job = reading.shift();
            if (job !== undefined) serving.done(job.peer, job.bytes);
          } else {
            const job = asked.find((one) => one.peer === peer && !reading.includes(one));
            if (job !== undefined) serving.givenUp(peer, job);
            given += 1;
          }
          const peers = new Set(reading.map((job) => job.peer));
          for (const one of peers) {
            expect(held(one)).toBeLessThanOrEqual(Math.max(OWN, 8 * MIB));
          }
          expect(serving.heldBytes).toBeLessThanOrEqual(ALL + peers.size * 8 * MIB);
        }
        for (let left = asked.length + given; left >= 0; left--) {
          findAll();
          for (const job of reading.splice(0)) serving.done(job.peer, job.bytes);
        }
        expect([finding.length, serving.heldBytes, serving.members]).toEqual([0, 0, 0]);
      }),
      { numRuns: 50 },
    );
  });
});
