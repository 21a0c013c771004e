import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import { RelayPlan } from "../../../src/transport/relay/plan.ts";

const limits = LIMITS.paths;
const { relayedMax, relaysMax, retryMsMin, retryMsMax, compareAgainMs } = limits;

/** Relays by nearness: "r0" is the nearest. */
const relays = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `r${i}`);

const make = () => new RelayPlan<{ readonly via: string }>(limits);
type Plan = ReturnType<typeof make>;

/** Begins what is due, and gives the attempts. */
const begin = (plan: Plan, ids: readonly string[]): readonly { readonly via: string }[] =>
  ids.map((via) => {
    const attempt = { via };
    plan.began(via, attempt);
    return attempt;
  });

const fail = (plan: Plan, relay: string, nowMs: number): void => {
  const [attempt] = plan.attempts().filter(({ via }) => via === relay);
  if (attempt !== undefined) expect(plan.ended(attempt)).toBe(true);
  plan.failed(relay, nowMs);
};

describe("relays to try for a member", () => {
  it("are the nearest, as many as paths are wanted and none more", () => {
    const plan = make();
    expect(plan.due(relays(5), [], relayedMax, 0)).toEqual(relays(relayedMax));
    expect(plan.due(relays(1), [], relayedMax, 0)).toEqual(relays(1));
    expect(plan.due(relays(5), [], 0, 0)).toEqual([]);
    expect(plan.due([], [], relayedMax, 0)).toEqual([]);
  });

  it("count paths that are up and attempts on their way", () => {
    const plan = make();
    expect(plan.due(relays(5), ["r0"], relayedMax, 0)).toEqual(["r1"]);
    expect(plan.due(relays(5), ["r0", "r4"], relayedMax, 0)).toEqual([]);
    const [attempt] = begin(plan, ["r0"]);
    expect(plan.due(relays(5), [], relayedMax, 0)).toEqual(["r1"]);
    begin(plan, ["r1"]);
    expect(plan.due(relays(5), [], relayedMax, 0)).toEqual([]);
    if (attempt === undefined) throw new RangeError("one attempt");
    expect(plan.ended(attempt)).toBe(true);
    expect(plan.ended(attempt)).toBe(false);
    expect(plan.ended({ via: "r1" })).toBe(false);
    expect(plan.attempts()).toHaveLength(1);
  });

  it("are the relaysMax nearest that have not failed, and the next one only when one of those did", () => {
    const plan = make();
    const most = relays(relaysMax + 1);
    // As many as one likes are wanted: still no more than relaysMax.
    expect(plan.due(most, [], 10, 0)).toEqual(relays(relaysMax));
    expect(plan.due(most, relays(relaysMax), 10, 0)).toEqual([]);
    plan.failed("r0", 0);
    expect(plan.due(most, [], 10, 0)).toEqual(most.slice(1));
  });

  it("are tried again retryMsMin after they failed, twice as late each time, retryMsMax at most", () => {
    const plan = make();
    let nowMs = 0;
    let pauseMs: number = retryMsMin;
    for (let round = 0; round < 10; round++) {
      begin(plan, plan.due(["r0"], [], 1, nowMs));
      fail(plan, "r0", nowMs);
      expect(plan.due(["r0"], [], 1, nowMs + pauseMs - 1)).toEqual([]);
      nowMs += pauseMs;
      expect(plan.due(["r0"], [], 1, nowMs)).toEqual(["r0"]);
      pauseMs = Math.min(retryMsMax, 2 * pauseMs);
    }
    expect(pauseMs).toBe(retryMsMax);
    plan.succeeded("r0");
    plan.failed("r0", nowMs);
    expect(plan.due(["r0"], [], 1, nowMs + retryMsMin)).toEqual(["r0"]);
  });

  it("are forgotten when they are gone: one that comes back is tried at once", () => {
    const plan = make();
    plan.failed("r0", 0);
    expect(plan.due(["r0"], [], 1, 1)).toEqual([]);
    expect(plan.due([], [], 1, 1)).toEqual([]);
    expect(plan.due(["r0"], [], 1, 1)).toEqual(["r0"]);
  });

  it("rest for compareAgainMs where the direct path was better, unless they are needed", () => {
    const plan = make();
    plan.restUntil(compareAgainMs);
    expect(plan.due(["r0"], [], 1, compareAgainMs - 1)).toEqual([]);
    expect(plan.due(["r0"], [], 1, compareAgainMs)).toEqual(["r0"]);
    plan.restUntil(2 * compareAgainMs);
    plan.wake();
    expect(plan.due(["r0"], [], 1, compareAgainMs)).toEqual(["r0"]);
  });

  it("are never more than relaysMax at once, never one that has a path, whatever comes and goes", () => {
    const ids = relays(6);
    const steps = fc.array(
      fc.record({
        gapMs: fc.nat(5_000),
        there: fc.subarray([...ids]),
        taken: fc.subarray([...ids], { maxLength: relayedMax }),
        outcome: fc.constantFrom("fails", "comes up", "goes on" as const),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (course) => {
        const plan = make();
        let nowMs = 0;
        for (const { gapMs, there, taken, outcome } of course) {
          nowMs += gapMs;
          const due = plan.due(there, taken, relayedMax, nowMs);
          const before = plan.attempts().map(({ via }) => via);
          expect(due.length + before.length).toBeLessThanOrEqual(relaysMax);
          expect(due.length).toBeLessThanOrEqual(Math.max(0, relayedMax - taken.length));
          for (const via of due) {
            expect(there).toContain(via);
            expect([...taken, ...before]).not.toContain(via);
          }
          begin(plan, due);
          for (const attempt of outcome === "goes on" ? [] : plan.attempts()) {
            expect(plan.ended(attempt)).toBe(true);
            if (outcome === "fails") plan.failed(attempt.via, nowMs);
            else plan.succeeded(attempt.via);
          }
        }
      }),
    );
  });
});
