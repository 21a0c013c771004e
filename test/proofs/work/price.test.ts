/** The price of a batch in effort: the rule of EIP-1559 on whole numbers. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import {
  batchUnits,
  nextPrice,
  PRICE_ONE,
  type PriceParameters,
  requiredEffort,
  WORK_PROFILES,
  type WorkParameters,
  workParameterFault,
  workWeakness,
} from "../../../src/proofs/work/index.ts";

const dearest = BigInt(LIMITS.workEffortMax) * PRICE_ONE;
const unitsMax = BigInt(LIMITS.workUnitsMax);

const rules: fc.Arbitrary<PriceParameters> = fc
  .record({
    bounds: fc.tuple(fc.bigInt(1n, dearest), fc.bigInt(1n, dearest)),
    pricedUnits: fc.bigInt(1n, unitsMax),
    targetUnits: fc.bigInt(1n, unitsMax),
  })
  .map(({ bounds: [a, b], ...rest }) => {
    const [priceMin, priceMax] = a < b ? [a, b] : [b, a];
    return { ...rest, priceMin, priceMax, priceStart: priceMin };
  });

/** A rule, a price within its bounds, and units of a block from nothing to far over all limits. */
const cases = rules.chain((rule) =>
  fc.tuple(
    fc.constant(rule),
    fc.bigInt(rule.priceMin, rule.priceMax),
    fc.oneof(fc.bigInt(0n, 4n * rule.targetUnits), fc.bigInt(0n, 2n ** 64n)),
  ),
);

describe("the next price", () => {
  it("stays within its bounds, and moves by an eighth at most", () => {
    fc.assert(
      fc.property(cases, ([rule, price, used]) => {
        const next = nextPrice(rule, price, used);
        expect(next >= rule.priceMin && next <= rule.priceMax).toBe(true);
        const moved = next > price ? next - price : price - next;
        expect(moved <= (price / 8n > 1n ? price / 8n : 1n)).toBe(true);
      }),
    );
  });

  it("goes the way of the load, and stands on target", () => {
    fc.assert(
      fc.property(cases, ([rule, price, used]) => {
        const next = nextPrice(rule, price, used);
        if (used > rule.targetUnits) expect(next > price || next === rule.priceMax).toBe(true);
        else if (used < rule.targetUnits) expect(next < price || next === rule.priceMin).toBe(true);
        expect(nextPrice(rule, price, rule.targetUnits)).toBe(price);
      }),
    );
  });

  it("never falls for more load, nor for a higher price before", () => {
    fc.assert(
      fc.property(cases, fc.bigInt(0n, 2n ** 64n), ([rule, price, used], more) => {
        const next = nextPrice(rule, price, used);
        expect(nextPrice(rule, price, used + more) >= next).toBe(true);
        expect(nextPrice(rule, price + more, used) >= next).toBe(true);
      }),
    );
  });

  it("is that of real numbers, rounded to where it came from, within 1", () => {
    fc.assert(
      fc.property(cases, ([rule, price, used]) => {
        const bounded = used > 2n * rule.targetUnits ? 2n * rule.targetUnits : used;
        // Both sides times 8·target, so that nothing is rounded here.
        const part = 8n * rule.targetUnits;
        const exact = price * part + price * (bounded - rule.targetUnits);
        const low = rule.priceMin * part;
        const high = rule.priceMax * part;
        const clamped = exact < low ? low : exact > high ? high : exact;
        const error = nextPrice(rule, price, used) * part - clamped;
        expect(error <= part && error >= -part).toBe(true);
      }),
    );
  });

  it("comes back to the least where blocks are empty, and reaches the most where they are full", () => {
    for (const { price: rule } of Object.values<WorkParameters>(WORK_PROFILES)) {
      let price = rule.priceMin;
      let blocks = 0;
      for (; price < rule.priceMax && blocks < 1_000; blocks++) {
        price = nextPrice(rule, price, 2n * rule.targetUnits);
      }
      expect(price).toBe(rule.priceMax);
      for (; price > rule.priceMin && blocks < 2_000; blocks++) price = nextPrice(rule, price, 0n);
      expect(price).toBe(rule.priceMin);
      expect(blocks).toBeLessThan(400);
    }
  });
});

