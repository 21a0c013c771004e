/** L2, L4, L5 and L6: batches that are left out, splits, epochs that do not end, timers that stay long. */
import { describe, expect, it } from "vitest";
import { acceptedSoon } from "../../sim/checkers/accepted.ts";
import { FINALIZE, NOTARIZE, NULLIFY } from "../../sim/checkers/decode.ts";
import { epochsChange } from "../../sim/checkers/epochs.ts";
import { splitsEnd } from "../../sim/checkers/split.ts";
import { timerBound, timersShrink } from "../../sim/checkers/timers.ts";
import type { CheckerFactory, Status, Submission } from "../../sim/checkers/types.ts";
import { scenario } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";
import {
  type BlockSpec,
  bytesOf,
  certificateFrame,
  createRig,
  GENESIS,
  hashOf,
  keep,
  MEMBERS,
  proposalFrame,
  type Rig,
  say,
  sized,
  toHex,
  voteFrame,
  ZERO,
} from "./rig.ts";
import { HASH_A, statusWith, verdict } from "./support.ts";

const STAKE = { windowTurns: 0, votedBpsMin: 0, stakePerUnit: 1n };

const propose = (rig: Rig, spec: BlockSpec): void =>
  rig.checker.sent?.(spec.proposer ?? 0, 1, "consensus", proposalFrame(spec));

/** The node has this block as final. */
const show = (rig: Rig, slot: number, spec: BlockSpec, part: Partial<Status> = {}): void =>
  rig.checker.status?.(
    slot,
    statusWith({ finalHeight: spec.height, finalHash: hashOf(spec), view: spec.view + 1, ...part }),
  );

