/** R1 and R5 where nothing becomes final for long: re-proposals are paced, and whoever is back ends the pace. */
import { describe, expect, it } from "vitest";
import { paceMs } from "../../../src/ledger/consensus/state.ts";
import type { CoreParameters } from "../../../src/ledger/consensus/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import {
  Bench,
  blockOf,
  decided,
  delayOf,
  hashOf,
  ofKind,
  reproposalOf,
  statusOf,
} from "./support.ts";

const B2 = blockOf({ view: 2, height: 1 });

/** Leads view 5; the block of view 2 fills the gap of one height, all other views were skipped. */
const inViewFive = (quickViewsMax: number, change: Partial<CoreParameters> = {}): Bench => {
  const bench = new Bench({
    self: 1,
    parameters: { unfinalizedGapMax: 1, quickViewsMax, ...change },
  });
  bench.start();
  bench.feed({ kind: "work", pending: true });
  // Past the moment after a start, in which nothing is paced, with everybody heard again and again.
  for (let i = 0; i < 6; i++) {
    bench.wait(1_000);
    for (const from of [0, 2, 3]) bench.feed({ kind: "status", from, status: statusOf({}) });
  }
  bench.certify("nullify", 1, undefined, [0, 2, 3]);
  bench.propose(B2);
  bench.validate(B2);
  bench.certify("notarize", 2, B2.hash, [0, 2, 3]);
  for (const view of [3, 4]) bench.certify("nullify", view, undefined, [0, 2, 3]);
  expect(bench.view).toBe(5);
  return bench;
};

const hasOffered = (bench: Bench): boolean => decided(bench.all).includes("notarize 5");

describe("R1: re-proposals", () => {
  it("come at once in the first views above the final one, 64 in the product", () => {
    expect(hasOffered(inViewFive(5))).toBe(true);
    expect(LIMITS.quickViewsMax).toBe(64);
  });

  it("come t_idle after entering beyond them, on the timer of the idle leader", () => {
    const bench = inViewFive(4);
    expect(hasOffered(bench)).toBe(false);
    expect(delayOf(bench.all, "idle")).toBe(1_000);
    bench.wait(999);
    bench.fire("idle");
    expect(hasOffered(bench)).toBe(false);
    bench.wait(1);
    bench.fire("idle");
    expect(hasOffered(bench)).toBe(true);
  });

  it("come twice as late with as many views more, and the timer is set for the rest", () => {
    const bench = inViewFive(2);
    bench.wait(1_000);
    expect(delayOf(bench.fire("idle"), "idle")).toBe(1_000);
    expect(hasOffered(bench)).toBe(false);
    bench.wait(1_000);
    bench.fire("idle");
    expect(hasOffered(bench)).toBe(true);
  });

  it("never come later than D_max", () => {
    const bench = new Bench();
    const at = (view: number): number => paceMs({ ...bench.state, view });
    expect([64, 65, 128, 129, 193].map(at)).toEqual([0, 1_000, 1_000, 2_000, 2_000]);
    expect(at(Number.MAX_SAFE_INTEGER)).toBe(2_000);
  });

  it("do not hold up a new block", () => {
    const bench = inViewFive(1, { unfinalizedGapMax: 8 });
    expect(ofKind(bench.all, "build").map(({ view }) => view)).toContain(5);
  });
});

