/** Openings in parts: what each event shows, and what it costs to check. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import {
  commitShares,
  createShareTest,
  encodeSharePart,
  openShares,
  shareParts,
  verifySharePart,
  WORK_PROFILES,
} from "../../../src/proofs/work/index.ts";
import { filled, hasher } from "./support.ts";

const N = LIMITS.workScryptN[1];
/** A share of any try, so that the dearest parameters can be tried. */
const dear = { scryptN: N, difficulty: 1, triesPerUnit: 1 };
const subject = { epochSeed: filled(1), validator: filled(2) };
const seed = filled(3);

const partsOf = (count: number) => {
  const nonces = Array.from({ length: count }, (_, slot) => slot);
  const opening = openShares(hasher, nonces, seed);
  const parts = shareParts(dear, count);
  return {
    commitment: commitShares(hasher, nonces),
    parts: Array.from({ length: parts }, (_, part) => encodeSharePart(dear, opening, part)),
  };
};

describe("parts of an opening", () => {
  it("are as many as the cost of a share asks for", () => {
    const { shares } = WORK_PROFILES.dev;
    expect([1, 8, 9, 32, 1_000].map((count) => shareParts(shares, count))).toEqual([1, 1, 2, 4, 4]);
    expect(shareParts(WORK_PROFILES.test.shares, LIMITS.workSharesMax)).toBe(1);
    expect(shareParts(dear, LIMITS.workSharesMax)).toBe(16);
    expect(16).toBeLessThanOrEqual(LIMITS.proofPartsMax);
  });

  it("are right each, in their own place only, and in one encoding", () => {
    const { commitment, parts } = partsOf(5);
    expect(parts).toHaveLength(3);
    const codes = parts.map((bytes) =>
      [0, 1, 2].map((number) => {
        const verdict = verifySharePart(hasher, dear, subject, commitment, seed, { number, bytes });
        return verdict.ok ? "ok" : verdict.code;
      }),
    );
    expect(codes[0]).toEqual(["ok", "work.shares", "work.malformed"]);
    expect(codes[1]).toEqual(["work.shares", "ok", "work.malformed"]);
    expect(codes[2]).toEqual(["work.malformed", "work.malformed", "ok"]);
  });

  it("are checked whatever their bytes are", () => {
    const { commitment, parts } = partsOf(5);
    const [whole = new Uint8Array(0)] = parts;
    const check = (bytes: Uint8Array): string => {
      const part = { number: 0, bytes };
      const test = { ...dear, scryptN: 2 };
      const verdict = verifySharePart(hasher, test, subject, commitment, seed, part);
      return verdict.ok ? "ok" : verdict.code;
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        expect(["work.malformed", "work.shares"]).toContain(check(bytes));
      }),
    );
    const rest = whole.subarray(0, whole.length - 1);
    expect(check(rest)).toBe("work.malformed");
  });

  it("of the largest commitment fit their event", () => {
    const path = Math.ceil(Math.log2(LIMITS.workSharesMax));
    const bytes = LIMITS.workShareOpenings * (8 + 1 + 32 * path);
    expect(bytes).toBeLessThanOrEqual(LIMITS.workPartBytesMax);
    expect(LIMITS.workPartBytesMax).toBeLessThan(LIMITS.eventBytesMax);
  });

  it("are false where a slot holds no share", () => {
    const { shares } = WORK_PROFILES.test;
    const test = createShareTest(hasher, shares, subject);
    const nonces = Array.from({ length: 3 }, (_, slot) => {
      let nonce = 0;
      while (test(slot, nonce) === (slot === 1)) nonce += 1;
      return nonce;
    });
    const opening = openShares(hasher, nonces, seed);
    const part = { number: 0, bytes: encodeSharePart(shares, opening, 0) };
    const { commitment } = opening;
    expect(verifySharePart(hasher, shares, subject, commitment, seed, part)).toMatchObject({
      code: "work.shares",
    });
  });
});
