/**
 * The matrix of Byzantine runs (sim/byzantine.ts): every kind of adversary and mixes, with just under a third
 * of the weight, in each size; then a third and more.
 *
 *     npm run sim:byzantine                               all of it: n = 4, 7, 10, 31 and 100
 *     npm run sim:byzantine -- --sizes 4,7 --kinds grind,mix
 *     npm run sim:byzantine -- --budget 30m --results FILE
 *     npm run sim:byzantine -- --results FILE --table
 *
 * --sizes, --kinds  some of them ("mix" is a kind)     --share under|over  only less than a third, or the rest
 * --mixes N         mixed runs a size and kind of weights (4)
 * --seed N --seeds N  the first seed and how many (1, 1)
 * --budget T        begin no new run after so long: 90s, 30m, 8h
 * --results FILE    one JSON object a run; what stands there of this commit is not run again, but for runs
 *                   that failed, or of a tree with changes. With --any-commit neither is what stands there
 *                   of another one.
 * --part I/N        every N-th run, from the I-th: parts may run at the same time, each with a file of its own
 * --table           print what the results file holds, by kind, and by size
 * --failures DIR    where scenarios go that fail (sim-failures)
 * --help            this text
 *
 * Exit codes: 0, 1 for what it was asked wrongly, else those of the simulator, of several the highest.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BYZANTINE_KINDS, BYZANTINE_SIZES, byzantineMatrix } from "../sim/byzantine.ts";
import { runCase } from "../sim/byzantine-judge.ts";
import {
  kindsTable,
  latestRows,
  readRows,
  rowLine,
  rowOf,
  runKey,
  settledKeys,
  sizesTable,
} from "../sim/byzantine-results.ts";
import { EXIT_CODES } from "../sim/simulate.ts";
import { SYSTEM } from "../sim/system.ts";
import { duration } from "../src/cli/sim-commands.ts";
import { codeVersion } from "../src/cli/simulator/code.ts";

const usage = (detail) => {
  console.error(detail);
  process.exit(1);
};

const options = {
  sizes: { type: "string", default: BYZANTINE_SIZES.join(",") },
  kinds: { type: "string" },
  share: { type: "string" },
  mixes: { type: "string", default: "4" },
  seed: { type: "string", default: "1" },
  seeds: { type: "string", default: "1" },
  budget: { type: "string" },
  results: { type: "string" },
  "any-commit": { type: "boolean", default: false },
  part: { type: "string", default: "1/1" },
  table: { type: "boolean", default: false },
  failures: { type: "string", default: "sim-failures" },
  help: { type: "boolean", short: "h", default: false },
};
const parseWords = () => {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return usage(`${error.message}\nsee npm run sim:byzantine -- --help`);
  }
};
const values = parseWords();
if (values.help) {
  const [head] = readFileSync(fileURLToPath(import.meta.url), "utf8").split(" */\n");
  console.log(
    head
      .replace("/**\n", "")
      .replace(/^ \* ?/gm, "")
      .trimEnd(),
  );
  process.exit(0);
}

const numberOf = (text, what) => {
  if (!/^[0-9]{1,9}$/.test(text)) usage(`--${what}: expected a number, found ${text}`);
  return Number(text);
};
/** A comma-separated choice out of what there is. */
const listOf = (text, what, known) => {
  const chosen = text.split(",");
  const unknown = chosen.find((one) => !known.includes(one));
  if (unknown !== undefined) usage(`--${what}: ${unknown} is none of ${known.join(", ")}`);
  return chosen;
};
const budgetOf = (text) => {
  try {
    return duration(text);
  } catch {
    return usage(`--budget: expected a time such as 90s, 30m or 8h, found ${text}`);
  }
};
const rowsOf = (file) => {
  if (file === undefined || !existsSync(file)) return [];
  try {
    return readRows(readFileSync(file, "utf8"));
  } catch (error) {
    return usage(`${file}: ${error.message}`);
  }
};