describe("a batch that was taken", () => {
  const submission: Submission = {
    ...{ actorHex: "aa", laneSeq: 1, batchIdHex: "bb".repeat(32), eventCount: 1, bytes: 1_500 },
  };
  /** Blocks 1 to `count`, one on the other, by these in turn. */
  const chain = (rig: Rig, count: number, proposers: readonly number[]): void => {
    let parent: string | undefined;
    for (let height = 1; height <= count; height++) {
      const proposer = proposers[height % proposers.length] ?? 0;
      const spec = { view: height, height, proposer, ...(parent === undefined ? {} : { parent }) };
      propose(rig, spec);
      show(rig, 0, spec);
      parent = hashOf(spec);
    }
  };
  /** The answer, later than a batch may need for itself, however many blocks there were. */
  const acknowledge = (rig: Rig, height: number, afterUs = 4_200_001): void => {
    rig.nowUs += afterUs;
    rig.checker.acknowledged?.(1, submission, height);
  };
  const wait = (blocks: number, proposers: readonly number[], healed = true): Rig => {
    const rig = createRig(acceptedSoon);
    if (healed) rig.checker.healed?.(0, [0, 1, 2]);
    rig.checker.offered?.(1, submission);
    acknowledge(rig, blocks + 1);
    chain(rig, blocks + 1, proposers);
    return rig;
  };

  it("may be missing in some blocks of honest leaders, and in any of others", () => {
    expect(wait(4, [0, 1, 2]).found).toEqual([]);
    expect(wait(4, [0, 1, 2]).marks).toEqual(["accepted batch timed"]);
    expect(wait(5, [0, 1, 2]).found).toEqual(["L2"]);
    expect(wait(5, [0, 1, 2, 3]).found).toEqual([]);
  });

  it("may take four seconds of many blocks: what was lost is told again when the client asks again", () => {
    for (const afterUs of [4_200_000, 4_200_001]) {
      const rig = createRig(acceptedSoon);
      rig.checker.healed?.(0, [0, 1, 2]);
      rig.checker.offered?.(1, submission);
      acknowledge(rig, 21, afterUs);
      chain(rig, 21, [0]);
      expect(rig.found).toEqual(afterUs > 4_200_000 ? ["L2"] : []);
    }
  });

  it("is not late when only its answer is, from a node that was behind", () => {
    const rig = createRig(acceptedSoon);
    rig.checker.healed?.(0, [0, 1, 2]);
    rig.checker.offered?.(1, submission);
    chain(rig, 21, [0]);
    acknowledge(rig, 21);
    show(rig, 0, { view: 22, height: 22, proposer: 0, parent: hashOf({ view: 21, height: 21 }) });
    expect(rig.found).toEqual([]);
  });

  it("is not timed before the heal, nor when it was refused or taken by a liar", () => {
    expect(wait(20, [0], false).found).toEqual([]);
    const rig = createRig(acceptedSoon);
    rig.checker.healed?.(0, [0, 1, 2]);
    rig.checker.offered?.(1, submission);
    rig.checker.declined?.(1, submission, "batch.expired");
    rig.checker.offered?.(3, submission);
    acknowledge(rig, 21);
    chain(rig, 21, [0]);
    expect(rig.found).toEqual([]);
  });

  it("is timed too where its node need not end up with what all have", () => {
    const rig = createRig(acceptedSoon, { asked: (slot) => slot !== 1 });
    rig.checker.healed?.(0, [0, 2]);
    rig.checker.offered?.(1, submission);
    acknowledge(rig, 21);
    chain(rig, 21, [0]);
    expect(rig.found).toEqual(["L2"]);
  });

  it("is not timed where its node has not registered: it has sessions with nobody", () => {
    const late = MEMBERS.map((member) => ({ ...member, index: member.slot === 1 ? -1 : 0 }));
    for (const [members, expected] of [
      [MEMBERS, 1],
      [late, 0],
    ] as const) {
      const rig = createRig(acceptedSoon, { members, stake: STAKE });
      rig.checker.healed?.(0, [0, 1, 2]);
      rig.checker.offered?.(1, submission);
      rig.checker.acknowledged?.(1, submission, 1);
      expect(rig.marks.filter((mark) => mark === "accepted batch timed")).toHaveLength(expected);
    }
  });

  it("is counted from what was proposed when it was taken, be it final or not", () => {
    const rig = createRig(acceptedSoon);
    rig.checker.healed?.(0, [0, 1, 2]);
    propose(rig, { view: 6, height: 6 });
    rig.checker.offered?.(1, submission);
    acknowledge(rig, 11);
    chain(rig, 11, [0]);
    expect(rig.found).toEqual([]);
  });

  it("is gone with the process that had it", () => {
    const rig = createRig(acceptedSoon);
    rig.checker.offered?.(1, submission);
    rig.checker.healed?.(0, [0, 1, 2]);
    rig.checker.booted?.(1, 2, false);
    acknowledge(rig, 15);
    chain(rig, 15, [0]);
    expect(rig.marks).toEqual([]);
    const gone = createRig(acceptedSoon);
    gone.checker.offered?.(1, submission);
    gone.checker.healed?.(0, [0, 2]);
    acknowledge(gone, 15);
    chain(gone, 15, [0]);
    expect(gone.found).toEqual([]);
  });

  it("is timed from the heal where it was taken before", () => {
    const rig = createRig(acceptedSoon);
    rig.checker.offered?.(1, submission);
    chain(rig, 10, [0]);
    rig.checker.healed?.(0, [0, 1, 2]);
    acknowledge(rig, 15);
    chain(rig, 15, [0]);
    expect(rig.found).toEqual([]);
  });
});

/** What is found when a statement may be missing no longer. */
const late = (rig: Rig): string[] => {
  rig.nowUs = 15_000_000;
  rig.checker.looked?.();
  return rig.found;
};

