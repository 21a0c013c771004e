/** L8 in every run: what is final where a quorum is out of reach, by what has arrived. */
import { describe, expect, it } from "vitest";
import { FINALIZE, NULLIFY } from "../../sim/checkers/decode.ts";
import { finalInReach } from "../../sim/checkers/reach.ts";
import type { CheckContext } from "../../sim/checkers/types.ts";
import { type BlockSpec, createRig, hashOf, MEMBERS, proposalFrame, type Rig, say } from "./rig.ts";
import { statusWith } from "./support.ts";

const NOTHING = new Uint8Array(1);

const blockOf = (view: number): BlockSpec => ({ view, height: view });

/** At that time a frame comes from one to the other. */
const hear = (rig: Rig, nowUs: number, from: number, to: number): void => {
  rig.nowUs = nowUs;
  rig.checker.delivered?.(from, to, NOTHING);
};

const give = (rig: Rig, nowUs: number, slot: number, view: number): void => {
  rig.nowUs = nowUs;
  say(rig, slot, { view, kind: FINALIZE, hash: hashOf(blockOf(view)) });
};

const show = (rig: Rig, nowUs: number, slot: number, view: number): void => {
  rig.nowUs = nowUs;
  rig.checker.sent?.(0, 1, "consensus", proposalFrame(blockOf(view)));
  rig.checker.status?.(
    slot,
    statusWith({ finalHeight: view, finalHash: hashOf(blockOf(view)), view: view + 1 }),
  );
};

/** Four honest nodes, of which 2 and 3 give F of view 1; later 0 and 1 are alone. */
const split = (part: Partial<CheckContext> = {}): Rig => {
  const rig = createRig(finalInReach, { honest: () => true, ...part });
  for (const slot of [2, 3]) give(rig, 1_000, slot, 1);
  hear(rig, 2_000, 2, 0);
  hear(rig, 2_000, 3, 1);
  return rig;
};

describe("what a node shows as final", () => {
  it("may be new where a quorum could be heard since F was given for it", () => {
    const rig = split();
    show(rig, 3_000, 0, 1);
    // n0 has heard n2 only: that is half of the weight.
    expect(rig.found).toEqual(["L8"]);
    const heard = split();
    hear(heard, 2_500, 1, 0);
    show(heard, 3_000, 0, 1);
    expect(heard.found).toEqual([]);
  });

  it("may come through others, as late as it likes, and not be newer than what they brought", () => {
    const rig = split();
    hear(rig, 9_000_000, 1, 0);
    give(rig, 9_000_001, 0, 2);
    give(rig, 9_000_001, 1, 2);
    hear(rig, 9_001_000, 1, 0);
    show(rig, 9_002_000, 0, 1);
    expect(rig.found).toEqual([]);
    show(rig, 9_003_000, 0, 2);
    expect(rig.details).toEqual([
      "n0 shows view 2 of epoch 0 as final, and could hear of a quorum up to 0.002 s only: F was given up to view 1 then",
    ]);
  });

  it("is not looked at where a liar shows it, or where nobody knows the block", () => {
    const rig = split({ honest: (slot) => slot > 0 });
    show(rig, 3_000, 0, 5);
    rig.checker.status?.(1, statusWith({}));
    expect(rig.found).toEqual([]);
  });

  it("may rest on what liars have told each other, and on all of their weight", () => {
    const rig = createRig(finalInReach, { honest: (slot) => slot < 2 });
    give(rig, 1_000, 1, 1);
    hear(rig, 1_500, 1, 2);
    hear(rig, 2_000, 3, 0);
    show(rig, 3_000, 0, 1);
    expect(rig.found).toEqual([]);
    const alone = createRig(finalInReach, { honest: (slot) => slot < 2 });
    give(alone, 1_000, 1, 1);
    hear(alone, 2_000, 3, 0);
    show(alone, 3_000, 0, 1);
    expect(alone.found).toEqual([]);
    // Two liars and the node itself are a quorum. With one liar they are none.
    const honest = createRig(finalInReach);
    give(honest, 1_000, 1, 1);
    hear(honest, 2_000, 3, 0);
    show(honest, 3_000, 0, 1);
    expect(honest.found).toEqual(["L8"]);
  });

  it("is counted by weight", () => {
    const members = MEMBERS.map((member) => ({ ...member, weight: member.slot === 2 ? 5n : 1n }));
    const rig = split({ members });
    show(rig, 3_000, 0, 1);
    expect(rig.found).toEqual([]);
  });
});

describe("a halt", () => {
  /** The second time that all are looked at, at which somebody has said something at that time, or nothing. */
  const marks = (part: { readonly saysUs?: number; readonly nowUs: number }): readonly string[] => {
    const rig = split();
    hear(rig, 3_000, 1, 0);
    hear(rig, 3_000, 0, 1);
    for (const slot of [0, 1]) show(rig, 4_000, slot, 1);
    rig.checker.looked?.();
    if (part.saysUs !== undefined) {
      rig.nowUs = part.saysUs;
      say(rig, 0, { view: 2, kind: NULLIFY });
      for (const slot of [0, 1]) show(rig, part.saysUs, slot, 1);
      rig.checker.looked?.();
    }
    hear(rig, part.nowUs, 1, 0);
    hear(rig, part.nowUs, 0, 1);
    for (const slot of [0, 1]) show(rig, part.nowUs, slot, 1);
    rig.checker.looked?.();
    expect(rig.found).toEqual([]);
    return rig.marks;
  };

  it("is seen where those who are up go on voting and hear of no quorum for seconds", () => {
    const halted = ["halted without a quorum"];
    expect(marks({ saysUs: 500_000, nowUs: 3_500_001 })).toEqual(halted);
    expect(marks({ saysUs: 500_000, nowUs: 3_500_000 })).toEqual([]);
    expect(marks({ nowUs: 3_500_001 })).toEqual([]);
  });

  it("is not seen where a chain that was idle goes on, and the first has just voted", () => {
    expect(marks({ saysUs: 9_000_000, nowUs: 9_050_000 })).toEqual([]);
    expect(marks({ saysUs: 9_000_000, nowUs: 12_000_001 })).toEqual(["halted without a quorum"]);
  });

  it("is seen where they have gone on voting up to the last", () => {
    const rig = split();
    for (const nowUs of [3_000, 1_000_000, 2_000_000, 3_000_000, 4_000_001]) {
      rig.nowUs = nowUs;
      say(rig, 0, { view: 2, kind: NULLIFY });
      for (const slot of [0, 1]) show(rig, nowUs, slot, 1);
      rig.checker.looked?.();
    }
    expect(rig.marks).toEqual(["halted without a quorum"]);
  });
});
