/** L8: in the spans of which a scenario says that less than a quorum is up, nothing new becomes final. */
import type { CheckContext, Checker } from "./types.ts";

export const haltsWithoutQuorum = (context: CheckContext): Checker => {
  let highest = 0;
  /** By span: the highest block when everybody was looked at in it for the first time. */
  const before: number[] = [];
  return {
    id: "L8",
    title: "without a quorum nothing becomes final",
    status: (slot, { finalHeight }) => {
      if (context.honest(slot)) highest = Math.max(highest, finalHeight);
    },
    looked: () => {
      const nowMs = Math.floor(context.nowUs() / 1000);
      for (const [i, [fromMs, untilMs]] of context.haltedMs.entries()) {
        if (nowMs < fromMs || nowMs > untilMs) continue;
        const height = before[i] ?? highest;
        before[i] = height;
        if (highest > height) return context.report("L8", `height ${highest} without a quorum`);
      }
    },
  };
};
