/** A part of the matrix of Byzantine runs; scripts/byzantine.mjs runs all of it. */
import { describe, expect, it } from "vitest";
import { underThird } from "../../sim/byzantine.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";

/** Kinds that no directed scenario has. */
const KINDS = [
  "false-cosignatures",
  "censor",
  "timestamp-edge",
  "grind",
  "twins",
  "votes-to-some",
  "bend-certificates",
  "impersonate",
  "lying-snapshot",
];

const RUNS = [
  ...underThird(4, { unequal: false, mixes: 0 }).filter(({ name }) =>
    KINDS.some((kind) => name.endsWith(kind)),
  ),
  ...underThird(7, { unequal: true, mixes: 1 }).slice(-1),
  ...underThird(10, { unequal: true, mixes: 1 }).slice(-1),
];

describe("with just under a third of the weight adversarial", () => {
  it.each(RUNS.map((run) => [run.name, run] as const))("%s holds and goes on", (_name, run) => {
    const result = simulate(run, SYSTEM);
    expect(result.violation).toBeUndefined();
    expect(result.outcome).toBe("ok");
  });
});
