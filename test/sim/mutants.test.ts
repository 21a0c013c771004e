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

describe("a mutant", () => {
  it("is one of at least sixteen", () => {
    expect(NAMES.length).toBeGreaterThanOrEqual(16);
  });

  it.each(NAMES)("%s applies, is small, and names its checkers and runs", (name) => {
    const file = join(FOLDER, `${name}.patch`);
    const text = readFileSync(file, "utf8");
    const applied = spawnSync("git", ["apply", "--check", file], { cwd: ROOT, encoding: "utf8" });
    expect(applied.stderr).toBe("");
    const changed = text.split("\n").filter((line) => /^[-+](?![-+] ?[ab]?\/?)/.test(line));
    expect(changed.length).toBeLessThanOrEqual(CHANGED_MAX);
    expect(text.split("\n")[0]).toMatch(/^[A-Z`].*\.$/);
    const expected = /^Expected: (.+)$/m.exec(text)?.[1]?.split(", ") ?? [];
    expect(expected.length).toBeGreaterThan(0);
    for (const id of expected) expect(Object.keys(INVARIANTS)).toContain(id);
    const tries = [...text.matchAll(/^Try: (bank|file|seeds) (\S+)$/gm)];
    expect(tries.length).toBeGreaterThan(0);
    for (const [, kind, value = ""] of tries) {
      if (kind === "bank") expect(BANK.map((entry) => entry.name)).toContain(value);
      if (kind === "file") expect(existsSync(join(FOLDER, value))).toBe(true);
      if (kind === "seeds") expect(value).toMatch(/^\d+\.\.\d+$/);
    }
  });
});
