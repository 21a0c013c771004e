/** The bug bank is up to date: each patch applies to the source as it is, and says who must notice. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { INVARIANTS } from "../../sim/invariants.ts";
import { BANK } from "../../sim/scenarios/index.ts";
import { ERRORS } from "../../src/errors.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const FOLDER = join(ROOT, "sim", "mutants");
const NAMES = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".patch"))
  .map((file) => file.slice(0, -".patch".length));

/** So many seeds, from the first on, find each of these bugs: by the kind of bug, its mutants. */
const SEED_BUDGET = 100;
const FOUND_BY_SEEDS: Readonly<Record<string, readonly string[]>> = {
  "a sync that is dropped": ["append-without-sync", "vote-written-without-sync"],
  "a quorum of one less": ["quorum-minus-one"],
  "S and F allowed": ["finalize-after-skip"],
  "a parent that is not checked": ["parent-not-notarized-accepted"],
  "a signer that counts twice": ["own-vote-counted-twice"],
  "votes counted by the bytes of signatures": ["votes-counted-by-signature"],
  "no late certificates": ["no-late-certificates"],
  "votes of the future without a bound": ["future-votes-kept"],
  "something applied twice": ["batch-applied-twice"],
  "timers that are reset early": ["timers-reset-in-every-view"],
  "the clock read in execution": ["clock-read-in-execution"],
  "signed anew after a restart": ["votes-forgotten-at-restart"],
  "the set of a wrong epoch": ["set-of-wrong-epoch-written", "set-of-the-epoch-before"],
  "a block that is not written at once": ["block-written-in-pieces"],
  "a stale read": ["row-read-once"],
  "the order of lanes lost": ["lane-order-lost"],
};

/** Lines that a patch takes away or adds. */
const CHANGED_MAX = 16;

const read = (name: string): string => readFileSync(join(FOLDER, `${name}.patch`), "utf8");

/** Lines that a patch takes away (-) or adds (+), without the names of its files. */
const changedBy = (text: string, sign: "-" | "+"): readonly string[] =>
  text.split("\n").filter((line) => line.startsWith(sign) && !/^(---|\+\+\+) [ab]\//.test(line));

describe("the bug bank", () => {
  it("has sixteen kinds of bugs of one line: one replaced, left out or added", () => {
    const kinds = Object.values(FOUND_BY_SEEDS);
    expect(kinds.length).toBeGreaterThanOrEqual(16);
    for (const name of kinds.flat()) {
      const text = read(name);
      expect(changedBy(text, "-").length, name).toBeLessThanOrEqual(1);
      expect(changedBy(text, "+").length, name).toBeLessThanOrEqual(1);
    }
  });

  it("looks for each of these with the first seeds of the swarm before all else", () => {
    for (const name of Object.values(FOUND_BY_SEEDS).flat()) {
      const first = /^Try: (.+)$/m.exec(read(name))?.[1];
      expect(`${name}: ${first}`).toBe(`${name}: seeds 1..${SEED_BUDGET}`);
    }
  });

  it("ends with the exit code of the one table where a bug survives", () => {
    const script = readFileSync(join(ROOT, "scripts", "mutants.mjs"), "utf8");
    const code = /^const SURVIVED_CODE = (\d+);$/m.exec(script)?.[1];
    expect(Number(code)).toBe(ERRORS["sim.survived"].exitCode);
  });

  it("stands in the table of docs/simulation.md, each bug once, and no other", () => {
    const page = readFileSync(join(ROOT, "docs", "simulation.md"), "utf8");
    const [, from = ""] = page.split("| bug | mutants |\n");
    const [table = ""] = from.split("\n\n");
    const named = [...table.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
    expect(named.sort()).toEqual([...NAMES].sort());
  });
});

describe("a mutant", () => {
  it.each(NAMES)("%s applies, is small, and names its checkers and runs", (name) => {
    const file = join(FOLDER, `${name}.patch`);
    const text = read(name);
    const applied = spawnSync("git", ["apply", "--check", file], { cwd: ROOT, encoding: "utf8" });
    expect(applied.stderr).toBe("");
    const changed = changedBy(text, "-").length + changedBy(text, "+").length;
    expect(changed).toBeGreaterThan(0);
    expect(changed).toBeLessThanOrEqual(CHANGED_MAX);
    expect(text.split("\n")[0]).toMatch(/^[A-Z`].*\.$/);
    const expected = /^Expected: (.+)$/m.exec(text)?.[1]?.split(", ") ?? [];
    expect(expected.length).toBeGreaterThan(0);
    for (const id of expected) expect(Object.keys(INVARIANTS)).toContain(id);
    // A mark is what a scenario wishes to have seen: that it is missing is no checker that complains.
    expect(expected).not.toContain("mark");
    const tries = [...text.matchAll(/^Try: (bank|file|seeds) (\S+)$/gm)];
    expect(tries.length).toBeGreaterThan(0);
    for (const [, kind, value = ""] of tries) {
      if (kind === "bank") expect(BANK.map((entry) => entry.name)).toContain(value);
      if (kind === "file") expect(existsSync(join(FOLDER, value))).toBe(true);
      if (kind === "seeds") expect(value).toMatch(/^\d+\.\.\d+$/);
    }
  });
});
