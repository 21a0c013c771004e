/** What a run is given beside its scenario. */
import type { CheckerFactory } from "./checkers/types.ts";
import type { OwnEvents } from "./mistake.ts";
import type { NetworkOptions } from "./network.ts";
import type { WorkloadEvents } from "./records.ts";
import type { TraceEvent } from "./trace.ts";

export type RunOptions = NetworkOptions & {
  /** Further projections whose rows are read at the end. */
  readonly rowsOf?: readonly string[];
  /** What clients write, where it is not the usual. */
  readonly events?: WorkloadEvents;
  /** Where events are the caller's own: what is wrong with them if a node refuses this batch. */
  readonly mistakeOf?: OwnEvents["mistakeOf"];
  /** `digest` is that of the trace up to this event: where two runs first differ in it, they part. */
  readonly onEvent?: (event: TraceEvent, digest: number) => void;
  /** Sees the run as a checker does, but not the one that a stuck run is explained by: for who records. */
  readonly watch?: CheckerFactory;
  /** A run that does more work than this is stuck in a loop: a liveness failure. */
  readonly maxSteps?: number;
  /**
   * False where nobody reads why a run is stuck or who has made a fork possible, which takes a second one (true);
   * "forks" where only the latter is read.
   */
  readonly explains?: boolean | "forks";
};