describe("R1: whoever was away for long and is back", () => {
  /** As in view five, and validator 3 is silent, or far behind, for as long as the others go on. */
  const away = (ms: number, third: "silent" | "behind"): Bench => {
    const bench = inViewFive(4, { idleMs: 60_000, delayMsMax: 60_000, skipMs: 5_000 });
    for (let waited = 0; waited < ms; waited += 1_000) {
      bench.wait(1_000);
      for (const from of [0, 2]) {
        bench.feed({ kind: "status", from, status: statusOf({ view: 5 }) });
      }
      if (third === "behind")
        bench.feed({ kind: "status", from: 3, status: statusOf({ view: 2 }) });
    }
    return bench;
  };

  it("ends the pace when it is heard", () => {
    const bench = away(480_000, "silent");
    expect(bench.state.quickUntilMs).toBeLessThan(bench.nowMs);
    bench.feed({ kind: "status", from: 3, status: statusOf({ view: 1 }) });
    expect(bench.state.quickUntilMs).toBe(bench.nowMs + 240_000);
  });

  it("has the paced leader offer at once", () => {
    const bench = inViewFive(4, { skipMs: 20_000 });
    for (let i = 0; i < 20; i++) {
      bench.state.enteredAtMs = bench.nowMs;
      bench.wait(999);
      for (const from of [0, 2])
        bench.feed({ kind: "status", from, status: statusOf({ view: 5 }) });
    }
    expect(hasOffered(bench)).toBe(false);
    bench.wait(500);
    bench.state.enteredAtMs = bench.nowMs;
    bench.feed({ kind: "status", from: 3, status: statusOf({ view: 1 }) });
    expect(hasOffered(bench)).toBe(true);
  });

  it("ends it when it is level again, however long it was heard from behind", () => {
    const bench = away(480_000, "behind");
    expect(bench.state.quickUntilMs).toBeLessThan(bench.nowMs);
    bench.feed({ kind: "status", from: 3, status: statusOf({ view: 4 }) });
    expect(bench.state.quickUntilMs).toBe(bench.nowMs + 240_000);
  });

  it("does not end it after a silence that is short against the pace", () => {
    const bench = away(470_000, "silent");
    bench.feed({ kind: "status", from: 3, status: statusOf({ view: 5 }) });
    expect(bench.state.quickUntilMs).toBeLessThan(bench.nowMs);
  });
});

describe("R5: the timer of a view whose leader may be paced", () => {
  const follower = (): Bench => {
    const bench = new Bench({ self: 0, parameters: { unfinalizedGapMax: 1, quickViewsMax: 4 } });
    bench.start();
    bench.feed({ kind: "work", pending: true });
    return bench;
  };

  it("starts when the re-proposal is due, with a proposal and without", () => {
    const bench = follower();
    bench.certify("nullify", 1);
    bench.propose(B2);
    bench.validate(B2);
    bench.certify("notarize", 2, B2.hash);
    bench.certify("nullify", 3);
    expect(delayOf(bench.certify("nullify", 4), "view")).toBe(1_000 + 2 * 100);
    const proposal = reproposalOf(5, B2.hash, 2);
    const effects = bench.feed({ kind: "proposal", proposal, timely: true });
    expect(delayOf(effects, "view")).toBe(1_000 + 3 * 100);
    expect(decided(effects)).toEqual(["notarize 5"]);
  });

  it("starts so, too, where this node cannot tell what the leader builds on", () => {
    const bench = follower();
    const effects = bench.certify("notarize", 4, hashOf("unseen"));
    expect(bench.view).toBe(1);
    expect(delayOf([...effects, ...bench.certify("nullify", 4)], "view")).toBe(1_000 + 2 * 100);
  });

  it("starts at once where the leader has no need to re-propose", () => {
    const bench = follower();
    for (const view of [1, 2, 3]) bench.certify("nullify", view);
    expect(delayOf(bench.certify("nullify", 4), "view")).toBe(2 * 100);
  });
});

describe("R5: a leader that was not heard", () => {
  it("is not called silent by a node that heard no quorum either", () => {
    const bench = new Bench({ self: 0 });
    bench.start();
    bench.feed({ kind: "work", pending: true });
    bench.wait(60_000);
    // Back from being cut off: two others are heard before the leader of the view is.
    const effects = [2, 3].flatMap((from) =>
      bench.feed({ kind: "status", from, status: statusOf({}) }),
    );
    expect(decided(effects)).toEqual([]);
    // Silence while those two go on is silence.
    for (let i = 0; i < 5; i++) {
      bench.wait(1_000);
      effects.push(...bench.feed({ kind: "status", from: 2, status: statusOf({}) }));
      effects.push(...bench.feed({ kind: "status", from: 3, status: statusOf({}) }));
    }
    expect(decided(effects)).toEqual(["nullify 1"]);
  });
});
