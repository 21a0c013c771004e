import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equalBytes } from "../../src/crypto/bytes.ts";
import {
  decodeBlockProofs,
  encodeBlockProofs,
  hasSection,
  NO_BLOCK_PROOFS,
} from "../../src/ledger/block-proofs.ts";
import { type GenesisProofs, NO_PROOFS } from "../../src/ledger/genesis-proofs.ts";
import { LIMITS } from "../../src/limits.ts";
import { ivrfRevealBytes } from "../../src/proofs/beacon/ivrf.ts";

const asking: GenesisProofs = { ...NO_PROOFS, beacon: { depth: 4 } };
const codeOf = (bytes: Uint8Array): string => {
  const result = decodeBlockProofs(bytes);
  return result.ok ? "ok" : result.code;
};

describe("the proof section of a block", () => {
  it("gives back what was encoded", () => {
    const parts = fc.record({
      reveal: fc.uint8Array({ maxLength: LIMITS.revealBytesMax }),
      openings: fc.uint8Array({ maxLength: 2000 }),
    });
    fc.assert(
      fc.property(parts, ({ reveal, openings }) => {
        const section = encodeBlockProofs(asking, { reveal, openings });
        expect(section.bytes.length).toBe(6 + reveal.length + openings.length);
        expect(decodeBlockProofs(section.bytes)).toEqual({ ok: true, value: section });
      }),
    );
  });

  it("is empty on a chain that asks for neither beacon nor space, and has no parts there", () => {
    const nothing = new Uint8Array(0);
    expect(hasSection(NO_PROOFS)).toBe(false);
    expect(encodeBlockProofs(NO_PROOFS, { reveal: nothing, openings: nothing })).toBe(
      NO_BLOCK_PROOFS,
    );
    expect(() =>
      encodeBlockProofs(NO_PROOFS, { reveal: new Uint8Array(1), openings: nothing }),
    ).toThrow(RangeError);
    expect(decodeBlockProofs(nothing)).toEqual({ ok: true, value: NO_BLOCK_PROOFS });
    expect(encodeBlockProofs(asking, { reveal: nothing, openings: nothing }).bytes.length).toBe(6);
  });

  it("takes parts at the limits and nothing past them", () => {
    const reveal = new Uint8Array(LIMITS.revealBytesMax);
    const openings = new Uint8Array(LIMITS.blockOpeningsBytesMax);
    expect(ivrfRevealBytes(LIMITS.beaconDepth[1])).toBe(LIMITS.revealBytesMax);
    expect(codeOf(encodeBlockProofs(asking, { reveal, openings }).bytes)).toBe("ok");
    const longer = new Uint8Array(reveal.length + 1);
    expect(() => encodeBlockProofs(asking, { reveal: longer, openings })).toThrow(RangeError);
    const more = new Uint8Array(openings.length + 1);
    expect(() => encodeBlockProofs(asking, { reveal, openings: more })).toThrow(RangeError);
    const long = new Uint8Array(6 + longer.length);
    new DataView(long.buffer).setUint16(0, longer.length);
    expect(codeOf(long)).toBe("encoding.malformed");
    const big = new Uint8Array(6 + more.length);
    new DataView(big.buffer).setUint32(2, more.length);
    expect(codeOf(big)).toBe("encoding.malformed");
  });

  it("never throws, and has one encoding for what it reads", () => {
    const good = encodeBlockProofs(asking, {
      reveal: new Uint8Array(40).fill(7),
      openings: new Uint8Array(90).fill(8),
    }).bytes;
    const cut = fc.nat({ max: good.length }).map((length) => good.slice(0, length));
    fc.assert(
      fc.property(fc.oneof(cut, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        const result = decodeBlockProofs(bytes);
        if (!result.ok || bytes.length === 0) return;
        expect(equalBytes(encodeBlockProofs(asking, result.value).bytes, bytes)).toBe(true);
      }),
      { numRuns: 500 },
    );
    for (let length = 1; length < good.length; length++) {
      expect(codeOf(good.slice(0, length))).toBe("encoding.malformed");
    }
  });
});
