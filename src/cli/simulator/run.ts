/** `nexus sim run`: runs scenarios, and reports on what fails. */
import { basename, join, resolve } from "node:path";
import {
  BANK,
  EXIT_CODES,
  momentLine,
  type Outcome,
  type Own,
  progressLine,
  type RunResult,
  record,
  replayCommand,
  reportText,
  runJson,
  simulate,
  simulateTwice,
  verdictOf,
} from "../../../sim/index.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { realClock } from "../../node/real-ports.ts";
import type { CliContext } from "../context.ts";
import { formatNdjson, paint, printable } from "../output.ts";
import { createProgress } from "../progress.ts";
import { codeVersion } from "./code.ts";
import { FAILURES_FOLDER } from "./defaults.ts";
import { checkFolder, fileName, type Reported, reportFailure } from "./files.ts";
import { type Chosen, type Named, namedScenario, ownChecks, seedScenario } from "./load.ts";
import { shrinkFailure } from "./shrinking.ts";

export type RunOptions = Chosen & {
  readonly seeds?: string;
  readonly once?: boolean;
  readonly trace?: boolean;
  readonly time?: number;
  readonly shrink?: boolean;
  readonly out: string;
  readonly files: boolean;
  readonly rowMemory?: number;
};

const MIB = 2 ** 20;

/** A shrinking that nobody asked for is over soon. */
const SHRINK_RUNS = 200;
const SHRINK_MS = 60_000;

type Plan = {
  readonly options: RunOptions;
  readonly own: Own;
  readonly commit: string;
  readonly isOnly: boolean;
};

const rangeOf = (text: string): readonly [number, number] => {
  const [, first = "", last = ""] = /^([0-9]{1,15})\.\.([0-9]{1,15})$/.exec(text) ?? [];
  const range = [Number(first), Number(last)] as const;
  // A seed that --seed does not take could not be run again.
  if (last === "" || range[0] > range[1] || range[1] >= LIMITS.simSeedsMax) {
    throw new TetradError("cli.usage", "--seeds is FIRST..LAST below 2^48, such as 1..100");
  }
  return range;
};

type Jobs = { readonly count: number; readonly all: Iterable<Named> };

const jobsOf = (context: CliContext, options: RunOptions, given: readonly string[]): Jobs => {
  const ways = [given.length > 0, options.seed !== undefined, options.seeds !== undefined];
  if (ways.filter(Boolean).length > 1) {
    throw new TetradError("cli.usage", "give scenarios, or --seed, or --seeds: one of them");
  }
  if (options.seed !== undefined) return { count: 1, all: [seedScenario(options.seed)] };
  if (options.seeds !== undefined) {
    const [first, last] = rangeOf(options.seeds);
    const all = (function* () {
      for (let seed = first; seed <= last; seed++) yield seedScenario(seed);
    })();
    return { count: last - first + 1, all };
  }
  const names = given.length > 0 ? given : BANK.map(({ name }) => name);
  const all = names.map((name) => namedScenario(context, name));
  return { count: all.length, all };
};

/** Runs one, printing its events where they were asked for. */
const runOne = (context: CliContext, { scenario }: Named, plan: Plan): RunResult => {
  const { options, own } = plan;
  if (options.trace === true) {
    const out = (text: string): void => context.terminal.out(`${text}\n`);
    return record(scenario, { moment: (moment) => out(momentLine(moment)) }, own);
  }
  return options.once === true ? simulate(scenario, own) : simulateTwice(scenario, own);
};

/** Shrinks what failed where that was asked for or is cheap, and writes what there is to know of it. */
const lookInto = async (
  context: CliContext,
  job: Named,
  result: RunResult,
  plan: Plan,
): Promise<Reported | undefined> => {
  const { options, own, commit, isOnly } = plan;
  // What is not the same each time cannot be shrunk.
  const canShrink = result.violation?.id !== "I17";
  const wanted = options.shrink ?? isOnly;
  const small =
    canShrink && wanted
      ? shrinkFailure(context, result, own, { runs: SHRINK_RUNS, ms: SHRINK_MS })
      : undefined;
  const shown = small ?? { scenario: job.scenario, result, from: undefined };
  const place = job.name.kind === "file" ? basename(job.name.value, ".json") : job.name.value;
  const named = `${result.violation?.id ?? "failure"}-${job.name.kind === "seed" ? "seed-" : ""}${place}`;
  return reportFailure(context, shown.scenario, {
    ...{ own, commit },
    with: options.with,
    folder: options.files ? join(options.out, commit, fileName(named)) : undefined,
    shrunkFrom: shown.from,
    found: shown.result,
    replay: replayCommand(job.name, options.with),
  });
};

/** What is wrong, as the report says it where there is one: it may be of a smaller scenario. */
const verdictIn = (result: RunResult, reported: Reported | undefined): string =>
  reported?.report.verdict ?? verdictOf(result);

