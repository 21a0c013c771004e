/** What a node answers to a watermark question after it has restarted itself. */
import { describe, expect, it } from "vitest";
import { toHex, ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { metaKey } from "../../../src/ledger/keys.ts";
import { LatestVotes } from "../../../src/ledger/replica/latest-votes.ts";
import type { StatementKind, Vote } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { createChain, Lab } from "./support.ts";

const answerTo = (lab: Lab, index: number): Vote | undefined => {
  lab.clearSent();
  lab.tell(index, { type: "watermark-request", nonce: 9 });
  const [sent] = lab.sent("watermark-response");
  if (sent === undefined) throw new Error("the question was not answered");
  return sent.message.vote;
};

const said = (vote: Vote | undefined): string =>
  vote === undefined ? "nothing" : `${vote.statement.kind} ${vote.statement.view}`;

const restarted = (lab: Lab): Lab => new Lab({ chain: lab.chain, ...lab.disks() });

describe("after a restart a node still knows", () => {
  it("a vote that is in no certificate, from the append that followed it", () => {
    const lab = new Lab();
    lab.finalize();
    lab.toForeignView();
    const view = lab.status.view + 1;
    lab.tell(1, { type: "vote", vote: lab.vote(1, "nullify", view) });
    lab.finalize();
    expect(said(answerTo(lab, 1))).toBe(`nullify ${view}`);
    const again = restarted(lab);
    expect(said(answerTo(again, 1))).toBe(`nullify ${view}`);
    // And from its own restart on, through the next appends, too.
    again.finals.push(...lab.finals);
    expect(said(answerTo(restarted(again), 1))).toBe(`nullify ${view}`);
  });

  it("whoever signed the newest finalization, though the row leaves that out", () => {
    const lab = new Lab();
    const { certificate } = lab.finalize();
    const row = lab.data.rows.get(toHex(metaKey("latest")));
    expect(row?.length).toBeLessThan(3_000);
    const again = restarted(lab);
    const answers = lab.others.map((other) => said(answerTo(again, other)));
    // This node's own F is in the certificate that it formed, with those of two others.
    const finals = answers.filter((answer) => answer === `finalize ${certificate.statement.view}`);
    expect(finals).toHaveLength(2);
  });

  it("nothing of a vote that came after the last append and is in no certificate", () => {
    const lab = new Lab();
    lab.finalize();
    lab.toForeignView();
    const { view } = lab.status;
    lab.tell(1, { type: "vote", vote: lab.vote(1, "nullify", view) });
    expect(said(answerTo(lab, 1))).toBe(`nullify ${view}`);
    expect(said(answerTo(restarted(lab), 1))).not.toBe(`nullify ${view}`);
  });
});

describe("which of two statements is later", () => {
  const chain = createChain();
  const vote = (epoch: number, view: number, kind: StatementKind): Vote => ({
    statement: { epoch, view, kind, hash: ZERO_HASH },
    signer: 1,
    signature: new Uint8Array(LIMITS.falconSignatureBytes),
  });

  it("is told by epoch, then view, then kind: the notarize vote of a view is signed first", () => {
    const latest = new LatestVotes();
    const noted = (next: Vote): string => {
      latest.note(chain.set, next);
      const known = latest.of(chain.set.validators[1]?.id ?? ZERO_HASH);
      return `${known?.statement.epoch} ${said(known)}`;
    };
    expect(noted(vote(0, 9, "notarize"))).toBe("0 notarize 9");
    expect(noted(vote(0, 9, "finalize"))).toBe("0 finalize 9");
    expect(noted(vote(0, 9, "notarize"))).toBe("0 finalize 9");
    expect(noted(vote(0, 8, "finalize"))).toBe("0 finalize 9");
    expect(noted(vote(1, 1, "notarize"))).toBe("1 notarize 1");
    expect(noted(vote(0, 99, "nullify"))).toBe("1 notarize 1");
  });
});

describe("a damaged row", () => {
  it("is named as damage", () => {
    const lab = new Lab();
    lab.finalize();
    const { data, votes } = lab.disks();
    data.set(toHex(metaKey("latest")), new Uint8Array([0, 3, 1]));
    const again = new Lab({ chain: lab.chain, data, votes });
    expect(again.halts.map(({ code }) => code)).toEqual(["store.corrupt"]);
  });
});
