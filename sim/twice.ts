/**
 * I17, that a seed is a run: two runs of a scenario are held against each other, and where they part is looked for in
 * two more, of which one is the run that a report shows.
 */
import { differenceOf } from "./checkers/repeat.ts";
import { sharesByDefault } from "./network.ts";
import { verdictOf } from "./report.ts";
import type { Scenario } from "./scenario.ts";
import { type RunOptions, type RunResult, simulate } from "./simulate.ts";

/** What two runs differ in: their traces, or what is found of one trace. */
const between = (first: RunResult, second: RunResult): string | undefined => {
  const difference = differenceOf(first, second);
  if (difference !== undefined || verdictOf(first) === verdictOf(second)) return difference;
  return `one trace, ${first.traceHash}, but not one verdict`;
};

/** Of the first, where the two are alike; else a failure of its own, which names what either has found. */
export const judgeTwice = (first: RunResult, second: RunResult): RunResult => {
  const difference = between(first, second);
  if (difference === undefined) return first;
  const detail = [
    difference,
    `the first run: ${verdictOf(first)}`,
    `the second run: ${verdictOf(second)}`,
  ].join("\n");
  const violation = { id: "I17", detail, atMs: second.virtualMs };
  const report = second.report.length > 0 ? second.report : first.report;
  return { ...second, outcome: "correctness", violation, report };
};

/**
 * The same run with sharing turned round: that it changes nothing is held by the comparison of traces. Why it is stuck
 * the first one says.
 */
export const otherWay = (scenario: Scenario, options: RunOptions): RunOptions => ({
  ...options,
  explains: false,
  shares: !(options.shares ?? sharesByDefault(scenario.seed)),
});

/** Holds a run against another of its scenario; a different trace is a failure of its own (I17). */
export const simulateAgain = (first: RunResult, options: RunOptions): RunResult =>
  judgeTwice(first, simulate(first.scenario, otherWay(first.scenario, options)));

/**
 * Runs a scenario twice; a different trace is a failure of its own (I17). Of the two runs one shares what nodes
 * have alike and the other does not.
 */
export const simulateTwice = (scenario: Scenario, options: RunOptions): RunResult =>
  simulateAgain(simulate(scenario, options), options);

/** Events of a run that another one is held against: 64 MiB of digests. */
const TRAIL_MAX = 2 ** 24;
const TRAIL_LEAST = 1_024;

/** What the trace of one run was with each of its events, and where another run parts from it. */
export class Trail {
  readonly #max: number;
  #digests = new Uint32Array(TRAIL_LEAST);
  #count = 0;
  #compared = 0;
  #partedAt = 0;

  constructor(max = TRAIL_MAX) {
    this.#max = max;
  }

  /** An event of the first run. */
  add(digest: number): void {
    this.#count += 1;
    if (this.#count > this.#max) return;
    if (this.#count > this.#digests.length) {
      const longer = new Uint32Array(this.#digests.length * 2);
      longer.set(this.#digests);
      this.#digests = longer;
    }
    this.#digests[this.#count - 1] = digest;
  }

  /** An event of the second one. */
  compare(digest: number): void {
    this.#compared += 1;
    if (this.#partedAt > 0 || this.#compared > Math.min(this.#count, this.#max)) return;
    if (this.#digests[this.#compared - 1] !== digest) this.#partedAt = this.#compared;
  }

  /** The number of the first event that differs, from 1; 0 for none. */
  get partedAt(): number {
    return this.#partedAt;
  }

  /** When both have ended: where they part. `event` is that one, as the second run had it. */
  text(event: string): string {
    if (this.#partedAt > 0) return `two more runs part at event ${this.#partedAt}: ${event.trim()}`;
    if (Math.min(this.#count, this.#compared) > this.#max) {
      return `two more runs are alike in their first ${this.#max} events`;
    }
    if (this.#count === this.#compared) return "two more runs are alike";
    return `two more runs are alike for as long as both go on: ${this.#count} and ${this.#compared} events`;
  }
}
