/** What a worker tells the node in sums. */
import { describe, expect, it } from "vitest";
import { BULK_LIMITS } from "../../../src/limits-bulk.ts";
import { Counts, OTHER_DETAIL } from "../../../src/transport/bulk/counts.ts";

describe("what a worker counts between two heartbeats", () => {
  it("is a sum for each detail, and is told once", () => {
    const counts = new Counts();
    for (let i = 0; i < 10_000; i++) counts.refused(i % 2 === 0 ? "even" : "odd");
    for (const bytes of [1, 20]) counts.served(bytes);
    expect(counts.take()).toEqual({
      refused: [
        { detail: "even", count: 5_000 },
        { detail: "odd", count: 5_000 },
      ],
      servedBytes: 21,
    });
    expect(counts.take()).toEqual({ refused: [], servedBytes: 0 });
  });

  it("tells so many details apart, at the limit and past it", () => {
    const counts = new Counts();
    const { refusedDetailsMax: most } = BULK_LIMITS;
    for (let i = 0; i < most; i++) counts.refused(`detail ${i}`);
    const atLimit = counts.take().refused;
    expect(atLimit.map(({ detail }) => detail)).not.toContain(OTHER_DETAIL);
    for (let i = 0; i < most + 5; i++) counts.refused(`detail ${i}`);
    counts.refused("detail 0");
    const past = counts.take().refused;
    expect(past).toHaveLength(most + 1);
    expect(past[0]).toEqual({ detail: "detail 0", count: 2 });
    expect(past.at(-1)).toEqual({ detail: OTHER_DETAIL, count: 5 });
  });
});
