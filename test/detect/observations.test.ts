/** What a node has seen of members: counted by member and kind, and of no more members than may be. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  NOBODY_OBSERVED,
  type Observation,
  type ObservedMembers,
  observe,
} from "../../src/detect/index.ts";
import { LIMITS } from "../../src/limits.ts";

const all = (observations: readonly Observation[]): ObservedMembers =>
  observations.reduce(observe, NOBODY_OBSERVED);

const seen = (member: string, timeMs: number, more: Partial<Observation> = {}): Observation => ({
  ...{ kind: "object-chunk", member, timeMs, transferable: false },
  ...more,
});

describe("observations", () => {
  it("are counted by member and kind, whatever their order", () => {
    const one = fc.record({
      kind: fc.constantFrom("object-chunk" as const, "object-manifest" as const),
      member: fc.constantFrom("a", "b", "c"),
      timeMs: fc.nat(1000),
      transferable: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 40 }), (list) => {
        const members = all(list);
        const kinds = [...members].flatMap(([member, of]) =>
          of.map((what) => ({ member, ...what })),
        );
        for (const { member, kind, count, lastMs, transferable } of kinds) {
          const same = list.filter((other) => other.member === member && other.kind === kind);
          expect(count).toBe(same.length);
          expect(lastMs).toBe(Math.max(...same.map(({ timeMs }) => timeMs)));
          expect(transferable).toBe(same.some((other) => other.transferable));
        }
        expect(kinds.reduce((sum, { count }) => sum + count, 0)).toBe(list.length);
      }),
    );
  });

  it("change nothing of what was before", () => {
    const before = all([seen("a", 1)]);
    observe(before, seen("a", 2));
    observe(before, seen("b", 3));
    expect([...before]).toEqual([
      ["a", [{ kind: "object-chunk", transferable: false, count: 1, lastMs: 1 }]],
    ]);
  });

  it("are of observedMembersMax members: past it the one that was seen least lately goes", () => {
    const most = LIMITS.observedMembersMax;
    const many = Array.from({ length: most }, (_, i) => seen(`m${i}`, 10 + i));
    const full = all([...many, seen("m0", 9_999)]);
    expect(full.size).toBe(most);
    const over = observe(full, seen("new", 10_000));
    expect(over.size).toBe(most);
    expect([over.has("m0"), over.has("m1"), over.has("new")]).toEqual([true, false, true]);
    expect(observe(full, seen("m2", 10_000)).has("m1")).toBe(true);
  });
});
