/** What a run is given beside its scenario. */
import type { CheckerFactory } from "./checkers/types.ts";
import type { NetworkOptions } from "./network.ts";
import type { WorkloadEvents } from "./records.ts";
import type { TraceEvent } from "./trace.ts";

export type RunOptions = NetworkOptions & {
  /** Further projections whose rows are read at the end. */
  readonly rowsOf?: readonly string[];
  /** What clients write, where it is not the usual. */
  readonly events?: WorkloadEvents;
  /** Events are the caller's own, as is what is wrong with them. */
  readonly ownEvents?: boolean;
  /** `digest` is that of the trace up to this event: where two runs first differ in it, they part. */
  readonly onEvent?: (event: TraceEvent, digest: number) => void;
  /** Sees the run as a checker does, but not the one that a stuck run is explained by: for who records. */
  readonly watch?: CheckerFactory;
  /** A run that does more work than this is stuck in a loop: a liveness failure. */
  readonly maxSteps?: number;
};
