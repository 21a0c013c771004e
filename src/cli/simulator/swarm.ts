/** `nexus sim swarm`: random scenarios on several threads, and what they have found. */
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import {
  createCoverage,
  EXIT_CODES,
  EXPECTED_MARKS,
  type Outcome,
  runSwarm,
  type SeedResult,
  shellWord,
  threadsOf,
  withWords,
} from "../../../sim/index.ts";
import { LIMITS } from "../../limits.ts";
import { realClock } from "../../node/real-ports.ts";
import type { CliContext } from "../context.ts";
import { printable, type Terminal } from "../output.ts";
import { codeVersion } from "./code.ts";
import { checkFolder } from "./files.ts";
import { type Keeper, type Kept, keepShortest, openKeeper } from "./kept.ts";
import { type Chosen, ownChecks, ownPath } from "./load.ts";
import { failWith, worse } from "./run.ts";

type SwarmVerb = Chosen & {
  /** Undefined where `seeds` says when to end. */
  readonly budget?: number;
  readonly workers: number;
  readonly from?: number;
  readonly seeds?: number;
  readonly twice: number;
  readonly keep: string;
};

/** How long a swarm goes on that nothing else ends. */
const BUDGET_MS = 60_000;
const KEPT = { ofFailure: LIMITS.simKeptSeedsMax, ofInvariant: LIMITS.simKeptInvariantMax };
const REDRAW_MS = 250;
const PLAIN_MS = 10_000;

const clockText = (ms: number): string => {
  const whole = Math.floor(ms / 1000);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
};

const spanText = (ms: number): string => {
  const s = ms / 1000;
  if (s < 120) return `${s.toFixed(0)} s`;
  return s < 7_200 ? `${(s / 60).toFixed(0)} min` : `${(s / 3600).toFixed(1)} h`;
};

type Found = {
  readonly count: number;
  /** The lowest that failed so. */
  readonly firstSeed: number;
};

/** What has been seen so far. */
class Totals {
  seeds = 0;
  virtualMs = 0;
  worst: Outcome = "ok";
  /** Of what was to be kept and could not be written: as much as would be kept, and why. */
  unkept: readonly Kept[] = [];
  unkeptWhy = "";
  readonly coverage = createCoverage();
  /** By invariant. */
  readonly failures = new Map<string, Found>();

  add(result: SeedResult): void {
    this.seeds += 1;
    this.virtualMs += result.virtualMs;
    this.worst = worse(this.worst, result.outcome);
    this.coverage.add(new Map(result.marks));
    if (result.outcome === "ok") return;
    const { count, firstSeed } = this.failures.get(result.id) ?? { count: 0, firstSeed: Infinity };
    this.failures.set(result.id, {
      count: count + 1,
      firstSeed: Math.min(firstSeed, result.seed),
    });
  }

  /** Has a failing scenario kept. That it cannot be written ends no swarm: the seed is left. */
  keep(result: SeedResult, keeper: Keeper): void {
    const { scenario, seed, id: invariant, outcome, detail, virtualMs, steps } = result;
    if (scenario === undefined) return;
    const one = { seed, invariant, outcome, detail, virtualMs, steps };
    try {
      keeper.keep(one, scenario);
    } catch (error) {
      this.unkeptWhy = error instanceof Error ? error.message : String(error);
      this.unkept = keepShortest(this.unkept, { ...one, file: "" }, KEPT);
    }
  }

  get marksSeen(): number {
    return EXPECTED_MARKS.length - this.coverage.missing().length;
  }

  get failed(): number {
    return this.byInvariant.reduce((sum, [, { count }]) => sum + count, 0);
  }