describe("the required effort", () => {
  it("is the price of the units, rounded up, from 1 to the limit", () => {
    fc.assert(
      fc.property(cases, ([rule, price, units]) => {
        const effort = BigInt(requiredEffort(rule, price, units));
        const most = BigInt(LIMITS.workEffortMax);
        expect(effort >= 1n && effort <= most).toBe(true);
        const counted = units > unitsMax ? unitsMax : units;
        const cost = price * counted;
        const whole = rule.pricedUnits * PRICE_ONE;
        if (effort > 1n && effort < most) {
          expect(effort * whole >= cost && (effort - 1n) * whole < cost).toBe(true);
        }
        if (effort === 1n) expect(cost <= whole).toBe(true);
        if (effort === most) expect(cost > (most - 1n) * whole).toBe(true);
      }),
    );
  });

  it("grows with units and price", () => {
    fc.assert(
      fc.property(cases, fc.bigInt(0n, 2n ** 40n), ([rule, price, units], more) => {
        const effort = requiredEffort(rule, price, units);
        expect(requiredEffort(rule, price, units + more)).toBeGreaterThanOrEqual(effort);
        expect(requiredEffort(rule, price + more, units)).toBeGreaterThanOrEqual(effort);
      }),
    );
  });

  it("is 1 for the largest batch of a quiet development chain", () => {
    const { price } = WORK_PROFILES.dev;
    const largest = batchUnits(LIMITS.batchEventsMax, LIMITS.batchBytesMax);
    expect(requiredEffort(price, price.priceStart, largest)).toBe(1);
    expect(batchUnits(1, 200)).toBe(712n);
  });

  it("is no less for one batch split in several", () => {
    const { price } = WORK_PROFILES.production;
    const events = fc.integer({ min: 1, max: 512 });
    fc.assert(
      fc.property(events, events, (a, b) => {
        const of = (count: number): number =>
          requiredEffort(price, price.priceStart, batchUnits(count, 300 * count));
        expect(of(a) + of(b)).toBeGreaterThanOrEqual(of(a + b));
      }),
    );
  });
});

describe("the parameters", () => {
  it.each(Object.entries<WorkParameters>(WORK_PROFILES))("of %s are valid", (_, parameters) => {
    expect(workParameterFault(parameters)).toBeUndefined();
  });

  const { dev } = WORK_PROFILES;
  const argon = (memoryKiB: number): WorkParameters => ({
    ...dev,
    puzzle: { kind: "argon2id", memoryKiB },
  });
  const price = (change: Partial<PriceParameters>): WorkParameters => ({
    ...dev,
    price: { ...dev.price, ...change },
  });
  const shares = (change: Partial<WorkParameters["shares"]>): WorkParameters => ({
    ...dev,
    shares: { ...dev.shares, ...change },
  });
  const [argonMin, argonMax] = LIMITS.workArgonKiB;
  const [scryptMin, scryptMax] = LIMITS.workScryptN;

  it.each<[string, WorkParameters, WorkParameters]>([
    ["least memory of Argon2id", argon(argonMin), argon(argonMin - 1)],
    ["most memory of Argon2id", argon(argonMax), argon(argonMax + 1)],
    ["whole KiB", argon(64), argon(64.5)],
    ["least price", price({ priceMin: 1n }), price({ priceMin: 0n })],
    ["greatest price", price({ priceMax: dearest }), price({ priceMax: dearest + 1n })],
    ["first price", price({ priceStart: PRICE_ONE }), price({ priceStart: PRICE_ONE - 1n })],
    ["priced units", price({ pricedUnits: unitsMax }), price({ pricedUnits: unitsMax + 1n })],
    ["target", price({ targetUnits: 1n }), price({ targetUnits: 0n })],
    ["least N", shares({ scryptN: scryptMin }), shares({ scryptN: scryptMin / 2 })],
    ["greatest N", shares({ scryptN: scryptMax }), shares({ scryptN: scryptMax * 2 })],
    ["power of two", shares({ scryptN: 1024 }), shares({ scryptN: 1000 })],
    ["difficulty", shares({ difficulty: 1 }), shares({ difficulty: 0 })],
    [
      "greatest difficulty",
      shares({ difficulty: LIMITS.workEffortMax }),
      shares({ difficulty: LIMITS.workEffortMax + 1 }),
    ],
    ["tries of a unit", shares({ triesPerUnit: 1 }), shares({ triesPerUnit: 0 })],
  ])("are refused past the limit: %s", (_, right, wrong) => {
    expect(workParameterFault(right)).toBeUndefined();
    expect(workParameterFault(wrong)).toBeTypeOf("string");
  });
});

describe("what work shows at all", () => {
  const { default: some } = WORK_PROFILES;
  const shares = (change: Partial<WorkParameters["shares"]>): WorkParameters => ({
    ...some,
    shares: { ...some.shares, ...change },
  });
  const argon = (memoryKiB: number): WorkParameters => ({
    ...some,
    puzzle: { kind: "argon2id", memoryKiB },
  });

  it("is something with the profiles that are meant to, and nothing with `dev` and `test`", () => {
    const weak = Object.entries<WorkParameters>(WORK_PROFILES).map(([name, parameters]) => [
      name,
      workWeakness(parameters) !== undefined,
    ]);
    expect(Object.fromEntries(weak)).toEqual({
      ...{ test: true, dev: true, default: false, production: false },
    });
  });

  it.each<[string, WorkParameters, WorkParameters]>([
    ["tries of a unit", shares({ triesPerUnit: 8192 }), shares({ triesPerUnit: 8191 })],
    [
      "fewer of more memory",
      shares({ scryptN: 16_384, triesPerUnit: 4096 }),
      shares({ scryptN: 16_384, triesPerUnit: 4095 }),
    ],
    [
      "memory of a try",
      shares({ scryptN: 8192, triesPerUnit: 10 ** 9 }),
      shares({ scryptN: 4096, triesPerUnit: 10 ** 9 }),
    ],
    ["memory of Argon2id", argon(256), argon(255)],
  ])("takes enough: %s", (_, enough, less) => {
    expect(workWeakness(enough)).toBeUndefined();
    expect(workWeakness(less)).toBeTypeOf("string");
  });
});
