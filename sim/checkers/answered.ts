/**
 * L2: every client is answered. A client hands its batch to one node after the other until one of them says that it
 * is committed; after the heal, and after the last new batch, that must come in bounded time. It is over, too, where a
 * client learns that its lane has gone on without this batch, or may not write any more.
 */
import type { CheckContext, Checker } from "./types.ts";

export const everyClientAnswered = (context: CheckContext): Checker => {
  /** Ids of what clients wait for. */
  const open = new Set<string>();
  /** Why nodes did not take a batch, and how often: it says what clients were told instead. */
  const refusals = new Map<string, number>();
  let demanded: { readonly byUs: number; readonly waiting: () => number } | undefined;
  return {
    id: "L2",
    title: "every client is answered in bounded time after the heal",
    offered: (_slot, { batchIdHex }) => {
      open.add(batchIdHex);
    },
    declined: (_slot, _submission, code) => {
      refusals.set(code, (refusals.get(code) ?? 0) + 1);
    },
    acknowledged: (_slot, { batchIdHex }) => {
      open.delete(batchIdHex);
    },
    gaveUp: ({ batchIdHex }) => {
      open.delete(batchIdHex);
    },
    mustAnswer: (byUs, waiting) => {
      demanded = { byUs, waiting };
    },
    looked: () => {
      if (demanded === undefined) return;
      // Who has found no node to hand its batch to waits as well.
      const unanswered = Math.max(open.size, demanded.waiting());
      if (unanswered === 0) {
        demanded = undefined;
      } else if (context.nowUs() >= demanded.byUs) {
        const told = JSON.stringify([...refusals]);
        context.report("L2", `${unanswered} clients unanswered; ${told}`);
      }
    },
  };
};
