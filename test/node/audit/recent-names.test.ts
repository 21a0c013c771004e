import { expect, it } from "vitest";
import { createRecentNames } from "../../../src/node/audit/recent-names.ts";

it("keeps as many names as it may, and forgets the oldest for one more", () => {
  const names = createRecentNames(3);
  for (const name of ["a", "b", "c", "b"]) names.add(name);
  expect(names.size).toBe(3);
  expect(["a", "b", "c"].every((name) => names.has(name))).toBe(true);
  names.add("d");
  expect(["a", "b", "c", "d"].map((name) => names.has(name))).toEqual([false, true, true, true]);
  expect(names.size).toBe(3);
});
