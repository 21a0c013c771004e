/**
 * The command of the simulator.
 *
 *     npm run sim -- --seed 7              one random scenario, run twice
 *     npm run sim -- --seeds 1..1000       many
 *     npm run sim -- --bank                all directed scenarios; --bank NAME one of them
 *     npm run sim -- --scenario FILE.json  one scenario from a file
 *
 *     --once      do not run each a second time to compare traces
 *     --trace     print every event
 *     --shrink    make a failing scenario smaller and print it
 *     --time S    start no new seed after so many seconds
 *     -o json     one JSON object a line
 *
 * Exit codes: 0 all is well, 1 usage, 10 crash, 11 liveness, 12 correctness; of several the highest.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { jsonOf, progressLine, type RunName, verdictLine } from "./report.ts";
import type { Scenario } from "./scenario.ts";
import { parseScenario } from "./scenario-shape.ts";
import { BANK, bankScenario } from "./scenarios/index.ts";
import { shrink } from "./shrink.ts";
import {
  EXIT_CODES,
  type RunOptions,
  type RunResult,
  simulate,
  simulateTwice,
} from "./simulate.ts";
import { randomScenario } from "./swarm.ts";
import { SYSTEM } from "./system.ts";
import { formatEvent } from "./trace.ts";

type Job = { readonly name: RunName; readonly scenario: Scenario };

type Settings = {
  readonly once: boolean;
  readonly json: boolean;
  readonly trace: boolean;
  readonly shrink: boolean;
  readonly seconds: number;
};

class UsageError extends Error {}

const integer = (text: string, what: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new UsageError(`${what}: not a number: ${text}`);
  return value;
};

const seedJob = (seed: number): Job => ({
  name: { kind: "seed", value: String(seed) },
  scenario: randomScenario(seed),
});

function* jobsOf(values: {
  readonly seed?: string | undefined;
  readonly seeds?: string | undefined;
  readonly scenario?: string | undefined;
  readonly bank?: boolean | undefined;
  readonly names: readonly string[];
}): Generator<Job> {
  if (values.scenario !== undefined) {
    const scenario = parseScenario(readFileSync(values.scenario, "utf8"));
    yield { name: { kind: "file", value: values.scenario }, scenario };
  } else if (values.bank === true) {
    const names = values.names.length > 0 ? values.names : BANK.map((entry) => entry.name);
    for (const name of names) {
      const found = bankScenario(name);
      if (found === undefined) throw new UsageError(`no scenario "${name}" in the bank`);
      yield { name: { kind: "bank", value: name }, scenario: found };
    }
  } else if (values.seeds !== undefined) {
    const [from = "", to = ""] = values.seeds.split("..");
    const last = integer(to, "--seeds");
    for (let seed = integer(from, "--seeds"); seed <= last; seed++) yield seedJob(seed);
  } else {
    yield seedJob(integer(values.seed ?? "1", "--seed"));
  }
}

const runJob = (job: Job, settings: Settings): RunResult => {
  const options: RunOptions = settings.trace
    ? { ...SYSTEM, onEvent: (event) => console.log(formatEvent(event)) }
    : SYSTEM;
  const once = settings.once || settings.trace;
  return once ? simulate(job.scenario, options) : simulateTwice(job.scenario, options);
};

const explain = (job: Job, result: RunResult, settings: Settings): void => {
  console.log(verdictLine(job.name, result));
  if (result.violation !== undefined) console.log(result.violation.detail);
  for (const line of result.report) console.log(`  ${line}`);
  if (!settings.shrink) return;
  const { scenario } = shrink(job.scenario, (smaller) => simulate(smaller, SYSTEM).violation);
  console.log(JSON.stringify(scenario, null, 2));
};

const main = (args: readonly string[]): number => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      scenario: { type: "string" },
      bank: { type: "boolean" },
      once: { type: "boolean", default: false },
      trace: { type: "boolean", default: false },
      shrink: { type: "boolean", default: false },
      time: { type: "string", default: "0" },
      output: { type: "string", short: "o", default: "text" },
    },
  });
  const settings: Settings = {
    once: values.once,
    json: values.output === "json",
    trace: values.trace,
    shrink: values.shrink,
    seconds: integer(values.time, "--time"),
  };
  const startMs = performance.now();
  const spent = (): number => (performance.now() - startMs) / 1000;
  let worst = 0;
  let runs = 0;
  let virtualMs = 0;
  for (const job of jobsOf({ ...values, names: positionals })) {
    if (settings.seconds > 0 && spent() > settings.seconds) break;
    const result = runJob(job, settings);
    runs += 1;
    virtualMs += result.virtualMs;
    worst = Math.max(worst, EXIT_CODES[result.outcome]);
    if (settings.json) console.log(jsonOf(job.name, result));
    else console.log(progressLine(job.name, result));
    if (result.outcome !== "ok" && !settings.json) explain(job, result, settings);
  }
  if (!settings.json) {
    const rate = virtualMs / 1000 / Math.max(0.001, spent());
    const total = `${runs} runs, ${(virtualMs / 1000).toFixed(0)} virtual seconds`;
    console.log(`${total} in ${spent().toFixed(1)} s (${rate.toFixed(0)} x)`);
  }
  return worst;
};

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof RangeError)) throw error;
  console.error(`sim: ${error.message}`);
  process.exitCode = 1;
}
