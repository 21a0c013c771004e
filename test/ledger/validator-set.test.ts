import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareBytes } from "../../src/crypto/bytes.ts";
import { Writer } from "../../src/crypto/codec.ts";
import type { ValidatorSet } from "../../src/ledger/types.ts";
import {
  bitmapBytes,
  bitmapOf,
  createLeaderSchedule,
  createValidatorSet,
  indexOf,
  LEADER_TURNS_MAX,
  leaderOf,
  quorumOf,
  setHash,
  signersOf,
  TOTAL_WEIGHT_MAX,
  weightOf,
} from "../../src/ledger/validator-set.ts";
import { LIMITS } from "../../src/limits.ts";
import { hasher, hashOf, setOf, validatorOf } from "../golden/fixtures.ts";

const weights = (max: bigint, maxLength = 12) =>
  fc.array(fc.bigInt({ min: 1n, max }), { minLength: 1, maxLength });

const scheduleOf = (set: ValidatorSet, genesis = hashOf(7)) =>
  createLeaderSchedule(hasher, genesis, set);

const countsOf = (turns: Iterable<number>, size: number): number[] => {
  const counts = new Array<number>(size).fill(0);
  for (const leader of turns) counts[leader] = (counts[leader] ?? 0) + 1;
  return counts;
};

describe("quorum", () => {
  it("is the least weight whose pairs share more than a third, for every W mod 3", () => {
    const totals = fc
      .tuple(fc.bigInt({ min: 0n, max: TOTAL_WEIGHT_MAX / 3n - 1n }), fc.constantFrom(1n, 2n, 3n))
      .map(([thirds, rest]) => 3n * thirds + rest);
    fc.assert(
      fc.property(totals, (total) => {
        const quorum = quorumOf(total);
        // Two quorums share at least 2Q - W, which must exceed what Byzantine weight can be: < W/3.
        expect(3n * (2n * quorum - total)).toBeGreaterThan(total);
        expect(3n * (2n * (quorum - 1n) - total)).toBeLessThanOrEqual(total);
        // All honest weight, more than 2W/3, is always a quorum.
        const byzantine = (total - 1n) / 3n;
        expect(total - byzantine).toBeGreaterThanOrEqual(quorum);
      }),
    );
  });

  it.each([
    [1n, 1n],
    [2n, 2n],
    [3n, 3n],
    [4n, 3n],
    [5n, 4n],
    [6n, 5n],
    [7n, 5n],
    [100n, 67n],
  ])("of %d is %d", (total, quorum) => {
    expect(quorumOf(total)).toBe(quorum);
  });
});

