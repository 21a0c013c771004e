/** What checkers remember of a run is bounded. */
import { describe, expect, it } from "vitest";
import { Recent } from "../../sim/checkers/recent.ts";

describe("a map of what is recent", () => {
  it("keeps what fits, and forgets the oldest entry for the one past it", () => {
    const map = new Recent<number, string>(3);
    map.set(1, "a").set(2, "b").set(3, "c");
    expect([...map.keys()]).toEqual([1, 2, 3]);
    map.set(4, "d");
    expect([...map.keys()]).toEqual([2, 3, 4]);
  });

  it("forgets nothing for a key that it holds", () => {
    const map = new Recent<number, string>(2);
    map.set(1, "a").set(2, "b").set(1, "c");
    expect([...map]).toEqual([
      [1, "c"],
      [2, "b"],
    ]);
  });
});
