/** R7 and R8: what is sent again, what is answered, what is dropped before its signature is checked. */
import { describe, expect, it } from "vitest";
import {
  certificateOf,
  wantsCertificate,
  wantsProposal,
  wantsVote,
} from "../../../src/ledger/consensus/core.ts";
import type { Effect } from "../../../src/ledger/consensus/types.ts";
import {
  Bench,
  type BenchOptions,
  blockOf,
  certificate,
  delayOf,
  described,
  hashOf,
  messages,
  ofKind,
  proposalOf,
  statusOf,
  voteOf,
} from "./support.ts";

const B1 = blockOf({ view: 1, height: 1 });

const started = (options: BenchOptions = {}): Bench => {
  const bench = new Bench(options);
  bench.start();
  bench.clear();
  return bench;
};

describe("R7: when stuck", () => {
  it("sends STATUS after t_r with work waiting, and again after each t_r", () => {
    const bench = started();
    bench.feed({ kind: "work", pending: true });
    bench.clear();
    bench.wait(399);
    expect(described(bench.fire("retry"))).toEqual([]);
    bench.wait(1);
    const effects = bench.fire("retry");
    expect(described(effects)).toEqual(["status"]);
    expect(delayOf(effects, "retry")).toBe(400);
    bench.wait(400);
    expect(described(bench.fire("retry"))).toEqual(["status"]);
  });

  it("asks again for each block without a verdict that a certificate or its own N names", () => {
    const bench = started();
    bench.certify("notarize", 1, B1.hash);
    bench.certify("nullify", 2);
    bench.certify("notarize", 3, hashOf("unseen"));
    bench.clear();
    bench.wait(400);
    const asked = ofKind(bench.fire("retry"), "need");
    expect(asked.map((need) => need.hash)).toEqual([B1.hash, hashOf("unseen")]);
    expect(asked[0]?.sources).toEqual([1, 2, 3]);
    bench.validate(B1);
    bench.wait(400);
    const again = ofKind(bench.fire("retry"), "need");
    expect(again.map((need) => need.hash)).toEqual([hashOf("unseen")]);
  });

  it("asks again for the final block until it knows its height", () => {
    const bench = started();
    bench.certify("finalize", 1, B1.hash);
    bench.clear();
    bench.wait(1_400);
    expect(ofKind(bench.fire("retry"), "need").map((need) => need.hash)).toEqual([B1.hash]);
    bench.validate(B1);
    bench.wait(1_400);
    expect(ofKind(bench.fire("retry"), "need")).toEqual([]);
  });

  it("is quiet while it only waits for an idle leader, and not for longer", () => {
    const bench = started();
    bench.wait(1_399);
    expect(described(bench.fire("retry"))).toEqual([]);
    bench.wait(1);
    expect(described(bench.fire("retry"))).toEqual(["status"]);
  });

  it("is not quiet while an earlier block waits for votes, however idle the leader may be", () => {
    const bench = started();
    bench.offer(B1);
    bench.certify("notarize", 1, B1.hash);
    expect(bench.view).toBe(2);
    bench.wait(400);
    expect(described(bench.fire("retry"))).toContain("status");
  });

  it("is not quiet once a proposal is there or the own timer has fired", () => {
    const bench = started();
    bench.propose(B1);
    bench.wait(400);
    expect(described(bench.fire("retry"))).toEqual(["status"]);
  });

  it("gives what it has just said time to be answered", () => {
    const bench = started();
    bench.feed({ kind: "work", pending: true });
    bench.wait(200);
    bench.fire("view");
    bench.wait(399);
    const effects = bench.fire("retry");
    expect(described(effects)).toEqual([]);
    expect(delayOf(effects, "retry")).toBe(1);
    bench.wait(1);
    expect(described(bench.fire("retry"))).toEqual(["status"]);
  });

  it("sends certificates the second time, to those who have said nothing of the view", () => {
    const bench = started();
    bench.certify("finalize", 1, B1.hash, [1, 2, 3]);
    bench.certify("nullify", 2, undefined, [1, 2, 3]);
    bench.feed({ kind: "work", pending: true });
    bench.wait(400);
    bench.vote(1, "nullify", 3);
    bench.feed({ kind: "status", from: 2, status: statusOf({ view: 3, finalView: 1 }) });
    expect(described(bench.fire("retry"))).toEqual(["status"]);
    bench.wait(400);
    const sent = ofKind(bench.fire("retry"), "send");
    expect(sent.map(({ to, message }) => [to, message.type])).toEqual([
      [3, "certificate"],
      [3, "certificate"],
      ["all", "status"],
    ]);
    bench.certify("nullify", 3, undefined, [1, 2, 3]);
    bench.wait(400);
    expect(described(bench.fire("retry"))).toEqual(["status"]);
  });

  it("sends its own votes of the last views, the newest finalization and the entry certificate", () => {
    const bench = started({ self: 3 });
    bench.certify("finalize", 1, B1.hash, [0, 1, 2]);
    for (let view = 2; view <= 14; view++) {
      bench.wait(60_000);
      bench.complete(bench.fire("view"));
      bench.certify("nullify", view, undefined, [0, 1, 2]);
    }
    bench.wait(60_000);
    bench.fire("retry");
    bench.clear();
    bench.wait(400);
    const sent = [...new Set(described(bench.fire("retry")))];
    const own = sent.filter((text) => text.startsWith("vote"));
    // Views 7 to 14 with a vote; view 15 has none yet.
    expect(own).toEqual([7, 8, 9, 10, 11, 12, 13, 14].map((view) => `vote nullify ${view} by 3`));
    expect(sent.slice(own.length)).toEqual([
      "certificate finalize 1",
      "certificate nullify 14",
      "status",
    ]);
  });

  it("sends a leader's own vote as the proposal", () => {
    const bench = started({ self: 1 });
    bench.feed({ kind: "work", pending: true });
    bench.complete(bench.feed({ kind: "built", view: 1, block: B1 }));
    bench.clear();
    bench.wait(400);
    expect(described(bench.fire("retry"))).toEqual(["proposal notarize 1 by 1", "status"]);
  });

  it("tells a new session where it is, and never itself", () => {
    const bench = started();
    expect(described(bench.feed({ kind: "peer", peer: 2 }))).toEqual(["status"]);
    expect(ofKind(bench.all, "send")[0]?.to).toBe(2);
    expect(bench.feed({ kind: "peer", peer: 0 })).toEqual([]);
    expect(new Bench().feed({ kind: "peer", peer: 2 })).toEqual([]);
  });

  it("asks where it is behind, at most every half t_r a peer", () => {
    const bench = started();
    expect(described(bench.feed({ kind: "behind", peer: 2 }))).toEqual(["status"]);
    bench.wait(199);
    expect(described(bench.feed({ kind: "behind", peer: 2 }))).toEqual([]);
    expect(described(bench.feed({ kind: "behind", peer: 1 }))).toEqual(["status"]);
    bench.wait(1);
    expect(described(bench.feed({ kind: "behind", peer: 2 }))).toEqual(["status"]);
  });
});

