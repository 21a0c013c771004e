// The bug bank: applies each patch of sim/mutants to a copy of the tree, checks that the copy still
// type-checks, and runs the simulator on the scenarios and seeds that the patch names until a checker
// that the patch expects finds the bug. A run that fails without the patch too does not count. A patch that
// names seeds first must be found by one of them: what else it names then says only where it can be seen.
//
//     node scripts/mutants.mjs            all mutants
//     node scripts/mutants.mjs NAME…      some of them
//     --apply                             only whether each patch applies
//     --no-types                          skip the type check
//     --workers N                         so many at a time; 1 if not given
//     -o json                             an object a mutant instead of the table
//     --help                              this text
//
// Exit code 0 when every mutant type-checks and is caught, 2 when one is not (sim.survived of docs/errors.md),
// 1 for a mistake of usage.
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = resolve(fileURLToPath(new URL("..", import.meta.url)));
const PATCHES = join(ROOT, "sim", "mutants");
const RUNS = join(ROOT, "scripts", "mutant-runs.mjs");
const COPIED = ["src", "sim", "package.json", "tsconfig.json"];
/** As `nexus sim mutants` ends: the exit code of `sim.survived`. */
const SURVIVED_CODE = 2;
/** A mutant that goes in circles is caught by nobody. */
const TIMEOUT_MS = 900_000;

const refuse = (detail) => {
  console.error(detail);
  process.exit(1);
};

const parseWords = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        apply: { type: "boolean", default: false },
        "no-types": { type: "boolean", default: false },
        workers: { type: "string", default: "1" },
        output: { type: "string", short: "o", default: "text" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    return refuse(`${error.message}\nsee node scripts/mutants.mjs --help`);
  }
};

const { values: flags, positionals: only } = parseWords();
if (flags.help) {
  const lines = readFileSync(fileURLToPath(import.meta.url), "utf8").split("\n");
  const head = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith("//")),
  );
  console.log(head.map((line) => line.replace(/^\/\/ ?/, "")).join("\n"));
  process.exit(0);
}

const asked = Number(flags.workers);
if (!Number.isInteger(asked) || asked < 1 || asked > 64) {
  refuse(`--workers: expected a number of 1 to 64, found ${flags.workers}`);
}
/** Each runs a process of its own: no more than there are cores. */
const workers = Math.min(asked, availableParallelism());

/** Runs a command to its end; `onLine` may end it early by returning true. */
const run = (command, args, cwd, onLine = () => false) =>
  new Promise((done) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
    let out = "";
    let text = "";
    let errors = "";
    child.stdout.on("data", (chunk) => {
      out += chunk;
      text += chunk;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        if (onLine(text.slice(0, end))) child.kill("SIGKILL");
        text = text.slice(end + 1);
      }
    });
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      done({ code, out, errors });
    });
  });

const isSeed = (name) => name.startsWith("seed ");

/** What a patch file says of itself: what is wrong, where to look, and who must notice. */
const readPatch = (name) => {
  const text = readFileSync(join(PATCHES, `${name}.patch`), "utf8");
  const expected = (/^Expected: (.*)$/m.exec(text)?.[1] ?? "").split(", ");
  const tries = [...text.matchAll(/^Try: (bank \S+|file \S+|seeds \d+\.\.\d+)$/gm)];
  const runs = tries.flatMap(([, entry]) => {
    const [kind, value] = entry.split(" ");
    if (kind === "bank") return [entry];
    if (kind === "file") return [`file ${join(PATCHES, value)}`];
    const [from, to] = value.split("..").map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => `seed ${from + i}`);
  });
  return { name, what: text.split("\n")[0], expected, runs, bySeeds: isSeed(runs[0] ?? "") };
};

