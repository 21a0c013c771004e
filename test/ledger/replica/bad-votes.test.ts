/**
 * What peers may not say, and what it costs them: the action in the table of errors is what happens, for
 * each code, and the replica goes on as if nothing had been said.
 */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { ERRORS, type ErrorCode } from "../../../src/errors.ts";
import { encodeMessage, type Message } from "../../../src/ledger/wire.ts";
import { createChain, Lab } from "./support.ts";

const DROPPED = "tetrad_messages_dropped_total ";

/** The one code that was counted, and whether the peer was cut off. */
const outcome = (lab: Lab): { code: string; cutOff: boolean } => {
  const codes = [...lab.faults, ...dropped(lab)];
  expect(codes).toHaveLength(1);
  return { code: codes[0] ?? "", cutOff: lab.cutOff.length > 0 };
};

const dropped = (lab: Lab): string[] =>
  [...lab.counts.keys()]
    .filter((name) => name.startsWith(DROPPED))
    .map((name) => name.slice(DROPPED.length));

/** Delivers, and checks that what happened is what the table says of this code. */
const expectCode = (lab: Lab, deliver: () => void, code: ErrorCode): void => {
  deliver();
  expect(outcome(lab)).toEqual({ code, cutOff: ERRORS[code].peer === "disconnect" });
  expect(lab.halts).toEqual([]);
  expect(lab.status.voting).toBe("yes");
};

/** A lab in a view that another validator leads. */
const atForeignView = (): Lab => {
  const lab = new Lab();
  lab.toForeignView();
  return lab;
};

const outsiderOf = (lab: Lab): number => {
  const found = lab.others.find((other) => other !== lab.leader());
  if (found === undefined) throw new Error("no such validator");
  return found;
};

describe("votes and proposals that are refused", () => {
  it("a proposal by a validator that does not lead the view", () => {
    const lab = atForeignView();
    const usurper = outsiderOf(lab);
    const block = lab.block([], { proposer: usurper });
    expectCode(lab, () => lab.tell(usurper, lab.proposal(block)), "consensus.not-leader");
    expect(lab.sent("vote")).toEqual([]);
  });

  it("a vote for view + 2: its sender is told where we are", () => {
    const lab = atForeignView();
    lab.clearSent();
    const { view } = lab.status;
    const sender = outsiderOf(lab);
    const vote = lab.vote(sender, "nullify", view + 2);
    expectCode(lab, () => lab.tell(sender, { type: "vote", vote }), "consensus.view-ahead");
    expect(lab.sent("status").map((frame) => frame.to)).toEqual([lab.peer(sender)]);
    const jobs = lab.verifier.jobs;
    lab.tell(sender, { type: "vote", vote: lab.vote(sender, "nullify", view + 1) });
    expect(lab.verifier.jobs).toBe(jobs + 1);
  });

  it("a vote of a view that is final", () => {
    const lab = new Lab();
    const { certificate } = lab.finalize();
    for (let i = 0; i < 20; i++) lab.finalize();
    lab.counts.clear();
    const vote = lab.vote(1, "nullify", certificate.statement.view);
    expectCode(lab, () => lab.tell(1, { type: "vote", vote }), "consensus.stale");
  });

  it("a vote by a signer that the set does not have", () => {
    const lab = atForeignView();
    const vote = { ...lab.vote(1, "nullify", 1), signer: 4 };
    expectCode(lab, () => lab.tell(1, { type: "vote", vote }), "consensus.unknown-signer");
  });

  it("a vote whose signature is by another key", () => {
    const lab = atForeignView();
    const vote = { ...lab.vote(1, "nullify", lab.status.view), signer: 2 };
    expectCode(lab, () => lab.tell(1, { type: "vote", vote }), "consensus.signature");
  });

  it("a proposal whose leader's signature is forged", () => {
    const lab = atForeignView();
    const block = lab.block();
    const message = lab.proposal(block);
    if (message.type !== "proposal") throw new Error("not a proposal");
    const forged = lab.vote(outsiderOf(lab), "notarize", block.header.view, block.hash);
    const vote = { ...message.vote, signature: forged.signature };
    const leader = lab.leader();
    expectCode(lab, () => lab.tell(leader, { ...message, vote }), "consensus.signature");
  });

  it("a leader's proposal in other hands, where it could be changed: the leader's own still counts", () => {
    const lab = atForeignView();
    const block = lab.block();
    const message = lab.proposal(block);
    if (message.type !== "proposal") throw new Error("not a proposal");
    const relay = outsiderOf(lab);
    // The leader's signature is genuine, but it does not cover the parent's view or the absent block.
    const changed: Message = { ...message, parentView: 1, block: undefined };
    expectCode(lab, () => lab.tell(relay, changed), "consensus.not-leader");
    lab.tell(lab.leader(), message);
    expect(lab.sent("vote").map((frame) => frame.message.vote.statement.kind)).toContain(
      "notarize",
    );
  });

  it("a proposal that carries another kind of vote", () => {
    const lab = atForeignView();
    const leader = lab.leader();
    const block = lab.block();
    const vote = lab.vote(leader, "finalize", block.header.view, block.hash);
    const message: Message = { type: "proposal", vote, parentView: 0, block: block.bytes };
    expectCode(lab, () => lab.tell(leader, message), "encoding.malformed");
  });

  it("a proposal whose block is not the one it votes for", () => {
    const lab = atForeignView();
    const message = lab.proposal(lab.block());
    if (message.type !== "proposal") throw new Error("not a proposal");
    const other = lab.block([], { timeMs: lab.block().header.timeMs + 1 });
    const leader = lab.leader();
    expectCode(lab, () => lab.tell(leader, { ...message, block: other.bytes }), "block.header");
  });

  it("a proposal of another chain", () => {
    const lab = atForeignView();
    const leader = lab.leader();
    const foreign = new Lab({ chain: createChain({ chainId: "another-chain" }) });
    const block = foreign.block();
    const vote = lab.vote(leader, "notarize", lab.status.view, block.hash);
    const message: Message = { type: "proposal", vote, parentView: 0, block: block.bytes };
    expectCode(lab, () => lab.tell(leader, message), "block.wrong-chain");
  });

  it("a message of another epoch: its sender is asked where it is", () => {
    const lab = atForeignView();
    lab.clearSent();
    const vote = lab.vote(1, "nullify", 1, undefined, 7);
    expectCode(lab, () => lab.tell(1, { type: "vote", vote }), "consensus.wrong-epoch");
    expect(lab.sent("status").map((frame) => frame.to)).toEqual([lab.peer(1)]);
    expect(lab.cutOff).toEqual([]);
  });
});

