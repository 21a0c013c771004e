/**
 * Checks the Quint model of the consensus rules (docs/model.md).
 *
 *   node scripts/model.mjs            types, directed runs, positive and negative instances
 *   node scripts/model.mjs traces     writes model/traces anew
 *   node scripts/model.mjs replay     random traces of MODEL_SEED, MODEL_TRACES (200) of them, against the core;
 *                                     what a core does not follow is kept in MODEL_FAILURES (sim-failures)
 *
 * MODEL_SCALE multiplies the sample counts (1: the short run), MODEL_SEED draws other runs,
 * MODEL_ONLY is a regular expression of instance names. With MODEL_SECONDS the instances that must hold are
 * run again and again after the rest, with other seeds (from MODEL_MORE_SEED), until that time is over. What must
 * be noticed and reached has a seed of its own, since so few runs miss it with some seeds. Exit code 1 on any
 * surprise.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadModel, runScenarios, simulate } from "../model/engine.mjs";
import { NEGATIVE, POSITIVE } from "../model/plan.mjs";
import { RUNS_MAX, randomTraces, writeTraces } from "../model/traces.mjs";
import { replayTraces } from "../test/model/replay-traces.ts";

const scale = Number(process.env.MODEL_SCALE ?? "1");
const seed = Number(process.env.MODEL_SEED ?? "1");
const moreSeed = Number(process.env.MODEL_MORE_SEED ?? seed);
const only = new RegExp(process.env.MODEL_ONLY ?? ".");
const file = (name) => fileURLToPath(new URL(`../model/${name}`, import.meta.url));
const seconds = (from) => `${((performance.now() - from) / 1000).toFixed(1)} s`;

/** Short runs may miss a rare situation only when the run was shortened. */
const complete = scale >= 1;

function verdict(row, result) {
  if (result.status !== row.expect) {
    return row.expect === "ok" ? `VIOLATED ${result.violated.join(", ")}` : "NOT NOTICED";
  }
  const missed = [...result.witnessed].filter(([, runs]) => runs === 0).map(([name]) => name);
  return complete && missed.length > 0 ? `NEVER REACHED ${missed.join(", ")}` : "as expected";
}

function runInstance(model, row, number, total) {
  const started = performance.now();
  const samples = Math.max(1, Math.ceil(row.samples * scale));
  const result = simulate(model, row.name, { ...row, samples, seed });
  const line = {
    name: row.name,
    expected:
      row.expect === "ok" ? `${row.invariants.join(", ")} hold` : `${row.invariants[0]} broken`,
    runs: String(result.samples),
    steps: String(result.steps),
    time: seconds(started),
    verdict: verdict(row, result),
  };
  console.log(`[${number}/${total}] ${line.name}: ${line.verdict} (${line.time})`);
  for (const [name, runs] of result.witnessed) console.log(`      ${name} in ${runs} runs`);
  return line;
}

/** More seeds of what must hold, until the time is over. Returns how many of them did not. */
function runOn(model, started) {
  const until = started + Number(process.env.MODEL_SECONDS ?? "0") * 1000;
  const rows = POSITIVE.filter((row) => only.test(row.name));
  let [runs, steps, violations] = [0, 0, 0];
  for (let round = 1; performance.now() < until; round++) {
    for (const row of rows) {
      if (performance.now() >= until) break;
      const samples = Math.max(1, Math.ceil(row.samples / 4));
      const result = simulate(model, row.name, { ...row, samples, seed: moreSeed + round * 1000 });
      runs += result.samples;
      steps += result.steps;
      if (result.status === row.expect) continue;
      violations += 1;
      console.log(
        `${row.name}, seed ${moreSeed + round * 1000}: VIOLATED ${result.violated.join(", ")}`,
      );
    }
  }
  if (runs > 0) console.log(`\n${runs} more runs, ${steps} steps of what must hold`);
  return violations;
}

function printTable(lines) {
  const heads = {
    name: "instance",
    expected: "expected",
    runs: "runs",
    steps: "steps",
    time: "time",
    verdict: "verdict",
  };
  const rows = [heads, ...lines];
  const widths = Object.keys(heads).map((key) => Math.max(...rows.map((row) => row[key].length)));
  for (const row of rows) {
    console.log(
      Object.keys(heads)
        .map((key, i) => row[key].padEnd(widths[i]))
        .join("  ")
        .trimEnd(),
    );
  }
}

async function check() {
  let surprises = 0;
  const started = performance.now();
  const model = await loadModel(file("instances.qnt"));
  console.log(`types and effects of model/instances.qnt: ok (${seconds(started)})`);
  const scenarios = await loadModel(file("scenarios.qnt"));
  for (const module of ["scenarios", "forks", "losses"]) {
    runScenarios(scenarios, module, ({ name, passed, errors }) => {
      console.log(`directed run ${name}: ${passed ? "ok" : `FAILED ${errors.join("; ")}`}`);
      if (!passed) surprises += 1;
    });
  }
  const rows = [...POSITIVE, ...NEGATIVE].filter((row) => only.test(row.name));
  const lines = rows.map((row, i) => runInstance(model, row, i + 1, rows.length));
  surprises += lines.filter((line) => line.verdict !== "as expected").length;
  surprises += runOn(model, started);
  console.log();
  printTable(lines);
  console.log(
    `\n${surprises === 0 ? "no surprise" : `${surprises} SURPRISES`}, ${seconds(started)}`,
  );
  return surprises === 0 ? 0 : 1;
}

/** Random traces against the core, as test/model does with the committed ones. Returns the exit code. */
async function replayRandom() {
  const count = Number(process.env.MODEL_TRACES ?? "200");
  if (!(Number.isInteger(count) && count >= 1 && count <= RUNS_MAX)) {
    console.error(`MODEL_TRACES: expected a number of 1 to ${RUNS_MAX}`);
    return 1;
  }
  const folder = process.env.MODEL_FAILURES ?? "sim-failures";
  const started = performance.now();
  const { traces, steps, failed, cut } = await replayTraces(
    randomTraces({ seed, count }),
    (one) => {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, `model-${one.name}.itf.json`), one.text);
      console.log(`${one.name}: ${one.mismatch}`);
    },
  );
  const verdict = failed === 0 ? "every core is where the model is" : `${failed} NOT FOLLOWED`;
  console.log(
    `${traces} traces, ${steps} steps, ${cut} cut short: ${verdict} (${seconds(started)})`,
  );
  return failed === 0 ? 0 : 1;
}

const commands = { traces: () => writeTraces(seed), replay: replayRandom };
process.exitCode = await (commands[process.argv[2]] ?? check)();
