/**
 * `tetrad/sim`: the simulator as a library. One seed is one run of whole networks under faults, in virtual
 * time and the same on every machine (docs/simulation.md). It runs the replica that nodes run.
 */
import type { Projection } from "../src/ledger/projection.ts";
import { CHECKERS } from "./checkers/index.ts";
import { type Property, propertyChecker } from "./property.ts";
import type { Scenario } from "./scenario.ts";
import { shrink as shrinkBy } from "./shrink.ts";
import {
  type RunOptions,
  type RunResult,
  simulate as runOnce,
  simulateTwice as runTwice,
} from "./simulate.ts";
import { systemWith } from "./system.ts";

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
export { type Coverage, createCoverage, EXPECTED_MARKS } from "./coverage.ts";
export type { EventView, NodeView, Property, RowView, WorkloadEvents } from "./property.ts";
export { jsonOf, progressLine, type RunName, verdictLine } from "./report.ts";
export { type Fault, type FaultKind, type Scenario, scenario } from "./scenario.ts";
export { parseScenario, readScenario, scenarioSchema } from "./scenario-shape.ts";
export { BANK, bankScenario } from "./scenarios/index.ts";
export { EXIT_CODES, type Outcome, type RunResult } from "./simulate.ts";
export { randomScenario } from "./swarm.ts";
export { formatEvent, type TraceEvent } from "./trace.ts";

/**
 * `onEvent` sees every event of the trace; `maxSteps` ends a run that is stuck; `checkers` stand in for those
 * of the simulator; `events` are what clients write instead of records.
 */
export type SimulateOptions = Pick<RunOptions, "onEvent" | "maxSteps" | "checkers" | "events"> & {
  /** Projections of your own, after those of the product. */
  readonly projections?: readonly Projection[];
  /** What must hold at the end, of every honest node; its violation has the id "property". */
  readonly property?: Property;
};

/** What the simulator runs with these options. */
export const runOptions = (options: SimulateOptions = {}): RunOptions => {
  const { projections = [], property, checkers = CHECKERS, ...rest } = options;
  return {
    ...systemWith(projections),
    ...rest,
    rowsOf: projections.map(({ name }) => name),
    checkers:
      property === undefined ? checkers : [...checkers, propertyChecker(property, projections)],
  };
};

/** Runs a scenario to its end: synchronously, and for as long as it takes. Never throws for what it finds. */
export const simulate = (scenario: Scenario, options: SimulateOptions = {}): RunResult =>
  runOnce(scenario, runOptions(options));

/** Runs a scenario twice; a different trace is a failure of its own (I17). */
export const simulateTwice = (scenario: Scenario, options: SimulateOptions = {}): RunResult =>
  runTwice(scenario, runOptions(options));

/** The smallest scenario found, in at most `budget` runs, that fails in the same way. */
export const shrink = (
  scenario: Scenario,
  budget?: number,
  options: SimulateOptions = {},
): Scenario =>
  shrinkBy(
    scenario,
    (smaller) => simulate(smaller, options).violation,
    budget === undefined ? {} : { budget },
  ).scenario;
