/** R3, R5's timers and R6: how views end, how waiting grows and shrinks, and what is final. */
import { describe, expect, it } from "vitest";
import type { Block } from "../../../src/ledger/types.ts";
import {
  Bench,
  type BenchOptions,
  blockOf,
  certificate,
  decided,
  delayOf,
  hashOf,
  ofKind,
} from "./support.ts";

const B1 = blockOf({ view: 1, height: 1 });

const started = (options: BenchOptions = {}): Bench => {
  const bench = new Bench(options);
  bench.start();
  bench.clear();
  return bench;
};

describe("R3: a view ends", () => {
  it("with a nullification", () => {
    const bench = started();
    bench.certify("nullify", 1);
    expect(ofKind(bench.all, "entered")).toEqual([{ kind: "entered", view: 2, leader: 2 }]);
  });

  it("with a notarization once its block is certified, not before", () => {
    const bench = started();
    bench.certify("notarize", 1, B1.hash);
    expect(bench.view).toBe(1);
    expect(ofKind(bench.all, "need")).toMatchObject([{ hash: B1.hash, sources: [1, 2, 3] }]);
    bench.validate(B1);
    expect(bench.view).toBe(2);
  });

  it("with a quorum of votes as with a certificate, whose weight counts and not their number", () => {
    const bench = started({ weights: [1, 4, 1, 1] });
    bench.vote(2, "nullify", 1);
    bench.vote(3, "nullify", 1);
    expect(bench.view).toBe(1);
    bench.vote(1, "nullify", 1);
    expect(bench.view).toBe(2);
  });

  it.each([
    [
      [1, 1, 1],
      [1, 2],
      [0, 1, 2],
    ],
    [
      [2, 1, 1],
      [1, 2],
      [0, 1],
    ],
    [
      [2, 2, 1],
      [0, 2],
      [0, 1],
    ],
    [
      [10, 10, 10, 3],
      [0, 1],
      [0, 1, 3],
    ],
  ])(
    "at exactly floor(2W/3) + 1 of the weights %j: %j is too little, %j enough",
    (weights, few, enough) => {
      const with_ = (signers: readonly number[]): number => {
        const bench = started({ weights, self: undefined });
        for (const signer of signers) bench.vote(signer, "nullify", 1);
        return bench.view;
      };
      expect(with_(few)).toBe(1);
      expect(with_(enough)).toBe(2);
    },
  );

  it("never with votes for different hashes, or one signer's vote sent many times", () => {
    const bench = started();
    bench.validate(B1);
    bench.vote(1, "notarize", 1, hashOf("a"));
    bench.vote(2, "notarize", 1, hashOf("b"));
    bench.vote(3, "notarize", 1, hashOf("c"));
    for (let i = 0; i < 5; i++) bench.vote(2, "nullify", 1);
    expect(bench.view).toBe(1);
  });

  it("by a certificate far ahead: certificates jump, votes do not", () => {
    const bench = started();
    bench.certify("nullify", 40);
    expect(bench.view).toBe(41);
    const late = started();
    late.certify("finalize", 40, hashOf("far"));
    expect(late.view).toBe(41);
    expect(late.state.final).toMatchObject({ view: 40, height: undefined });
    expect(ofKind(late.all, "need").map((effect) => effect.hash)).toEqual([hashOf("far")]);
  });

  it("and is not entered again: certificates of earlier views change nothing", () => {
    const bench = started();
    bench.certify("nullify", 5);
    bench.clear();
    bench.certify("nullify", 3);
    expect(bench.view).toBe(6);
    expect(ofKind(bench.all, "entered")).toEqual([]);
  });
});

describe("R6: finality", () => {
  it("comes with a finalization, is reported once, and needs no block", () => {
    const bench = started();
    bench.certify("finalize", 1, B1.hash);
    bench.certify("finalize", 1, B1.hash);
    expect(ofKind(bench.all, "finalized")).toHaveLength(1);
    expect(bench.state.final).toMatchObject({ view: 1, hash: B1.hash, height: undefined });
    bench.validate(B1);
    expect(bench.state.final.height).toBe(1);
  });

  it("comes late, after views that were nullified in between (unchained finality)", () => {
    const bench = started({ self: 3 });
    bench.offer(B1);
    bench.certify("notarize", 1, B1.hash, [0, 1, 2]);
    bench.certify("nullify", 2, undefined, [0, 1, 2]);
    bench.certify("nullify", 3, undefined, [0, 1, 2]);
    expect(bench.state.final.view).toBe(0);
    for (const signer of [0, 1, 2]) bench.vote(signer, "finalize", 1, B1.hash);
    expect(bench.state.final).toMatchObject({ view: 1, height: 1 });
    expect(bench.view).toBe(4);
  });

  it("comes even where this node holds a nullification of the same view", () => {
    const bench = started();
    bench.certify("nullify", 1);
    bench.certify("finalize", 1, B1.hash);
    expect(bench.state.final.view).toBe(1);
  });

  it("never goes back", () => {
    const bench = started();
    bench.certify("finalize", 5, hashOf("five"));
    bench.clear();
    bench.certify("finalize", 4, hashOf("four"));
    bench.feed({
      kind: "synced",
      final: { view: 3, height: 3, hash: hashOf("three") },
      certificate: certificate([1, 2, 3], "finalize", 3, hashOf("three")),
    });
    expect(bench.state.final).toMatchObject({ view: 5, hash: hashOf("five") });
    expect(ofKind(bench.all, "finalized")).toEqual([]);
  });

  it("comes by sync: the view moves on and the height is known", () => {
    const bench = started();
    bench.feed({
      kind: "synced",
      final: { view: 30, height: 25, hash: hashOf("tip") },
      certificate: certificate([1, 2, 3], "finalize", 30, hashOf("tip")),
    });
    expect(bench.view).toBe(31);
    expect(bench.state.final).toMatchObject({ view: 30, height: 25 });
    expect(bench.state.finalization?.statement.view).toBe(30);
  });

  it("is told its height by sync where only the certificate was known", () => {
    const bench = started();
    bench.certify("finalize", 9, hashOf("tip"));
    bench.feed({
      kind: "synced",
      final: { view: 9, height: 7, hash: hashOf("tip") },
      certificate: certificate([1, 2, 3], "finalize", 9, hashOf("tip")),
    });
    expect(bench.state.final.height).toBe(7);
  });
});