const copyTree = () => {
  const tree = mkdtempSync(join(tmpdir(), "tetrad-mutant-"));
  for (const part of COPIED) cpSync(join(ROOT, part), join(tree, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(tree, "node_modules"));
  return tree;
};

/** The first type error of a tree. What the clean tree has been found to be is not looked at again. */
const typeError = async (tree, info) => {
  const tsc = join(ROOT, "node_modules", ".bin", "tsc");
  cpSync(info, join(tree, "tsbuildinfo"), { force: true, errorOnExist: false });
  const args = ["-p", tree, "--incremental", "--tsBuildInfoFile", join(tree, "tsbuildinfo")];
  const { out } = await run(tsc, args, tree);
  return out.split("\n").find((line) => /^(src|sim)\//.test(line));
};

/** Runs simulations in a tree until one of `expected` is found; every run with what it found. */
const hunt = async (tree, runs, expected) => {
  const found = [];
  const { code, errors } = await run(
    process.execPath,
    [RUNS, tree, ...expected, "--", ...runs],
    tree,
    (line) => {
      if (line.startsWith("{")) found.push(JSON.parse(line));
      return false;
    },
  );
  // What a simulation throws is a finding. A process that ends by itself without one has not begun.
  if (found.length === 0 && code !== 0 && code !== null) {
    const why = errors.split("\n").find((line) => /^\w*Error/.test(line)) ?? `exit code ${code}`;
    throw new Error(`the simulator does not run: ${why}`);
  }
  return found;
};

const clean = copyTree();
const info = join(clean, "tsbuildinfo");
const baseline = new Map();

/** What the tree without a patch does in a run: its verdict, asked once. */
const withoutPatch = (name) => {
  if (!baseline.has(name)) {
    baseline.set(
      name,
      hunt(clean, [name], []).then((found) => found[0]?.id ?? null),
    );
  }
  return baseline.get(name);
};

const label = (name) => name.replace(`file ${PATCHES}/`, "").replace(/^bank /, "");

/** Looks for a run that only the mutant fails, with the checker that must complain. */
const search = async (tree, mutant) => {
  let tried = 0;
  let seconds = 0;
  let from = 0;
  while (from < mutant.runs.length) {
    const found = await hunt(tree, mutant.runs.slice(from), mutant.expected);
    for (const one of found) {
      tried += 1;
      seconds += one.seconds;
      if (!mutant.expected.includes(one.id)) continue;
      const before = await withoutPatch(one.run);
      if (before === one.id) continue;
      if (!mutant.bySeeds || isSeed(one.run)) {
        return { by: one.id, run: label(one.run), tried, seconds };
      }
      const seeds = mutant.runs.filter(isSeed).length;
      const failure = `survived ${seeds} seeds: only ${label(one.run)} has it, by ${one.id}`;
      return { failure, tried, seconds };
    }
    if (found.length === 0) break;
    from += found.length;
  }
  return { failure: `survived ${tried} of ${mutant.runs.length} runs`, tried, seconds };
};

const judge = async (mutant) => {
  const tree = copyTree();
  try {
    const patch = join(PATCHES, `${mutant.name}.patch`);
    const applied = await run("git", ["apply", "--whitespace=nowarn", patch], tree);
    if (applied.code !== 0) return { failure: `does not apply: ${applied.errors.trim()}` };
    if (flags.apply) return { by: "-", run: "-", tried: 0, seconds: 0 };
    const error = flags["no-types"] ? undefined : await typeError(tree, info);
    if (error !== undefined) return { failure: `does not type-check: ${error}` };
    return await search(tree, mutant);
  } catch (error) {
    return { failure: error.message };
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
};

const table = (rows) => {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
};

const mutants = readdirSync(PATCHES)
  .filter((file) => file.endsWith(".patch"))
  .map((file) => file.slice(0, -".patch".length))
  .filter((name) => only.length === 0 || only.includes(name))
  .sort()
  .map(readPatch);
const unknown = only.filter((name) => !mutants.some((mutant) => mutant.name === name));
if (unknown.length > 0) {
  refuse(`no such mutant: ${unknown.join(", ")}`);
}

const results = new Map();
try {
  if (!flags.apply && !flags["no-types"]) {
    const tsc = join(ROOT, "node_modules", ".bin", "tsc");
    await run(tsc, ["-p", clean, "--incremental", "--tsBuildInfoFile", info], clean);
  }
  const waiting = [...mutants];
  const work = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const result = await judge(mutant);
      results.set(mutant.name, result);
      if (flags.output === "json") {
        const { name, what } = mutant;
        console.log(
          JSON.stringify({ name, what, caught: result.failure === undefined, ...result }),
        );
      } else {
        const verdict = result.failure ?? `caught by ${result.by}`;
        console.error(`[${results.size}/${mutants.length}] ${mutant.name}: ${verdict}`);
      }
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
} finally {
  rmSync(clean, { recursive: true, force: true });
}

const missed = mutants.filter(({ name }) => results.get(name)?.failure !== undefined);
if (flags.output !== "json") {
  const rows = mutants.map(({ name }) => {
    const { failure, by, run: where, tried, seconds } = results.get(name);
    if (failure !== undefined) return [name, "MISSED", failure, "", ""];
    return [name, by, where, String(tried), seconds.toFixed(1)];
  });
  console.log(table([["mutant", "caught by", "in", "runs", "seconds"], ...rows]));
  const total = `${mutants.length} mutants`;
  console.log(
    missed.length === 0 ? `${total}, every one caught` : `${total}, ${missed.length} missed`,
  );
}
process.exitCode = missed.length === 0 ? 0 : SURVIVED_CODE;