const sizes = listOf(values.sizes, "sizes", BYZANTINE_SIZES.map(String)).map(Number);
const known = [...BYZANTINE_KINDS, "mix"];
const kinds = values.kinds === undefined ? known : listOf(values.kinds, "kinds", known);
const shares = values.share === undefined ? ["under", "over"] : [values.share];
if (!["under", "over"].includes(shares[0])) usage(`--share: under or over, found ${values.share}`);
const [, part = "", parts = ""] = /^([0-9]+)\/([0-9]+)$/.exec(values.part) ?? [];
if (!(Number(part) >= 1 && Number(part) <= Number(parts)))
  usage(`--part: I/N, found ${values.part}`);
const [mixes, seed, seeds] = ["mixes", "seed", "seeds"].map((name) => numberOf(values[name], name));
const budgetMs = values.budget === undefined ? Number.POSITIVE_INFINITY : budgetOf(values.budget);
const before = rowsOf(values.results);

if (values.table) {
  const rows = latestRows(before);
  console.log(kindsTable(rows));
  console.log(`\n${sizesTable(rows)}`);
  process.exit(0);
}

const commit = codeVersion();
const keyOf = (name, runSeed, of) => runKey(name, runSeed, values["any-commit"] ? "" : of);
const settled = settledKeys(before, (row) => keyOf(row.name, row.seed, row.commit));
const cases = [];
for (let at = seed; at < seed + seeds; at++) {
  for (const one of byzantineMatrix(sizes, mixes, at)) {
    if (kinds.includes(one.kind) && shares.includes(one.share)) cases.push(one);
  }
}
const mine = cases.filter((_, i) => i % Number(parts) === Number(part) - 1);
const open = mine.filter(
  ({ scenario: { name, seed: at } }) => !settled.has(keyOf(name, at, commit)),
);

const startMs = performance.now();
let worst = 0;
let failed = 0;
const rows = [];
const progress = (now) => {
  const at = `${mine.length - open.length + rows.length}/${mine.length} runs, ${failed} failed`;
  const minutes = ((performance.now() - startMs) / 60_000).toFixed(1);
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${at}, ${minutes} min: ${now}`);
  return at;
};
/** Keeps a failing scenario and says how to run it again. */
const keep = (scenario) => {
  const file = join(values.failures, commit, `${scenario.name}-seed-${scenario.seed}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(scenario, null, 2)}\n`);
  console.log(`  replay: npm run sim -- run ${file}`);
};

for (const one of open) {
  if (performance.now() - startMs >= budgetMs) break;
  const { scenario } = one;
  progress(scenario.name);
  const fromMs = performance.now();
  const outcome = runCase(one, SYSTEM);
  const row = rowOf(one, outcome, { commit, wallMs: performance.now() - fromMs });
  rows.push(row);
  if (values.results !== undefined) {
    mkdirSync(dirname(values.results), { recursive: true });
    appendFileSync(values.results, rowLine(row));
  }
  const isWrong = row.verdict === "FAILED";
  if (isWrong) {
    failed += 1;
    const how = outcome.result.outcome;
    // A run that was well and showed nothing has failed all the same.
    const isOfRun = one.share === "under" && how !== "ok";
    const code = isOfRun ? EXIT_CODES[how] : EXIT_CODES.correctness;
    worst = Math.max(worst, code);
  }
  const at = progress("");
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  const spent = `${(row.virtualMs / 1000).toFixed(1)} virtual s, ${(row.wallMs / 1000).toFixed(1)} s`;
  console.log(
    `[${at}] ${row.name} seed ${row.seed}: ${row.verdict}, height ${row.heights}, ${spent}`,
  );
  if (!isWrong) continue;
  console.log(`  ${row.why}`);
  keep(scenario);
}
const left = open.length - rows.length;
if (rows.length > 0) console.log(`\n${sizesTable(rows)}`);
console.log(left === 0 ? "nothing is left to run" : `${left} runs are left`);
process.exitCode = worst;
