/** The files of `nexus work`: one reading of each, and none of anything else. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AnyWorkFile,
  parsePuzzle,
  parseWorkFile,
  puzzleText,
  workFileJson,
} from "../../src/cli/work/files.ts";
import { TetradError } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import { WORK_PROFILES } from "../../src/proofs/work/index.ts";

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 });
const chainId = fc.stringMatching(/^[a-z0-9-]{1,64}$/);
const [argonMin, argonMax] = LIMITS.workArgonKiB;

const context = fc.record({
  chainId,
  subject: fc.record({ epochSeed: hash, validator: hash }),
  parameters: fc.constantFrom(...Object.values(WORK_PROFILES).map(({ shares }) => shares)),
});

const files: fc.Arbitrary<AnyWorkFile> = fc.oneof(
  fc.record({
    format: fc.constant("tetrad-work-1" as const),
    chainId,
    puzzle: fc.oneof(
      fc.constant({ kind: "equihash-96-5" as const }),
      fc.record({
        kind: fc.constant("argon2id" as const),
        memoryKiB: fc.integer({ min: argonMin, max: argonMax }),
      }),
    ),
    subject: fc.record({ beacon: hash, actor: hash, batchId: hash }),
    proof: bytes,
  }),
  fc
    .tuple(context, fc.array(fc.maxSafeNat(), { minLength: 1, maxLength: 20 }))
    .map(([shared, nonces]) => ({ format: "tetrad-shares-1" as const, ...shared, nonces })),
  fc.tuple(context, hash, bytes).map(([shared, seed, opening]) => ({
    format: "tetrad-share-opening-1" as const,
    ...shared,
    ...{ seed, opening },
  })),
);

const codeOf = (text: string): string => {
  try {
    parseWorkFile(text);
    return "ok";
  } catch (error) {
    if (error instanceof TetradError) return error.code;
    throw error;
  }
};

describe("a file of work", () => {
  it("is read as it was written", () => {
    fc.assert(
      fc.property(files, (file) => {
        expect(parseWorkFile(JSON.stringify(workFileJson(file)))).toEqual(file);
      }),
    );
  });

  it("is refused with any field missing, added, or of another kind", () => {
    const odd = fc.constantFrom<unknown>(null, true, -1, 1.5, "", "zz", [], {});
    fc.assert(
      fc.property(files, odd, fc.nat(6), (file, value, at) => {
        const json = workFileJson(file);
        const key = Object.keys(json)[at] ?? "format";
        const { [key]: _, ...less } = json;
        expect(codeOf(JSON.stringify(less))).toBe("work.malformed");
        expect(codeOf(JSON.stringify({ ...json, more: 1 }))).toBe("work.malformed");
        // Every text of this alphabet is a chain's name.
        const isName = key === "chainId" && value === "zz";
        expect(codeOf(JSON.stringify({ ...json, [key]: value }))).toBe(
          isName ? "ok" : "work.malformed",
        );
      }),
    );
  });

  it("is read from any text without another error", () => {
    fc.assert(fc.property(fc.string(), (text) => void codeOf(text)));
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(codeOf(text)).toBe("work.malformed");
      }),
    );
  });

  it("has as many shares as there may be, and no more", () => {
    const shares = (count: number): string =>
      JSON.stringify({
        ...{ format: "tetrad-shares-1", chainId: "a", scryptN: 16, difficulty: 2, triesPerUnit: 1 },
        ...{ epochSeed: "00".repeat(32), validator: "00".repeat(32) },
        nonces: new Array(count).fill(0),
      });
    expect(codeOf(shares(0))).toBe("work.malformed");
    expect(codeOf(shares(LIMITS.workSharesMax))).toBe("ok");
    expect(codeOf(shares(LIMITS.workSharesMax + 1))).toBe("work.malformed");
  });
});

describe("the name of a puzzle", () => {
  it("is one for each, within the limits", () => {
    for (const memoryKiB of [argonMin, 256, argonMax]) {
      const puzzle = { kind: "argon2id", memoryKiB } as const;
      expect(parsePuzzle(puzzleText(puzzle))).toEqual(puzzle);
    }
    expect(parsePuzzle("equihash-96-5")).toEqual({ kind: "equihash-96-5" });
    for (const none of [
      "",
      "equihash",
      "argon2id",
      "argon2id-0256",
      "argon2id-7",
      "argon2id-65537",
    ]) {
      expect(parsePuzzle(none)).toBeUndefined();
    }
  });
});
