/** A node whose roots a quorum contradicts: its projections stand still, its log goes on (R2). */
import { describe, expect, it } from "vitest";
import type { Header } from "../../../src/ledger/types.ts";
import { Lab } from "./support.ts";

const WRONG: Partial<Header> = { stateRoot: new Uint8Array(32).fill(0xbb) };

/** The quorum states other roots in the second block, and goes on from there. */
const outvoted = (): Lab => {
  const lab = new Lab();
  lab.finalize();
  lab.finalize([], WRONG);
  return lab;
};

const problems = (lab: Lab): string[] => lab.status.problems.map((problem) => problem.code);

describe("roots that differ from a quorum's", () => {
  it("are said once, name the projection's height, and stop the projections only", () => {
    const lab = outvoted();
    expect(problems(lab)).toEqual(["state.mismatch"]);
    expect(lab.halts).toEqual([]);
    expect(lab.handle.ready().ready).toBe(false);
    const { executedHeight } = lab.status;
    for (let i = 0; i < 5; i++) lab.finalize([], WRONG);
    expect(lab.status).toMatchObject({ finalHeight: 7, executedHeight });
    expect(problems(lab)).toEqual(["state.mismatch"]);
  });

  it("do not keep the log from going on for longer than any backlog, by catch-up too", () => {
    const lab = outvoted();
    for (let i = 0; i < 70; i++) lab.finalize([], WRONG);
    expect(lab.status.finalHeight).toBe(72);
    const more = lab.block([], WRONG);
    const none = new Uint8Array(1);
    lab.clearSent();
    lab.tell(1, {
      type: "status",
      status: {
        epoch: 0,
        view: lab.status.view + 40,
        finalView: lab.status.view + 39,
        finalHeight: lab.status.finalHeight + 30,
        finalHash: more.hash,
        held: { notarize: none, nullify: none, finalize: none },
      },
    });
    expect(lab.sent("sync-request").map((frame) => frame.message.from)).toEqual([73]);
  });

  it("are found again after a restart", () => {
    const lab = outvoted();
    const after = new Lab({ chain: lab.chain, ...lab.disks() });
    expect(problems(after)).toEqual(["state.mismatch"]);
    expect(after.status).toMatchObject({ finalHeight: 2, executedHeight: 1, voting: "yes" });
  });

  it("in a mere proposal harm nobody: one leader could halt everybody", () => {
    const lab = new Lab();
    lab.finalize();
    lab.toForeignView();
    const block = lab.block([], WRONG);
    lab.tell(block.header.proposer, lab.proposal(block));
    expect(problems(lab)).toEqual([]);
    lab.tellVotes("nullify", block.header.view);
    lab.finalize();
    expect(lab.status).toMatchObject({ finalHeight: 2, executedHeight: 2 });
  });
});