describe("validator set", () => {
  it("is ordered by id, whatever order it was given in", () => {
    const list = [1, 2, 3, 4, 5].map((seed) => validatorOf(seed, BigInt(seed)));
    const set = createValidatorSet(hasher, 2, list);
    expect(createValidatorSet(hasher, 2, list.toReversed())).toEqual(set);
    for (const [i, one] of set.validators.entries()) {
      expect(indexOf(set, one.id)).toBe(i);
      const previous = set.validators[i - 1];
      if (previous !== undefined) expect(compareBytes(previous.id, one.id)).toBeLessThan(0);
    }
    expect(indexOf(set, hashOf(1))).toBeUndefined();
    expect(set.totalWeight).toBe(15n);
    expect(set.quorum).toBe(11n);
  });

  it("has the hash of docs/protocol.md, over epoch, ids, keys and weights only", () => {
    const set = setOf([5n, 6n], 9);
    const writer = new Writer().u64(9).u16(2);
    for (const one of set.validators) writer.hash(one.id).bytes(one.publicKey).u64big(one.weight);
    expect(set.hash).toEqual(hasher.ht("set", writer.finish()));
    expect(setHash(hasher, 9, set.validators)).toEqual(set.hash);
    expect(setOf([5n, 7n], 9).hash).not.toEqual(set.hash);
    expect(setOf([5n, 6n], 8).hash).not.toEqual(set.hash);
    const moved = set.validators.map((one) => ({ ...one, address: "[::2]:1", name: "other" }));
    expect(createValidatorSet(hasher, 9, moved).hash).toEqual(set.hash);
  });

  it("refuses what is no set", () => {
    const make = (...list: Parameters<typeof createValidatorSet>[2]) => {
      return () => createValidatorSet(hasher, 0, list);
    };
    expect(make()).toThrow(RangeError);
    expect(make(validatorOf(1), validatorOf(1))).toThrow("listed twice");
    expect(make(validatorOf(1, 0n))).toThrow("no weight");
    expect(make(validatorOf(1, -1n))).toThrow("no weight");
    expect(make({ ...validatorOf(1), id: hashOf(1) })).toThrow("not the hash");
    expect(make(validatorOf(1, TOTAL_WEIGHT_MAX))).not.toThrow();
    expect(make(validatorOf(1, TOTAL_WEIGHT_MAX), validatorOf(2))).toThrow("2^63");
    const many = Array.from({ length: LIMITS.validatorsMax + 1 }, (_, i) => validatorOf(i + 1));
    expect(make(...many)).toThrow(RangeError);
    expect(make(...many.slice(1))).not.toThrow();
  });

  it("sums weights of distinct members", () => {
    const set = setOf([1n, 2n, 4n]);
    const all = [0, 1, 2];
    expect(weightOf(set, all)).toBe(7n);
    expect(weightOf(set, [...all, ...all, 3, 99, -1])).toBe(7n);
    expect(weightOf(set, [])).toBe(0n);
  });
});

describe("bitmaps", () => {
  it("give back the signers", () => {
    const cases = fc
      .integer({ min: 1, max: LIMITS.validatorsMax })
      .chain((size) => fc.tuple(fc.constant(size), fc.uniqueArray(fc.nat({ max: size - 1 }))));
    fc.assert(
      fc.property(cases, ([size, signers]) => {
        const bitmap = bitmapOf(signers, size);
        expect(bitmap.length).toBe(bitmapBytes(size));
        expect(signersOf(bitmap, size)).toEqual(signers.toSorted((a, b) => a - b));
      }),
    );
  });

  it("are read in their one form only", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.uint8Array({ maxLength: 4 }),
        (size, bitmap) => {
          const signers = signersOf(bitmap, size);
          if (signers !== undefined) expect(bitmapOf(signers, size)).toEqual(bitmap);
        },
      ),
    );
    expect(signersOf(Uint8Array.of(0b1000), 3)).toBeUndefined();
    expect(signersOf(new Uint8Array(2), 8)).toBeUndefined();
    expect(() => bitmapOf([3], 3)).toThrow(RangeError);
    expect(() => bitmapOf([-1], 3)).toThrow(RangeError);
    expect(() => bitmapOf([0.5], 3)).toThrow(RangeError);
  });
});

