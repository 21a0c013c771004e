import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/crypto/codec.ts";
import {
  merklePath,
  merkleRoot,
  RFC6962_EMPTY_ROOT,
  rfc6962Leaf,
  rfc6962Node,
} from "../../../src/crypto/merkle.ts";
import {
  appendLeaf,
  type CompactRange,
  EMPTY_RANGE,
  rangeBefore,
  rangeRoot,
} from "../../../src/ledger/verify/compact-range.ts";

const LEAVES = Array.from({ length: 300 }, (_, i) => rfc6962Leaf(utf8(`leaf ${i}`)));
const rootOf = (size: number): Uint8Array =>
  size === 0 ? RFC6962_EMPTY_ROOT : merkleRoot(LEAVES.slice(0, size), rfc6962Node);
const rangeOf = (size: number): CompactRange =>
  LEAVES.slice(0, size).reduce(appendLeaf, EMPTY_RANGE);

describe("a compact range", () => {
  it("has the root of its leaves at every size", () => {
    let range = EMPTY_RANGE;
    for (let size = 0; size <= LEAVES.length; size++) {
      expect(rangeRoot(range)).toEqual(rootOf(size));
      expect(range.size).toBe(size);
      range = appendLeaf(range, LEAVES[size] ?? new Uint8Array(32));
    }
  });

  it("is what stands left of a leaf's path, for every leaf of every tree", () => {
    const place = fc
      .integer({ min: 1, max: LEAVES.length })
      .chain((size) => fc.tuple(fc.integer({ min: 0, max: size - 1 }), fc.constant(size)));
    fc.assert(
      fc.property(place, ([index, size]) => {
        const path = merklePath(LEAVES.slice(0, size), index, rfc6962Node);
        expect(rangeBefore(index, size, path)).toEqual(rangeOf(index));
      }),
      { numRuns: 1000 },
    );
  });

  it("is not made of a path of another length than the place has", () => {
    const size = 100;
    for (const index of [0, 1, 63, 64, 98, 99]) {
      const path = merklePath(LEAVES.slice(0, size), index, rfc6962Node);
      expect(rangeBefore(index, size, path.slice(1))).toBeUndefined();
      expect(rangeBefore(index, size, [...path, rootOf(1)])).toBeUndefined();
    }
  });

  it("goes beyond 2^32 leaves", () => {
    const size = 2 ** 33 + 1;
    const range = { size, subtrees: [rootOf(1), rootOf(2)] };
    const next = appendLeaf(range, rootOf(3));
    expect(next.subtrees).toEqual([rootOf(1), rfc6962Node(rootOf(2), rootOf(3))]);
  });
});