describe("a split", () => {
  /** After the heal at zero, node 0 has said something that 1 and 2 may not have. */
  const split = (kind = NULLIFY): Rig => {
    const rig = createRig(splitsEnd);
    for (const slot of [0, 1, 2]) rig.checker.booted?.(slot, 1, false);
    say(rig, 0, { view: 5, kind });
    rig.checker.healed?.(0, [0, 1, 2]);
    return rig;
  };

  it("is over when the vote is everywhere", () => {
    const rig = split();
    rig.checker.delivered?.(0, 1, voteFrame({ view: 5, kind: NULLIFY }, 0));
    rig.checker.looked?.();
    expect(rig.marks).toEqual([]);
    expect(rig.checker.settled?.(() => [])).toBe(false);
    rig.checker.delivered?.(1, 2, voteFrame({ view: 5, kind: NULLIFY }, 0));
    expect(rig.checker.settled?.(() => [])).toBe(true);
    expect(rig.marks).toEqual(["open statement arrived", "open statements at the heal"]);
    expect(late(rig)).toEqual([]);
  });

  it("is not judged before its time, when a run that ends is settled for it", () => {
    const rig = split();
    rig.checker.delivered?.(0, 1, voteFrame({ view: 5, kind: NULLIFY }, 0));
    rig.nowUs = 14_999_999;
    rig.checker.status?.(0, statusWith({}));
    rig.checker.looked?.();
    rig.checker.end?.([]);
    expect(rig.found).toEqual([]);
    expect(rig.checker.settled?.(() => [])).toBe(false);
    expect(late(rig)).toEqual(["L4"]);
    expect(rig.checker.settled?.(() => [])).toBe(true);
  });

  it("is judged when all have been shown: what one shows late does not count against another", () => {
    const rig = split();
    rig.nowUs = 15_000_000;
    for (const slot of [0, 1, 2]) rig.checker.status?.(slot, statusWith({ epoch: 1 }));
    expect(late(rig)).toEqual([]);
  });

  it("is none where everybody has all, or where somebody has more as final", () => {
    const rig = createRig(splitsEnd);
    say(rig, 0, { view: 5, kind: NULLIFY });
    rig.checker.delivered?.(0, 1, voteFrame({ view: 5, kind: NULLIFY }, 0));
    rig.checker.healed?.(0, [0, 1]);
    expect(rig.checker.settled?.(() => [])).toBe(true);
    expect(rig.marks).toEqual([]);
    const passed = split();
    for (const to of [0, 1, 2]) {
      const final = { view: 6, kind: FINALIZE, hash: HASH_A };
      passed.checker.delivered?.(0, to, certificateFrame(final));
    }
    passed.checker.looked?.();
    expect(passed.marks).toEqual(["open statements at the heal"]);
  });

  it("is reported where it lasts, by what is missing where", () => {
    const rig = split();
    rig.checker.delivered?.(0, 1, voteFrame({ view: 5, kind: NULLIFY }, 0));
    rig.checker.delivered?.(0, 2, voteFrame({ view: 5, kind: NULLIFY }, 1));
    rig.checker.delivered?.(0, 2, voteFrame({ view: 4, kind: NULLIFY }, 0));
    rig.nowUs = 14_000_000;
    rig.checker.looked?.();
    expect(rig.found).toEqual([]);
    expect(late(rig)).toEqual(["L4"]);
    expect(rig.details).toEqual(["S(5) of epoch 0 by validator 0 has not reached n2"]);
  });

  it("is over with a certificate of its kind, and not with one of another", () => {
    for (const [kind, expected] of [
      [NULLIFY, []],
      [NOTARIZE, ["L4"]],
    ] as const) {
      const rig = split();
      for (const to of [1, 2]) rig.checker.delivered?.(3, to, certificateFrame({ view: 5, kind }));
      expect(late(rig)).toEqual(expected);
    }
  });

  it("is over where something at or above it is final, or another epoch runs", () => {
    const rig = split();
    const final = { view: 6, kind: FINALIZE, hash: HASH_A };
    rig.checker.delivered?.(0, 1, certificateFrame(final));
    rig.checker.status?.(2, statusWith({ epoch: 1 }));
    expect(late(rig)).toEqual([]);
    const below = split();
    for (const to of [1, 2])
      below.checker.delivered?.(0, to, certificateFrame({ ...final, view: 4 }));
    expect(late(below)).toEqual(["L4"]);
  });

  it("is also of a certificate on one disk, and ends with a restart that brings it back", () => {
    const rig = createRig(splitsEnd);
    keep(rig, 0, 5, NOTARIZE);
    rig.checker.healed?.(0, [0, 1]);
    rig.checker.delivered?.(0, 1, certificateFrame({ view: 5, kind: NOTARIZE }));
    rig.checker.booted?.(0, 2, false);
    expect(late(rig)).toEqual([]);
    const lost = createRig(splitsEnd);
    keep(lost, 0, 5, NOTARIZE);
    lost.checker.healed?.(0, [0, 1]);
    lost.checker.delivered?.(0, 1, certificateFrame({ view: 5, kind: NOTARIZE }));
    // What came over the network was in memory.
    lost.checker.booted?.(1, 2, false);
    expect(late(lost)).toEqual(["L4"]);
  });
});

