/** L9: what is read at a node that is up is answered. */
import type { CheckContext, Checker } from "./types.ts";

/** A disk takes milliseconds; this is what nobody waits for. */
export const READ_WITHIN_US = 60_000_000;

export const readsAnswered = (context: CheckContext): Checker => ({
  id: "L9",
  title: "a read is answered",
  unanswered: (slot, fromUs, untilUs) => {
    if (untilUs - fromUs < READ_WITHIN_US) return;
    context.report("L9", `a read at n${slot} is never answered`);
  },
});
