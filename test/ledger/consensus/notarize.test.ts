/** R2, R4, R5: what a validator says about a view, and what it never says. */
import { describe, expect, it } from "vitest";
import { step } from "../../../src/ledger/consensus/core.ts";
import type { Block } from "../../../src/ledger/types.ts";
import {
  Bench,
  type BenchOptions,
  blockOf,
  decided,
  described,
  factsOf,
  GENESIS,
  hashOf,
  ownVote,
  proposalOf,
  reproposalOf,
  voteOf,
} from "./support.ts";

const B1 = blockOf({ view: 1, height: 1 });

const voter = (options: BenchOptions = {}): Bench => {
  const bench = new Bench(options);
  bench.start();
  return bench;
};

describe("R2: N(v, h)", () => {
  it("needs both the proposal and the verdict, in either order", () => {
    const bench = voter();
    bench.propose(B1);
    expect(decided(bench.all)).toEqual([]);
    bench.validate(B1);
    expect(decided(bench.all)).toEqual(["notarize 1"]);
  });

  it("is said once a view, whatever comes later", () => {
    const bench = voter();
    bench.offer(B1);
    bench.offer(blockOf({ view: 1, height: 1, name: "other" }));
    bench.offer(B1);
    expect(decided(bench.all)).toEqual(["notarize 1"]);
  });

  it("is not said for a block whose time was not timely on arrival; the timer gives the view up", () => {
    const bench = voter();
    bench.propose(B1, false);
    bench.validate(B1);
    expect(decided(bench.all)).toEqual([]);
    bench.wait(1_300);
    bench.fire("view");
    expect(decided(bench.all)).toEqual(["nullify 1"]);
  });

  it.each([
    ["another epoch", { view: 1, height: 1, epoch: 4 }],
    ["another view", { view: 2, height: 1 }],
    ["another parent view", { view: 1, height: 1, parentView: 1 }],
    ["another proposer", { view: 1, height: 1, proposer: 3 }],
  ])("is refused at once where the header names %s than the proposal", (_name, spec) => {
    const bench = voter();
    const block = blockOf(spec);
    const proposal = { ...proposalOf(B1), hash: block.hash, block };
    bench.feed({ kind: "proposal", proposal, timely: true });
    expect(decided(bench.all)).toEqual(["nullify 1"]);
  });

  it("is refused at once for an invalid block, and for roots that differ from ours", () => {
    for (const verdict of ["invalid", "wrong-root"] as const) {
      const bench = voter();
      bench.propose(B1);
      bench.validate(B1, verdict);
      expect(decided(bench.all)).toEqual(["nullify 1"]);
      // One proposal with other roots halts nobody: only a quorum outvotes us.
      expect(bench.all.filter((effect) => effect.kind === "diverged")).toEqual([]);
    }
  });

  it("says that we are the odd one out once a quorum has notarized other roots, once", () => {
    const bench = voter();
    bench.propose(B1);
    bench.validate(B1, "wrong-root");
    bench.certify("notarize", 1, B1.hash);
    bench.vote(3, "finalize", 1, B1.hash);
    expect(bench.all.filter((effect) => effect.kind === "diverged")).toHaveLength(1);
    expect(bench.view).toBe(2);
    expect(decided(bench.all)).toEqual(["nullify 1"]);
  });

  it("takes the verdict that a quorum's roots were right after all", () => {
    const bench = voter();
    bench.propose(B1);
    bench.validate(B1, "wrong-root");
    bench.validate(B1, "valid");
    expect(bench.state.blocks.size).toBe(1);
    expect([...bench.state.blocks.values()][0]?.verdict).toBe("valid");
  });

  it("needs the parent's certificate and every nullification between, asked of the leader once", () => {
    const bench = voter({ self: 2 });
    const parent = blockOf({ view: 1, height: 1 });
    bench.validate(parent);
    bench.certify("nullify", 3, undefined, [0, 1, 3]);
    const child = blockOf({ view: 4, height: 2, parentView: 1, parentHash: parent.hash });
    bench.clear();
    bench.offer(child);
    expect(described(bench.all)).toEqual([
      "request nullify 2",
      "request notarize 2",
      "request nullify 1",
      "request notarize 1",
    ]);
    const to = bench.all.flatMap((effect) => (effect.kind === "send" ? [effect.to] : []));
    expect(new Set(to)).toEqual(new Set([0]));
    bench.certify("nullify", 2, undefined, [0, 1, 3]);
    expect(decided(bench.all)).toEqual([]);
    bench.certify("notarize", 1, parent.hash, [0, 1, 3]);
    bench.validate(parent);
    expect(decided(bench.all)).toEqual(["notarize 4"]);
  });

  it("is not said for a block that stands on another hash than the certificate's", () => {
    const bench = voter({ self: 2 });
    bench.offer(B1);
    bench.certify("notarize", 1, B1.hash, [0, 1, 3]);
    bench.clear();
    const child = blockOf({
      view: 2,
      height: 2,
      parentView: 1,
      parentHash: hashOf("other"),
      proposer: 2,
    });
    bench.wait(1);
    bench.propose(child);
    bench.validate(child);
    expect(decided(bench.all)).not.toContain("notarize 2");
  });

  it("is refused at once for a parent below what is final", () => {
    const bench = voter({ self: 3 });
    bench.offer(B1);
    bench.certify("finalize", 1, B1.hash, [0, 1, 2]);
    bench.clear();
    const fork = blockOf({ view: 2, height: 1, parentView: 0, proposer: 2 });
    bench.propose(fork);
    expect(decided(bench.all)).toEqual(["nullify 2"]);
  });

  it("is said for a proposal of the next view once that view is entered", () => {
    const bench = voter({ self: 3 });
    const child = blockOf({ view: 2, height: 2, parentView: 1, parentHash: B1.hash });
    bench.offer(child);
    expect(decided(bench.all)).toEqual([]);
    bench.offer(B1);
    bench.certify("notarize", 1, B1.hash, [0, 1, 2]);
    expect(decided(bench.all)).toEqual(["notarize 1", "finalize 1", "notarize 2"]);
  });

  it("is still said in the step in which its own notarization arrives, so that F can follow", () => {
    const bench = voter();
    bench.propose(B1);
    bench.certify("notarize", 1, B1.hash);
    expect(decided(bench.all)).toEqual([]);
    bench.validate(B1);
    expect(decided(bench.all)).toEqual(["notarize 1", "finalize 1"]);
    expect(bench.view).toBe(2);
  });
});

