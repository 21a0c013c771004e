/** I16: what a node keeps and does for others stays under its caps. */
import { decodeStatement } from "./decode.ts";
import type { CheckContext, Checker } from "./types.ts";

const MEMPOOL_BYTES_MAX = 64 * 1024 * 1024;

export const capsKept = (context: CheckContext): Checker => ({
  id: "I16",
  title: "memory kept for clients and peers stays under its caps",
  status: (slot, status) => {
    if (!context.honest(slot) || status.mempoolBytes <= MEMPOOL_BYTES_MAX) return;
    context.report("I16", `n${slot} keeps ${status.mempoolBytes} bytes of batches`);
  },
});

/**
 * A node that is in view v checks and keeps votes up to v + 1, and whoever is in v got there by a certificate
 * of v - 1, of which an honest node has signed. So nobody checks a single vote that is more than two views
 * above all that honest nodes have signed in that epoch: it would be kept for whoever makes it up.
 */
export const futureBounded = (context: CheckContext): Checker => {
  const newest = new Map<number, number>();
  const total = context.members.reduce((sum, { weight }) => sum + weight, 0n);
  // Where one member alone is a quorum, a certificate is one signature too.
  const isTold = context.members.every(({ weight }) => 3n * weight <= 2n * total);
  return {
    id: "I16",
    title: "votes for views that cannot have begun are dropped unchecked",
    released: (slot, message) => {
      const statement = decodeStatement(message);
      if (statement === undefined || !context.honest(slot)) return;
      const { epoch, view } = statement;
      newest.set(epoch, Math.max(view, newest.get(epoch) ?? 0));
    },
    verified: (slot, message, together) => {
      if (!isTold || together > 1 || !context.honest(slot)) return;
      const statement = decodeStatement(message);
      if (statement === undefined) return;
      const { epoch, view } = statement;
      const top = newest.get(epoch) ?? 0;
      if (view <= top + 2) return;
      context.report(
        "I16",
        `n${slot} checked a vote of ${epoch}/${view}; nobody is past ${top + 1}`,
      );
    },
  };
};