describe("a liar's frames and a split", () => {
  const [isFalse, isTrue] = [() => false, () => true];
  /** At the heal node 0 has said S(5); what the liar sends then, by who verifies it, and what is found. */
  const told = (frames: readonly Uint8Array[], verify: () => boolean, early = false): string[] => {
    const rig = createRig(splitsEnd, { verify });
    const tell = (): void => {
      for (const frame of frames) for (const to of [0, 1, 2]) rig.checker.delivered?.(3, to, frame);
    };
    if (early) tell();
    say(rig, 0, { view: 5, kind: NULLIFY });
    rig.checker.healed?.(0, [0, 1, 2]);
    if (!early) tell();
    return late(rig);
  };
  const final = { view: 6, kind: FINALIZE, hash: HASH_A };

  it("of a certificate ends it where a quorum has signed it, and nowhere else", () => {
    for (const early of [true, false]) {
      expect(told([certificateFrame(final)], isTrue, early)).toEqual([]);
      expect(told([certificateFrame(final)], isFalse, early)).toEqual(["L4"]);
      expect(told([certificateFrame(final, [0, 3])], isTrue, early)).toEqual(["L4"]);
      expect(told([certificateFrame(final).subarray(0, -1)], isTrue, early)).toEqual(["L4"]);
    }
    expect(told([certificateFrame({ view: 5, kind: NULLIFY })], isTrue)).toEqual([]);
    expect(told([certificateFrame({ view: 5, kind: NULLIFY })], isFalse)).toEqual(["L4"]);
  });

  it("of an answer to who catches up end nothing: what it is worth shows in what is final then", () => {
    const certificate = certificateFrame(final).subarray(1);
    const answer = Buffer.concat([bytesOf("0c", 1), sized(certificate)]);
    expect(told([answer], isTrue)).toEqual(["L4"]);
    const rig = createRig(splitsEnd);
    say(rig, 0, { view: 5, kind: NULLIFY });
    rig.checker.healed?.(0, [0, 1]);
    // From nobody: blocks behind the certificate may be damaged, and all of it refused.
    rig.checker.delivered?.(0, 1, answer);
    rig.nowUs = 14_000_000;
    rig.checker.looked?.();
    expect(rig.checker.settled?.(() => [])).toBe(false);
    rig.checker.status?.(1, statusWith({ epoch: 1 }));
    expect(late(rig)).toEqual([]);
  });

  it("of a vote count where the one that it names has signed it", () => {
    const vote = voteFrame({ view: 5, kind: NULLIFY }, 0);
    expect(told([vote], isTrue)).toEqual([]);
    expect(told([vote], isFalse)).toEqual(["L4"]);
    expect(told([vote.subarray(0, -1)], isTrue)).toEqual(["L4"]);
  });
});

describe("what the network has damaged and a split", () => {
  it("ends nothing, also where an honest node has sent it", () => {
    const vote = voteFrame({ view: 5, kind: NULLIFY }, 0);
    const found = (frame: Uint8Array, verify: boolean): string[] => {
      const rig = createRig(splitsEnd, { verify: () => verify });
      say(rig, 0, { view: 5, kind: NULLIFY });
      rig.checker.healed?.(0, [0, 1, 2]);
      for (const to of [1, 2]) rig.checker.delivered?.(0, to, frame);
      return late(rig);
    };
    expect(found(vote, true)).toEqual([]);
    expect(found(vote, false)).toEqual(["L4"]);
    expect(found(vote.subarray(0, 60), true)).toEqual(["L4"]);
  });

  it("ends nothing in a proposal either", () => {
    const spec = { view: 5, height: 5, proposer: 0 };
    const found = (frame: Uint8Array, verify: boolean): string[] => {
      const rig = createRig(splitsEnd, { verify: () => verify });
      say(rig, 0, { view: 5, kind: NOTARIZE, hash: hashOf(spec) });
      rig.checker.healed?.(0, [0, 1]);
      rig.checker.delivered?.(0, 1, frame);
      return late(rig);
    };
    const proposal = proposalFrame(spec);
    expect(found(proposal, true)).toEqual([]);
    expect(found(proposal, false)).toEqual(["L4"]);
    expect(found(proposal.subarray(0, 60), true)).toEqual(["L4"]);
  });
});

