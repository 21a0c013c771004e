/** Shares of validators: commitment, opening, and what a committer cannot get away with. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHasher } from "../../../src/crypto/hash.ts";
import { merkleRoot } from "../../../src/crypto/merkle.ts";
import type { Result } from "../../../src/errors.ts";
import { LIMITS } from "../../../src/limits.ts";
import {
  challengedSlots,
  commitShares,
  createShareTest,
  decodeShareOpening,
  encodeShareOpening,
  openShares,
  type ShareSubject,
  type ShareTest,
  verifyShares,
  WORK_PROFILES,
  workUnits,
} from "../../../src/proofs/work/index.ts";
import { shareLeaf, shareNode } from "../../../src/proofs/work/shares.ts";
import { filled, hasher } from "./support.ts";

const { shares: parameters } = WORK_PROFILES.test;
const subject: ShareSubject = { epochSeed: filled(1), validator: filled(2) };
const seed = filled(3);

const fill = (test: ShareTest, count: number): number[] =>
  Array.from({ length: count }, (_, slot) => {
    let nonce = 0;
    while (!test(slot, nonce)) nonce += 1;
    return nonce;
  });

const test = createShareTest(hasher, parameters, subject);
const nonces = fill(test, 300);

const codeOf = (result: Result<unknown>): string => (result.ok ? "ok" : result.code);

const verdict = (list: readonly number[], by = subject, at = seed): Result<{ units: number }> =>
  verifyShares(hasher, parameters, by, openShares(hasher, list, at), at);

describe("shares", () => {
  it.each([1, 2, 31, 32, 33, 300])("of %i slots verify, as the units that they are", (count) => {
    const list = nonces.slice(0, count);
    const units = Math.floor((count * parameters.difficulty) / parameters.triesPerUnit);
    expect(verdict(list)).toEqual({ ok: true, value: { units } });
    expect(workUnits(parameters, count)).toBe(units);
    const opening = openShares(hasher, list, seed);
    expect(opening.opened.length).toBe(Math.min(count, LIMITS.workShareOpenings));
    expect(opening.commitment).toEqual(commitShares(hasher, list));
  });

  it("are of one validator, one epoch, one chain and one seed", () => {
    const opening = openShares(hasher, nonces, seed);
    const by = (who: ShareSubject, chain = hasher): string =>
      codeOf(verifyShares(chain, parameters, who, opening, seed));
    expect(by(subject)).toBe("ok");
    expect(by({ ...subject, validator: filled(9) })).toBe("work.shares");
    expect(by({ ...subject, epochSeed: filled(9) })).toBe("work.shares");
    expect(by(subject, createHasher("work-test-2"))).toBe("work.shares");
    expect(codeOf(verifyShares(hasher, parameters, subject, opening, filled(9)))).toBe(
      "work.shares",
    );
    const harder = { ...parameters, difficulty: 64 };
    expect(codeOf(verifyShares(hasher, harder, subject, opening, seed))).toBe("work.shares");
  });

  it("are all opened where there are 32 or fewer, so that none can be empty", () => {
    for (let empty = 0; empty < 32; empty++) {
      const list = nonces.slice(0, 32);
      while (test(empty, list[empty] ?? 0)) list[empty] = (list[empty] ?? 0) + 1;
      expect(codeOf(verdict(list))).toBe("work.shares");
    }
  });

  it("fill one slot each: a list committed twice over is no list", () => {
    // Under a rule that wants ascending neighbours, this list has one wrong place in 300.
    const half = nonces.slice(0, 150);
    const twice = [...half, ...half];
    for (let i = 0; i < 20; i++)
      expect(codeOf(verdict(twice, subject, filled(i)))).toBe("work.shares");
    // Neither do shares fit slots that they were not found for.
    expect(codeOf(verdict(nonces.slice(1, 101)))).toBe("work.shares");
  });

  it("with a tenth missing pass about one opening in 30", () => {
    const list = nonces.map((nonce, slot) => {
      if (slot % 10 !== 0) return nonce;
      let none = nonce;
      while (test(slot, none)) none += 1;
      return none;
    });
    let passed = 0;
    for (let i = 0; i < 200; i++) if (verdict(list, subject, filled(i)).ok) passed += 1;
    // 0.9^32 is 3.4 %, and less without returning: 7 of 200.
    expect(passed).toBeLessThan(20);
  });

  it("count at least one, and at most the limit", () => {
    expect(() => commitShares(hasher, [])).toThrow(RangeError);
    expect(() => commitShares(hasher, new Array(LIMITS.workSharesMax + 1).fill(0))).toThrow(
      RangeError,
    );
    const opening = openShares(hasher, nonces, seed);
    const claim = (count: number): string =>
      codeOf(
        verifyShares(
          hasher,
          parameters,
          subject,
          { ...opening, commitment: { ...opening.commitment, count } },
          seed,
        ),
      );
    for (const count of [0, -1, 299, 301, 10_000, LIMITS.workSharesMax + 1]) {
      expect(claim(count)).toBe("work.shares");
    }
  });
});

describe("the tree of shares", () => {
  it("is that of RFC 6962, whatever its size", () => {
    for (let count = 1; count <= 70; count++) {
      const list = nonces.slice(0, count);
      const leaves = list.map((nonce, slot) => shareLeaf(hasher, slot, nonce));
      expect(commitShares(hasher, list).root).toEqual(merkleRoot(leaves, shareNode(hasher)));
    }
  });
});

describe("the slots that a seed asks for", () => {
  it("are different ones of those there are, whatever the seed", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: LIMITS.workSharesMax }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (count, any) => {
          const slots = challengedSlots(hasher, { count, root: filled(4) }, any);
          expect(new Set(slots).size).toBe(Math.min(count, LIMITS.workShareOpenings));
          expect(slots.every((slot) => slot >= 0 && slot < count)).toBe(true);
        },
      ),
    );
  });

  it("are spread evenly", () => {
    const count = 64;
    const asked = new Array<number>(count).fill(0);
    for (let i = 0; i < 256; i++) {
      for (const slot of challengedSlots(hasher, { count, root: filled(4) }, filled(i))) {
        asked[slot] = (asked[slot] ?? 0) + 1;
      }
    }
    // Each in half of the draws: 128 with a deviation of 8.
    for (const times of asked) expect(Math.abs(times - 128)).toBeLessThan(45);
  });

  it("follow from the commitment, which is made before the seed is known", () => {
    const of = (root: number, count = 1000) =>
      challengedSlots(hasher, { count, root: filled(root) }, seed);
    expect(of(4)).toEqual(of(4));
    expect(of(4)).not.toEqual(of(5));
    expect(of(4)).not.toEqual(of(4, 1001));
  });
});

describe("an opening", () => {
  const opening = openShares(hasher, nonces.slice(0, 40), seed);
  const bytes = encodeShareOpening(opening);

  it("has one encoding", () => {
    const decoded = decodeShareOpening(bytes);
    if (!decoded.ok) throw new Error(decoded.detail);
    expect(decoded.value).toEqual(opening);
    expect(codeOf(decodeShareOpening(Uint8Array.from([...bytes, 0])))).toBe("work.malformed");
    for (let length = 0; length < bytes.length; length += 7) {
      expect(codeOf(decodeShareOpening(bytes.subarray(0, length)))).toBe("work.malformed");
    }
  });

  it("is refused with any byte changed", () => {
    const bytes = encodeShareOpening(openShares(hasher, nonces.slice(0, 9), seed));
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      const decoded = decodeShareOpening(changed);
      const code = decoded.ok
        ? codeOf(verifyShares(hasher, parameters, subject, decoded.value, seed))
        : decoded.code;
      expect(code, `byte ${at}`).toMatch(/^work\.(malformed|shares)$/);
    }
  });

  it("is read from any bytes without an error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(3), (any, like) => {
        // A true beginning gets the reader further than chance does.
        const tried = like === 0 ? any : Uint8Array.from([...bytes.subarray(0, 40 * like), ...any]);
        const decoded = decodeShareOpening(tried);
        if (decoded.ok) expect(encodeShareOpening(decoded.value)).toEqual(tried);
        else expect(decoded.code).toBe("work.malformed");
      }),
    );
  });

  it("claims 1 to the limit of shares, and a path no longer than the largest tree's", () => {
    const claim = (count: number): string => {
      const changed = bytes.slice();
      new DataView(changed.buffer).setUint32(1, count);
      return codeOf(decodeShareOpening(changed));
    };
    expect(claim(0)).toBe("work.malformed");
    expect(claim(LIMITS.workSharesMax)).toBe("ok");
    expect(claim(LIMITS.workSharesMax + 1)).toBe("work.malformed");
    const path = new Array<Uint8Array>(19).fill(filled(0));
    const long = { ...opening, opened: opening.opened.map((one) => ({ ...one, path })) };
    expect(codeOf(decodeShareOpening(encodeShareOpening(long)))).toBe("work.malformed");
    const fits = { ...long, opened: long.opened.map((one) => ({ ...one, path: path.slice(1) })) };
    expect(codeOf(decodeShareOpening(encodeShareOpening(fits)))).toBe("ok");
  });
});
