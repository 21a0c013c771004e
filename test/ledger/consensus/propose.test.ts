/** R1: what a leader builds on, when, and when it offers its parent again. */
import { describe, expect, it } from "vitest";
import type { Block } from "../../../src/ledger/types.ts";
import {
  Bench,
  type BenchOptions,
  blockOf,
  decided,
  delayOf,
  described,
  GENESIS,
  messages,
  ofKind,
} from "./support.ts";

/** The leader of view 1, with work. */
const leader = (options: BenchOptions = {}): Bench => {
  const bench = new Bench({ self: 1, ...options });
  bench.start();
  bench.feed({ kind: "work", pending: true });
  return bench;
};

/** Notarizes and validates a block in its view, without the bench's own vote. */
const notarized = (bench: Bench, block: Block): void => {
  bench.propose(block);
  bench.validate(block);
  bench.certify("notarize", block.header.view, block.hash, [0, 2, 3]);
};

describe("R1: a leader proposes", () => {
  it("builds on the final tip when there is work", () => {
    const bench = leader();
    expect(ofKind(bench.all, "build")).toEqual([
      { kind: "build", view: 1, parentHash: GENESIS, parentView: 0 },
    ]);
  });

  it("waits without work until t_idle has passed, on a timer of its own", () => {
    const bench = new Bench({ self: 1 });
    const effects = bench.start();
    expect(ofKind(effects, "build")).toEqual([]);
    expect(delayOf(effects, "idle")).toBe(1_000);
    bench.wait(999);
    expect(ofKind(bench.fire("idle"), "build")).toEqual([]);
    bench.wait(1);
    expect(ofKind(bench.fire("idle"), "build")).toHaveLength(1);
  });

  it("builds once a view, and its N(v, h) goes out as the proposal", () => {
    const bench = leader();
    const block = blockOf({ view: 1, height: 1 });
    expect(ofKind(bench.fire("idle"), "build")).toEqual([]);
    const effects = bench.feed({ kind: "built", view: 1, block });
    expect(decided(effects)).toEqual(["notarize 1"]);
    expect(described(bench.complete(effects))).toEqual(["proposal notarize 1 by 1"]);
    const [sent] = messages(bench.all);
    expect(sent).toMatchObject({ type: "proposal", parentView: 0, reproposal: false });
    expect(ofKind(bench.fire("idle"), "build")).toEqual([]);
  });

  it("gives the view up when it cannot build", () => {
    const bench = leader();
    expect(decided(bench.feed({ kind: "built", view: 1, block: undefined }))).toEqual([
      "nullify 1",
    ]);
  });

  it("drops a block that was built for a view that is over", () => {
    const bench = leader();
    bench.certify("nullify", 1, undefined, [0, 2, 3]);
    expect(bench.feed({ kind: "built", view: 1, block: blockOf({ view: 1, height: 1 }) })).toEqual(
      [],
    );
  });

  it("does not propose where it does not lead, or after it gave the view up", () => {
    const other = new Bench({ self: 2 });
    other.start();
    other.feed({ kind: "work", pending: true });
    expect(ofKind(other.all, "build")).toEqual([]);
    const late = new Bench({ self: 1 });
    late.start();
    late.wait(1_200);
    expect(decided(late.fire("view"))).toEqual(["nullify 1"]);
    late.feed({ kind: "work", pending: true });
    expect(ofKind(late.all, "build")).toEqual([]);
  });

  it("builds on the highest certified notarization, with every view between nullified", () => {
    const bench = leader({ leaderOf: (view) => (view === 4 ? 1 : 2) });
    const block = blockOf({ view: 1, height: 1, proposer: 2 });
    notarized(bench, block);
    bench.certify("nullify", 2, undefined, [0, 2, 3]);
    bench.clear();
    bench.certify("nullify", 3, undefined, [0, 2, 3]);
    expect(ofKind(bench.all, "build")).toEqual([
      { kind: "build", view: 4, parentHash: block.hash, parentView: 1 },
    ]);
  });

  it("does not build on a notarization that is not certified here: it asks for the nullification", () => {
    const bench = leader({ leaderOf: (view) => (view === 3 ? 1 : 2) });
    bench.certify("notarize", 1, blockOf({ view: 1, height: 1 }).hash, [0, 2, 3]);
    bench.clear();
    bench.certify("nullify", 2, undefined, [0, 2, 3]);
    expect(bench.view).toBe(3);
    expect(ofKind(bench.all, "build")).toEqual([]);
    expect(described(bench.all)).toEqual(["request nullify 1", "request notarize 1"]);
  });

  it("asks for each missing certificate as it meets it, once until the next retry", () => {
    const bench = leader({ leaderOf: (view) => (view === 9 ? 1 : 2) });
    bench.clear();
    bench.certify("nullify", 8, undefined, [0, 2, 3]);
    expect(described(bench.all)).toEqual(["request nullify 7", "request notarize 7"]);
    bench.clear();
    bench.vote(3, "nullify", 9);
    expect(described(bench.all)).toEqual([]);
    // The answer opens the next gap, which must not wait for a retry: the view would be lost by then.
    bench.certify("nullify", 7, undefined, [0, 2, 3]);
    expect(described(bench.all)).toEqual(["request nullify 6", "request notarize 6"]);
    bench.clear();
    bench.wait(400);
    bench.fire("retry");
    expect(described(bench.all)).toContain("request nullify 6");
  });
});

