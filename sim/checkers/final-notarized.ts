/** I6: no block can be finalized that a quorum has not notarized in its view. */
import { backingsOf } from "./backing.ts";
import { FINALIZE, NOTARIZE } from "./decode.ts";
import { quorumsOf } from "./quorums.ts";
import type { CheckContext, Checker } from "./types.ts";

export const finalNotarized = (context: CheckContext): Checker => {
  const quorums = quorumsOf(context);
  const backings = backingsOf(context);
  quorums.onQuorum((statement, viewKey) => {
    if (statement.kind !== FINALIZE || backings.hasForgotten(statement)) return;
    if (backings.isBacked({ ...statement, kind: NOTARIZE })) return;
    context.report("I6", `view ${viewKey} can be finalized without its notarization`);
  });
  return {
    id: "I6",
    title: "no block can be finalized that is not notarized",
    released: (slot, message) => quorums.note(slot, message),
  };
};
