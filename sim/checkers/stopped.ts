/**
 * I13, the first half: no node that follows the protocol stops itself, or halts its projections because its state
 * is another one than the network's. Its disk may fail it: then it has to stop, and whoever runs it starts it again.
 */
import type { CheckContext, Checker } from "./types.ts";

/** Problems that are the disk's. That it is damaged is dealt with before a node is shown. */
const OF_THE_DISK: readonly string[] = ["store.full", "store.io"];

export const nobodyStops = (context: CheckContext): Checker => ({
  id: "I13",
  title: "no honest node stops itself",
  health: (slot, { voting, problems }) => {
    if (!context.asked(slot) || problems.some(({ code }) => OF_THE_DISK.includes(code))) return;
    const differs = problems.some(({ code }) => code === "state.mismatch");
    if (voting !== "halted" && !differs) return;
    const why = problems.map(({ code, detail }) => `${code} ${detail}`).join("; ");
    context.report("I13", `honest n${slot} has stopped itself: ${why}`);
  },
});
