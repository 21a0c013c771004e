import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHasher } from "../../../src/crypto/hash.ts";
import { LIMITS } from "../../../src/limits.ts";
import { openBlock } from "../../../src/proofs/time/open.ts";
import {
  checkTimeParameters,
  TIME_PROFILES,
  type TimeParameters,
  timeWeakness,
} from "../../../src/proofs/time/parameters.ts";
import { challengedLeaves, upTo } from "../../../src/proofs/time/statement.ts";
import { type TimeProofInput, verifyBlock, verifyRun } from "../../../src/proofs/time/verify.ts";
import {
  type Block,
  type ReferenceInput,
  reference,
  referenceChallenges,
  referenceProof,
  referenceWalk,
  sha,
  tagged,
  u8,
  u16,
  u32,
  u64,
} from "./reference.ts";
import { described, filled, fullRun, inputOf, parametersOf, proofOf } from "./support.ts";

const SEED = filled(9);
const BLOCKS = new Map<number, Block>([
  [3, { height: 20, hash: filled(50) }],
  [17, { height: 21, hash: filled(51) }],
  [40, { height: 30, hash: filled(52) }],
]);

const description = described(45, { blocks: BLOCKS });
const run = fullRun(description, parametersOf(3));
const input = inputOf(run);
const proof = proofOf(run, SEED, 8);

const codeOf = (
  given: TimeProofInput,
  bytes: Uint8Array,
  seed = SEED,
  challenges = 8,
): string | undefined => {
  const verdict = verifyRun(given, seed, upTo(challenges), bytes);
  return verdict.ok ? undefined : verdict.code;
};

const REFUSED = ["time.proof-malformed", "time.proof-invalid"];

const flipped = (bytes: Uint8Array, at: number, bit: number): Uint8Array => {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ (1 << bit);
  return copy;
};

describe("a proof of elapsed time", () => {
  it("is accepted as it is made, and says what it opened", () => {
    expect(verifyRun(input, SEED, upTo(8), proof)).toEqual({
      ok: true,
      value: {
        opened: challengedLeaves(run.hasher, input.commitment, SEED, upTo(8)).length,
        absorbed: 3,
      },
    });
  });

  it("is refused with any bit of any byte flipped", () => {
    for (let at = 0; at < proof.length; at++) {
      expect(REFUSED).toContain(codeOf(input, flipped(proof, at, at % 8)));
    }
  });

  it("is refused cut short or with more behind it", () => {
    for (let length = 0; length < proof.length; length++) {
      expect(REFUSED).toContain(codeOf(input, proof.slice(0, length)));
    }
    expect(codeOf(input, new Uint8Array([...proof, 0]))).toBe("time.proof-malformed");
  });

  it("is refused on another chain and for any other statement", () => {
    const { statement } = input;
    const others: TimeProofInput[] = [
      { ...input, hasher: createHasher("time-test2") },
      { ...input, statement: { ...statement, epoch: 8 } },
      { ...input, statement: { ...statement, seed: filled(8) } },
      { ...input, statement: { ...statement, timekeeper: filled(8) } },
      { ...input, statement: { ...statement, members: filled(8) } },
      { ...input, parameters: { ...input.parameters, tailBlocks: 3 } },
    ];
    for (const other of others) expect(REFUSED).toContain(codeOf(other, proof));
  });

  it("is refused for another seed, count of challenges, length or commitment: reuse gains nothing", () => {
    const other = inputOf(fullRun(described(45), parametersOf(3)));
    expect(REFUSED).toContain(codeOf({ ...input, commitment: other.commitment }, proof));
    expect(REFUSED).toContain(codeOf(input, proof, filled(10)));
    expect(REFUSED).toContain(codeOf(input, proof, SEED, 24));
    const { phi } = input.commitment;
    for (const leaves of [44, 46, 64, 1]) {
      expect(REFUSED).toContain(codeOf({ ...input, commitment: { leaves, phi } }, proof));
    }
  });

  it("is never accepted for arbitrary bytes, and never throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4000 }), (bytes) => {
        expect(REFUSED).toContain(codeOf(input, bytes));
        const verdict = verifyBlock(input, bytes);
        expect(verdict.ok ? "" : verdict.code).toMatch(/^time\.proof-/);
      }),
      { numRuns: 300 },
    );
  });

  it("has no second encoding of a leaf that took in nothing", () => {
    const plain = described(1);
    const graph = reference(plain);
    const single = inputOf(fullRun(plain, parametersOf(0)));
    const head = [u16(1), u32(0), graph.listRoot];
    expect(codeOf(single, Buffer.concat([...head, u8(0)]))).toBe(undefined);
    expect(codeOf(single, Buffer.concat([...head, u8(1), Buffer.alloc(32)]))).toBe(
      "time.proof-malformed",
    );
    expect(codeOf(single, Buffer.concat([...head, u8(2)]))).toBe("time.proof-malformed");
  });

  it("is bounded before anything is hashed", () => {
    const long = new Uint8Array(2 + 4 + 32 + 8 * (33 + 32 * 6));
    expect(codeOf(input, long)).toMatch(/time.proof/);
    const verdict = verifyRun(input, SEED, upTo(8), new Uint8Array(long.length + 1));
    expect(verdict).toMatchObject({ code: "time.proof-malformed", detail: /more than/ });
    const { phi } = input.commitment;
    for (const leaves of [0, -1, 1.5, Number.NaN, 2 ** 21]) {
      expect(codeOf({ ...input, commitment: { leaves, phi } }, proof)).toBe("time.commitment");
    }
    expect(codeOf({ ...input, commitment: { leaves: 45, phi: phi.slice(1) } }, proof)).toBe(
      "time.commitment",
    );
    const many = Buffer.from(proof);
    many.writeUInt32BE(LIMITS.timeAbsorbedMax + 1, 2);
    expect(verifyRun(input, SEED, upTo(8), many)).toMatchObject({ detail: /65537 blocks/ });
  });
});

