import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { LIMITS } from "../../../src/limits.ts";
import { TIME_PROFILES } from "../../../src/proofs/time/parameters.ts";
import { keptFromOf } from "../../../src/proofs/time/run.ts";
import { type Block, reference, referenceProof } from "./reference.ts";
import { beginRun, described, filled, fullRun, parametersOf, proofOf } from "./support.ts";

const hex = (bytes: Uint8Array): string => toHex(bytes);

/** Blocks of ascending heights at some leaves. */
const blocksAt = (leaves: readonly number[]): Map<number, Block> =>
  new Map(
    [...new Set(leaves)]
      .sort((a, b) => a - b)
      .map((leaf, i) => [leaf, { height: 10 + 3 * i, hash: filled(100 + i) }]),
  );

describe("a run", () => {
  it("has the commitment and the proofs of the whole graph, for every count of leaves", () => {
    for (let leaves = 1; leaves <= 70; leaves++) {
      const input = described(leaves, {
        blocks: blocksAt([0, Math.floor(leaves / 2), leaves - 1]),
      });
      const graph = reference(input);
      const run = fullRun(input, parametersOf(leaves % 6));
      expect(hex(run.finish().commitment.phi)).toBe(graph.phi.toString("hex"));
      expect(hex(proofOf(run, filled(9), 8))).toBe(
        referenceProof(input, graph, filled(9), 8).toString("hex"),
      );
    }
  });

  it("is the same wherever blocks come, and whichever nodes are kept", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        fc.integer({ min: 0, max: 6 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (leaves, places, keptFrom, seed) => {
          const input = described(leaves, { blocks: blocksAt(places.map((p) => p % leaves)) });
          const graph = reference(input);
          const run = fullRun(input, parametersOf(keptFrom));
          expect(hex(run.finish().commitment.phi)).toBe(graph.phi.toString("hex"));
          expect(hex(proofOf(run, seed, 5))).toBe(
            referenceProof(input, graph, seed, 5).toString("hex"),
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  it("goes on from its kept labels as if nothing had happened", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 0, max: 200 }),
        fc.integer({ min: 0, max: 4 }),
        (leaves, cut, keptFrom) => {
          const input = described(leaves, { blocks: blocksAt([1, 5, 60, 150]) });
          const before = beginRun(input, parametersOf(keptFrom));
          for (let leaf = 0; leaf < Math.min(cut, leaves); leaf++)
            before.append(input.blocks?.get(leaf));
          const after = beginRun(input, parametersOf(keptFrom));
          after.restore(before.keptLabels(0), before.absorbed());
          const lost = before.leaves() - after.leaves();
          expect(lost).toBeGreaterThanOrEqual(0);
          expect(lost).toBeLessThan(2 ** keptFrom);
          while (after.leaves() < leaves) after.append(input.blocks?.get(after.leaves()));
          const whole = fullRun(input, parametersOf(keptFrom));
          expect(after.finish()).toEqual(whole.finish());
          expect(hex(proofOf(after, filled(4), 6))).toBe(hex(proofOf(whole, filled(4), 6)));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("keeps at most 8 MiB of labels at every profile", () => {
    for (const parameters of Object.values(TIME_PROFILES)) {
      const lowest = 2 ** (parameters.leavesLog2Max - keptFromOf(parameters));
      expect(2 * lowest * 32).toBeLessThanOrEqual(8 * 1024 * 1024);
    }
  });

  it("refuses blocks that cannot follow, and leaves that may not be", () => {
    const run = beginRun(described(4), { ...parametersOf(0), leavesLog2Max: 2 });
    expect(() => run.finish()).toThrow(RangeError);
    run.append({ height: 5, hash: filled(1) });
    expect(() => run.append({ height: 5, hash: filled(2) })).toThrow(/does not follow/);
    expect(() => run.append({ height: 6, hash: filled(0) })).toThrow(/zero/);
    expect(() => run.append({ height: 6, hash: filled(1).slice(1) })).toThrow(/32 bytes/);
    expect(() => run.append({ height: -1, hash: filled(1) })).toThrow(/height/);
    for (let leaf = 1; leaf < 4; leaf++) run.append();
    expect(() => run.append()).toThrow(/longest/);
    run.finish();
    expect(() => run.append()).toThrow(/finished/);
    expect(() => run.restore(new Uint8Array(0), [])).toThrow(/new run/);
  });

  it("absorbs as many blocks as the limit says, and no more", () => {
    const most = LIMITS.timeAbsorbedMax;
    const run = beginRun(described(1), { ...parametersOf(0), tailBlocks: 1 });
    for (let height = 0; height < most; height++) run.append({ height, hash: filled(1) });
    expect(() => run.append({ height: most, hash: filled(1) })).toThrow(String(most));
  });
});
