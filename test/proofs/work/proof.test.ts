/** Proofs of work: what is accepted, and that nothing near it is. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHasher } from "../../../src/crypto/hash.ts";
import type { Result } from "../../../src/errors.ts";
import { LIMITS } from "../../../src/limits.ts";
import { effortWord, expectedRuns, meetsEffort } from "../../../src/proofs/work/effort.ts";
import {
  createWorkSearch,
  decodeWorkProof,
  encodeWorkProof,
  type Puzzle,
  verifyWork,
  type WorkSubject,
  workProofBytes,
} from "../../../src/proofs/work/index.ts";
import { packIndices, unpackIndices } from "../../../src/proofs/work/packing.ts";
import { ARGON, EQUIHASH, filled, hasher, solve, subject } from "./support.ts";

const codeOf = (result: Result<unknown>): string => (result.ok ? "ok" : result.code);

const judge = (puzzle: Puzzle, bytes: Uint8Array, required = 1, what = subject): string =>
  codeOf(verifyWork(hasher, puzzle, what, bytes, required));

const PUZZLES = [EQUIHASH, ARGON];

describe.each(PUZZLES)("a proof by $kind", (puzzle) => {
  // Argon2id refuses a change with the odds of its effort: this one is high enough for 160 of them.
  const effort = puzzle.kind === "argon2id" ? 20_000 : 3;
  const { bytes } = solve(puzzle, effort);

  it("is accepted, and says what it shows", () => {
    const verdict = verifyWork(hasher, puzzle, subject, bytes, effort);
    if (!verdict.ok) throw new Error(verdict.detail);
    expect(verdict.value.effort).toBe(effort);
    expect(BigInt(verdict.value.word) * BigInt(effort)).toBeLessThan(2n ** 32n);
    expect(bytes.length).toBe(workProofBytes(puzzle));
  });

  it("is refused with any one bit changed", () => {
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = bytes.slice();
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        expect(judge(puzzle, changed)).not.toBe("ok");
      }
    }
  });

  it("is refused where more is required than it states", () => {
    expect(judge(puzzle, bytes, effort)).toBe("ok");
    expect(judge(puzzle, bytes, effort + 1)).toBe("work.insufficient");
  });

  it("is refused for what it was not done for", () => {
    const one = solve(puzzle, puzzle.kind === "argon2id" ? 1024 : 16).bytes;
    const others: WorkSubject[] = [
      { ...subject, beacon: filled(7) },
      { ...subject, actor: filled(7) },
      { ...subject, batchId: filled(7) },
      { beacon: subject.actor, actor: subject.beacon, batchId: subject.batchId },
    ];
    expect(judge(puzzle, one)).toBe("ok");
    for (const other of others) expect(judge(puzzle, one, 1, other)).toMatch(/effort|solution/);
    const elsewhere = createHasher("work-test-2");
    expect(codeOf(verifyWork(elsewhere, puzzle, subject, one, 1))).toMatch(/effort|solution/);
  });

  it("has one encoding", () => {
    const decoded = decodeWorkProof(puzzle, bytes);
    if (!decoded.ok) throw new Error(decoded.detail);
    expect(encodeWorkProof(puzzle, decoded.value)).toEqual(bytes);
    for (const wrong of [bytes.subarray(1), new Uint8Array(0), Uint8Array.from([...bytes, 0])]) {
      expect(judge(puzzle, wrong)).toBe("work.malformed");
    }
  });

  it("states an effort of 1 to the limit", () => {
    const withEffort = (value: number): Uint8Array => {
      const changed = bytes.slice();
      new DataView(changed.buffer).setUint32(0, value);
      return changed;
    };
    const decoded = (value: number): string => codeOf(decodeWorkProof(puzzle, withEffort(value)));
    expect(decoded(0)).toBe("work.malformed");
    expect(decoded(1)).toBe("ok");
    expect(decoded(LIMITS.workEffortMax)).toBe("ok");
    expect(decoded(LIMITS.workEffortMax + 1)).toBe("work.malformed");
    expect(() =>
      encodeWorkProof(puzzle, { effort: 0, nonce: filled(0, 16), solution: filled(0, 0) }),
    ).toThrow(RangeError);
  });

  it("is read from any bytes without an error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (any) => {
        const decoded = decodeWorkProof(puzzle, any);
        if (decoded.ok) expect(encodeWorkProof(puzzle, decoded.value)).toEqual(any);
        else expect(decoded.code).toBe("work.malformed");
      }),
    );
    const length = workProofBytes(puzzle);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: length, maxLength: length }), (any) => {
        // With the largest effort, so that nothing fits by chance.
        new DataView(any.buffer).setUint32(0, LIMITS.workEffortMax);
        expect(judge(puzzle, any)).not.toBe("ok");
      }),
    );
  });
});

describe("a solution", () => {
  const { bytes } = solve(EQUIHASH, 1);
  const withIndices = (change: (indices: Uint32Array) => void): Uint8Array => {
    const indices = unpackIndices(bytes.subarray(20));
    change(indices);
    const changed = bytes.slice();
    changed.set(packIndices(indices), 20);
    return changed;
  };

  it("is refused in any other order", () => {
    fc.assert(
      fc.property(fc.nat(31), fc.nat(31), (a, b) => {
        fc.pre(a !== b);
        const swapped = withIndices((indices) => {
          const held = indices[a] ?? 0;
          indices[a] = indices[b] ?? 0;
          indices[b] = held;
        });
        expect(judge(EQUIHASH, swapped)).toBe("work.solution");
      }),
    );
  });

  it("is refused with an index twice", () => {
    const doubled = withIndices((indices) => indices.copyWithin(16, 0, 16));
    expect(codeOf(verifyWork(hasher, EQUIHASH, subject, doubled, 1))).toBe("work.solution");
    const paired = withIndices((indices) => {
      for (let i = 0; i < 32; i += 2) indices[i + 1] = indices[i] ?? 0;
    });
    expect(judge(EQUIHASH, paired)).toBe("work.solution");
  });
});

describe("the effort rule", () => {
  const hashOf = (word: number): Uint8Array => {
    const hash = filled(0xff);
    new DataView(hash.buffer).setUint32(0, word);
    return hash;
  };

  it("accepts R·E = 2^32 - 1 and refuses one more", () => {
    // The divisors of 2^32 - 1 that an effort may be.
    for (const effort of [1, 3, 5, 15, 17, 255, 257, 65_535, 65_537, 983_055]) {
      const word = 0xffff_ffff / effort;
      expect(Number.isInteger(word)).toBe(true);
      expect(meetsEffort(hashOf(word), effort)).toBe(true);
      if (word < 0xffff_ffff) expect(meetsEffort(hashOf(word + 1), effort)).toBe(false);
    }
  });

  it("is the product of whole numbers, for every effort and hash", () => {
    const effort = fc.integer({ min: 1, max: LIMITS.workEffortMax });
    const near = fc.integer({ min: -2, max: 2 });
    fc.assert(
      fc.property(effort, near, (e, offset) => {
        const word = Number(BigInt(0xffff_ffff) / BigInt(e)) + offset;
        fc.pre(word >= 0 && word <= 0xffff_ffff);
        expect(meetsEffort(hashOf(word), e)).toBe(offset <= 0);
        expect(effortWord(hashOf(word))).toBe(word);
      }),
    );
  });

  it("counts a run of Equihash as two solutions", () => {
    expect(expectedRuns(EQUIHASH, 1)).toBe(1);
    expect(expectedRuns(EQUIHASH, 64)).toBe(32);
    expect(expectedRuns(ARGON, 64)).toBe(64);
  });

  it("takes about as many tries as it says", () => {
    const effort = 16;
    let tries = 0;
    for (let i = 0; i < 300; i++) {
      const search = createWorkSearch(hasher, ARGON, subject, effort, filled(i & 0xff, 12));
      let counter = i * 10_000;
      while (search.attempt(counter) === undefined) counter += 1;
      tries += counter - i * 10_000 + 1;
    }
    // 300 geometric counts of mean 16: 4,800 with a deviation of 268.
    expect(tries).toBeGreaterThan(3_500);
    expect(tries).toBeLessThan(6_100);
  }, 60_000);

  it("is searched only for efforts and prefixes that there are", () => {
    expect(() => createWorkSearch(hasher, ARGON, subject, 0, filled(0, 12))).toThrow(RangeError);
    expect(() => createWorkSearch(hasher, ARGON, subject, 1, filled(0, 13))).toThrow(RangeError);
  });
});
