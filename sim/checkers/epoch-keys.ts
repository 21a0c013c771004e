/**
 * I28: on a chain with keys of epochs nobody keeps a key that is over. A key is over when the one of a later
 * epoch counts and that epoch has begun: of keys that were made for epochs before the running one, a machine
 * holds at most one, the last, which goes on where there is no newer one.
 */
import type { CheckContext, Checker } from "./types.ts";

export const keysErased = (context: CheckContext): Checker => ({
  id: "I28",
  title: "keys of epochs that are over are erased",
  keysHeld: (slot, epoch, held) => {
    if (!context.honest(slot)) return;
    const old = held.filter((first) => first < epoch);
    if (old.length <= 1) return;
    const epochs = old.sort((a, b) => a - b).join(" and ");
    context.report("I28", `n${slot}: in epoch ${epoch} it still has the keys of ${epochs}`);
  },
});
