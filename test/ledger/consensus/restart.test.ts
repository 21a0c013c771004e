/** What a core makes of what survived: nothing is unsaid, nothing is signed twice, nothing is lost. */
import { describe, expect, it } from "vitest";
import type { Recovered } from "../../../src/ledger/consensus/types.ts";
import {
  Bench,
  blockOf,
  certificate,
  decided,
  described,
  messages,
  ofKind,
  ownVote,
  voteOf,
} from "./support.ts";

const B1 = blockOf({ view: 1, height: 1 });
const B2 = blockOf({ view: 2, height: 2, parentView: 1, parentHash: B1.hash });

const restarted = (recovered: Partial<Recovered>, self = 0): Bench => {
  const bench = new Bench({ self, recovered });
  bench.start();
  return bench;
};

describe("a restart", () => {
  it("goes on in the highest view it signed in", () => {
    const ownVotes = [ownVote(voteOf(0, "nullify", 7)), ownVote(voteOf(0, "nullify", 6))];
    expect(restarted({ ownVotes }).view).toBe(7);
  });

  it("does not decide again what it decided before", () => {
    const notarized = restarted({ ownVotes: [ownVote(voteOf(0, "notarize", 1, B1.hash))] });
    notarized.offer(blockOf({ view: 1, height: 1, name: "other" }));
    expect(decided(notarized.all)).toEqual([]);
    const skipped = restarted({ ownVotes: [ownVote(voteOf(0, "nullify", 1))] });
    skipped.offer(B1);
    skipped.wait(9_000);
    skipped.fire("view");
    expect(decided(skipped.all)).toEqual([]);
    const finalized = restarted({ ownVotes: [ownVote(voteOf(0, "finalize", 1, B1.hash))] });
    finalized.offer(blockOf({ view: 1, height: 1, name: "other" }));
    finalized.wait(9_000);
    finalized.fire("view");
    expect(decided(finalized.all)).toEqual([]);
  });

  it("sends the same bytes again to whoever connects", () => {
    const vote = voteOf(0, "notarize", 1, B1.hash);
    const bench = restarted({ ownVotes: [ownVote(vote)] });
    bench.clear();
    bench.feed({ kind: "peer", peer: 2 });
    expect(messages(bench.all)).toContainEqual({ type: "vote", vote });
  });

  it("sends an own proposal again as the proposal that it was", () => {
    const vote = voteOf(1, "notarize", 1, B1.hash);
    const proposed = { parentView: 0, reproposal: false };
    const bench = restarted({ ownVotes: [ownVote(vote, proposed)] }, 1);
    bench.feed({ kind: "work", pending: true });
    expect(ofKind(bench.all, "build")).toEqual([]);
    bench.clear();
    bench.feed({ kind: "peer", peer: 2 });
    expect(messages(bench.all)).toContainEqual({ type: "proposal", vote, ...proposed });
  });

  it("asks for the blocks that own votes and certificates name, once it has started", () => {
    const recovered = {
      ownVotes: [ownVote(voteOf(0, "notarize", 2, B2.hash))],
      certificates: [certificate([1, 2, 3], "notarize", 1, B1.hash)],
    };
    const bench = new Bench({ recovered });
    const needs = ofKind(bench.start(), "need").map((effect) => effect.hash);
    expect(needs).toContainEqual(B1.hash);
    expect(needs).toContainEqual(B2.hash);
  });

  it("says F for what it had notarized once the block is checked again", () => {
    const bench = restarted({
      ownVotes: [ownVote(voteOf(0, "notarize", 1, B1.hash))],
      certificates: [certificate([1, 2, 3], "notarize", 1, B1.hash)],
    });
    expect(decided(bench.all)).toEqual([]);
    expect(bench.view).toBe(1);
    bench.validate(B1);
    expect(decided(bench.all)).toEqual(["finalize 1"]);
    expect(bench.view).toBe(2);
  });

  it("counts its own old votes toward certificates", () => {
    const bench = restarted({ ownVotes: [ownVote(voteOf(0, "nullify", 1))] });
    bench.vote(2, "nullify", 1);
    bench.vote(3, "nullify", 1);
    expect(bench.view).toBe(2);
  });

  it("goes on from the certificates it kept, and serves the newest finalization", () => {
    const finalization = certificate([1, 2, 3], "finalize", 1, B1.hash);
    const bench = restarted({
      final: { view: 1, height: 1, hash: B1.hash },
      finalization,
      certificates: [certificate([1, 2, 3], "nullify", 2), certificate([1, 2, 3], "nullify", 3)],
    });
    expect(bench.view).toBe(4);
    bench.clear();
    expect(described(bench.feed({ kind: "peer", peer: 1 }))).toEqual([
      "certificate finalize 1",
      "certificate nullify 3",
      "status",
    ]);
  });

  it("forgets own votes of views that are final", () => {
    const bench = restarted({
      final: { view: 3, height: 3, hash: B1.hash },
      ownVotes: [ownVote(voteOf(0, "nullify", 2)), ownVote(voteOf(0, "notarize", 3, B1.hash))],
    });
    expect(bench.view).toBe(4);
    expect([...bench.state.views.keys()]).toEqual([4]);
  });

  it("takes a finalization among what it kept as final, and says so", () => {
    const bench = restarted({ certificates: [certificate([1, 2, 3], "finalize", 5, B1.hash)] });
    expect(
      ofKind(bench.all, "finalized").map((effect) => effect.certificate.statement.view),
    ).toEqual([5]);
    expect(bench.view).toBe(6);
  });

  it("emits nothing before it is started", () => {
    const bench = new Bench({
      recovered: { certificates: [certificate([1, 2, 3], "nullify", 1)] },
    });
    expect(bench.vote(2, "nullify", 2)).toEqual([]);
    expect(ofKind(bench.start(), "entered").at(-1)?.view).toBe(2);
  });

  it("says so where what it kept holds a statement of its own that its votes do not", () => {
    const bench = new Bench({
      self: 0,
      recovered: { certificates: [certificate([0, 1, 2], "nullify", 1)] },
    });
    const forgotten = ofKind(bench.feed({ kind: "start" }), "forgotten");
    expect(forgotten.map((effect) => effect.statement.view)).toEqual([1]);
    expect(bench.view).toBe(2);
  });

  it("reports contradictions by others that it kept, once", () => {
    const bench = new Bench({
      recovered: {
        certificates: [
          certificate([1, 2, 3], "nullify", 1),
          certificate([1, 2, 3], "finalize", 1, B1.hash),
        ],
      },
    });
    expect(ofKind(bench.start(), "evidence").map((effect) => effect.first.signer)).toEqual([
      1, 2, 3,
    ]);
    expect(ofKind(bench.vote(2, "nullify", 2), "evidence")).toEqual([]);
  });
});