  get byInvariant(): readonly (readonly [id: string, found: Found])[] {
    return [...this.failures].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** The bounds that there are: of time, of seeds, or of both. */
  line(spentMs: number, budgetMs: number | undefined, seeds: number | undefined): string {
    const spentS = Math.max(0.001, spentMs / 1000);
    const found = this.byInvariant.map(([id, { count }]) => `${printable(id)} ${count}`);
    return (
      `${clockText(spentMs)}${budgetMs === undefined ? "" : ` of ${clockText(budgetMs)}`}  ` +
      `${this.seeds}${seeds === undefined ? "" : ` of ${seeds}`} seeds, ` +
      `${(this.seeds / spentS).toFixed(1)}/s  virtual ${spanText(this.virtualMs)} ` +
      `(${(this.virtualMs / 1000 / spentS).toFixed(0)} x)  ` +
      `marks ${this.marksSeen} of ${EXPECTED_MARKS.length}  ` +
      `failures: ${found.length === 0 ? "none" : found.join(", ")}` +
      (this.unkept.length === 0 ? "" : ", not all kept")
    );
  }
}

/** Redraws a line on a terminal; elsewhere prints it now and then. */
const showLine = (terminal: Terminal, lineOf: () => string): { end(): void } => {
  const print = (): void => {
    // A line that is wider than the terminal could not be taken back.
    const line = terminal.live ? lineOf().slice(0, terminal.columns() - 1) : lineOf();
    terminal.err(terminal.live ? `\r\x1b[2K${line}` : `${line}\n`);
  };
  const timer = setInterval(print, terminal.live ? REDRAW_MS : PLAIN_MS);
  return {
    end() {
      clearInterval(timer);
      print();
      if (terminal.live) terminal.err("\n");
    },
  };
};

export const simSwarm = async (context: CliContext, options: SwarmVerb): Promise<void> => {
  // Loaded here as well, so that what is wrong with it is said once and not by every thread.
  await ownChecks(context, options);
  const commit = codeVersion();
  const folder = join(resolve(context.cwd, options.keep), commit);
  checkFolder(folder);
  const keeper = openKeeper(folder, KEPT);
  const clock = realClock.monotonicMs;
  const startMs = clock();
  const from = options.from ?? realClock.wallMs() % 2 ** 31;
  const totals = new Totals();
  const { seeds } = options;
  const budget = options.budget ?? (seeds === undefined ? BUDGET_MS : undefined);
  const workers = threadsOf(options.workers, availableParallelism(), seeds);
  const fewer = workers < options.workers ? `, not ${options.workers}: no more are of use` : "";
  context.note(
    `seeds from ${from}, ${workers} thread${workers === 1 ? "" : "s"}${fewer}, commit ${commit}`,
  );
  const quiet = context.options.quiet === true;
  const line = quiet
    ? undefined
    : showLine(context.terminal, () => totals.line(clock() - startMs, budget, seeds));
  let next = from;
  try {
    next = await runSwarm({
      ...{ from, workers, signal: context.signal, nowMs: clock },
      ...(budget === undefined ? {} : { budgetMs: budget }),
      twiceEvery: options.twice,
      runMsMax: LIMITS.simRunMsMax,
      own: ownPath(context, options),
      ...(seeds === undefined ? {} : { seeds }),
      onResult(result) {
        totals.add(result);
        totals.keep(result, keeper);
      },
    });
  } finally {
    line?.end();
  }
  const spentMs = clock() - startMs;
  printSummary(context, { totals, keeper, commit, from, next, spentMs, with: options.with });
  const ids = [...totals.failures.keys()].sort().join(", ");
  failWith(totals.worst, `${totals.failed} of ${totals.seeds} seeds failed: ${ids}`);
};

const LISTED = 8;

/** The first of a list, and how many more there are: all of them are in the JSON. */
const listed = (items: readonly string[]): string => {
  if (items.length === 0) return "nothing";
  const more = items.length > LISTED ? ` and ${items.length - LISTED} more` : "";
  return `${items.slice(0, LISTED).join(", ")}${more}`;
};

type Summary = {
  readonly totals: Totals;
  readonly keeper: Keeper;
  readonly commit: string;
  readonly from: number;
  readonly next: number;
  readonly spentMs: number;
  /** What --with was given, for the command that replays. */
  readonly with: string | undefined;
};

/** What lies in the folder: first what this swarm has found, then what earlier ones have left there. */
const inFolder = (keeper: Keeper, folder: string): (Kept & { readonly earlier: boolean })[] =>
  keeper
    .list()
    .map((one) => ({ ...one, file: join(folder, one.file), earlier: keeper.isEarlier(one) }))
    .sort((a, b) => Number(a.earlier) - Number(b.earlier));

const printSummary = (context: CliContext, summary: Summary): void => {
  const { totals, keeper, commit, from, next, spentMs } = summary;
  const near = relative(context.cwd, keeper.folder);
  const folder = near.startsWith("..") ? keeper.folder : near;
  const kept = inFolder(keeper, folder);
  const found = totals.byInvariant;
  const value = {
    commit,
    firstSeed: from,
    nextSeed: next,
    seeds: totals.seeds,
    seconds: Math.round(spentMs) / 1000,
    virtualSeconds: Math.round(totals.virtualMs / 1000),
    interrupted: context.signal.aborted,
    exitCode: EXIT_CODES[totals.worst],
    failures: Object.fromEntries(found.map(([id, { count }]) => [id, count])),
    firstFailing: Object.fromEntries(found.map(([id, { firstSeed }]) => [id, firstSeed])),
    marks: totals.coverage.rows(),
    marksMissing: totals.coverage.missing(),
    kept,
    notKept: totals.unkept.map(({ file: _, ...one }) => ({ ...one, why: totals.unkeptWhy })),
  };
  if (context.format !== "table") {
    context.print(value, []);
    return;
  }
  const firsts = found.map(([id, { firstSeed }]) => `${printable(id)} at seed ${firstSeed}`);
  context.print(value, [
    ["seeds", `${totals.seeds} (${from} to ${Math.max(from, next - 1)})`],
    ["time", `${spanText(spentMs)}${context.signal.aborted ? ", interrupted" : ""}`],
    ["virtual time", spanText(totals.virtualMs)],
    ["marks", `${totals.marksSeen} of ${EXPECTED_MARKS.length}`],
    ["never seen", listed(value.marksMissing)],
    ["failures", totals.failed],
    ...(firsts.length === 0 ? [] : [["first", listed(firsts)] as const]),
  ]);
  printFound(
    context,
    summary,
    kept.filter(({ earlier }) => !earlier),
  );
  const left = kept.filter(({ earlier }) => earlier).length;
  if (left === 0) return;
  const more = totals.failed === 0 ? "" : " more";
  context.note(`${folder} has ${left}${more} that failed in earlier swarms on this commit`);
};

/** The scenarios that this swarm has found, and what to do with the first. */
const printFound = (context: CliContext, summary: Summary, kept: readonly Kept[]): void => {
  const { totals } = summary;
  const shown = [...kept, ...totals.unkept];
  const [first] = shown;
  if (first === undefined) return;
  context.terminal.out("\n");
  const rows = shown.map(({ invariant, seed, virtualMs, steps, file }) => ({
    invariant,
    found: totals.failures.get(invariant)?.count ?? 0,
    seed,
    virtual: steps === null ? null : `${(virtualMs / 1000).toFixed(1)} s`,
    file: file === "" ? "not written: run --seed" : file,
  }));
  context.printList(shown, ["invariant", "found", "seed", "virtual", "file"], rows);
  if (totals.unkeptWhy !== "") {
    context.terminal.err(`scenarios are missing: ${printable(totals.unkeptWhy)}\n`);
  }
  const named = first.file === "" ? `--seed ${first.seed}` : shellWord(first.file);
  context.suggest(`nexus sim run ${named}${withWords(summary.with)}`);
};