describe("certificates that are refused", () => {
  const far = 40;

  it("with less than a quorum", () => {
    const lab = atForeignView();
    const jobs = lab.verifier.jobs;
    const certificate = lab.certificate("nullify", far, undefined, [1, 2]);
    expectCode(
      lab,
      () => lab.tell(1, { type: "certificate", certificate }),
      "certificate.sub-quorum",
    );
    expect(lab.verifier.jobs).toBe(jobs);
  });

  it("with a signer twice: the encoding cannot even say it, so the bytes are refused", () => {
    const lab = atForeignView();
    const certificate = lab.certificate("nullify", far, undefined, [1, 2, 3]);
    const bytes = encodeMessage({ type: "certificate", certificate });
    // The bitmap of four validators is the byte before the three signatures.
    const at = bytes.length - 3 * 1280 - 1;
    expect(bytes[at]).toBe(0b1110);
    bytes[at] = 0b0110;
    expectCode(lab, () => lab.frame(1, "consensus", bytes), "encoding.malformed");
  });

  it("of a set of another size", () => {
    const lab = atForeignView();
    const certificate = { ...lab.certificate("nullify", far), setSize: 5 };
    expectCode(lab, () => lab.tell(1, { type: "certificate", certificate }), "encoding.malformed");
  });

  it("with one signature of another key among good ones", () => {
    const lab = atForeignView();
    const good = lab.certificate("nullify", far);
    const other = lab.vote(1, "nullify", far + 1);
    const signatures = [other.signature, ...good.signatures.slice(1)];
    const certificate = { ...good, signatures };
    expectCode(
      lab,
      () => lab.tell(1, { type: "certificate", certificate }),
      "certificate.signature",
    );
    expect(lab.status.view).toBeLessThan(far);
  });

  it("of a view that is final, or of another epoch: dropped, and nobody is cut off for it", () => {
    const lab = new Lab();
    const { certificate } = lab.finalize();
    lab.counts.clear();
    const stale = { ...certificate, setSize: 4 };
    expectCode(
      lab,
      () => lab.tell(1, { type: "certificate", certificate: stale }),
      "consensus.stale",
    );
    const other = lab.certificate("nullify", far, undefined, lab.others, 9);
    lab.counts.clear();
    expectCode(
      lab,
      () => lab.tell(1, { type: "certificate", certificate: other }),
      "certificate.wrong-epoch",
    );
    expect(lab.cutOff).toEqual([]);
    expect(lab.status.view).toBeLessThan(far);
  });

  it("beyond 64 a second from one peer, before any signature is checked", () => {
    const lab = atForeignView();
    const jobs = lab.verifier.jobs;
    lab.verifier.hold = true;
    for (let view = 100; view < 170; view++) {
      lab.tell(1, { type: "certificate", certificate: lab.certificate("nullify", view) });
    }
    expect(lab.verifier.jobs - jobs).toBe(64 * 3);
    expect(dropped(lab)).toEqual(["consensus.rate"]);
    expect(lab.cutOff).toEqual([]);
    lab.verifier.release();
    lab.loop.run();
    expect(lab.status.view).toBe(164);
    lab.verifier.hold = false;
    lab.tell(2, { type: "certificate", certificate: lab.certificate("nullify", 200) });
    expect(lab.status.view).toBe(201);
  });

  it("and a good one far ahead is taken", () => {
    const lab = atForeignView();
    lab.tell(1, { type: "certificate", certificate: lab.certificate("nullify", far) });
    expect(lab.status.view).toBe(far + 1);
    expect(lab.faults).toEqual([]);
  });
});

