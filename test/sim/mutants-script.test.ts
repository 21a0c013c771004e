/** scripts/mutants.mjs on a tree of a few lines: what it says of a bug by who finds it, and how it ends. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ERRORS } from "../../src/errors.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const tree = mkdtempSync(join(tmpdir(), "tetrad-mutants-"));

/** A simulator whose runs all hold, but for the one that the bug is in. */
const FILES: Readonly<Record<string, string>> = {
  "package.json": '{ "type": "module" }\n',
  "tsconfig.json": "{}\n",
  "src/bug.ts": 'export const BUG: string = "none";\n',
  "sim/simulate.ts": [
    'import { BUG } from "../src/bug.ts";',
    "export const simulate = (run: string) => (run === BUG ? { violation: { id: 'I8' } } : {});\n",
  ].join("\n"),
  "sim/system.ts": "export const SYSTEM = {};\n",
  "sim/swarm.ts": "export const randomScenario = (seed: number) => 'seed ' + seed;\n",
  "sim/scenarios/index.ts": "export const bankScenario = (name: string) => 'bank ' + name;\n",
  "sim/scenario-shape.ts": "export const parseScenario = (text: string) => text;\n",
};

/** A bug that one run shows, and what its patch tries in turn. */
const write = (name: string, shownBy: string, tries: readonly string[]): void => {
  const lines = [
    ...["A bug.", "", "Expected: I8", ...tries.map((one) => `Try: ${one}`), ""],
    ...["--- a/src/bug.ts", "+++ b/src/bug.ts", "@@ -1 +1 @@"],
    ...['-export const BUG: string = "none";', `+export const BUG: string = "${shownBy}";`, ""],
  ];
  writeFileSync(join(tree, "sim", "mutants", `${name}.patch`), lines.join("\n"));
};

const told = (...words: readonly string[]) => {
  const script = join(tree, "scripts", "mutants.mjs");
  const args = [script, "--no-types", ...words];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: tree, encoding: "utf8" });
  return { status, stdout };
};

beforeAll(() => {
  for (const folder of ["src", "sim/scenarios", "sim/mutants", "scripts", "node_modules"]) {
    mkdirSync(join(tree, folder), { recursive: true });
  }
  for (const [file, text] of Object.entries(FILES)) writeFileSync(join(tree, file), text);
  for (const script of ["mutants.mjs", "mutant-runs.mjs"]) {
    cpSync(join(ROOT, "scripts", script), join(tree, "scripts", script));
  }
  write("by-a-seed", "seed 3", ["seeds 1..4", "bank calm"]);
  write("by-the-bank-alone", "bank calm", ["seeds 1..4", "bank calm"]);
  write("of-the-bank", "bank calm", ["bank calm", "seeds 1..4"]);
  write("of-a-seed-behind-the-bank", "seed 2", ["bank calm", "seeds 1..4"]);
  write("by-nobody", "bank storm", ["seeds 1..4", "bank calm"]);
});

afterAll(() => rmSync(tree, { recursive: true, force: true }));

describe("a mutant whose patch names seeds first", () => {
  it("is caught where a seed finds it, after so many runs", () => {
    const { status, stdout } = told("by-a-seed", "-o", "json");
    expect(JSON.parse(stdout)).toMatchObject({ caught: true, by: "I8", run: "seed 3", tried: 3 });
    expect(status).toBe(0);
  });

  it("has survived where only a scenario of the bank finds it, which is said", () => {
    const { status, stdout } = told("by-the-bank-alone", "-o", "json");
    const failure = "survived 4 seeds: only calm has it, by I8";
    expect(JSON.parse(stdout)).toMatchObject({ caught: false, failure, tried: 5 });
    expect(status).toBe(ERRORS["sim.survived"].exitCode);
    const table = told("by-the-bank-alone", "by-a-seed");
    expect(table.stdout).toContain("by-the-bank-alone  MISSED     survived 4 seeds: only calm");
    expect(table.stdout).toContain("2 mutants, 1 missed");
    expect(table.status).toBe(ERRORS["sim.survived"].exitCode);
  });

  it("has survived where nothing finds it", () => {
    const { status, stdout } = told("by-nobody", "-o", "json");
    expect(JSON.parse(stdout)).toMatchObject({ failure: "survived 5 of 5 runs" });
    expect(status).toBe(ERRORS["sim.survived"].exitCode);
  });
});

describe("a mutant whose patch names the bank first", () => {
  it("is caught by whatever it names", () => {
    const { status, stdout } = told("of-the-bank", "of-a-seed-behind-the-bank", "-o", "json");
    const found = stdout.trim().split("\n");
    expect(found.map((line) => JSON.parse(line))).toMatchObject([
      { name: "of-a-seed-behind-the-bank", caught: true, run: "seed 2" },
      { name: "of-the-bank", caught: true, run: "calm" },
    ]);
    expect(status).toBe(0);
  });
});
