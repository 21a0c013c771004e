/** What checkers remember of a run is bounded. */
import { describe, expect, it } from "vitest";
import { entriesOfAll, Recent } from "../../sim/checkers/recent.ts";

describe("a map of what is recent", () => {
  it("keeps what fits, and forgets the oldest entry for the one past it", () => {
    const map = new Recent<number, string>(3);
    map.set(1, "a").set(2, "b").set(3, "c");
    expect([...map.keys()]).toEqual([1, 2, 3]);
    map.set(4, "d");
    expect([...map.keys()]).toEqual([2, 3, 4]);
  });

  it("keeps what all validators say for as many views, however many they are", () => {
    expect([1, 8, 9, 100].map(entriesOfAll)).toEqual([8_192, 8_192, 9_216, 102_400]);
  });

  it("forgets nothing for a key that it holds", () => {
    const map = new Recent<number, string>(2);
    map.set(1, "a").set(2, "b").set(1, "c");
    expect([...map]).toEqual([
      [1, "c"],
      [2, "b"],
    ]);
  });

  it("forgets in the order of age however much of it was deleted in between", () => {
    const map = new Recent<number, number>(100);
    for (let i = 0; i < 5_000; i++) {
      map.set(i, i);
      if (i % 3 === 0) map.delete(i - 7);
      const ages = [...map.keys()];
      expect(ages).toEqual([...ages].sort((a, b) => a - b));
      expect(map.has(i)).toBe(true);
      expect(map.size).toBeLessThanOrEqual(100);
    }
    expect(map.size).toBeGreaterThan(90);
  });
});
