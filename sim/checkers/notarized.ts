/** I3: of no view two blocks can be notarized. */
import { NOTARIZE } from "./decode.ts";
import { quorumsOf } from "./quorums.ts";
import type { CheckContext, Checker } from "./types.ts";

export const oneNotarized = (context: CheckContext): Checker => {
  const quorums = quorumsOf(context);
  quorums.onQuorum(({ kind, hash }, viewKey, { notarized }) => {
    if (kind !== NOTARIZE || notarized === undefined || notarized === hash) return;
    context.report("I3", `two hashes can be notarized in view ${viewKey}`);
  });
  return {
    id: "I3",
    title: "one hash a view can be notarized",
    released: (slot, message) => quorums.note(slot, message),
  };
};
