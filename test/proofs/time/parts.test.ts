/** Proofs in parts: every challenge is in one of them, and each part is checked by itself. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHasher } from "../../../src/crypto/hash.ts";
import { LIMITS } from "../../../src/limits.ts";
import { areMembers, membersRoot } from "../../../src/proofs/time/members.ts";
import { openRun } from "../../../src/proofs/time/open.ts";
import {
  checkTimeParameters,
  leavesRequired,
  TIME_EPOCH_PARTS,
  TIME_PROFILES,
  TIME_REFERENCE,
} from "../../../src/proofs/time/parameters.ts";
import { timePart, timeParts } from "../../../src/proofs/time/parts.ts";
import { verifyRun } from "../../../src/proofs/time/verify.ts";
import { described, filled, fullRun, inputOf, returned } from "./support.ts";

const anyParameters = fc
  .record({
    tailBlocks: fc.integer({ min: LIMITS.timeTailBlocks[0], max: LIMITS.timeTailBlocks[1] }),
    leavesLog2Max: fc.integer({ min: 0, max: LIMITS.timeLeavesLog2Max }),
    challenges: fc.integer({ min: LIMITS.timeChallenges[0], max: LIMITS.timeChallenges[1] }),
    selfChallenges: fc.constant(1),
  })
  .filter((parameters) => checkTimeParameters(parameters).ok);

describe("parts of a proof", () => {
  it("are one for the small profiles and three for production", () => {
    expect(timeParts(TIME_PROFILES.dev)).toBe(1);
    expect(timeParts(TIME_PROFILES.default)).toBe(1);
    expect(timeParts(TIME_PROFILES.production)).toBe(3);
  });

  it("hold every challenge once, within the bytes, the cost and the count of events", () => {
    fc.assert(
      fc.property(anyParameters, (parameters) => {
        const parts = timeParts(parameters);
        expect(parts).toBeLessThanOrEqual(LIMITS.proofPartsMax);
        let next = 0;
        for (let part = 0; part < parts; part++) {
          const { from, to } = timePart(parameters, part);
          expect(from).toBe(next);
          expect(to).toBeGreaterThan(from);
          const bytes = (to - from) * (33 + 32 * parameters.leavesLog2Max);
          expect(bytes).toBeLessThanOrEqual(LIMITS.timePartBytesMax);
          const blocks = (to - from) * parameters.tailBlocks;
          expect(blocks).toBeLessThanOrEqual(LIMITS.timePartBlocksMax);
          next = to;
        }
        expect(next).toBe(parameters.challenges);
      }),
    );
  });

  it("are right each, and none is another's", () => {
    const parameters = {
      tailBlocks: 16_384,
      leavesLog2Max: 8,
      challenges: 20,
      selfChallenges: 1,
    };
    expect(timeParts(parameters)).toBe(3);
    const run = fullRun(described(30, { tailBlocks: 16_384 }), parameters);
    const input = inputOf(run);
    const proofs = [0, 1, 2].map((part) =>
      returned(openRun(run, filled(7), timePart(parameters, part))),
    );
    const verdicts = proofs.map((proof) =>
      [0, 1, 2].map((part) => verifyRun(input, filled(7), timePart(parameters, part), proof).ok),
    );
    expect(verdicts).toEqual([
      [true, false, false],
      [false, true, false],
      [false, false, true],
    ]);
  });
});

describe("members of a run", () => {
  const hasher = createHasher("time-test");

  it("are bound by their root, one for each list", () => {
    const lists = [[], [1], [2], [1, 2], [2, 1], [1, 2, 3], [1, 1]];
    const roots = lists.map((list) => membersRoot(hasher, list.map(filled)).join());
    expect(new Set(roots).size).toBe(lists.length);
    expect(membersRoot(hasher, [])).toEqual(filled(0));
  });

  it("ascend without repeats", () => {
    expect([[], [1], [1, 2, 9]].map((list) => areMembers(list.map(filled)))).toEqual(
      Array(3).fill(true),
    );
    expect(
      [
        [1, 1],
        [2, 1],
      ].map((list) => areMembers(list.map(filled))),
    ).toEqual([false, false]);
  });
});

describe("leaves of an epoch's run", () => {
  it("take the reference machine a sixteenth of the epoch, or are as many as there may be", () => {
    const { dev, production } = TIME_PROFILES;
    expect(leavesRequired(dev, 600_000)).toBe(2 ** 20);
    const hour = leavesRequired(production, 3_600_000);
    const spentMs = (hour * production.tailBlocks * TIME_REFERENCE.stepNs) / 1e6;
    expect(spentMs / (3_600_000 / TIME_EPOCH_PARTS)).toBeCloseTo(1, 5);
    expect(leavesRequired(dev, 1)).toBe(106);
    expect(leavesRequired({ ...dev, tailBlocks: 16_384 }, 1)).toBe(1);
  });

  it("are at least one and never more than a run may have", () => {
    fc.assert(
      fc.property(anyParameters, fc.integer({ min: 1, max: 366 * 86_400_000 }), (of, epochMs) => {
        const leaves = leavesRequired(of, epochMs);
        expect(leaves).toBeGreaterThanOrEqual(1);
        expect(leaves).toBeLessThanOrEqual(2 ** of.leavesLog2Max);
      }),
    );
  });
});
