/**
 * What a person gets when a run fails: a verdict in one line, the invariant and what it says, what to run
 * to see it again, the state of the nodes, where their roots differ, what they logged, and the last events.
 */
import type { Status } from "./checkers/types.ts";
import { msText } from "./describe.ts";
import type { Fork } from "./fork.ts";
import { sentenceOf } from "./invariants.ts";
import { type Moment, momentLine, record } from "./recorder.ts";
import { plainScenario } from "./reduce.ts";
import { verdictOf } from "./report.ts";
import { type RootDiff, RootWatch } from "./root-diff.ts";
import { faultySlots, type Scenario } from "./scenario.ts";
import { type RunOptions, type RunResult, simulate } from "./simulate.ts";
import { type Stuck, stuckLines } from "./stuck/model.ts";
import { otherWay, Trail } from "./twice.ts";

/** What was there before shrinking, and what the shrinking cost. */
export type ShrunkFrom = {
  readonly runs: number;
  readonly nodes: number;
  readonly faults: number;
  readonly adversaries: number;
  readonly healMs: number;
};

export type FailureReport = {
  readonly verdict: string;
  readonly outcome: string;
  readonly invariant: string;
  /** What the invariant says; null for one of your own. */
  readonly sentence: string | null;
  readonly detail: string;
  readonly atMs: number;
  readonly seed: number;
  readonly commit: string;
  readonly shrunkFrom: ShrunkFrom | null;
  /** The scenario, without what says the same as leaving it out. */
  readonly scenario: object;
  readonly replay: string;
  /** Of a run that is stuck: why. */
  readonly stuck: Stuck | null;
  /** Of a run that ends because a fork is there, or could be: who has made it possible. */
  readonly fork: Fork | null;
  readonly nodes: readonly string[];
  readonly roots: RootDiff;
  readonly logs: readonly string[];
  /** The last events, one a line, and how many there were. */
  readonly timeline: readonly string[];
  readonly events: number;
};

export type ReportOptions = {
  /** Of the code that ran: a commit, or a version. */
  readonly commit: string;
  /** The command that runs this scenario again. */
  readonly replay: string;
  readonly shrunkFrom?: ShrunkFrom;
  /** What has failed before: of the same scenario, one run, or two that differ (I17). */
  readonly found?: RunResult;
  /** Lines of the timeline that the report itself has (60). */
  readonly lines?: number;
  /** Gets every line of the timeline. */
  readonly onLine?: (line: string) => void;
  /** Sees what happens too: a picture. */
  readonly onMoment?: (moment: Moment) => void;
  readonly onStatus?: (slot: number, status: Status, atUs: number) => void;
};

const LOG_LINES = 20;

/** The other of the two runs that I17 compares, event by event. */
const trailOf = (scenario: Scenario, run: RunOptions): Trail => {
  const trail = new Trail();
  simulate(scenario, { ...otherWay(scenario, run), onEvent: (_, digest) => trail.add(digest) });
  return trail;
};

/** The newest items of a stream, at most `limit`. */
class Tail<T> {
  #items: T[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(item: T): void {
    this.#items.push(item);
    if (this.#items.length >= this.#limit * 2) this.#items = this.#items.slice(-this.#limit);
  }

  get items(): readonly T[] {
    return this.#items.slice(-this.#limit);
  }
}

/** The run that is shown, as a report is to judge it: what an earlier one has found may be no more to be seen. */
const judged = (shown: RunResult, found: RunResult | undefined, parted: string): RunResult => {
  if (found?.violation === undefined) return shown;
  const { outcome, violation } = found;
  const told = (line: string): RunResult => ({
    ...{ ...shown, outcome },
    violation: { ...violation, detail: `${violation.detail}\n${line}` },
  });
  if (violation.id === "I17") return told(parted);
  if (shown.violation === undefined) {
    return told("run again to be shown it did not fail: two runs of it are not alike");
  }
  if (verdictOf(shown) === verdictOf(found)) return shown;
  const detail = `${shown.violation.detail}\nan earlier run: ${verdictOf(found)}`;
  return { ...shown, violation: { ...shown.violation, detail } };
};

/**
 * Runs a scenario again and reports on it, or on what `found` says of it; undefined in place of a report when neither
 * fails. What two runs differ in takes two more, to see where they part.
 */
