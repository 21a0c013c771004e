/** What a replica does with two statements that contradict each other: it keeps them until the log has them. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { decodeBatch } from "../../../src/ledger/batch.ts";
import { evidenceKey } from "../../../src/ledger/keys.ts";
import type { Batch } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { createChain, endEpoch, Lab } from "./support.ts";

const EVIDENCE = "detect.evidence.committed";
const CULPRIT = 2;

/** Batches of the subject's own lane that it has sent to somebody. */
const reports = (lab: Lab): Batch[] => {
  const found = new Map<string, Batch>();
  for (const { message } of lab.sent("batch")) {
    const batch = decodeBatch(lab.chain.hasher, message.batch);
    if (batch.ok && batch.value.events[0]?.type === EVIDENCE) {
      found.set(toHex(batch.value.id), batch.value);
    }
  }
  return [...found.values()];
};

/** The culprit notarizes two blocks in the subject's current view. */
const equivocate = (lab: Lab, culprit = CULPRIT): void => {
  const { view } = lab.status;
  for (const tag of ["one", "two"]) {
    const hash = lab.chain.hasher.ht("test", Buffer.from(tag));
    lab.tell(culprit, { type: "vote", vote: lab.vote(culprit, "notarize", view, hash) });
  }
};

const rowOf = (lab: Lab, culprit = CULPRIT): Uint8Array | undefined =>
  lab.data.rows.get(toHex(evidenceKey(lab.validatorId(culprit))));

const started = (): Lab => {
  const lab = new Lab();
  lab.finalize();
  lab.toForeignView();
  lab.clearSent();
  return lab;
};

const again = (lab: Lab): Lab => new Lab({ chain: lab.chain, ...lab.disks() });

describe("two statements that contradict each other", () => {
  it("are durable before they become an event", () => {
    const lab = started();
    lab.data.hold = true;
    equivocate(lab);
    expect(lab.data.waiting).toBeGreaterThan(0);
    expect(reports(lab)).toHaveLength(0);
    lab.data.hold = false;
    lab.data.release();
    lab.loop.run();
    expect(rowOf(lab)).toBeDefined();
    expect(reports(lab)).toHaveLength(1);
  });

  it("are reported again after a restart, for as long as the log does not have them", () => {
    const lab = started();
    equivocate(lab);
    const second = again(lab);
    expect(reports(second)).toHaveLength(1);
    expect(reports(again(second))).toHaveLength(1);
  });

  it("are forgotten once the log has them", () => {
    const lab = started();
    equivocate(lab);
    lab.finalize(reports(lab));
    expect(lab.status.logSize).toBe(1);
    expect(rowOf(lab)).toBeUndefined();
    expect(reports(again(lab))).toHaveLength(0);
  });

  it("are kept of each epoch, so that the first pair hides no other", () => {
    const lab = new Lab({ chain: createChain({ epochMs: 5_000 }) });
    const max = LIMITS.evidenceEpochsHeldMax;
    let bytes = 0;
    for (let epoch = 0; epoch <= max; epoch++) {
      expect(lab.status.epoch).toBe(epoch);
      lab.toForeignView();
      equivocate(lab);
      equivocate(lab);
      const held = rowOf(lab)?.length ?? 0;
      // One pair more each, as many as a node keeps.
      if (epoch < max) expect(held).toBeGreaterThan(bytes);
      else expect(held).toBe(bytes);
      bytes = held;
      endEpoch(lab);
    }
    const second = again(lab);
    // One after the other in the lane of the node, each until the log has what it needs.
    expect(reports(second)).toHaveLength(1);
    second.finalize(reports(second));
    expect(rowOf(second)).toBeUndefined();
  });

  it("are kept once a culprit and epoch: one proof is all that the log needs", () => {
    const lab = started();
    equivocate(lab);
    const row = rowOf(lab);
    lab.tellVotes("nullify", lab.status.view);
    lab.toForeignView();
    equivocate(lab);
    expect(rowOf(lab)).toEqual(row);
    equivocate(lab, 3);
    expect(rowOf(lab, 3)).toBeDefined();
  });

  it("of a damaged row are named as damage", () => {
    const lab = started();
    equivocate(lab);
    const { data, votes } = lab.disks();
    data.set(toHex(evidenceKey(lab.validatorId(CULPRIT))), Uint8Array.of(1, 2, 3));
    const damaged = new Lab({ chain: lab.chain, data, votes });
    expect(damaged.halts.map(({ code }) => code)).toEqual(["store.corrupt"]);
  });
});