describe("R7: a STATUS is answered", () => {
  const answer = (bench: Bench, fields: Parameters<typeof statusOf>[0], from = 2): Effect[] =>
    bench.feed({ kind: "status", from, status: statusOf(fields) });

  it("with nothing where nothing is missing", () => {
    const bench = started();
    expect(answer(bench, { view: 1 })).toEqual([]);
  });

  it("with exactly the votes of the view that its bitmaps lack", () => {
    const bench = started();
    bench.vote(1, "notarize", 1, B1.hash);
    bench.vote(2, "notarize", 1, B1.hash);
    bench.vote(3, "nullify", 1);
    bench.clear();
    const held = {
      notarize: Uint8Array.of(0b0100),
      nullify: Uint8Array.of(0),
      finalize: Uint8Array.of(0b1111),
    };
    expect(described(answer(bench, { view: 1, held }))).toEqual([
      "vote notarize 1 by 1",
      "vote nullify 1 by 3",
    ]);
  });

  it("whatever the length of its bitmaps", () => {
    const bench = started();
    bench.vote(1, "nullify", 1);
    const long = new Uint8Array(32).fill(255);
    const none = new Uint8Array(0);
    const held = { notarize: long, nullify: none, finalize: long };
    expect(described(answer(bench, { view: 1, held }))).toEqual(["vote nullify 1 by 1"]);
  });

  it("with the finalization and the exit certificate to one behind", () => {
    const bench = started();
    bench.certify("finalize", 1, B1.hash);
    bench.certify("nullify", 2);
    bench.certify("nullify", 3);
    bench.clear();
    const sent = described(answer(bench, { view: 2, finalView: 0 }));
    expect(sent.filter((text) => text.startsWith("certificate"))).toEqual([
      "certificate finalize 1",
      "certificate nullify 2",
      "certificate nullify 3",
    ]);
  });

  it("with a question to one ahead: the exact kinds, of that peer", () => {
    const bench = started();
    const effects = answer(bench, { view: 12, finalView: 10 });
    expect(described(effects)).toEqual([
      "request finalize 10",
      "request nullify 11",
      "request notarize 11",
    ]);
    expect(new Set(ofKind(effects, "send").map((effect) => effect.to))).toEqual(new Set([2]));
  });

  it("at most every half t_r a peer", () => {
    const bench = started();
    bench.vote(1, "nullify", 1);
    expect(answer(bench, { view: 1 })).toHaveLength(1);
    bench.wait(199);
    expect(answer(bench, { view: 1 })).toEqual([]);
    expect(answer(bench, { view: 1 }, 3)).toHaveLength(1);
    bench.wait(1);
    expect(answer(bench, { view: 1 })).toHaveLength(1);
  });

  it("without a view being kept for numbers that a peer makes up", () => {
    const bench = started();
    const before = bench.state.views.size;
    for (let i = 0; i < 100; i++) {
      bench.wait(1_000);
      answer(bench, { view: Number.MAX_SAFE_INTEGER - i, finalView: 2 ** 52 + i });
    }
    expect(bench.state.views.size).toBe(before);
  });

  it("never by its own", () => {
    const bench = started();
    bench.vote(1, "nullify", 1);
    expect(answer(bench, { view: 1 }, 0)).toEqual([]);
  });
});

