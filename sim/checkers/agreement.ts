/**
 * I1, I2 and I18: all honest nodes have one block at each height, nobody goes back behind what it has
 * shown as final, and ledger time grows.
 */
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

export const agreement = (context: CheckContext): Checker => {
  const hashAt = new Recent<number, { readonly hash: string; readonly slot: number }>();
  return {
    id: "I1",
    title: "one final hash a height across all honest nodes",
    status: (slot, status) => {
      if (!context.honest(slot)) return;
      const known = hashAt.get(status.finalHeight);
      if (known === undefined) {
        hashAt.set(status.finalHeight, { hash: status.finalHash, slot });
      } else if (known.hash !== status.finalHash) {
        const pair = `${known.hash.slice(0, 16)} on n${known.slot}, ${status.finalHash.slice(0, 16)}`;
        context.report("I1", `height ${status.finalHeight} is ${pair} on n${slot}`);
      }
    },
  };
};

export const monotone = (context: CheckContext): Checker => {
  const last = new Map<number, Status>();
  return {
    id: "I2",
    title: "the final and the executed height never go back, restarts included",
    booted: (slot, _incarnation, lost) => {
      if (lost) last.delete(slot);
    },
    status: (slot, status) => {
      if (!context.honest(slot)) return;
      const before = last.get(slot);
      last.set(slot, status);
      if (before === undefined) return;
      if (status.finalHeight < before.finalHeight) {
        context.report("I2", `n${slot} final ${before.finalHeight} -> ${status.finalHeight}`);
      }
      if (status.executedHeight < before.executedHeight) {
        const range = `${before.executedHeight} -> ${status.executedHeight}`;
        context.report("I2", `n${slot} executed ${range}`);
      }
      if (status.logSize < before.logSize) {
        context.report("I2", `n${slot} log ${before.logSize} -> ${status.logSize}`);
      }
      if (status.executedHeight > status.finalHeight) {
        context.report("I2", `n${slot} executed ${status.executedHeight} above its final height`);
      }
    },
  };
};

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