describe("blocks that get no vote", () => {
  const said = (lab: Lab): string[] =>
    lab.sent("vote").map(({ message }) => message.vote.statement.kind);
  const offer = (lab: Lab, change: Parameters<Lab["block"]>[1]): void => {
    lab.clearSent();
    const block = lab.block([], change);
    lab.tell(block.header.proposer, lab.proposal(block));
  };

  it("the control: a good block gets N", () => {
    const lab = atForeignView();
    offer(lab, {});
    expect(new Set(said(lab))).toEqual(new Set(["notarize"]));
  });

  it("with a wrong root: S, and nobody halts", () => {
    const lab = atForeignView();
    lab.finalize();
    lab.toForeignView();
    offer(lab, { stateRoot: new Uint8Array(32).fill(9) });
    expect(new Set(said(lab))).toEqual(new Set(["nullify"]));
    expect(lab.logs.some((line) => line.code === "block.wrong-root")).toBe(true);
    expect(lab.status).toMatchObject({ voting: "yes", problems: [] });
    expect(lab.cutOff).toEqual([]);
  });

  it.each([
    ["height", { height: 5 }],
    ["time", { timeMs: 1 }],
    ["executedHeight", { executedHeight: 1 }],
    ["parentHash", { parentHash: new Uint8Array(32).fill(3) }],
    ["nextSetHash", { nextSetHash: new Uint8Array(32).fill(3) }],
  ])("with a wrong %s: never N", (_field, change) => {
    const lab = atForeignView();
    offer(lab, change);
    lab.time.advance(10_000);
    expect(new Set(said(lab))).toEqual(new Set(["nullify"]));
  });

  it("with a time out of the window: refused live, taken where a quorum has certified it", () => {
    for (const shiftMs of [3_600_000, -3_600_000]) {
      const lab = new Lab();
      lab.finalize();
      lab.toForeignView();
      lab.time.wallOffsetMs = 7_200_000;
      lab.clearSent();
      const block = lab.block([], { timeMs: lab.time.wallMs + shiftMs });
      const { view, proposer } = block.header;
      lab.counts.clear();
      expectCode(lab, () => lab.tell(proposer, lab.proposal(block)), "block.untimely");
      expect(said(lab)).toEqual([]);
      const certificate = lab.certificate("finalize", view, block.hash);
      lab.tell(1, { type: "certificate", certificate });
      expect(toHex(lab.status.finalHash)).toBe(toHex(block.hash));
      expect(said(lab)).toEqual([]);
    }
  });

  it("exactly at the edges of the window it is timely, one beyond it is not", () => {
    const at = (shiftMs: number): string[] => {
      const lab = atForeignView();
      // Far from the genesis time, which a block must exceed anyway.
      lab.time.wallOffsetMs = 60_000;
      offer(lab, { timeMs: lab.time.wallMs + shiftMs });
      return [...new Set(said(lab))];
    };
    expect(at(500)).toEqual(["notarize"]);
    expect(at(501)).toEqual([]);
    expect(at(-2_500)).toEqual(["notarize"]);
    expect(at(-2_501)).toEqual([]);
  });
});
