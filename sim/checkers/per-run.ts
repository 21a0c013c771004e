/** What several checkers of a run read, and one of them alone would have to work out again. */
import type { CheckContext } from "./types.ts";

/** Made once for all that share a context, so that no event is worked through twice. */
export const perRun = <T>(create: (context: CheckContext) => T): ((context: CheckContext) => T) => {
  const made = new WeakMap<CheckContext, { readonly it: T }>();
  return (context) => {
    const known = made.get(context) ?? { it: create(context) };
    made.set(context, known);
    return known.it;
  };
};
