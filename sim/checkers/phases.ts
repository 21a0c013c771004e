/**
 * L1 and L3: what is demanded once all faults have ended. The run says by when a block must be final and by when
 * everybody must have a height, and shows each node that is up; the checkers look at nothing else.
 */
import type { CheckContext, Checker } from "./types.ts";

/** What is demanded: a height, and by when. */
type Demand = { readonly height: number; readonly byUs: number };

/** L1: a block above that height becomes final in time. */
export const progressMade = (context: CheckContext): Checker => {
  let demand: (Demand & { readonly sinceUs: number }) | undefined;
  let highest = 0;
  return {
    id: "L1",
    title: "after the heal a block becomes final in bounded time",
    mustPass: (height, byUs) => {
      demand = { height, byUs, sinceUs: context.nowUs() };
      highest = height;
    },
    status: (slot, { finalHeight }) => {
      if (context.honest(slot)) highest = Math.max(highest, finalHeight);
    },
    looked: () => {
      if (demand === undefined) return;
      const { height, byUs, sinceUs } = demand;
      if (highest > height) {
        demand = undefined;
      } else if (context.nowUs() >= byUs) {
        const withinMs = Math.round((byUs - sinceUs) / 1000);
        const detail = `no new final block within ${withinMs} ms after heal (height ${height})`;
        context.report("L1", detail);
      }
    },
  };
};

/** L3: every node that is asked, be it from now on only, has executed that height in time. */
export const everybodyLevel = (context: CheckContext): Checker => {
  let demand: Demand | undefined;
  /** Executed heights of the nodes that were shown since everybody was looked at last. */
  const shown = new Map<number, number>();

  const behind = (height: number): string | undefined => {
    for (const { slot } of context.members) {
      if (!context.asked(slot)) continue;
      const executed = shown.get(slot);
      if (executed === undefined) return `n${slot} is down`;
      if (executed < height) return `n${slot} is at ${executed}`;
    }
    return undefined;
  };

  return {
    id: "L3",
    title: "after the heal everybody catches up in bounded time",
    mustReach: (height, byUs) => {
      demand = { height, byUs };
    },
    status: (slot, { executedHeight }) => {
      shown.set(slot, executedHeight);
    },
    looked: () => {
      if (demand !== undefined) {
        const who = behind(demand.height);
        if (who === undefined) demand = undefined;
        else if (context.nowUs() >= demand.byUs) {
          context.report("L3", `${who}, target ${demand.height}`);
        }
      }
      shown.clear();
    },
  };
};