describe("what a node throws away and a split", () => {
  const vote = { view: 5, kind: NULLIFY };
  /** Node 0 has said S(5), or proposed; what is found where these frames reach node 1 while it is there. */
  const found = (
    standing: Rig["standing"][number],
    frames: readonly Uint8Array[],
    said: Parameters<typeof say>[2] = vote,
  ): string[] => {
    const rig = createRig(splitsEnd);
    say(rig, 0, said);
    rig.checker.healed?.(0, [0, 1]);
    rig.standing[1] = standing;
    for (const frame of frames) rig.checker.delivered?.(0, 1, frame);
    if (rig.checker.settled?.(() => []) === false) expect(rig.marks).toEqual([]);
    return late(rig);
  };

  it("has not arrived where it lies beyond the next view, be it a vote or a proposal", () => {
    const spec = { view: 5, height: 5, proposer: 0 };
    const proposed = { view: 5, kind: NOTARIZE, hash: hashOf(spec) };
    for (const [view, expected] of [
      [3, ["L4"]],
      [4, []],
      [9, []],
    ] as const) {
      expect(found({ epoch: 0, view }, [voteFrame(vote, 0)])).toEqual(expected);
      expect(found({ epoch: 0, view }, [proposalFrame(spec)], proposed)).toEqual(expected);
    }
    // Certificates may be ahead.
    expect(found({ epoch: 0, view: 1 }, [certificateFrame(vote)])).toEqual([]);
  });

  it("has not arrived where the node is in another epoch, or still reads its folder", () => {
    const later = { ...vote, epoch: 1 };
    const final = certificateFrame({ view: 9, epoch: 1, kind: FINALIZE, hash: HASH_A });
    for (const frame of [voteFrame(later, 0), certificateFrame(later), final]) {
      const isOwed = (standing: Rig["standing"][number]): boolean => {
        const rig = createRig(splitsEnd);
        say(rig, 0, later);
        rig.checker.healed?.(0, [0, 1]);
        rig.standing[1] = standing;
        rig.checker.delivered?.(0, 1, frame);
        return rig.checker.settled?.(() => []) === false;
      };
      expect(isOwed({ epoch: 0, view: 5 })).toBe(true);
      expect(isOwed(undefined)).toBe(true);
      expect(isOwed({ epoch: 1, view: 5 })).toBe(false);
    }
    // Nor does what is final in an epoch in which the node is not end what it is owed in its own.
    expect(found({ epoch: 0, view: 5 }, [final])).toEqual(["L4"]);
  });

  it("is due when the node has been long enough in the epoch in which it can take it", () => {
    const rig = createRig(splitsEnd);
    say(rig, 0, { ...vote, epoch: 1 });
    rig.checker.healed?.(0, [0, 1]);
    expect(late(rig)).toEqual([]);
    rig.nowUs = 20_000_000;
    rig.checker.status?.(1, statusWith({ epoch: 1 }));
    rig.nowUs = 34_999_999;
    rig.checker.looked?.();
    expect(rig.found).toEqual([]);
    expect(rig.checker.settled?.(() => [])).toBe(false);
    expect(rig.checker.settlesByUs?.()).toBe(35_000_000);
    rig.nowUs = 35_000_000;
    rig.checker.looked?.();
    expect(rig.details).toEqual(["S(5) of epoch 1 by validator 0 has not reached n1"]);
  });

  it("is not what it has said, or has on its disk, whatever epoch it is in when it begins again", () => {
    const again = (show: (rig: Rig) => void, frame: Uint8Array): string[] => {
      const rig = createRig(splitsEnd);
      const [isLater, hasEpoch] = [{ epoch: 1, view: 5 }, statusWith({ epoch: 1, view: 5 })];
      for (const slot of [0, 1, 2]) rig.standing[slot] = isLater;
      rig.checker.diskLost?.(0, "data");
      show(rig);
      rig.checker.booted?.(0, 2, false);
      for (const slot of [0, 1, 2]) rig.checker.status?.(slot, hasEpoch);
      rig.checker.healed?.(0, [0, 1, 2]);
      expect(rig.checker.settled?.(() => [])).toBe(false);
      for (const to of [1, 2]) rig.checker.delivered?.(0, to, frame);
      return late(rig);
    };
    const later = { ...vote, epoch: 1 };
    const lose = (rig: Rig): void => {
      say(rig, 0, later);
      rig.checker.diskLost?.(0, "data");
    };
    expect(again(lose, voteFrame(later, 0))).toEqual([]);
    expect(again((rig) => keep(rig, 0, 5, NULLIFY, 1), certificateFrame(later))).toEqual([]);
  });
});

