/** I4: no view can be both nullified and finalized. To be both notarized and nullified is allowed, and marked. */
import { FINALIZE, NOTARIZE, NULLIFY } from "./decode.ts";
import { quorumsOf } from "./quorums.ts";
import type { CheckContext, Checker } from "./types.ts";

export const nullifiedOrFinal = (context: CheckContext): Checker => {
  const quorums = quorumsOf(context);
  quorums.onQuorum(({ kind }, viewKey, before) => {
    const isNullified = kind === NULLIFY || before.isNullified;
    const isNotarized = kind === NOTARIZE || before.notarized !== undefined;
    const isFinal = kind === FINALIZE || before.finalized !== undefined;
    if (kind === NULLIFY) context.mark("view nullified");
    if (isNullified && isNotarized && kind !== FINALIZE) {
      context.mark("view notarized and nullified");
    }
    if (isNullified && isFinal) {
      context.report("I4", `view ${viewKey} can be both nullified and finalized`);
    }
  });
  return {
    id: "I4",
    title: "no view can be both nullified and finalized",
    released: (slot, message) => quorums.note(slot, message),
  };
};
