/** I2: nobody goes back behind what it has shown as final or executed, restarts included. */
import type { CheckContext, Checker, Status } from "./types.ts";

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
