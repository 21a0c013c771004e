/** Whether the reserve driver reaches enough members to be kept. */
import { expect, it } from "vitest";
import { reachesEnough } from "../../src/transport/member.ts";

const proved = { isSecured: true };
const unproved = { isSecured: false };

it.each([
  ["nobody may have a session", [], true],
  ["the one that may has none", [undefined], false],
  ["nothing is proved", [unproved, unproved], false],
  ["one of two", [proved, undefined], true],
  ["one of three", [proved, undefined, unproved], false],
  ["two of three", [proved, proved, undefined], true],
])("%s", (_what, carrying, enough) => {
  expect(reachesEnough(carrying)).toBe(enough);
});