describe("the challenges of a seed", () => {
  it("are those of the definition, for every count of leaves", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 30 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (leaves, seed) => {
          const hasher = createHasher("time-test");
          const found = challengedLeaves(hasher, { leaves, phi: filled(1) }, seed, upTo(20));
          expect(found).toEqual(referenceChallenges("time-test", filled(1), leaves, seed, 20));
        },
      ),
    );
  });
});

describe("who skips a part a of the leaves", () => {
  const LEAVES = 64;
  const TRIES = 2500;
  const cheat = (skippedLeaves: number): ReferenceInput =>
    described(LEAVES, {
      // Made-up labels, spread over the run; all else is computed over them as it should be.
      skipped: (leaf) =>
        (leaf * 29) % LEAVES < skippedLeaves ? sha(u32(leaf), u32(skippedLeaves)) : undefined,
    });

  it.each([
    [6, 4],
    [16, 4],
    [16, 8],
    [32, 3],
  ])("%i of 64, %i opened: passes with about (1 - a)^t", (skipped, challenges) => {
    const cheater = cheat(skipped);
    const graph = reference(cheater);
    const claimed: TimeProofInput = {
      ...input,
      parameters: parametersOf(0),
      commitment: { leaves: LEAVES, phi: graph.phi },
    };
    let passed = 0;
    for (let i = 0; i < TRIES; i++) {
      const seed = sha(u32(i));
      const bytes = referenceProof(cheater, graph, seed, challenges);
      if (codeOf(claimed, bytes, seed, challenges) === undefined) passed += 1;
    }
    const expected = (1 - skipped / LEAVES) ** challenges;
    const deviation = Math.sqrt((expected * (1 - expected)) / TRIES);
    expect(Math.abs(passed / TRIES - expected)).toBeLessThan(4 * deviation);
  });
});

