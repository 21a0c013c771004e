/** What was written for a vote and did not become final leaves the store again; nothing else does. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { batchKey, blockKey } from "../../../src/ledger/keys.ts";
import type { Batch, Block } from "../../../src/ledger/types.ts";
import { Lab, putEvent } from "./support.ts";

const bytesOf = (lab: Lab, area = ""): number => {
  const prefix = Buffer.from(area, "latin1").toString("hex");
  let bytes = 0;
  for (const [key, value] of lab.data.rows) {
    if (key.startsWith(prefix)) bytes += key.length / 2 + value.length;
  }
  return bytes;
};

const big = (name: string): ReturnType<typeof putEvent>[] =>
  Array.from({ length: 15 }, (_, i) => putEvent(`${name}.${i}`, 50_000));

const holds = (lab: Lab, what: Block | Batch): boolean =>
  lab.data.rows.has(toHex("batchDigests" in what ? blockKey(what.hash) : batchKey(what.digest)));

/** A leader shows a block to this node alone; it votes for it. */
const show = (lab: Lab, batches: readonly Batch[]): Block => {
  lab.toForeignView();
  const block = lab.block(batches);
  lab.tell(block.header.proposer, lab.proposal(block));
  if (batches.length > 0) {
    const encoded = batches.map((batch) => batch.bytes);
    lab.tell(block.header.proposer, { type: "batches", batches: encoded });
  }
  const voted = lab.sent("vote").map(({ message }) => toHex(message.vote.statement.hash));
  expect(voted).toContain(toHex(block.hash));
  return block;
};

const skip = (lab: Lab): void => lab.tellVotes("nullify", lab.status.view);

describe("blocks that were voted for and lost", () => {
  it("leave the store with their batches when their height is final, however many they were", () => {
    const lab = new Lab();
    lab.finalize();
    const before = bytesOf(lab, "b/") + bytesOf(lab, "d/");
    let blocks = 0;
    for (let i = 0; i < 20; i++) {
      const batch = lab.batch(lab.chain.alice, big(`lost ${i}`));
      const lost = show(lab, [batch]);
      expect(holds(lab, lost) && holds(lab, batch)).toBe(true);
      skip(lab);
      blocks += lab.finalize().block.bytes.length + 34;
      expect(holds(lab, lost) || holds(lab, batch)).toBe(false);
    }
    expect(bytesOf(lab, "b/") + bytesOf(lab, "d/")).toBe(before + blocks);
    expect(bytesOf(lab, "o/")).toBe(0);
    expect(lab.halts).toEqual([]);
  });

  it("leave it when the others' blocks are caught up with, too", () => {
    const source = new Lab();
    for (let i = 0; i < 3; i++) source.finalize();
    const lab = new Lab({ chain: source.chain });
    const batch = lab.batch(lab.chain.alice);
    const lost = show(lab, [batch]);
    const { certificate } = source.finals.at(-1) ?? { certificate: undefined };
    if (certificate === undefined) throw new Error("nothing is final");
    const none = new Uint8Array(1);
    const held = { notarize: none, nullify: none, finalize: none };
    const { epoch, view, hash } = certificate.statement;
    const status = {
      epoch,
      view: view + 1,
      finalView: view,
      finalHeight: 3,
      finalHash: hash,
      held,
    };
    lab.tell(1, { type: "status", status });
    lab.tell(1, {
      type: "sync-response",
      from: 1,
      certificate: { ...certificate, setSize: 4 },
      blocks: source.finals.map(({ block }) => ({ block: block.bytes, batches: [] })),
    });
    expect(lab.status.finalHeight).toBe(3);
    expect(holds(lab, lost) || holds(lab, batch)).toBe(false);
  });

  it("leave it after a restart", () => {
    const lab = new Lab();
    lab.finalize();
    const batch = lab.batch(lab.chain.alice);
    const lost = show(lab, [batch]);
    skip(lab);
    const again = new Lab({ chain: lab.chain, ...lab.disks() });
    expect(holds(again, lost) && holds(again, batch)).toBe(true);
    again.finals.push(...lab.finals);
    again.toForeignView();
    again.finalize();
    expect(again.status.finalHeight).toBe(2);
    expect(holds(again, lost) || holds(again, batch)).toBe(false);
    expect(bytesOf(again, "o/")).toBe(0);
  });
});

describe("a batch that a lost block names", () => {
  it("stays where the final block of that height names it", () => {
    const lab = new Lab();
    lab.finalize();
    const [shared, only] = [lab.batch(lab.chain.alice), lab.batch(lab.chain.reader)];
    const lost = show(lab, [shared, only]);
    skip(lab);
    lab.finalize([shared]);
    expect(holds(lab, lost) || holds(lab, only)).toBe(false);
    expect(holds(lab, shared)).toBe(true);
    expect(lab.status.executedHeight).toBe(2);
    const again = new Lab({ chain: lab.chain, ...lab.disks() });
    expect(again.halts).toEqual([]);
    expect(again.status.executedHeight).toBe(2);
  });

  it("stays while an open block names it, and when that block becomes final", () => {
    const lab = new Lab();
    lab.finalize();
    const shared = lab.batch(lab.chain.alice);
    const lost = show(lab, [shared]);
    skip(lab);
    // The block of the height is empty and certified; the next one, on it, has the batch.
    lab.toForeignView();
    const middle = lab.block();
    const { view: parentView, proposer } = middle.header;
    lab.tell(proposer, lab.proposal(middle));
    const others = lab.others.filter((other) => other !== proposer);
    lab.tellVotes("notarize", parentView, middle.hash, others);
    while (lab.leader() === lab.self) skip(lab);
    const { view } = lab.status;
    const next = lab.block([shared], {
      height: 3,
      view,
      parentView,
      parentHash: middle.hash,
      timeMs: middle.header.timeMs + 1,
      proposer: lab.leader(),
    });
    lab.tell(next.header.proposer, lab.proposal(next));
    expect(holds(lab, next)).toBe(true);
    lab.tellVotes("finalize", parentView, middle.hash);
    expect(lab.status.finalHeight).toBe(2);
    expect(holds(lab, lost)).toBe(false);
    expect(holds(lab, shared)).toBe(true);
    lab.tellVotes(
      "notarize",
      view,
      next.hash,
      lab.others.filter((one) => one !== lab.leader(view)),
    );
    lab.tellVotes("finalize", view, next.hash);
    expect(lab.status.executedHeight).toBe(3);
    expect(holds(lab, shared)).toBe(true);
    expect(bytesOf(lab, "o/")).toBe(0);
  });
});

describe("the index", () => {
  it("without its block is damage, and named so", () => {
    const lab = new Lab();
    const lost = show(lab, []);
    const { data, votes } = lab.disks();
    data.delete(toHex(blockKey(lost.hash)));
    const again = new Lab({ chain: lab.chain, data, votes });
    expect(again.halts.map(({ code }) => code)).toEqual(["store.corrupt"]);
  });
});