describe("R2: re-proposals", () => {
  const boundary = blockOf({ view: 1, height: 1, boundary: true });
  const notarizedBoundary = (): Bench => {
    const bench = voter({ self: 3 });
    bench.offer(boundary);
    bench.certify("notarize", 1, boundary.hash, [0, 1, 2]);
    bench.clear();
    return bench;
  };

  it("are voted for by the hash that their view's notarization names, whatever their time", () => {
    const bench = notarizedBoundary();
    const proposal = reproposalOf(2, boundary.hash, 1);
    bench.feed({ kind: "proposal", proposal, timely: false });
    expect(decided(bench.all)).toEqual(["notarize 2"]);
  });

  it("of another hash, or of view 0, get no vote", () => {
    const bench = notarizedBoundary();
    bench.feed({ kind: "proposal", proposal: reproposalOf(2, hashOf("x"), 1), timely: true });
    expect(decided(bench.all)).toEqual([]);
    const fresh = voter({ self: 3 });
    fresh.feed({ kind: "proposal", proposal: reproposalOf(1, GENESIS, 0), timely: true });
    expect(decided(fresh.all)).toEqual(["nullify 1"]);
  });

  it("are the only thing that may follow a boundary block", () => {
    const bench = notarizedBoundary();
    const child = blockOf({ view: 2, height: 2, parentView: 1, parentHash: boundary.hash });
    bench.offer(child);
    expect(decided(bench.all)).toEqual([]);
  });
});

describe("R4: F(v, h)", () => {
  const finalizes = (prepare: (bench: Bench) => void, options: BenchOptions = {}): string[] => {
    const bench = voter(options);
    prepare(bench);
    bench.certify("notarize", 1, B1.hash);
    return decided(bench.all);
  };

  it("follows the certified notarization of what we voted for", () => {
    expect(finalizes((bench) => bench.offer(B1))).toEqual(["notarize 1", "finalize 1"]);
  });

  it("is not said without an own N for that hash", () => {
    expect(finalizes((bench) => bench.validate(B1))).toEqual([]);
    const other = blockOf({ view: 1, height: 1, name: "other" });
    const both = finalizes((bench) => {
      bench.offer(other);
      bench.validate(B1);
    });
    expect(both).toEqual(["notarize 1"]);
  });

  it("is not said while the block has no verdict here, and is said when it gets one", () => {
    // Own N came from before a restart; the block has to be checked again.
    const bench = voter();
    bench.offer(B1);
    const entry = [...bench.state.blocks.values()][0];
    if (entry !== undefined) entry.verdict = undefined;
    bench.certify("notarize", 1, B1.hash);
    expect(decided(bench.all)).toEqual(["notarize 1"]);
    bench.validate(B1);
    expect(decided(bench.all)).toEqual(["notarize 1", "finalize 1"]);
  });

  it("is not said after S, nor when the leader was seen to propose twice", () => {
    const skipped = finalizes((bench) => {
      bench.offer(B1);
      bench.wait(2_000);
      bench.fire("view");
    });
    expect(skipped).toEqual(["notarize 1", "nullify 1"]);
    const twice = finalizes((bench) => {
      bench.offer(B1);
      bench.propose(blockOf({ view: 1, height: 1, name: "other" }));
    });
    expect(twice).toEqual(["notarize 1"]);
  });

  it("is not said when the leader's second N came as a vote or in a certificate", () => {
    const other = hashOf("other");
    const asVote = finalizes((bench) => {
      bench.offer(B1);
      bench.vote(1, "notarize", 1, other);
    });
    expect(asVote).toEqual(["notarize 1"]);
    const asVoteFirst = finalizes((bench) => {
      bench.vote(1, "notarize", 1, other);
      bench.offer(B1);
    });
    expect(asVoteFirst).toEqual(["notarize 1"]);
    // Own N came from before a restart: only the certificate shows that the leader signed for it, too.
    const ownVotes = [ownVote(voteOf(0, "notarize", 1, B1.hash))];
    for (const heard of [undefined, other]) {
      const bench = voter({ recovered: { ownVotes } });
      if (heard !== undefined) bench.vote(1, "notarize", 1, heard);
      bench.validate(B1);
      bench.certify("notarize", 1, B1.hash, [0, 1, 2]);
      expect(decided(bench.all)).toEqual(heard === undefined ? ["finalize 1"] : []);
    }
  });

  it("is said all the same when somebody else signed two N", () => {
    const said = finalizes((bench) => {
      bench.offer(B1);
      bench.vote(2, "notarize", 1, hashOf("other"));
      bench.vote(2, "notarize", 1, B1.hash);
    });
    expect(said).toEqual(["notarize 1", "finalize 1"]);
  });

  it("is still said after a nullification of its view, until something at or above is final", () => {
    const bench = voter();
    bench.offer(B1);
    bench.certify("nullify", 1);
    expect(bench.view).toBe(2);
    bench.certify("notarize", 1, B1.hash);
    expect(decided(bench.all)).toEqual(["notarize 1", "finalize 1"]);
  });
});