describe("R1: a leader re-proposes its parent", () => {
  /** Votes of others bring `count` blocks to notarization without a finalization. */
  const chain = (bench: Bench, count: number, boundaryAt = 0): Block[] => {
    const blocks: Block[] = [];
    let parent: Block | undefined;
    for (let view = 1; view <= count; view++) {
      const block = blockOf({
        view,
        height: view,
        parentView: view - 1,
        proposer: 2,
        boundary: view === boundaryAt,
        ...(parent === undefined ? {} : { parentHash: parent.hash }),
      });
      notarized(bench, block);
      blocks.push(block);
      parent = block;
    }
    return blocks;
  };
  const only = (view: number): BenchOptions => ({
    leaderOf: (v) => (v === view ? 1 : 2),
    recovered: { floorView: 0 },
  });

  it("at the boundary of the epoch", () => {
    const bench = leader(only(3));
    const [, boundary] = chain(bench, 2, 2);
    const sent = messages(bench.complete(bench.all));
    expect(ofKind(bench.all, "build")).toEqual([]);
    expect(sent).toContainEqual({
      type: "proposal",
      vote: expect.objectContaining({
        statement: expect.objectContaining({ view: 3, hash: boundary?.hash }),
      }),
      parentView: 2,
      reproposal: true,
    });
  });

  it("when the unfinalized gap is 8, and not at 7", () => {
    const atSeven = leader(only(8));
    chain(atSeven, 7);
    expect(ofKind(atSeven.all, "build").map((effect) => effect.view)).toEqual([8]);
    const atEight = leader({ ...only(9), executedHeight: 8 });
    chain(atEight, 8);
    expect(ofKind(atEight.all, "build")).toEqual([]);
    expect(decided(atEight.all).at(-1)).toBe("notarize 9");
  });

  it("when a new block would pass the execution lag of 16, and not before", () => {
    const recovered = { final: { view: 30, height: 30, hash: GENESIS } };
    const at = (executedHeight: number): Bench =>
      leader({ leaderOf: () => 1, recovered, executedHeight });
    const build = at(15);
    expect(ofKind(build.all, "build")).toHaveLength(1);
    const again = at(14);
    expect(ofKind(again.all, "build")).toEqual([]);
    expect(decided(again.all)).toEqual(["notarize 31"]);
  });

  it("keeps what it knows of the tip when the tip itself is finalized again", () => {
    const recovered = { final: { view: 30, height: 30, hash: GENESIS } };
    const leaderOf = (view: number): number => (view === 32 ? 0 : 1);
    const bench = leader({ leaderOf, recovered, executedHeight: 14 });
    bench.complete(bench.all);
    bench.certify("notarize", 31, GENESIS, [0, 2, 3]);
    bench.certify("finalize", 31, GENESIS, [0, 2, 3]);
    expect(bench.state.final).toMatchObject({ view: 31, height: 30 });
    bench.clear();
    // Execution has caught up: the next block must be possible, for this node and for all others.
    bench.feed({ kind: "executed", height: 30 });
    bench.certify("nullify", 32, undefined, [0, 2, 3]);
    expect(ofKind(bench.all, "build")).toEqual([
      { kind: "build", view: 33, parentHash: GENESIS, parentView: 31 },
    ]);
  });

  it("has nothing more to say once the boundary block is final", () => {
    const bench = leader(only(3));
    const [, boundary] = chain(bench, 2, 2);
    bench.clear();
    bench.certify("finalize", 2, boundary?.hash, [0, 2, 3]);
    bench.wait(2_000);
    bench.fire("idle");
    expect(ofKind(bench.all, "build")).toEqual([]);
    expect(decided(bench.all)).toEqual([]);
  });
});
