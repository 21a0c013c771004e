/** What a run is given beside its scenario. */
import type { NetworkOptions } from "./network.ts";
import type { WorkloadEvents } from "./property.ts";
import type { TraceEvent } from "./trace.ts";

export type RunOptions = NetworkOptions & {
  /** Further projections whose rows are read at the end. */
  readonly rowsOf?: readonly string[];
  /** What clients write, where it is not the usual. */
  readonly events?: WorkloadEvents;
  readonly onEvent?: (event: TraceEvent) => void;
  /** A run that does more work than this is stuck in a loop: a liveness failure. */
  readonly maxSteps?: number;
};
