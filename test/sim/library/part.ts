/**
 * The library of scenarios as tests, in parts: a file of tests runs on one thread, and the whole library takes longer
 * than all else.
 */
import { describe, expect, it } from "vitest";
import { BANK } from "../../../sim/scenarios/index.ts";
import { simulate } from "../../../sim/simulate.ts";
import { SYSTEM } from "../../../sim/system.ts";
import { verdict } from "../support.ts";

/** As many files as there are beside this one. */
const PARTS = 4;
const TIMEOUT_MS = 300_000;

/** Every scenario whose place in the library leaves this rest: parts of like length, and none is in no part. */
export const runPart = (rest: 0 | 1 | 2 | 3): void => {
  describe("directed scenarios", () => {
    it.each(
      BANK.filter((_, at) => at % PARTS === rest).map((entry) => [entry.name, entry] as const),
    )("%s", (_name, entry) => expect(verdict(simulate(entry, SYSTEM))).toBe("ok"), TIMEOUT_MS);
  });
};
