/** The receipt of an execution: what was run, on which state, with which result. */
import { Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";

export type Execution = {
  readonly eventId: Uint8Array;
  /** Which rules were run: the hash of the projections' code and versions. */
  readonly codeHash: Uint8Array;
  readonly stateBefore: Uint8Array;
  readonly stateAfter: Uint8Array;
  /** Units that the run was charged. */
  readonly units: number;
};

/**
 * Ht("work/receipt", eventId || codeHash || stateBefore || stateAfter || u64be units). It proves nothing by
 * itself: whoever has the log runs the event again and compares. Throws RangeError for other lengths.
 */
export const executionReceipt = (hasher: Hasher, execution: Execution): Uint8Array =>
  hasher.ht(
    "work/receipt",
    new Writer()
      .hash(execution.eventId)
      .hash(execution.codeHash)
      .hash(execution.stateBefore)
      .hash(execution.stateAfter)
      .u64(execution.units)
      .finish(),
  );
