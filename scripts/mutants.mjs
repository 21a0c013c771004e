// The bug bank: applies each patch of sim/mutants to a copy of the tree, checks that the copy still
// type-checks, and runs the simulator on the scenarios and seeds that the patch names until a checker
// that the patch expects finds the bug. A run that fails without the patch too does not count.
//
//     node scripts/mutants.mjs            all mutants
//     node scripts/mutants.mjs NAME…      some of them
//     --no-types                          skip the type check
//
// Exit code 0 when every mutant type-checks and is caught, 1 otherwise.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(fileURLToPath(new URL("..", import.meta.url)));
const PATCHES = join(ROOT, "sim", "mutants");
const COPIED = ["src", "sim", "package.json", "tsconfig.json"];

const args = process.argv.slice(2);
const checkTypes = !args.includes("--no-types");
const only = args.filter((arg) => !arg.startsWith("--"));

/** Description, runs to try, and the diff of a patch file. */
const readPatch = (name) => {
  const text = readFileSync(join(PATCHES, `${name}.patch`), "utf8");
  const tries = [...text.matchAll(/^Try: (bank \S+|seeds \d+\.\.\d+)$/gm)].map((match) => match[1]);
  const expected = (/^Expected: (.*)$/m.exec(text)?.[1] ?? "").split(", ");
  return { name, what: text.split("\n")[0], tries, expected };
};

/** Single runs: the arguments of one simulator call each. */
const runsOf = (tries) =>
  tries.flatMap((entry) => {
    const [kind, value] = entry.split(" ");
    if (kind === "bank") return [{ label: value, args: ["--bank", value] }];
    const [from, to] = value.split("..").map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => ({
      label: `seed ${from + i}`,
      args: ["--seed", String(from + i)],
    }));
  });

/** Runs the simulator of a tree once; the violated invariant, or undefined when all is well. */
const simulate = (tree, run) => {
  const command = [join(tree, "sim", "main.ts"), "--once", "-o", "json", ...run.args];
  const result = spawnSync(process.execPath, command, {
    cwd: tree,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    timeout: 600_000,
  });
  const line = result.stdout.trim().split("\n").at(-1) ?? "";
  if (!line.startsWith("{")) return "crash";
  return JSON.parse(line).violation?.id;
};

const copyTree = () => {
  const tree = mkdtempSync(join(tmpdir(), "tetrad-mutant-"));
  for (const part of COPIED) cpSync(join(ROOT, part), join(tree, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(tree, "node_modules"));
  return tree;
};

const typeErrors = (tree) => {
  const tsc = join(ROOT, "node_modules", ".bin", "tsc");
  const result = spawnSync(tsc, ["-p", tree], { encoding: "utf8" });
  return result.stdout.split("\n").filter((line) => /^(src\/ledger|sim)\//.test(line));
};

const baseline = new Map();
const cleanTree = copyTree();

/** What the unpatched tree does on this run. */
const withoutPatch = (run) => {
  if (!baseline.has(run.label)) baseline.set(run.label, simulate(cleanTree, run));
  return baseline.get(run.label);
};

const hunt = (mutant) => {
  const tree = copyTree();
  try {
    execFileSync("git", ["apply", "--whitespace=nowarn", join(PATCHES, `${mutant.name}.patch`)], {
      cwd: tree,
      stdio: "pipe",
    });
    const errors = checkTypes ? typeErrors(tree) : [];
    if (errors.length > 0) return `does not type-check: ${errors[0]}`;
    let tried = 0;
    for (const run of runsOf(mutant.tries)) {
      tried += 1;
      const found = simulate(tree, run);
      // Another checker's complaint may be about something else that only happens to differ now.
      if (found === undefined || !mutant.expected.includes(found)) continue;
      if (withoutPatch(run) !== undefined) continue;
      return { by: found, run: run.label, tried };
    }
    return `survived ${tried} runs`;
  } catch (error) {
    return `cannot be applied: ${String(error.stderr ?? error.message).trim()}`;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
};

const names = readdirSync(PATCHES)
  .filter((file) => file.endsWith(".patch"))
  .map((file) => file.slice(0, -".patch".length))
  .sort();
let missed = 0;
try {
  for (const name of names) {
    if (only.length > 0 && !only.includes(name)) continue;
    const mutant = readPatch(name);
    const result = hunt(mutant);
    if (typeof result === "string") {
      missed += 1;
      console.log(`MISSED ${name}: ${result}`);
    } else {
      console.log(`caught ${name}: by ${result.by} in ${result.run}, run ${result.tried}`);
    }
  }
} finally {
  rmSync(cleanTree, { recursive: true, force: true });
}
console.log(missed === 0 ? "every mutant was caught" : `${missed} mutants were not caught`);
process.exitCode = missed === 0 ? 0 : 1;