describe("R8: what is wanted", () => {
  const drop = (code: string | undefined, behind = false): unknown => ({
    want: "drop",
    code,
    behind,
  });
  const VERIFY = { want: "verify" };

  it("votes up to the next view, by members, not held, not final", () => {
    const { state } = started();
    expect(wantsVote(state, voteOf(1, "nullify", 2))).toEqual(VERIFY);
    expect(wantsVote(state, voteOf(1, "nullify", 3))).toEqual(drop("consensus.view-ahead", true));
    expect(wantsVote(state, voteOf(4, "nullify", 1))).toEqual(drop("consensus.unknown-signer"));
    expect(wantsVote(state, voteOf(1, "nullify", 0))).toEqual(drop("consensus.stale"));
  });

  it("votes that are held are not checked again", () => {
    const bench = started();
    bench.vote(1, "notarize", 1, B1.hash);
    expect(wantsVote(bench.state, voteOf(1, "notarize", 1, B1.hash))).toEqual(drop(undefined));
    expect(wantsVote(bench.state, voteOf(1, "notarize", 1, hashOf("x")))).toEqual(VERIFY);
  });

  it("no further vote in place of another by a signer who is accused already", () => {
    const bench = started();
    bench.vote(1, "notarize", 1, B1.hash);
    bench.vote(1, "notarize", 1, hashOf("x"));
    // Else one equivocator could have this node verify a signature for every hash it thinks of.
    expect(wantsVote(bench.state, voteOf(1, "notarize", 1, hashOf("y")))).toEqual(drop(undefined));
    expect(wantsVote(bench.state, voteOf(1, "nullify", 1))).toEqual(VERIFY);
  });

  it("votes of final views only where they are evidence", () => {
    const bench = started({ self: undefined });
    bench.vote(1, "notarize", 1, B1.hash);
    bench.certify("finalize", 1, B1.hash, [0, 2, 3]);
    const { state } = bench;
    expect(wantsVote(state, voteOf(1, "finalize", 1, B1.hash))).toEqual(drop("consensus.stale"));
    expect(wantsVote(state, voteOf(1, "finalize", 1, hashOf("x")))).toEqual(VERIFY);
    expect(wantsVote(state, voteOf(2, "nullify", 1))).toEqual(VERIFY);
    bench.vote(2, "nullify", 1);
    expect(wantsVote(state, voteOf(2, "notarize", 1, hashOf("y")))).toEqual(
      drop("consensus.stale"),
    );
  });

  it("proposals by the leader, up to the next view; a second one only to convict it", () => {
    const bench = started();
    const other = blockOf({ view: 1, height: 1, name: "other" });
    const third = blockOf({ view: 1, height: 1, name: "third" });
    expect(wantsProposal(bench.state, proposalOf(B1))).toEqual(VERIFY);
    expect(wantsProposal(bench.state, proposalOf(blockOf({ view: 3, height: 3 })))).toEqual(
      drop("consensus.view-ahead", true),
    );
    const usurped = proposalOf(blockOf({ view: 1, height: 1, proposer: 2 }));
    expect(wantsProposal(bench.state, usurped)).toEqual(drop("consensus.not-leader"));
    bench.propose(B1);
    expect(wantsProposal(bench.state, proposalOf(B1))).toEqual(drop(undefined));
    expect(wantsProposal(bench.state, proposalOf(other))).toEqual(VERIFY);
    bench.propose(other);
    expect(wantsProposal(bench.state, proposalOf(third))).toEqual(drop(undefined));
    bench.certify("finalize", 1, B1.hash);
    expect(wantsProposal(bench.state, proposalOf(other))).toEqual(drop("consensus.stale"));
  });

  it("certificates of any open view, once", () => {
    const bench = started();
    const far = certificate([1, 2, 3], "nullify", 1_000_000);
    expect(wantsCertificate(bench.state, far)).toEqual(VERIFY);
    bench.feed({ kind: "certificate", certificate: far });
    expect(wantsCertificate(bench.state, far)).toEqual(drop(undefined));
    bench.certify("finalize", 1_000_002, B1.hash);
    expect(wantsCertificate(bench.state, far)).toEqual(drop("consensus.stale"));
  });
});

describe("certificates that are served", () => {
  it("are those of open views and the newest finalization", () => {
    const bench = started();
    bench.certify("nullify", 1);
    expect(certificateOf(bench.state, 1, "nullify")?.statement.view).toBe(1);
    expect(certificateOf(bench.state, 1, "notarize")).toBeUndefined();
    const final = { view: 40, height: 40, hash: hashOf("tip") };
    const proof = certificate([1, 2, 3], "finalize", 40, final.hash);
    bench.feed({ kind: "synced", final, certificate: proof });
    expect(certificateOf(bench.state, 40, "finalize")).toBe(proof);
  });

  it("are formed from votes, ascending, and kept", () => {
    const bench = started({ self: undefined });
    for (const signer of [3, 0, 2]) bench.vote(signer, "nullify", 1);
    const [kept] = ofKind(bench.all, "keep");
    expect(kept?.certificate.signers).toEqual([0, 2, 3]);
    expect(messages(bench.all)).toEqual([]);
  });
});