describe("R5: timers", () => {
  const timeoutsTo = (bench: Bench, view: number): void => {
    while (bench.view < view) {
      bench.wait(60_000);
      bench.fire("view");
      bench.certify("nullify", bench.view);
    }
  };
  const workingDelay = (bench: Bench): number | undefined => {
    bench.clear();
    bench.feed({ kind: "work", pending: false });
    bench.feed({ kind: "work", pending: true });
    return delayOf(bench.all, "view");
  };

  it("start at the work: 2 D without a proposal", () => {
    const bench = started();
    bench.wait(300);
    bench.feed({ kind: "work", pending: true });
    expect(delayOf(bench.all, "view")).toBe(200);
  });

  it("start at the latest t_idle after entering: the grace of an idle leader", () => {
    const bench = new Bench();
    expect(delayOf(bench.start(), "view")).toBe(1_200);
    bench.wait(900);
    bench.feed({ kind: "work", pending: true });
    expect(delayOf(bench.all, "view")).toBe(200);
    bench.wait(250);
    expect(decided(bench.fire("view"))).toEqual(["nullify 1"]);
    const late = new Bench();
    late.start();
    late.wait(1_100);
    late.feed({ kind: "work", pending: true });
    expect(delayOf(late.all, "view")).toBe(100);
  });

  it("wait 3 D with a proposal", () => {
    const bench = started();
    bench.feed({ kind: "work", pending: true });
    bench.wait(150);
    bench.propose(B1);
    expect(delayOf(bench.all, "view")).toBe(150);
    bench.wait(149);
    expect(decided(bench.fire("view"))).toEqual([]);
    bench.wait(1);
    expect(decided(bench.fire("view"))).toEqual(["nullify 1"]);
  });

  it("do not give up when one that was replaced fires early", () => {
    const bench = started();
    bench.wait(1_199);
    const effects = bench.fire("view");
    expect(decided(effects)).toEqual([]);
    expect(delayOf(effects, "view")).toBe(1);
  });

  it("grow by half for each view in which the own timer fired, up to the cap", () => {
    const bench = started();
    expect(workingDelay(bench)).toBe(200);
    timeoutsTo(bench, 2);
    expect(workingDelay(bench)).toBe(300);
    timeoutsTo(bench, 3);
    expect(workingDelay(bench)).toBe(450);
    timeoutsTo(bench, 60);
    expect(workingDelay(bench)).toBe(4_000);
  });

  it("grow once a view, however often the timer fires in it", () => {
    const bench = started();
    for (let i = 0; i < 5; i++) {
      bench.wait(10_000);
      bench.fire("view");
    }
    bench.certify("nullify", 1);
    expect(workingDelay(bench)).toBe(300);
  });

  it("do not grow in views that others gave up: one Byzantine leader cannot pump them", () => {
    const bench = started();
    for (let view = 1; view <= 30; view++) bench.certify("nullify", view);
    expect(workingDelay(bench)).toBe(200);
  });

  it("do not grow in views of quarantined leaders", () => {
    const bench = started();
    bench.feed({ kind: "quarantined", signers: [1, 2, 3] });
    bench.complete(bench.all);
    bench.certify("nullify", 1);
    bench.certify("nullify", 2);
    expect(workingDelay(bench)).toBe(200);
  });

  it("shrink to D0 on a finalization only", () => {
    const bench = started();
    timeoutsTo(bench, 6);
    const grown = workingDelay(bench);
    bench.validate(B1);
    bench.certify("notarize", 6, B1.hash);
    expect(workingDelay(bench)).toBe(grown);
    bench.certify("finalize", 6, B1.hash);
    expect(workingDelay(bench)).toBe(200);
  });

  it("shrink when the finalization comes by sync", () => {
    const bench = started();
    timeoutsTo(bench, 6);
    bench.feed({
      kind: "synced",
      final: { view: 6, height: 6, hash: hashOf("tip") },
      certificate: certificate([1, 2, 3], "finalize", 6, hashOf("tip")),
    });
    expect(workingDelay(bench)).toBe(200);
  });
});

describe("R8: memory", () => {
  it("holds no more than the evidence window and the open views after long progress", () => {
    const bench = started({ self: undefined });
    let parent: Block | undefined;
    for (let view = 1; view <= 300; view++) {
      const block = blockOf({
        view,
        height: view,
        parentView: view - 1,
        ...(parent === undefined ? {} : { parentHash: parent.hash }),
      });
      bench.offer(block);
      bench.certify("notarize", view, block.hash);
      bench.certify("finalize", view, block.hash);
      parent = block;
    }
    expect(bench.state.views.size).toBeLessThanOrEqual(18);
    expect(bench.state.blocks.size).toBeLessThanOrEqual(2);
    expect(bench.state.pendingWrites.size).toBe(0);
  });

  it("forgets old votes however the finalization comes", () => {
    const bench = started();
    for (let view = 1; view <= 50; view++) bench.certify("nullify", view);
    bench.certify("finalize", 51, hashOf("tip"));
    // Sixteen views stay for late evidence, and the view entered.
    expect(bench.state.views.size).toBe(17);
  });
});
