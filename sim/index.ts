/**
 * `tetrad/sim`: the simulator as a library. One seed is one run of whole networks under faults, in virtual
 * time and the same on every machine (docs/simulation.md). It runs the replica that nodes run.
 */
import { examine as examineBy, type FailureReport, type ReportOptions } from "./failure.ts";
import { runOptions, type SimulateOptions } from "./options.ts";
import { type Listener, record as recordBy } from "./recorder.ts";
import type { Scenario } from "./scenario.ts";
import { type Failing, type ShrinkOptions, type Shrunk, shrink as shrinkBy } from "./shrink.ts";
import { type RunResult, simulate as runOnce } from "./simulate.ts";
import { simulateAgain as runAgain, simulateTwice as runTwice } from "./twice.ts";

export { defineEvent, field, LINE_TEXT, NAME_TEXT } from "../src/ledger/event-schema.ts";
export {
  defineProjection,
  listen,
  listenTo,
  own,
  type Projection,
  refuse,
} from "../src/ledger/projection.ts";
export {
  defineRow,
  hashPart,
  KeyReader,
  keyOf,
  tagPart,
  textPart,
  u64Part,
} from "../src/ledger/row.ts";
export type { CheckContext, Checker, CheckerFactory } from "./checkers/types.ts";
export { type Coverage, createCoverage, EXPECTED_MARKS } from "./coverage.ts";
export {
  type FailureReport,
  type ReportOptions,
  reportText,
  type ShrunkFrom,
} from "./failure.ts";
export type { Fork, ForkCulprit } from "./fork.ts";
export { INVARIANTS, sentenceOf } from "./invariants.ts";
export { runOptions, type SimulateOptions } from "./options.ts";
export { loadOwn, type Own } from "./own.ts";
export { PictureCollector, type PictureOptions } from "./picture/collect.ts";
export type { PictureData } from "./picture/model.ts";
export { picturePage } from "./picture/page.ts";
export type { EventView, NodeView, Property, RowView, WorkloadEvents } from "./property.ts";
export { type Listener, type Moment, momentLine } from "./recorder.ts";
export { plainScenario } from "./reduce.ts";
export {
  jsonOf,
  progressLine,
  type RunName,
  replayCommand,
  runJson,
  shellWord,
  verdictLine,
  verdictOf,
  withWords,
} from "./report.ts";
export { type Fault, type FaultKind, type Scenario, scenario } from "./scenario.ts";
export { parseScenario, readScenario, scenarioSchema } from "./scenario-shape.ts";
export { BANK, bankScenario } from "./scenarios/index.ts";
export { SCENARIO_LIMITS } from "./shape-words.ts";
export { signatureOf } from "./shrink.ts";
export { EXIT_CODES, MAX_STEPS, type Outcome, type RunResult } from "./simulate.ts";
export { type Stuck, type StuckTable, stuckLines } from "./stuck/model.ts";
export { randomScenario } from "./swarm.ts";
export { runSwarm, type SeedResult, type SwarmOptions, threadsOf } from "./swarm-run.ts";
export { formatEvent, type TraceEvent } from "./trace.ts";

/** Runs a scenario to its end: synchronously, and for as long as it takes. Never throws for what it finds. */
export const simulate = (scenario: Scenario, options: SimulateOptions = {}): RunResult =>
  runOnce(scenario, runOptions(options));

/** Runs a scenario twice; a different trace is a failure of its own (I17). */
export const simulateTwice = (scenario: Scenario, options: SimulateOptions = {}): RunResult =>
  runTwice(scenario, runOptions(options));

/** Holds a run that has ended against another of its scenario; a different trace is a failure of its own (I17). */
export const simulateAgain = (first: RunResult, options: SimulateOptions = {}): RunResult =>
  runAgain(first, runOptions(options));

/** The smallest scenario found, in at most `budget` runs, that fails in the same way. */
export const shrink = (
  scenario: Scenario,
  budget?: number,
  options: SimulateOptions = {},
): Scenario =>
  shrinkBy(
    scenario,
    (smaller) => simulate(smaller, { ...options, explains: false }).violation,
    budget === undefined ? {} : { budget },
  ).scenario;

/** The same with a search of your own: what fails, and within which bounds. */
export const shrinkWithin = (
  scenario: Scenario,
  failing: Failing,
  options: ShrinkOptions = {},
): Shrunk => shrinkBy(scenario, failing, options);

/** Runs a scenario once and tells the listener everything that happens. */
export const record = (
  scenario: Scenario,
  listener: Listener,
  options: SimulateOptions = {},
): RunResult => recordBy(scenario, runOptions(options), listener);

/** Runs a scenario again and reports on its failure; no report where it does not fail. */
export const examine = (
  scenario: Scenario,
  report: ReportOptions,
  options: SimulateOptions = {},
): { readonly result: RunResult; readonly report: FailureReport | undefined } =>
  examineBy(scenario, runOptions(options), report);
