import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { utf8 } from "../../../src/crypto/codec.ts";
import { createHasher } from "../../../src/crypto/hash.ts";
import { metaKey } from "../../../src/ledger/keys.ts";
import { BlockStore, finalizationOp } from "../../../src/ledger/replica/block-store.ts";
import { forgetOps } from "../../../src/ledger/replica/forget.ts";
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
        const read = (key: Uint8Array): Uint8Array | undefined => rows.get(toHex(key));
        const hasher = createHasher("forget");
        const store = new BlockStore(read, hasher);
        for (const at of steps.keys()) {
          const height = first + at + LIMITS.certificateWindowHeights;
          const ops = forgetOps(store, read, hasher, height, height);
          const deleted = ops.filter(({ type }) => type === "del").map(({ key }) => toHex(key));
          forgotten += deleted.length;
          expect(deleted.filter((key) => !forgettable.includes(key.slice(0, 4)))).toEqual([]);
          const put = ops.filter(({ type }) => type === "put").map(({ key }) => toHex(key));
          expect(put.filter((key) => key !== toHex(metaKey("forgotten")))).toEqual([]);
        }
      }),
    );
    expect(forgotten).toBeGreaterThan(0);
  });
});
