/** L0: the nodes come to rest. A run that takes more steps than it may is in a loop, whatever else it does. */
import type { CheckContext, Checker } from "./types.ts";

export const comesToRest = (context: CheckContext): Checker => ({
  id: "L0",
  title: "a run does a bounded amount of work",
  worked: (steps, stepsMax) => {
    if (steps <= stepsMax) return;
    context.report("L0", `more than ${steps} steps: the nodes are busy for nothing`);
  },
});
