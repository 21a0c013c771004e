/** The bug bank is up to date: each patch applies to the source as it is, and says who must notice. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { INVARIANTS } from "../../sim/invariants.ts";
import { BANK } from "../../sim/scenarios/index.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const FOLDER = join(ROOT, "sim", "mutants");
const NAMES = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".patch"))
  .map((file) => file.slice(0, -".patch".length));

/** Lines that a patch takes away or adds. */
const CHANGED_MAX = 16;

const read = (name: string): string => readFileSync(join(FOLDER, `${name}.patch`), "utf8");

/** Lines that a patch takes away (-) or adds (+), without the names of its files. */
const changedBy = (text: string, sign: "-" | "+"): readonly string[] =>
  text.split("\n").filter((line) => line.startsWith(sign) && !/^(---|\+\+\+) [ab]\//.test(line));

describe("the bug bank", () => {
  it("has at least sixteen bugs of one line: one replaced, left out or added", () => {
    const ofOneLine = NAMES.filter((name) => {
      const text = read(name);
      return changedBy(text, "-").length <= 1 && changedBy(text, "+").length <= 1;
    });
    expect(ofOneLine.length).toBeGreaterThanOrEqual(16);
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
