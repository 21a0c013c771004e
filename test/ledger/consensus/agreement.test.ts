/**
 * Whatever is lost, repeated, reordered or restarted, no two nodes finalize different blocks at a height,
 * nobody ever makes two statements that contradict each other or sends what is not durable, and when the
 * trouble ends, blocks become final again.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SmallNet, underAThird } from "./small-net.ts";

/** Of weight 9, 12, 13, 4, 8 and 14: all remainders by 3, equal and unequal. */
const WEIGHTS: readonly (readonly number[])[] = [
  [3, 2, 2, 2],
  [4, 3, 3, 2],
  [5, 1, 4, 3],
  [1, 1, 1, 1],
  [2, 2, 2, 2],
  [4, 4, 4, 2],
];

const moves = fc.array(fc.nat({ max: 2 ** 20 }), { minLength: 50, maxLength: 700, size: "max" });

const play = (net: SmallNet, choices: readonly number[]): void => {
  for (const choice of choices) {
    net.move(choice);
    if (net.faults.length > 0) break;
  }
  expect(net.faults).toEqual([]);
};

const expectProgress = (net: SmallNet): void => {
  const target = net.highest + 1;
  const done = (): boolean => net.faults.length > 0 || net.over || net.lowest >= target;
  expect(net.heal(400, done)).toBe(true);
  expect(net.faults).toEqual([]);
};

for (const weights of WEIGHTS) {
  describe(`four validators of weights ${weights.join(", ")}`, () => {
    it("agree through loss, repetition, reordering and restarts, and go on when it ends", () => {
      fc.assert(
        fc.property(moves, fc.boolean(), (choices, short) => {
          const net = new SmallNet({ weights, boundaryHeight: short ? 4 : undefined });
          play(net, choices);
          expect(net.evidence).toBe(0);
          expectProgress(net);
        }),
        { numRuns: 60, endOnFailure: true },
      );
    });

    it("agree although one with under a third of the weight lies", () => {
      const member = weights.findIndex((_, i) => underAThird(weights, i));
      fc.assert(
        fc.property(moves, fc.integer({ min: 0, max: 3 }), (choices, i) => {
          const byzantine = underAThird(weights, i) ? i : member;
          const net = new SmallNet({ weights, byzantine });
          play(net, choices);
          expectProgress(net);
        }),
        { numRuns: 60, endOnFailure: true },
      );
    });
  });
}

describe("without trouble", () => {
  it("finalizes height after height, and the boundary block ends it", () => {
    const net = new SmallNet({ weights: [1, 1, 1, 1], boundaryHeight: 20 });
    expect(net.heal(400, () => net.over)).toBe(true);
    expect(net.highest).toBe(20);
    expect(net.faults).toEqual([]);
  });
});
