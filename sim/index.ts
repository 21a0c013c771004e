/**
 * `tetrad/sim`: the simulator as a library. One seed is one run of whole networks under faults, in virtual
 * time and the same on every machine (docs/simulation.md). It runs the replica that nodes run.
 */
import type { Scenario } from "./scenario.ts";
import { shrink as shrinkBy } from "./shrink.ts";
import {
  type RunOptions,
  type RunResult,
  simulate as runOnce,
  simulateTwice as runTwice,
} from "./simulate.ts";
import { SYSTEM } from "./system.ts";

export { jsonOf, progressLine, type RunName, verdictLine } from "./report.ts";
export type { Scenario } from "./scenario.ts";
export { parseScenario, readScenario, scenarioSchema } from "./scenario-shape.ts";
export { BANK, bankScenario } from "./scenarios/index.ts";
export { EXIT_CODES, type Outcome, type RunResult } from "./simulate.ts";
export { randomScenario } from "./swarm.ts";
export { formatEvent, type TraceEvent } from "./trace.ts";

/** `onEvent` sees every event of the trace; `maxSteps` ends a run that is stuck. */
export type SimulateOptions = Pick<RunOptions, "onEvent" | "maxSteps" | "checkers">;

/** Runs a scenario to its end: synchronously, and for as long as it takes. Never throws for what it finds. */
export const simulate = (scenario: Scenario, options: SimulateOptions = {}): RunResult =>
  runOnce(scenario, { ...SYSTEM, ...options });

/** Runs a scenario twice; a different trace is a failure of its own (I17). */
export const simulateTwice = (scenario: Scenario, options: SimulateOptions = {}): RunResult =>
  runTwice(scenario, { ...SYSTEM, ...options });

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
