/** I10: a node that does not give its rows at the end has shown nothing, and no checker is content with that. */
import { describe, expect, it } from "vitest";
import { readScenario } from "../../sim/index.ts";
import { runOptions } from "../../sim/options.ts";
import type { Property } from "../../sim/property.ts";
import { simulate } from "../../sim/simulate.ts";
import { fail, type Result } from "../../src/errors.ts";
import type { LedgerHandle } from "../../src/ledger/handle.ts";
import { seats } from "../ledger/example-projection.ts";
import { verdict } from "./support.ts";

const FINE = "ok";
const quiet = { n: 2, healMs: 1_000 };

type Rows = Parameters<Parameters<LedgerHandle["rows"]>[2]>[0];

/** The verdict where n1 answers so for the rows of one projection, over which there is a property. */
const judgeBy = (answer: Result<never> | undefined, name: string, part: object = {}): string => {
  const property: Property = (nodes) => {
    for (const node of nodes) node.rows(name);
    return undefined;
  };
  const options = runOptions({ projections: [seats], property });
  const answered = (handle: LedgerHandle): LedgerHandle => ({
    ...handle,
    rows: (projection, query, done: (rows: Rows) => void) =>
      projection === name && answer !== undefined
        ? done(answer)
        : handle.rows(projection, query, done),
  });
  const result = simulate(readScenario({ ...quiet, ...part }), {
    ...options,
    createSystem: (chain, scheme) => {
      const system = options.createSystem(chain, scheme);
      const boot: typeof system.boot = (ports, slot, incarnation) => {
        const handle = system.boot(ports, slot, incarnation);
        return slot === 1 ? answered(handle) : handle;
      };
      return { ...system, boot };
    },
  });
  return verdict(result);
};

describe("rows that a node cannot read at the end", () => {
  const broken = fail("store.io", "no read");

  it("are its failure, of whatever projection, and no mistake of a property over them", () => {
    for (const name of ["records", "assets", "quarantine", "certificates", "ct", seats.name]) {
      expect(judgeBy(undefined, name), name).toBe(FINE);
      expect(judgeBy(broken, name)).toBe(`correctness I10: n1: rows of ${name}: no read`);
    }
  });

  it("are so of what validators claim too", () => {
    expect(judgeBy(undefined, "time", { proofs: ["time"] })).toBe(FINE);
    expect(judgeBy(broken, "time", { proofs: ["time"] })).toBe(
      "correctness I10: n1: rows of time: no read",
    );
  });

  it("are none of a projection that the chain does not have", () => {
    const options = { ...runOptions(), rowsOf: ["beacon"] };
    expect(verdict(simulate(readScenario(quiet), options))).toBe(FINE);
  });
});
