/** What users of the simulator choose, and what a run makes of it. */
import type { Projection } from "../src/ledger/projection.ts";
import { CHECKERS } from "./checkers/index.ts";
import { guardedEvents } from "./mistake.ts";
import { guardedChecker } from "./own-checker.ts";
import { type Property, propertyChecker } from "./property.ts";
import { TEMPORARY_FILES } from "./row-file.ts";
import type { RunOptions } from "./simulate.ts";
import { systemWith } from "./system.ts";

/**
 * `onEvent` sees every event of the trace; `maxSteps` ends a run that is stuck; `explains: false` leaves out why it is
 * stuck and who has made a fork possible, which takes a second run, and `"forks"` the former only; `checkers` stand in
 * for those of the simulator; `events` are what clients write instead of records; `shares` says whether nodes share what they
 * have alike, which else the seed decides; `rowMemoryBytes` is how much of memory rows of the simulated disks may take
 * before they go to a temporary file.
 */
export type SimulateOptions = Pick<
  RunOptions,
  "onEvent" | "maxSteps" | "explains" | "checkers" | "events" | "shares" | "rowMemoryBytes"
> & {
  /** Projections of your own, after those of the product. */
  readonly projections?: readonly Projection[];
  /** What must hold at the end, of every honest node; its violation has the id "property". */
  readonly property?: Property;
};

/** What the simulator runs with these options. */
export const runOptions = (options: SimulateOptions = {}): RunOptions => {
  const { projections = [], property, checkers: given = CHECKERS, events, ...rest } = options;
  const checkers = given.map((one) => (CHECKERS.includes(one) ? one : guardedChecker(one)));
  return {
    ...systemWith(projections),
    rowFiles: TEMPORARY_FILES,
    ...rest,
    ...(events === undefined ? {} : guardedEvents(events)),
    rowsOf: projections.map(({ name }) => name),
    checkers:
      property === undefined ? checkers : [...checkers, propertyChecker(property, projections)],
  };
};