describe("leader schedule", () => {
  it("gives each validator exactly its share of a period", () => {
    fc.assert(
      fc.property(weights(40n), (list) => {
        const set = setOf(list);
        const { turns } = scheduleOf(set);
        const counts = countsOf(turns, list.length);
        const total = BigInt(turns.length);
        for (const [i, one] of set.validators.entries()) {
          expect(BigInt(counts[i] ?? 0) * set.totalWeight).toBe(one.weight * total);
        }
      }),
    );
  });

  it("never lets a validator run more than its share and two turns ahead", () => {
    fc.assert(
      fc.property(weights(40n, 8), (list) => {
        const set = setOf(list);
        const { turns } = scheduleOf(set);
        const led = new Array<number>(list.length).fill(0);
        for (const [turn, leader] of turns.entries()) {
          led[leader] = (led[leader] ?? 0) + 1;
          const share =
            (Number(set.validators[leader]?.weight) * (turn + 1)) / Number(set.totalWeight);
          expect(Math.abs((led[leader] ?? 0) - share)).toBeLessThan(2);
        }
      }),
    );
  });

  it("is the round robin run step by step, for any view", () => {
    const set = setOf([3n, 5n, 1n]);
    const schedule = scheduleOf(set);
    const seed = hasher.ht("seed", hashOf(7), new Writer().u64(0).finish());
    const order = set.validators
      .map((one, index) => ({ index, rank: hasher.ht("seed/rank", seed, one.id) }))
      .sort((a, b) => compareBytes(a.rank, b.rank))
      .map(({ index }) => index);
    const priority = [0n, 0n, 0n];
    for (let view = 1; view <= 60; view++) {
      for (const [i, one] of set.validators.entries())
        priority[i] = (priority[i] ?? 0n) + one.weight;
      const [top] = priority.toSorted((a, b) => (a > b ? -1 : 1));
      const leader = order.find((i) => priority[i] === top) ?? -1;
      priority[leader] = (priority[leader] ?? 0n) - set.totalWeight;
      expect(leaderOf(schedule, view)).toBe(leader);
    }
  });

  it("keeps shares within a 65,536th where weights are too fine for a table", () => {
    fc.assert(
      fc.property(weights(2n ** 55n, 6), (list) => {
        const set = setOf(list);
        const { turns } = scheduleOf(set);
        expect(turns.length).toBeLessThanOrEqual(LEADER_TURNS_MAX);
        const counts = countsOf(turns, list.length);
        for (const [i, one] of set.validators.entries()) {
          const share = Number((one.weight * 2n ** 40n) / set.totalWeight) / 2 ** 40;
          const slack = (list.length + 1) / Math.min(turns.length, 60_000) + 1e-9;
          const exact = set.totalWeight / gcd(list) <= BigInt(LEADER_TURNS_MAX);
          const difference = Math.abs((counts[i] ?? 0) / turns.length - share);
          expect(difference).toBeLessThan(exact ? 1e-9 : slack);
          expect(counts[i]).toBeGreaterThan(0);
        }
      }),
      { numRuns: 15 },
    );
  });

  it("stays a table at 65,536 turns and past it", () => {
    expect(scheduleOf(setOf([1n, 65_535n])).turns.length).toBe(65_536);
    expect(scheduleOf(setOf([1n, 65_536n])).turns.length).toBeLessThanOrEqual(65_536);
    expect(scheduleOf(setOf([7n, 7n * 65_535n])).turns.length).toBe(65_536);
  });

  it("answers for a view at the end of numbers as for the first", () => {
    const schedule = scheduleOf(setOf([1n, 1n, 1n, 1n]));
    const leader = leaderOf(schedule, Number.MAX_SAFE_INTEGER);
    expect(leader).toBe(leaderOf(schedule, ((Number.MAX_SAFE_INTEGER - 1) % 4) + 1));
    for (const view of [0, -1, 1.5, Number.NaN, 2 ** 53]) {
      expect(() => leaderOf(schedule, view)).toThrow(RangeError);
    }
  });

  it("starts in an order that differs by epoch and genesis", () => {
    const first = new Set<string>();
    for (let epoch = 0; epoch < 40; epoch++) {
      first.add(scheduleOf(setOf([1n, 1n, 1n, 1n, 1n], epoch)).turns.join());
    }
    expect(first.size).toBeGreaterThan(20);
    const set = setOf([1n, 1n, 1n, 1n, 1n, 1n, 1n, 1n]);
    expect(scheduleOf(set, hashOf(1)).turns).not.toEqual(scheduleOf(set, hashOf(2)).turns);
  });
});

function gcd(list: readonly bigint[]): bigint {
  return list.reduce((a, b) => {
    let [x, y] = [a, b];
    while (y !== 0n) [x, y] = [y, x % y];
    return x;
  }, 0n);
}
