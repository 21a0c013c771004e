/** docs/simulation.md says of every invariant which checker holds nodes to it. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CHECKERS, RUN_CHECKERS } from "../../sim/checkers/index.ts";
import type { CheckContext } from "../../sim/checkers/types.ts";
import { INVARIANTS } from "../../sim/invariants.ts";
import { CHAIN, GENESIS, MEMBERS } from "./rig.ts";

const at = (path: string): URL => new URL(`../../${path}`, import.meta.url);

/** Rows of the table: the ids, and the files that the last column names. */
const ROWS = readFileSync(at("docs/simulation.md"), "utf8")
  .split("\n")
  .filter((line) => /^\| [IL]\d/.test(line))
  .map((line) => {
    const cells = line.split("|").map((cell) => cell.trim());
    return { ids: cells[1]?.split(", ") ?? [], files: cells.at(-2)?.split(", ") ?? [] };
  });

describe("docs/simulation.md", () => {
  it("has every invariant, and no other", () => {
    const numbered = Object.keys(INVARIANTS).filter((id) => /^[IL]\d+$/.test(id));
    const documented = new Set(ROWS.flatMap(({ ids }) => ids));
    expect([...documented].sort()).toEqual(numbered.sort());
  });

  it("names files that are there", () => {
    for (const file of new Set(ROWS.flatMap(({ files }) => files))) {
      expect([`sim/checkers/${file}`, `sim/${file}`].some((path) => existsSync(at(path)))).toBe(
        true,
      );
    }
  });

  it("has every id that a checker reports under", () => {
    const context: CheckContext = {
      ...{ chainId: CHAIN, genesisHash: GENESIS, genesisTimeMs: 0, epochMs: 1_000 },
      members: MEMBERS,
      honest: () => true,
      asked: () => true,
      haltedMs: [],
      memberOf: (slot) => MEMBERS[slot],
      standing: () => undefined,
      verify: () => true,
      nowUs: () => 0,
      wallMs: () => 0,
      report: () => undefined,
      mark: () => undefined,
    };
    const all = [...CHECKERS, ...RUN_CHECKERS].map((factory) => factory(context).id);
    const ids = all.filter((id) => id !== "marks");
    const documented = new Set(ROWS.flatMap((row) => row.ids));
    expect(ids.filter((id) => !documented.has(id))).toEqual([]);
    expect(new Set(ids).size).toBeGreaterThan(20);
  });
});
