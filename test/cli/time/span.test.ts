import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endsEarly, leavesExpected } from "../../../src/cli/time/span.ts";

const most = 2 ** 20;

describe("leavesExpected", () => {
  it("goes by the time that has passed", () => {
    const span = { askedMs: 20_000, spentMs: 5_000, from: 0, most };
    expect(leavesExpected(1_000, span)).toBe(4_000);
    expect(leavesExpected(11_000, { ...span, from: 10_000 })).toBe(14_000);
    expect(leavesExpected(1_000, { ...span, spentMs: 30_000 })).toBe(1_000);
    expect(leavesExpected(0, { ...span, spentMs: 0 })).toBe(most);
  });

  it("is never less than there are, nor more than there may be", () => {
    const ms = fc.integer({ min: 0, max: 10 ** 9 });
    const counts = fc.tuple(fc.integer({ min: 0, max: most }), fc.integer({ min: 0, max: most }));
    fc.assert(
      fc.property(counts, ms, ms, ([a, b], spentMs, asked) => {
        const [from, leaves] = [Math.min(a, b), Math.max(a, b)];
        const expected = leavesExpected(leaves, { askedMs: asked + 1, spentMs, from, most });
        expect(expected).toBeGreaterThanOrEqual(leaves);
        expect(expected).toBeLessThanOrEqual(most);
      }),
    );
  });
});

describe("endsEarly", () => {
  it("says that the leaves of the profile ended before the time", () => {
    expect(endsEarly("dev", most, { askedMs: 20_000, spentMs: 3_450, most })).toBe(
      "the profile dev ends at 1048576 leaves, which took 3.4 s, not 20 s",
    );
    expect(endsEarly("dev", most - 1, { askedMs: 20_000, spentMs: 19_999, most })).toBeUndefined();
    expect(endsEarly("dev", most, { askedMs: 20_000, spentMs: 20_000, most })).toBeUndefined();
  });
});