describe("R5: S(v)", () => {
  it("is said once, on the own timer", () => {
    const bench = voter();
    bench.wait(1_200);
    expect(decided(bench.fire("view"))).toEqual(["nullify 1"]);
    bench.wait(5_000);
    expect(decided(bench.fire("view"))).toEqual([]);
  });

  it("is never said after F, even when the timer fires", () => {
    // View 1 ends with the notarization; only a core held in the view by force could be asked.
    const bench = voter();
    bench.offer(B1);
    bench.certify("notarize", 1, B1.hash);
    bench.state.view = 1;
    bench.wait(20_000);
    expect(decided(bench.fire("view"))).toEqual([]);
    expect(decided(bench.vote(1, "nullify", 1))).toEqual([]);
  });

  it("excludes N afterwards", () => {
    const bench = voter();
    bench.wait(1_200);
    bench.fire("view");
    bench.offer(B1);
    expect(decided(bench.all)).toEqual(["nullify 1"]);
  });

  it("follows the leader's own S at once, and nobody else's", () => {
    const bench = voter();
    bench.vote(2, "nullify", 1);
    expect(decided(bench.all)).toEqual([]);
    bench.vote(1, "nullify", 1);
    expect(decided(bench.all)).toEqual(["nullify 1"]);
  });

  it("may follow N: {N, S} is legal, and neither is evidence", () => {
    const bench = voter();
    bench.offer(B1);
    bench.wait(2_000);
    bench.complete(bench.fire("view"));
    expect(decided(bench.all)).toEqual(["notarize 1", "nullify 1"]);
    expect(bench.all.filter((effect) => effect.kind === "evidence")).toEqual([]);
  });

  it("is said at once in views of quarantined leaders, until they are quarantined no more", () => {
    const bench = voter();
    bench.feed({ kind: "quarantined", signers: [1, 2] });
    expect(decided(bench.all)).toEqual(["nullify 1"]);
    bench.clear();
    bench.feed({ kind: "quarantined", signers: [] });
    bench.certify("nullify", 1);
    expect(decided(bench.all)).toEqual([]);
  });

  it("is said at once for a leader unheard for t_skip while a quorum was heard", () => {
    const bench = voter();
    bench.wait(4_999);
    bench.vote(2, "nullify", 2);
    bench.vote(3, "nullify", 2);
    expect(decided(bench.all)).toEqual([]);
    bench.wait(1);
    bench.vote(3, "notarize", 2, B1.hash);
    expect(decided(bench.all)).toEqual(["nullify 1"]);
  });

  it("is not said for silence when less than a quorum was heard: then we are the one cut off", () => {
    const bench = voter();
    bench.wait(6_000);
    bench.vote(3, "nullify", 2);
    expect(decided(bench.all)).toEqual([]);
  });

  it("is not said by a halted core, nor at or below the floor", () => {
    const floored = voter({ recovered: { floorView: 2 } });
    floored.wait(3_000);
    floored.fire("view");
    expect(decided(floored.all)).toEqual([]);
    floored.certify("nullify", 2);
    floored.wait(3_000);
    expect(decided(floored.fire("view"))).toEqual(["nullify 3"]);
    const halted = voter();
    halted.vote(0, "nullify", 1);
    expect(step(halted.state, { kind: "timer", name: "view" }, 99_999)).toEqual([]);
  });
});

describe("facts of blocks", () => {
  it("of unknown hashes are ignored", () => {
    const bench = voter();
    const stranger: Block = blockOf({ view: 7, height: 7 });
    bench.feed({ kind: "validated", facts: factsOf(stranger), verdict: "valid" });
    expect(bench.state.blocks.size).toBe(0);
  });
});