describe("where a node stands", () => {
  it("is asked at any moment, is what its status says, and is not known of one that is down", () => {
    const seen = { alike: 0, other: 0, down: 0, ofFrames: 0 };
    const watch: CheckerFactory = (context) => ({
      id: "L4",
      title: "looks where nodes are",
      status: (slot, { epoch, view }) => {
        const at = context.standing(slot);
        if (at?.epoch === epoch && at.view === view) seen.alike += 1;
        else seen.other += 1;
      },
      delivered: (_from, to) => {
        if (context.standing(to) !== undefined) seen.ofFrames += 1;
      },
      looked: () => {
        if (context.standing(3) === undefined) seen.down += 1;
      },
    });
    const one = scenario("stands", {
      faults: [{ kind: "crash", atMs: 300, node: 3, power: true, downMs: 1_000 }],
      ...{ epochMs: 1_000, healMs: 2_000 },
    });
    expect(verdict(simulate(one, { ...SYSTEM, checkers: [watch], explains: false }))).toBe("ok");
    expect(seen.other).toBe(0);
    expect(Math.min(seen.alike, seen.ofFrames)).toBeGreaterThan(10);
    expect(seen.down).toBeGreaterThanOrEqual(4);
  });
});

describe("what a hundred nodes are owed", () => {
  it("is told by the first of it that has not arrived, where half of it has", () => {
    const [validators, views] = [100, 60];
    const members = Array.from({ length: validators }, (_, slot) => ({
      ...{ index: slot, slot, idHex: String(slot).padStart(64, "0") },
      ...{ publicKey: Uint8Array.of(slot), weight: 1n },
    }));
    const rig = createRig(splitsEnd, {
      ...{ members, honest: () => true, memberOf: (slot) => members[slot] },
    });
    for (let view = 1; view <= views; view++) {
      for (const { slot } of members) {
        for (const kind of [NOTARIZE, NULLIFY, FINALIZE]) say(rig, slot, { view, kind });
      }
    }
    const slots = members.map(({ slot }) => slot);
    rig.checker.healed?.(0, slots);
    const half = { view: views / 2, height: 1 };
    propose(rig, half);
    for (const slot of slots) show(rig, slot, half);
    expect(rig.checker.settled?.(() => [])).toBe(false);
    expect(late(rig)).toEqual(["L4"]);
    expect(rig.details).toEqual([
      `N(${views / 2 + 1}) of epoch 0 by validator 0 has not reached n1`,
    ]);
  });
});

describe("what was said long before the heal", () => {
  it("is owed for as many views as of anything that every validator says", () => {
    const rig = createRig(splitsEnd);
    for (let view = 1; view <= 1_000; view++) {
      for (const slot of [0, 1, 2]) {
        for (const kind of [NOTARIZE, NULLIFY, FINALIZE]) say(rig, slot, { view, kind });
      }
    }
    rig.checker.healed?.(0, [0, 1, 2]);
    expect(late(rig)).toEqual(["L4"]);
    expect(rig.details).toEqual(["N(1) of epoch 0 by validator 0 has not reached n1"]);
  });
});

