/** The mark of a chain to which nobody has written anything, and whose height grew all the same. It judges nothing. */
import type { CheckContext, Checker } from "./types.ts";

export const idleChains = (context: CheckContext): Checker => {
  let isIdle = true;
  let healedAt: number | undefined;
  let highest = 0;
  return {
    id: "marks",
    title: "idle chains",
    submitted: () => {
      isIdle = false;
    },
    status: (slot, { finalHeight }) => {
      if (context.honest(slot)) highest = Math.max(highest, finalHeight);
    },
    healed: () => {
      healedAt = highest;
    },
    end: () => {
      if (isIdle && healedAt !== undefined && highest > healedAt) {
        context.mark("idle chain went on");
      }
    },
  };
};
