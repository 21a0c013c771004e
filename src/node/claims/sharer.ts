/**
 * Says once an epoch that this node shares the run of another validator, which was begun for it too: the other one
 * computes, and each shows for itself that it is alive. Where the run is not proven in time the epoch is missed, as
 * with a run of its own; it is told of every such epoch, since an id that was mistyped looks like one that joins later.
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { Logger } from "../../ledger/ports.ts";
import { PROVEN } from "../../ledger/projections/claims.ts";
import { TIME, timeRunsOf, timeRunsRowKey } from "../../ledger/projections/time.ts";
import { timeRunShared } from "../../ledger/projections/time-events.ts";
import type { EncodedEvent, Hash } from "../../ledger/types.ts";
import type { Claimant } from "./claimant.ts";

export type SharerOptions = {
  readonly handle: LedgerHandle;
  readonly self: Hash;
  readonly timekeeper: Hash;
  readonly logger: Logger;
};

/** The event of this epoch; undefined where there is no run of it to share. */
const sharedNow = (
  { handle, self, timekeeper }: SharerOptions,
  epoch: number,
): EncodedEvent | undefined => {
  const row = handle.row(TIME, timeRunsRowKey(timekeeper));
  const run = (row === undefined ? [] : timeRunsOf(row)).find(
    ({ state, settledEpoch, members }) =>
      state === PROVEN && settledEpoch === epoch && members.some((one) => equalBytes(one, self)),
  );
  return run && timeRunShared.encode({ timekeeper, epoch: run.epoch });
};

/** Starts to share on a running replica. Close it before the replica. */
export const startSharer = (options: SharerOptions): Claimant => {
  const { handle, logger, timekeeper } = options;
  /** The epoch of what was said last in this life. */
  let said = -1;
  let running: number | undefined;
  const epochNow = (): number | undefined =>
    handle.point(handle.status().executedHeight)?.epoch.number;
  const stop = handle.onExecuted(() => {
    const epoch = epochNow();
    if (running !== undefined && epoch !== running && said !== running) {
      const over = { epoch: running, id: toHex(timekeeper) };
      logger.log("warn", "that validator had no run to share in this epoch", over);
    }
    running = epoch;
    if (epoch === undefined || epoch === said || sharedNow(options, epoch) === undefined) return;
    said = epoch;
    logger.log("info", "the run of another validator is shared", { epoch });
    // Looked at again when it is written: the epoch may be over by then.
    handle.write(() => (epochNow() === epoch ? sharedNow(options, epoch) : undefined));
  });
  return {
    async close() {
      stop();
    },
  };
};