export const examine = (
  scenario: Scenario,
  run: RunOptions,
  options: ReportOptions,
): { readonly result: RunResult; readonly report: FailureReport | undefined } => {
  const timeline = new Tail<Moment>(options.lines ?? 60);
  const logs = new Tail<Moment>(LOG_LINES);
  const roots = new RootWatch();
  const { found } = options;
  const trail = found?.violation?.id === "I17" ? trailOf(scenario, run) : undefined;
  let events = 0;
  let parting = "";
  const compared: RunOptions = {
    ...run,
    onEvent: (event, digest) => {
      trail?.compare(digest);
      run.onEvent?.(event, digest);
    },
  };
  const shown = record(scenario, compared, {
    moment: (moment) => {
      events += 1;
      if (events === trail?.partedAt) parting = momentLine(moment);
      timeline.push(moment);
      if (moment.kind === "log") logs.push(moment);
      options.onLine?.(momentLine(moment));
      options.onMoment?.(moment);
    },
    status: (slot, status, atUs) => {
      roots.status(slot, status);
      options.onStatus?.(slot, status, atUs);
    },
    end: (dumps) => roots.end(dumps),
  });
  const result = judged(shown, found, trail?.text(parting) ?? "");
  const { violation } = result;
  if (violation === undefined) return { result, report: undefined };
  const faulty = faultySlots(scenario);
  const report: FailureReport = {
    verdict: verdictOf(result),
    outcome: result.outcome,
    invariant: violation.id,
    sentence: sentenceOf(violation.id) ?? null,
    detail: violation.detail,
    atMs: violation.atMs,
    seed: scenario.seed,
    commit: options.commit,
    shrunkFrom: options.shrunkFrom ?? null,
    scenario: plainScenario(scenario),
    replay: options.replay,
    stuck: result.stuck ?? null,
    fork: result.fork ?? null,
    nodes: result.nodes,
    roots: roots.diff((slot) => slot < scenario.n && !faulty.has(slot)),
    logs: logs.items.map(momentLine),
    timeline: timeline.items.map(momentLine),
    events,
  };
  return { result, report };
};

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`.trimEnd());

const short = (hash: string): string => hash.slice(0, 16);

const rootLines = ({ nodes, equalUpTo, differences }: RootDiff): string[] => {
  const lines = nodes.map(
    ({ slot, height, logSize, logRoot, stateRoot }) =>
      `n${String(slot).padEnd(3)} height ${String(height).padStart(5)}  log ${String(logSize).padStart(6)} ` +
      `${short(logRoot)}  state ${short(stateRoot)}`,
  );
  if (differences.length === 0) {
    lines.push(equalUpTo < 0 ? "no height to compare" : `equal up to height ${equalUpTo}`);
    return lines;
  }
  if (equalUpTo >= 0) lines.push(`equal up to height ${equalUpTo}, then:`);
  for (const { what, values } of differences) {
    lines.push(`${what}:`);
    for (const { value, slots } of values) {
      lines.push(
        `  ${slots
          .map((slot) => `n${slot}`)
          .join(" ")
          .padEnd(12)} ${value}`,
      );
    }
  }
  return lines;
};

const shrunkText = ({ shrunkFrom }: FailureReport): string => {
  if (shrunkFrom === null) return "";
  const { runs, nodes, faults, adversaries, healMs } = shrunkFrom;
  return (
    `shrunk in ${runs} runs from ${nodes} nodes, ${faults} faults, ${adversaries} adversaries, ` +
    `healed at ${msText(healMs)}`
  );
};

/** The report as text, without its verdict, which stands at its head. */
export const reportText = (report: FailureReport): string => {
  const { detail, sentence, timeline, events, logs } = report;
  const more = detail.split("\n").slice(1);
  const head = [
    ["rule", sentence === null ? report.invariant : `${report.invariant}: ${sentence}`],
    ["seed", String(report.seed)],
    ["commit", report.commit],
    ["replay", report.replay],
    ["scenario", shrunkText(report)],
  ].filter(([, value]) => value !== "");
  const sections: (readonly [string, readonly string[]])[] = [
    ["", head.map(([name = "", value]) => `${name.padEnd(9)} ${value}`)],
    ["What was found", more],
    ["Why it is stuck", report.stuck === null ? [] : stuckLines(report.stuck)],
    ["Who made the fork possible", report.fork === null ? [] : stuckLines(report.fork)],
    ["Scenario", JSON.stringify(report.scenario, null, 2).split("\n")],
    ["Nodes", report.nodes],
    ["Roots of honest nodes", rootLines(report.roots)],
    ["Last logs", logs],
    [`Last ${timeline.length} of ${events} events`, timeline],
  ];
  return sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) =>
      title === "" ? `${lines.join("\n")}\n` : `${title}\n${indent(lines).join("\n")}\n`,
    )
    .join("\n");
};
