/** Bytes in pieces: they come out as they went in, at a cost that does not depend on the pieces. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GrowingBytes } from "../../../src/transport/bulk/growing-bytes.ts";

describe("growing bytes", () => {
  it("are the pieces in their order", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 20 }), (pieces) => {
        const bytes = new GrowingBytes(20 * 700);
        for (const piece of pieces) {
          expect(bytes.push(piece)).toBe(true);
        }
        expect(Buffer.compare(bytes.take(), Buffer.concat(pieces))).toBe(0);
      }),
    );
  });

  it("copy what they take", () => {
    const bytes = new GrowingBytes(10);
    const piece = Uint8Array.of(1, 2);
    bytes.push(piece);
    piece.fill(9);
    expect([...bytes.take()]).toEqual([1, 2]);
  });

  it("cost no more than twice what came, in however small pieces, and end at their limit", () => {
    const limit = 5_000;
    const bytes = new GrowingBytes(limit);
    for (let count = 1; count <= limit; count++) {
      expect(bytes.push(Uint8Array.of(1))).toBe(true);
      expect(bytes.allocated).toBeLessThanOrEqual(Math.min(limit, Math.max(256, 2 * count)));
    }
    expect(bytes.push(new Uint8Array(0))).toBe(true);
    expect(bytes.push(Uint8Array.of(1))).toBe(false);
    expect(bytes.take()).toHaveLength(limit);
  });
});
