/** The watermark: a key votes only where its vote store is whole, and peers know nothing that it does not. */
import { describe, expect, it } from "vitest";
import type { Vote } from "../../../src/ledger/types.ts";
import { Lab } from "./support.ts";

const codes = (lab: Lab): string[] => lab.status.problems.map((problem) => problem.code);

/** Whether it votes when a correct leader proposes. */
const votes = (lab: Lab): boolean => {
  lab.clearSent();
  lab.toForeignView();
  const block = lab.block();
  lab.tell(block.header.proposer, lab.proposal(block));
  lab.time.advance(20_000);
  return lab.sent("vote").length > 0;
};

const answer = (lab: Lab, from: number, vote?: Vote): void => {
  const question = lab.sent("watermark-request").find((frame) => frame.to === lab.peer(from));
  if (question === undefined) throw new Error(`validator ${from} was not asked`);
  const { nonce } = question.message;
  lab.tell(from, { type: "watermark-response", nonce, vote });
};

describe("the watermark", () => {
  it("with a refusal to vote: readiness says so with its code", () => {
    const lab = new Lab({ votesMissing: true });
    lab.finalize();
    expect(lab.status.voting).toBe("refused");
    const { reasons } = lab.handle.ready();
    expect(reasons.some((reason) => reason.startsWith("node.not-voting: "))).toBe(true);
  });

  it("is asked of every peer before anything is signed", () => {
    const lab = new Lab({ watermark: false });
    expect(lab.sent("watermark-request").map((frame) => frame.to)).toEqual(
      lab.others.map((other) => lab.peer(other)),
    );
    expect(lab.status.voting).toBe("asking");
    expect(votes(lab)).toBe(false);
    expect(lab.signatures).toBe(0);
  });

  it("needs answers of a quorum with itself", () => {
    const lab = new Lab({ watermark: false });
    answer(lab, 1);
    expect(lab.status.voting).toBe("asking");
    answer(lab, 1);
    expect(lab.status.voting).toBe("asking");
    answer(lab, 2);
    expect(lab.status.voting).toBe("yes");
    expect(votes(lab)).toBe(true);
  });

  it("is asked again until it is answered, and of peers that connect later", () => {
    const lab = new Lab({ watermark: false, connect: false });
    lab.time.advance(5_000);
    expect(lab.sent("watermark-request")).toEqual([]);
    lab.connect(1);
    expect(lab.sent("watermark-request")).toHaveLength(1);
    lab.time.advance(2_000);
    expect(lab.sent("watermark-request").length).toBeGreaterThan(2);
    lab.connect(2);
    answer(lab, 1);
    answer(lab, 2);
    lab.clearSent();
    lab.time.advance(5_000);
    expect(lab.sent("watermark-request")).toEqual([]);
  });

  it("is not answered by another nonce", () => {
    const lab = new Lab({ watermark: false });
    for (const from of [1, 2, 3]) {
      lab.tell(from, { type: "watermark-response", nonce: 1, vote: undefined });
    }
    expect(lab.status.voting).toBe("asking");
  });

  it("behind what a peer shows: the node refuses to vote and says so", () => {
    const lab = new Lab({ watermark: false });
    answer(lab, 1, lab.vote(lab.self, "nullify", 30));
    expect(lab.status.voting).toBe("refused");
    expect(codes(lab)).toEqual(["votes.behind"]);
    answer(lab, 2);
    answer(lab, 3);
    expect(votes(lab)).toBe(false);
    expect(lab.halts).toEqual([]);
  });

  it("takes no forged vote for it: the peer is cut off", () => {
    const lab = new Lab({ watermark: false });
    const forged = { ...lab.vote(2, "nullify", 30), signer: lab.self };
    answer(lab, 1, forged);
    expect(lab.cutOff).toEqual(["consensus.signature"]);
    expect(lab.status.voting).toBe("asking");
  });

  it("knows its own statements again after a restart, and votes", () => {
    const lab = new Lab();
    lab.toForeignView();
    const block = lab.block();
    lab.tell(block.header.proposer, lab.proposal(block));
    const own = lab.sent("vote")[0]?.message.vote;
    expect(own?.signer).toBe(lab.self);
    const after = new Lab({ chain: lab.chain, ...lab.disks(), watermark: false });
    answer(after, 1, own);
    answer(after, 2, own);
    expect(after.status.voting).toBe("yes");
  });

  it("with the data wiped and the votes kept: votes, and contradicts nothing", () => {
    const lab = new Lab();
    for (let i = 0; i < 5; i++) lab.finalize();
    lab.toForeignView();
    const block = lab.block();
    lab.tell(block.header.proposer, lab.proposal(block));
    const own = lab.sent("vote").at(-1)?.message.vote;
    const after = new Lab({ chain: lab.chain, votes: lab.disks().votes, watermark: false });
    answer(after, 1, own);
    answer(after, 2, own);
    expect(after.status.voting).toBe("yes");
    expect(after.signatures).toBe(0);
    expect(after.status.view).toBe(own?.statement.view);
  });

  it("with an older vote store: refuses as soon as peers show what it forgot", () => {
    const lab = new Lab();
    lab.finalize();
    const old = lab.disks().votes;
    lab.toForeignView();
    const block = lab.block();
    lab.tell(block.header.proposer, lab.proposal(block));
    const own = lab.sent("vote").at(-1)?.message.vote;
    const after = new Lab({
      chain: lab.chain,
      data: lab.disks().data,
      votes: old,
      watermark: false,
    });
    answer(after, 1, own);
    expect(after.status.voting).toBe("refused");
    expect(codes(after)).toEqual(["votes.behind"]);
  });

  it("without a vote store, or with that of another key: refuses and says so", () => {
    const missing = new Lab({ votesMissing: true });
    expect(missing.status.voting).toBe("refused");
    expect(codes(missing)).toEqual(["votes.missing"]);
    expect(votes(missing)).toBe(false);
    const other = new Lab({ self: 1 });
    const foreign = new Lab({ votes: other.disks().votes });
    expect(foreign.status.voting).toBe("refused");
    expect(codes(foreign)).toEqual(["votes.missing"]);
    // It follows all the same.
    foreign.tell(1, { type: "certificate", certificate: foreign.certificate("nullify", 5) });
    expect(foreign.status.view).toBe(6);
  });

  it("without a vote store: what its key signed before is no reason to stop, it follows on", () => {
    const lab = new Lab({ votesMissing: true });
    const { view } = lab.status;
    lab.tell(1, { type: "vote", vote: lab.vote(lab.self, "nullify", view) });
    const certificate = lab.certificate("nullify", view, undefined, [0, 1, 2]);
    lab.tell(2, { type: "certificate", certificate });
    expect(lab.halts).toEqual([]);
    expect(lab.status.view).toBe(view + 1);
    expect(codes(lab)).toEqual(["votes.missing"]);
    // The certificate is on its disk now, and found there after a restart.
    const after = new Lab({ chain: lab.chain, data: lab.disks().data, votesMissing: true });
    expect(after.halts).toEqual([]);
    expect(codes(after)).toEqual(["votes.missing"]);
    expect(after.status.view).toBe(view + 1);
    after.finalize();
    expect(after.status.finalHeight).toBe(1);
    expect(votes(after)).toBe(false);
  });

  it("with an older vote store: a certificate or vote shows that as an answer does", () => {
    for (const kind of ["certificate", "vote"] as const) {
      const lab = new Lab({ watermark: false });
      const { view } = lab.status;
      const certificate = lab.certificate("nullify", view, undefined, [0, 1, 2]);
      if (kind === "certificate") lab.tell(1, { type: "certificate", certificate });
      else lab.tell(1, { type: "vote", vote: lab.vote(lab.self, "nullify", view) });
      expect(lab.halts).toEqual([]);
      expect(lab.status.voting).toBe("refused");
      expect(codes(lab)).toEqual(["votes.behind"]);
      // Whatever peers answer now, it stays refused.
      for (const from of [1, 2, 3]) answer(lab, from);
      expect(lab.status.voting).toBe("refused");
      expect(votes(lab)).toBe(false);
    }
  });

  it("with an older vote store than the data beside it: refuses, and follows on", () => {
    const lab = new Lab();
    const old = lab.disks().votes;
    const { view } = lab.status;
    lab.time.advance(20_000);
    expect(lab.sent("vote").at(-1)?.message.vote.statement).toMatchObject({ view });
    lab.tellVotes("nullify", view, undefined, [1, 2]);
    expect(lab.status.view).toBe(view + 1);
    const after = new Lab({ chain: lab.chain, data: lab.disks().data, votes: old });
    expect(after.halts).toEqual([]);
    expect(codes(after)).toEqual(["votes.behind"]);
    expect(after.status.view).toBe(view + 1);
    expect(votes(after)).toBe(false);
  });

  it("answers others with the latest verified vote it has seen of them", () => {
    const lab = new Lab();
    lab.toForeignView();
    const asker = 2;
    const ask = (): unknown => {
      lab.clearSent();
      lab.tell(asker, { type: "watermark-request", nonce: 9 });
      return lab.sent("watermark-response")[0]?.message;
    };
    const { view } = lab.status;
    const first = ask();
    const vote = lab.vote(asker, "nullify", view);
    lab.tell(1, { type: "vote", vote });
    expect(ask()).toEqual({ type: "watermark-response", nonce: 9, vote });
    expect(first).not.toEqual({ type: "watermark-response", nonce: 9, vote });
    lab.tell(3, { type: "vote", vote: { ...lab.vote(1, "nullify", view + 1), signer: asker } });
    expect(ask()).toEqual({ type: "watermark-response", nonce: 9, vote });
  });

  it("answers with the vote that binds its signer most, where there are several of one view", () => {
    const lab = new Lab();
    lab.toForeignView();
    const asker = 2;
    const { view } = lab.status;
    const skip = lab.vote(asker, "nullify", view);
    lab.tell(1, { type: "vote", vote: skip });
    // A notarize vote of the same view that comes later was signed earlier.
    lab.tell(1, { type: "vote", vote: lab.vote(asker, "notarize", view, lab.block().hash) });
    lab.clearSent();
    lab.tell(asker, { type: "watermark-request", nonce: 9 });
    const vote = lab.sent("watermark-response")[0]?.message.vote;
    expect(vote?.statement.kind).toBe("nullify");
  });

  it("such a statement in what catching up brings: stops who votes, is refused or followed else", () => {
    const source = new Lab({ self: 3 });
    for (let i = 0; i < 5; i++) source.finalize();
    const statementHash = source.finals.at(-1)?.block.hash;
    const { view = 0 } = source.finals.at(-1)?.certificate.statement ?? {};
    const sync = (lab: Lab, signers: readonly number[]): void => {
      const none = new Uint8Array(1);
      const status = {
        epoch: 0,
        view: 1,
        finalView: 0,
        finalHeight: 5,
        finalHash: source.chain.hash,
      };
      const held = { notarize: none, nullify: none, finalize: none };
      lab.tell(1, { type: "status", status: { ...status, held } });
      lab.tell(1, {
        type: "sync-response",
        from: 1,
        certificate: source.certificate("finalize", view, statementHash, signers),
        blocks: source.finals.map(({ block }) => ({ block: block.bytes, batches: [] })),
      });
    };
    const { chain } = source;
    const voting = new Lab({ chain });
    sync(voting, [0, 1, 2]);
    expect(voting.halts.map((failure) => failure.code)).toEqual(["votes.foreign-statement"]);
    expect(voting.status.finalHeight).toBe(0);
    const asking = new Lab({ chain, watermark: false });
    sync(asking, [0, 1, 2]);
    expect(codes(asking)).toEqual(["votes.behind"]);
    expect(asking.status.finalHeight).toBe(5);
    const missing = new Lab({ chain, votesMissing: true });
    sync(missing, [0, 1, 2]);
    expect(codes(missing)).toEqual(["votes.missing"]);
    expect(missing.status.finalHeight).toBe(5);
    const others = new Lab({ chain });
    sync(others, [1, 2, 3]);
    expect(others.halts).toEqual([]);
    expect(others.status).toMatchObject({ finalHeight: 5, voting: "yes" });
    // What it has signed itself and may forget: its own store, with the data wiped.
    const life = new Lab({ chain });
    const lastView = (): number => life.finals.at(-1)?.certificate.statement.view ?? 0;
    // Who leads which view depends on the keys: it goes on until it has signed in that view or a later one.
    while (lastView() < view) life.finalize();
    const wiped = new Lab({ chain, votes: life.disks().votes });
    sync(wiped, [0, 1, 2]);
    expect(wiped.halts).toEqual([]);
    expect(wiped.status).toMatchObject({ finalHeight: 5, voting: "yes" });
  });

  it("a statement of this key that was not made here stops the node for good", () => {
    const lab = new Lab();
    lab.toForeignView();
    lab.tell(1, { type: "vote", vote: lab.vote(lab.self, "nullify", lab.status.view) });
    expect(lab.halts.map((failure) => failure.code)).toEqual(["votes.foreign-statement"]);
    expect(lab.status.voting).toBe("halted");
    expect(votes(lab)).toBe(false);
  });
});
