/** I18: ledger time grows with height and stays near the true time. */
import { Recent } from "./recent.ts";
import type { CheckContext, Checker, Status } from "./types.ts";

/** A header's time may differ from the true time by this much while faults last: timers and clocks go wide. */
const TIME_WINDOW_MS = 10 * 60_000;
/** And by this much afterwards: what a vote allows for the way of a proposal, with timers that still are long. */
const HEALED_WINDOW_MS = 10_000;
/**
 * Nobody builds on more blocks that are not final, so that a block was not proposed before the one so far below
 * it was final. A block as such may become final however late after its time: of a short run of them all may.
 */
const UNFINALIZED_MAX = 10;
/** Heights are skipped where many become final at once. */
const SIGHTS_KEPT = 64;

export const blockTime = (context: CheckContext): Checker => {
  const timeAt = new Recent<number, number>();
  /** The newest height each time that it grew, and when that was. */
  const sights: { readonly height: number; readonly wallMs: number }[] = [];
  let newestHeight = 0;
  let healedMs = Infinity;

  const judgeNewest = ({ finalHeight: height, finalTimeMs: timeMs }: Status): void => {
    const wallMs = context.wallMs();
    const before = sights.findLast((sight) => sight.height <= height - UNFINALIZED_MAX);
    sights.push({ height, wallMs });
    if (sights.length > SIGHTS_KEPT) sights.shift();
    const isHealed = before !== undefined && before.wallMs >= healedMs;
    const windowMs = isHealed ? HEALED_WINDOW_MS : TIME_WINDOW_MS;
    if (isHealed) context.mark("block time after the heal");
    if (timeMs > wallMs + windowMs) {
      context.report("I18", `block ${height} is of ${timeMs - wallMs} ms later`);
    }
    if (before !== undefined && timeMs < before.wallMs - windowMs) {
      const late = `${before.wallMs - timeMs} ms before ${before.height} was final`;
      context.report("I18", `block ${height} is of ${late}`);
    }
  };

  return {
    id: "I18",
    title: "block time grows with height and stays near true time",
    healed: () => {
      healedMs = context.wallMs();
    },
    status: (slot, status) => {
      if (!context.honest(slot) || status.finalHeight === 0) return;
      timeAt.set(status.finalHeight, status.finalTimeMs);
      const below = timeAt.get(status.finalHeight - 1);
      if (below !== undefined && status.finalTimeMs <= below) {
        context.report("I18", `time at height ${status.finalHeight} is not above its parent's`);
      }
      if (status.finalHeight <= newestHeight) return;
      newestHeight = status.finalHeight;
      judgeNewest(status);
    },
    end: (dumps) => {
      for (const dump of dumps) {
        let before = -1;
        for (const timeMs of dump.timesMs) {
          if (timeMs === undefined) continue;
          if (timeMs <= before) context.report("I18", `n${dump.slot}: block times do not grow`);
          before = timeMs;
        }
      }
    },
  };
};
