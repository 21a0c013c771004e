/**
 * The night's run: the whole library, then many random seeds, each twice. It fails when one of them does, and
 * when a mark that a night must have seen (coverage.ts) never came: then a fault or a rule is no longer tried.
 *
 *     npm run sim:nightly                       seeds 1..1000, 200 of chains with stake, and 100 of chains that
 *                                               ask for proofs, on two threads
 *     npm run sim:nightly -- --from 5000 --seeds 200 --workers 1 --stake 0 --proofs 0
 *
 * Chains with stake, and those with proofs, have seeds as far above the first of theirs as --from is above 1. A
 * night has a --from of its own (night.ts).
 *
 * Exit codes: those of the simulator, of several the highest; 12 for marks that never came.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { LIMITS } from "../src/limits.ts";
import { createCoverage } from "./coverage.ts";
import { runOptions } from "./options.ts";
import { BANK } from "./scenarios/index.ts";
import { EXIT_CODES, type Outcome } from "./simulate.ts";
import { PROOF_SEEDS_FROM, STAKE_SEEDS_FROM } from "./swarm.ts";
import { runSwarm, threadsOf } from "./swarm-run.ts";
import { simulateTwice } from "./twice.ts";

const numberOf = (text: string, what: string, min: number, max: number): number => {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  console.error(`--${what}: expected a number of ${min} to ${max}, found ${text}`);
  process.exit(1);
};

const { values } = parseArgs({
  options: {
    from: { type: "string", default: "1" },
    seeds: { type: "string", default: "1000" },
    stake: { type: "string", default: "200" },
    proofs: { type: "string", default: "100" },
    workers: { type: "string", default: "2" },
  },
});

const SEED_MAX = LIMITS.simSeedsMax - 1;
const seeds = numberOf(values.seeds, "seeds", 1, SEED_MAX);
const staked = numberOf(values.stake, "stake", 0, SEED_MAX);
const proven = numberOf(values.proofs, "proofs", 0, SEED_MAX);
const from = numberOf(values.from, "from", 1, SEED_MAX);
const workers = numberOf(values.workers, "workers", 1, LIMITS.simWorkersMax);
const OPTIONS = runOptions();
const coverage = createCoverage();
const startedMs = performance.now();
let worst = 0;
let runs = 0;
let failed = 0;

/** One line that is written over on a terminal, and a line now and then elsewhere. */
const progress = (): void => {
  const all = BANK.length + seeds + staked + proven;
  const perSecond = runs / ((performance.now() - startedMs) / 1000);
  const left = Math.ceil((all - runs) / perSecond / 60);
  const line = `${runs}/${all} runs, ${failed} failed, ${perSecond.toFixed(1)}/s, ${left} min left`;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}${runs === all ? "\n" : ""}`);
  else if (runs % 50 === 0 || runs === all) console.error(line);
};

const note = (
  name: string,
  marks: ReadonlyMap<string, number>,
  outcome: Outcome,
  why: string,
): void => {
  runs += 1;
  coverage.add(marks);
  if (outcome !== "ok") failed += 1;
  progress();
  if (outcome === "ok") return;
  worst = Math.max(worst, EXIT_CODES[outcome]);
  console.log(`FAIL ${outcome} (${name}): ${why}. Replay: npm run sim -- ${name}`);
};

for (const scenario of BANK) {
  const { marks, outcome, violation } = simulateTwice(scenario, OPTIONS);
  note(`run ${scenario.name}`, marks, outcome, `${violation?.id} ${violation?.detail}`);
}
console.log(`${runs} scenarios of the library`);
for (const part of [
  { from, seeds },
  { from: STAKE_SEEDS_FROM + from - 1, seeds: staked },
  { from: PROOF_SEEDS_FROM + from - 1, seeds: proven },
]) {
  if (part.seeds === 0) continue;
  await runSwarm({
    ...{ ...part, twiceEvery: 1 },
    workers: threadsOf(workers, availableParallelism(), part.seeds),
    runMsMax: LIMITS.simRunMsMax,
    signal: new AbortController().signal,
    nowMs: () => performance.now(),
    onResult: ({ seed, marks, outcome, id, detail }) => {
      note(`run --seed ${seed}`, new Map(marks), outcome, `${id} ${detail}`);
    },
  });
}
for (const line of coverage.table()) console.log(line);
const missing = coverage.missing();
console.log(
  missing.length === 0 ? `${runs} runs, every mark seen` : `never seen: ${missing.join(", ")}`,
);
if (missing.length > 0) worst = Math.max(worst, EXIT_CODES.correctness);
process.exitCode = worst;
