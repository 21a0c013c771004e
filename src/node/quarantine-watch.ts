/**
 * Shuts out whom the log has evidence against: as soon as the event of the evidence is executed here, and again
 * after a start. It only reads the projection, so nothing of it can differ between what the log says and whom
 * this node talks to for longer than a look takes.
 */
import { toHex } from "../crypto/bytes.ts";
import { quarantinePrefix } from "../detect/index.ts";
import type { LedgerHandle } from "../ledger/handle.ts";
import type { Logger, PeerId, Timers } from "../ledger/ports.ts";
import { LIMITS } from "../limits.ts";

/** After an executed block; blocks that follow within it are looked at together. */
const LOOK_MS = 100;

const ID_BYTES = 32;

export type QuarantineWatchOptions = {
  readonly handle: Pick<LedgerHandle, "rows" | "onExecuted">;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Told of all who are in quarantine, whenever it may have changed. */
  readonly shutOut: (ids: ReadonlySet<PeerId>) => void;
};

/** Watches until what it returns is called. */
export const watchQuarantine = (options: QuarantineWatchOptions): (() => void) => {
  const { handle, timers, logger, shutOut } = options;
  let cancel: (() => void) | undefined;
  let ended = false;
  /** Said once, and not every time that it is tried again. */
  let isUnread = false;
  const known = new Set<PeerId>();
  const limit = LIMITS.stakeCandidatesMax;

  const look = (after?: Uint8Array): void => {
    const from = after === undefined ? {} : { after };
    handle.rows("quarantine", { prefix: quarantinePrefix, limit, ...from }, (result) => {
      if (ended) return;
      if (!result.ok) {
        if (!isUnread) logger.log("warn", "quarantine could not be read", { code: result.code });
        isUnread = true;
        // Not after the next block only: on a chain with nothing to do that may be an hour away.
        later();
        return;
      }
      isUnread = false;
      const before = known.size;
      for (const { key } of result.value) known.add(toHex(key.subarray(key.length - ID_BYTES)));
      if (known.size > before) shutOut(known);
      const last = result.value.at(-1);
      if (result.value.length === limit && last !== undefined) look(last.key);
    });
  };
  const later = (): void => {
    if (ended || cancel !== undefined) return;
    cancel = timers.set(LOOK_MS, () => {
      cancel = undefined;
      look();
    });
  };
  const unsubscribe = handle.onExecuted(later);
  later();
  return () => {
    ended = true;
    cancel?.();
    unsubscribe();
  };
};
