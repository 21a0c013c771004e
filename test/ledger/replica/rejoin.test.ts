/** A node that was away: a certificate names a block that it gets only after it has caught up. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { type FinalBlock, Lab } from "./support.ts";

const HEIGHTS = 20;

const grown = (): Lab => {
  const lab = new Lab();
  for (let i = 0; i < HEIGHTS; i++) lab.finalize();
  return lab;
};
const SOURCE = grown();

/** The block of the view after the last final one, notarized and not final. */
const open = (() => {
  SOURCE.toForeignView();
  const block = SOURCE.block();
  return { block, view: block.header.view };
})();

const claimAndServe = (lab: Lab, finals: readonly FinalBlock[]): void => {
  const none = new Uint8Array(1);
  const last = finals.at(-1);
  if (last === undefined) throw new Error("nothing to serve");
  lab.tell(1, {
    type: "status",
    status: {
      epoch: 0,
      view: open.view,
      finalView: last.certificate.statement.view,
      finalHeight: last.block.header.height,
      finalHash: last.block.hash,
      held: { notarize: none, nullify: none, finalize: none },
    },
  });
  lab.tell(1, {
    type: "sync-response",
    from: finals[0]?.block.header.height ?? 0,
    certificate: { ...last.certificate, setSize: 4 },
    blocks: finals.map(({ block }) => ({ block: block.bytes, batches: [] })),
  });
};

const askedFor = (lab: Lab): string[] =>
  lab.sent("block-request").map(({ message }) => toHex(message.hash));

describe("a block that a certificate names, while catching up moves the tip by more than 16", () => {
  it("is still wanted when it comes, and its view is left", () => {
    const lab = new Lab({ chain: SOURCE.chain });
    lab.tell(1, {
      type: "certificate",
      certificate: SOURCE.certificate("notarize", open.view, open.block.hash),
    });
    expect(askedFor(lab)).toEqual([toHex(open.block.hash)]);
    claimAndServe(lab, SOURCE.finals);
    expect(lab.status.executedHeight).toBe(HEIGHTS);
    expect(lab.status.view).toBe(open.view);
    lab.tell(1, { type: "block", block: open.block.bytes });
    expect(lab.status.view).toBe(open.view + 1);
    expect(lab.halts).toEqual([]);
  });

  it("is asked for again and again until somebody has it", () => {
    const lab = new Lab({ chain: SOURCE.chain });
    lab.tell(1, {
      type: "certificate",
      certificate: SOURCE.certificate("notarize", open.view, open.block.hash),
    });
    claimAndServe(lab, SOURCE.finals);
    const peers = new Set<string>();
    for (let i = 0; i < 8; i++) {
      lab.clearSent();
      lab.time.advance(1_000);
      for (const { to, message } of lab.sent("block-request")) {
        if (toHex(message.hash) === toHex(open.block.hash)) peers.add(to);
      }
    }
    expect([...peers].sort()).toEqual(lab.others.map((other) => lab.peer(other)).sort());
  });
});

describe("a block that no certificate names", () => {
  it("is given up when catching up has passed it by 16 heights", () => {
    const lab = new Lab({ chain: SOURCE.chain });
    // A proposal whose parent nobody can show: the parent is wanted for the child's sake alone.
    const view = lab.leader(1) === lab.self ? 2 : 1;
    const at = { parentView: 0, view, proposer: lab.leader(view) };
    const lost = SOURCE.block([], { ...at, height: 3 });
    const child = SOURCE.block([], { ...at, height: 4, parentHash: lost.hash });
    lab.tell(at.proposer, SOURCE.proposal(child));
    expect(askedFor(lab)).toEqual([toHex(lost.hash)]);
    claimAndServe(lab, SOURCE.finals);
    lab.clearSent();
    lab.time.advance(5_000);
    expect(askedFor(lab)).not.toContain(toHex(lost.hash));
  });
});
