/**
 * L7: where only a core is healed, progress (L1), answers (L2) and catching up (L3) are the work of a bare quorum.
 * This holds the premise by the oracle's own arithmetic: all of the core follow the protocol, together they weigh a
 * quorum, without the heaviest of them they do not, and nobody else comes back.
 */
import { isQuorum } from "./oracle.ts";
import type { CheckContext, Checker } from "./types.ts";

export const coreIsBare = (context: CheckContext): Checker => {
  let core: ReadonlySet<number> | undefined;
  const total = context.members.reduce((sum, { weight }) => sum + weight, 0n);

  const faultOf = (slots: readonly number[]): string | undefined => {
    const liar = slots.find((slot) => !context.honest(slot));
    if (liar !== undefined) return `n${liar} is of the core, and lies`;
    let [weight, heaviest] = [0n, 0n];
    for (const slot of slots) {
      const own = context.members.find((member) => member.slot === slot)?.weight ?? 0n;
      weight += own;
      if (own > heaviest) heaviest = own;
    }
    if (!isQuorum(weight, total)) return `the core weighs ${weight} of ${total}, no quorum`;
    return isQuorum(weight - heaviest, total)
      ? `the core weighs ${weight} of ${total}, more than it takes`
      : undefined;
  };

  return {
    id: "L7",
    title: "a core that just has a quorum is alone, and does all that is asked of everybody",
    coreHealed: (slots) => {
      core = new Set(slots);
      const fault = faultOf(slots);
      if (fault !== undefined) context.report("L7", fault);
    },
    booted: (slot) => {
      if (core !== undefined && !core.has(slot)) {
        context.report("L7", `n${slot} is back, which was gone for good`);
      }
    },
  };
};
