import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { utf8 } from "../../../src/crypto/codec.ts";
import { createHasher } from "../../../src/crypto/hash.ts";
import { BlockStore, finalizationOp, forgetOps } from "../../../src/ledger/replica/block-store.ts";
import { LIMITS } from "../../../src/limits.ts";

describe("what append forgets", () => {
  it("is certificates and where they are, never a block, a batch or what makes one final", () => {
    const forgettable = [toHex(utf8("c/")), toHex(utf8("f/"))];
    const step = fc.record({
      views: fc.integer({ min: 1, max: 40 }),
      boundary: fc.boolean(),
      own: fc.boolean(),
    });
    let forgotten = 0;
    fc.assert(
      fc.property(fc.nat(200), fc.array(step, { minLength: 3, maxLength: 8 }), (first, steps) => {
        const rows = new Map<string, Uint8Array>();
        let [epoch, view] = [0, 0];
        for (const [at, { views, boundary, own }] of steps.entries()) {
          view += views;
          const op = finalizationOp(first + at, epoch, view);
          if (own && op.type === "put") rows.set(toHex(op.key), op.value);
          if (boundary) [epoch, view] = [epoch + 1, 0];
        }
        const store = new BlockStore((key) => rows.get(toHex(key)), createHasher("forget"));
        for (const at of steps.keys()) {
          const ops = forgetOps(store, first + at + LIMITS.certificateWindowHeights);
          forgotten += ops.length;
          expect(ops.every((op) => op.type === "del")).toBe(true);
          expect(ops.filter(({ key }) => !forgettable.includes(toHex(key).slice(0, 4)))).toEqual(
            [],
          );
        }
      }),
    );
    expect(forgotten).toBeGreaterThan(0);
  });
});
