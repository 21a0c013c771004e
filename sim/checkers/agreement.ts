/**
 * I1, I2 and I18: all honest nodes have one block at each height, nobody goes back behind what it has
 * shown as final, and ledger time grows.
 */
import { Recent } from "./recent.ts";
import type { CheckContext, Checker, Status } from "./types.ts";

/** A header's time may differ from the true time by this much while honest clocks are right. */
const TIME_WINDOW_MS = 10 * 60_000;

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
  let newestHeight = 0;
  return {
    id: "I18",
    title: "block time grows with height and stays near true time",
    status: (slot, status) => {
      if (!context.honest(slot) || status.finalHeight === 0) return;
      timeAt.set(status.finalHeight, status.finalTimeMs);
      const below = timeAt.get(status.finalHeight - 1);
      if (below !== undefined && status.finalTimeMs <= below) {
        context.report("I18", `time at height ${status.finalHeight} is not above its parent's`);
      }
      if (status.finalHeight <= newestHeight) return;
      newestHeight = status.finalHeight;
      if (status.finalTimeMs > context.wallMs() + TIME_WINDOW_MS) {
        context.report("I18", `block ${status.finalHeight} is of the far future`);
      }
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