describe("an epoch", () => {
  const block = (height: number, timeMs: number, nextSet = ZERO): BlockSpec => ({
    ...{ view: height, height, timeMs, nextSet, parent: toHex(GENESIS) },
  });
  const SET = "5e".repeat(32);
  const final = (spec: BlockSpec, part: Partial<Status> = {}): Rig => {
    const rig = createRig(epochsChange, { epochMs: 4_000 });
    propose(rig, spec);
    show(rig, 0, spec, part);
    return rig;
  };

  it("ends with the first block after its time, and with no other", () => {
    expect(final(block(1, 3_999)).found).toEqual([]);
    expect(final(block(1, 4_000, SET), { epoch: 1 }).found).toEqual([]);
    expect(final(block(1, 4_000)).found).toEqual(["L5"]);
    expect(final(block(1, 3_999, SET), { epoch: 1 }).found).toEqual(["L5"]);
  });

  it("begins where the one before has ended", () => {
    const rig = final(block(1, 4_100, SET), { epoch: 1 });
    const next = { ...block(2, 8_050), epoch: 1, parent: hashOf(block(1, 4_100, SET)) };
    propose(rig, next);
    show(rig, 0, next, { epoch: 1 });
    expect(rig.found).toEqual([]);
    const over = { ...next, view: 3, timeMs: 8_100 };
    propose(rig, over);
    show(rig, 0, over, { epoch: 1 });
    expect(rig.found).toEqual(["L5"]);
  });

  it("is followed by the next in bounded time after the heal", () => {
    const end = block(1, 4_000, SET);
    const rig = final(end);
    expect(rig.checker.settled?.(() => [])).toBe(true);
    rig.nowUs = 50_000_000;
    show(rig, 0, end);
    expect(rig.found).toEqual([]);
    rig.checker.healed?.(50_000_000, [0]);
    expect(rig.checker.settled?.(() => [])).toBe(false);
    rig.nowUs = 70_000_000;
    show(rig, 0, end);
    expect(rig.found).toEqual([]);
    rig.nowUs = 70_000_001;
    show(rig, 0, end);
    expect(rig.found).toEqual(["L5"]);
    show(rig, 0, end, { epoch: 1 });
    expect(rig.checker.settled?.(() => [])).toBe(true);
  });
});

describe("a timer", () => {
  const block = { view: 9, height: 9 };
  /** Views above the final one in which node 0 has said S. */
  const skipped = (views: number): Rig => {
    const rig = createRig(timersShrink);
    propose(rig, block);
    for (let view = 1; view <= 9; view++) say(rig, 0, { view, kind: NULLIFY });
    show(rig, 0, block);
    for (let i = 1; i <= views; i++) say(rig, 0, { view: 9 + i, kind: NULLIFY });
    return rig;
  };
  const set = (rig: Rig, delayMs: number): string[] => {
    rig.checker.timer?.(0, delayMs);
    return rig.found;
  };

  it("grows with the views that ran out, as R5 says", () => {
    expect([0, 1, 2, 3].map(timerBound)).toEqual([1_750, 2_125, 2_686, 3_529]);
    expect(timerBound(30)).toBe(181_000);
  });

  it("may be as long as what was said above the final block allows, and no longer", () => {
    for (const views of [0, 2, 6]) {
      expect(set(skipped(views), timerBound(views + 3))).toEqual([]);
      expect(set(skipped(views), timerBound(views + 3) + 1)).toEqual(["L6"]);
    }
    expect(skipped(0).marks).toEqual([]);
  });

  it("waits for the pace of re-proposals where many views are open, whoever has opened them", () => {
    const far = (view: number): string[] => {
      const rig = skipped(0);
      say(rig, 1, { view, kind: NOTARIZE, hash: HASH_A });
      return set(rig, 30_001);
    };
    expect(far(9 + 64)).toEqual([]);
    expect(far(9 + 63)).toEqual(["L6"]);
  });

  it("is not a view's where it waits for a peer that answers nothing", () => {
    expect(set(skipped(0), 16_000)).toEqual([]);
    expect(set(skipped(0), 12_000)).toEqual(["L6"]);
  });

  it("of a node that could not vote for a while says nothing, until something is final again", () => {
    const rig = skipped(0);
    rig.checker.booted?.(0, 2, false);
    expect(set(rig, 9_001)).toEqual([]);
    const next = { view: 10, height: 10 };
    propose(rig, next);
    show(rig, 0, next);
    expect(set(rig, 9_001)).toEqual(["L6"]);
  });
});
