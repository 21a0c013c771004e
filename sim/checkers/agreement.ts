/** I1: all honest nodes have one final block at each height, and of no view two can become final. */

import { FINALIZE } from "./decode.ts";
import { quorumsOf } from "./quorums.ts";
import { Recent } from "./recent.ts";
import type { CheckContext, Checker } from "./types.ts";

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

/** I1 before anybody shows it: two blocks of a view, each with a quorum that has said F. */
export const oneFinalizable = (context: CheckContext): Checker => {
  const quorums = quorumsOf(context);
  quorums.onQuorum(({ kind, hash }, viewKey, { finalized }) => {
    if (kind !== FINALIZE || finalized === undefined || finalized === hash) return;
    context.report("I1", `two hashes can be finalized in view ${viewKey}`);
  });
  return {
    id: "I1",
    title: "one hash a view can be finalized",
    released: (slot, message) => quorums.note(slot, message),
  };
};