const print = (
  context: CliContext,
  job: Named,
  result: RunResult,
  reported: Reported | undefined,
  own: string | undefined,
): object => {
  const { terminal } = context;
  const { report, files, unwritten } = reported ?? {};
  const more = reported === undefined ? {} : { report, files, unwritten };
  const item = { ...runJson(job.name, result, own), ...more };
  if (context.format === "ndjson") terminal.out(formatNdjson(item));
  if (context.format !== "table") return item;
  terminal.out(`${progressLine(job.name, result)}\n`);
  if (result.outcome === "ok") return item;
  const fail = paint(terminal.colorOut, "red", "FAIL");
  // Of what stands below it, which has been shrunk.
  const verdict = paint(terminal.colorOut, "bold", printable(verdictIn(result, reported)));
  terminal.out(`\n${fail} ${verdict}\n\n`);
  // A scenario may be anybody's file, and what is wrong with it may quote it.
  const lines = reported === undefined ? result.report : reportText(reported.report).split("\n");
  for (const line of lines) terminal.out(`${printable(line)}\n`);
  if (reported === undefined) return item;
  for (const [name, path] of Object.entries(files ?? {})) {
    terminal.out(`${name.padEnd(9)} ${path}\n`);
  }
  return item;
};

const CODES = {
  module: "sim.module",
  crash: "sim.crash",
  liveness: "sim.liveness",
  correctness: "sim.correctness",
} as const satisfies Record<Exclude<Outcome, "ok">, string>;

/** The error of several outcomes: the worst of them. */
export const failWith = (outcome: Outcome, detail: string): void => {
  if (outcome === "ok") return;
  // The code says the outcome already.
  throw new TetradError(CODES[outcome], detail.replace(`${outcome} `, ""));
};

export const worse = (a: Outcome, b: Outcome): Outcome => (EXIT_CODES[a] >= EXIT_CODES[b] ? a : b);

export const simRun = async (
  context: CliContext,
  options: RunOptions,
  ...given: readonly string[]
): Promise<void> => {
  if (options.trace === true && context.format !== "table") {
    throw new TetradError("cli.usage", "--trace prints lines for people: give it without -o");
  }
  const jobs = jobsOf(context, options, given);
  // In a folder that cannot be written, what is there without --out can be run all the same.
  if (options.files && options.out !== FAILURES_FOLDER)
    checkFolder(resolve(context.cwd, options.out));
  const own = {
    ...(await ownChecks(context, options)),
    ...(options.rowMemory === undefined ? {} : { rowMemoryBytes: options.rowMemory * MIB }),
  };
  const plan = { options, own, commit: codeVersion(), isOnly: jobs.count === 1 };
  const clock = realClock.monotonicMs;
  const startMs = clock();
  const { items, worst, virtualMs, failures, verdict } = await runJobs(
    context,
    jobs,
    plan,
    startMs,
  );
  // Also where somebody has interrupted it: hours of runs may have found something.
  if (context.format === "json") context.printList(items, [], []);
  const runs = items.length;
  const spentS = Math.max(0.001, (clock() - startMs) / 1000);
  const rate = (virtualMs / 1000 / spentS).toFixed(0);
  context.note(
    `${runs} ${runs === 1 ? "run" : "runs"}, ${(virtualMs / 1000).toFixed(0)} virtual seconds in ${spentS.toFixed(1)} s (${rate} x)${context.signal.aborted ? ", interrupted" : ""}`,
  );
  context.signal.throwIfAborted();
  failWith(
    worst,
    failures === 1 ? verdict : `${failures} of ${runs} runs failed; the first: ${verdict}`,
  );
};

/** A run is one long turn: signals are heard between two of them. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Ran = {
  /** One for each run. */
  readonly items: object[];
  worst: Outcome;
  virtualMs: number;
  failures: number;
  /** Of the first failure. */
  verdict: string;
};

/** One after the other until all are run, the time is over or the signal has come. */
const runJobs = async (
  context: CliContext,
  jobs: Jobs,
  plan: Plan,
  startMs: number,
): Promise<Ran> => {
  const { options } = plan;
  const clock = realClock.monotonicMs;
  const progress = createProgress(context.terminal, "running", "runs", clock);
  // Where each run prints its own line, a bar would only be in its way.
  const hasBar = context.format === "json" && jobs.count > 1 && context.options.quiet !== true;
  const ran: Ran = { items: [], worst: "ok", virtualMs: 0, failures: 0, verdict: "" };
  for (const job of jobs.all) {
    if (options.time !== undefined && clock() - startMs > options.time) break;
    const result = runOne(context, job, plan);
    await turn();
    const failed = result.violation !== undefined;
    // Looking into it takes more runs, for which nobody waits any more who has interrupted this one.
    const isLookedInto = failed && !context.signal.aborted;
    const reported = isLookedInto ? await lookInto(context, job, result, plan) : undefined;
    ran.items.push(print(context, job, result, reported, options.with));
    if (reported?.unwritten !== undefined) {
      context.terminal.err(`files are missing: ${printable(reported.unwritten)}\n`);
    }
    ran.worst = worse(ran.worst, result.outcome);
    ran.verdict ||= failed ? verdictIn(result, reported) : "";
    ran.failures += failed ? 1 : 0;
    ran.virtualMs += result.virtualMs;
    if (hasBar) progress.update(ran.items.length, jobs.count);
    if (isLookedInto) await turn();
    if (context.signal.aborted) break;
  }
  if (hasBar) progress.end();
  return ran;
};
