import { expect, it } from "vitest";
import { missing } from "../../bench/soak-counts.ts";

it("a soak lacks what never happened although there was time for it", () => {
  const longest = { reads: 30, backups: 90, kills: 60 };
  const counts = { events: 0, reads: 0, backups: 0, kills: 0 };
  expect(missing(counts, 30, longest)).toEqual([]);
  expect(missing(counts, 61, longest)).toEqual(["reads", "kills"]);
  expect(missing({ ...counts, reads: 5 }, 91, longest)).toEqual(["backups", "kills"]);
  expect(missing({ ...counts, reads: 5, backups: 1, kills: 1 }, 91, longest)).toEqual([]);
});