describe("a proof that a block was taken in", () => {
  const blockProof = (height: number): Uint8Array => {
    const opened = openBlock(run, height);
    if (!opened.ok) throw new Error(opened.detail);
    return opened.value;
  };

  it("shows height, hash and leaf of each block", () => {
    for (const [leaf, { height, hash }] of BLOCKS) {
      const verdict = verifyBlock(input, blockProof(height));
      expect(verdict).toEqual({ ok: true, value: { height, leaf, hash } });
    }
    expect(openBlock(run, 22)).toMatchObject({ code: "time.block-unknown" });
  });

  it("is refused with any bit of any byte flipped, cut short, and for another run", () => {
    const bytes = blockProof(21);
    for (let at = 0; at < bytes.length; at++) {
      expect(verifyBlock(input, flipped(bytes, at, at % 8)).ok).toBe(false);
      expect(verifyBlock(input, bytes.slice(0, at)).ok).toBe(false);
    }
    const other = inputOf(fullRun(described(45), parametersOf(3)));
    expect(verifyBlock(other, bytes).ok).toBe(false);
  });

  it("is refused for a block that is listed at a leaf which took in something else", () => {
    const list = new Map<number, Block>([[9, { height: 40, hash: filled(60) }]]);
    const honest = described(45, { blocks: list });
    const graph = reference(honest);
    // A list that names leaf 8, over the same tree; phi covers it, so the liar commits to it.
    const entry = tagged("time-test", "time/absorbed", u64(40), u64(8), filled(60));
    const root = graph.label(graph.depth, 0);
    const phi = tagged("time-test", "time/root", root, u64(45), u32(1), entry);
    const bytes = Buffer.concat([
      ...[u16(1), u32(1), entry, u64(40), u64(8), filled(60), u32(0), u8(0)],
      referenceWalk(honest, graph, [8]),
    ]);
    const verdict = verifyBlock({ ...input, commitment: { leaves: 45, phi } }, bytes);
    expect(verdict).toMatchObject({ code: "time.proof-invalid", detail: /something else/ });
  });
});

describe("what a run shows at all", () => {
  const { default: some } = TIME_PROFILES;

  it("is something with the profiles that are meant to, and nothing with `dev`", () => {
    expect(timeWeakness(TIME_PROFILES.dev)).toContain("620 ms");
    expect(timeWeakness(TIME_PROFILES.default)).toBeUndefined();
    expect(timeWeakness(TIME_PROFILES.production)).toBeUndefined();
  });

  it("takes a run that may be long enough, and challenges enough", () => {
    // 2^20 leaves of 258 steps of 37 ns are over ten seconds, those of 257 are not.
    expect(timeWeakness({ ...some, tailBlocks: 258 })).toBeUndefined();
    expect(timeWeakness({ ...some, tailBlocks: 257 })).toContain("9970 ms");
    expect(timeWeakness({ ...some, challenges: 64 })).toBeUndefined();
    expect(timeWeakness({ ...some, challenges: 63 })).toContain("63 challenges");
  });
});

describe("parameters", () => {
  const base = TIME_PROFILES.dev;
  const codeFor = (more: Partial<TimeParameters>): string | undefined => {
    const checked = checkTimeParameters({ ...base, ...more });
    return checked.ok ? undefined : checked.code;
  };

  it("of every profile are within the limits", () => {
    for (const parameters of Object.values(TIME_PROFILES)) {
      expect(checkTimeParameters(parameters)).toEqual({ ok: true, value: parameters });
    }
  });

  it("are taken at each limit, and refused past it, here and by the verifier", () => {
    const [tailMin, tailMax] = LIMITS.timeTailBlocks;
    const [least, most] = LIMITS.timeChallenges;
    const both = (challenges: number): Partial<TimeParameters> => ({
      ...{ challenges, selfChallenges: challenges },
    });
    const taken: Partial<TimeParameters>[] = [
      { tailBlocks: tailMin },
      { tailBlocks: tailMax, ...both(LIMITS.timeVerifyBlocksMax / tailMax) },
      { leavesLog2Max: 0 },
      { leavesLog2Max: LIMITS.timeLeavesLog2Max },
      both(least),
      both(most),
    ];
    for (const more of taken) expect(codeFor(more)).toBe(undefined);
    const refused: Partial<TimeParameters>[] = [
      { tailBlocks: tailMin - 1 },
      { tailBlocks: tailMax + 1, ...both(1) },
      { tailBlocks: tailMax, ...both(LIMITS.timeVerifyBlocksMax / tailMax + 1) },
      { leavesLog2Max: -1 },
      { leavesLog2Max: LIMITS.timeLeavesLog2Max + 1 },
      { challenges: least - 1 },
      { challenges: most + 1 },
      { selfChallenges: most + 1 },
      { tailBlocks: 1.5 },
    ];
    for (const more of refused) {
      expect(codeFor(more)).toBe("time.parameters");
      expect(codeOf({ ...input, parameters: { ...base, ...more } }, proof)).toBe("time.parameters");
    }
  });
});
