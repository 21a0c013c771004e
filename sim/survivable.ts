/** What random scenarios leave out so that the rest must be survived: one rule for the swarm and the arbitraries. */
import { type Fault, type Scenario, untrustedSlots } from "./scenario.ts";

/** Nodes that a fault makes others unable to count on, though no adversary runs there. */
export const untrustedBy = (fault: Fault, whole: Scenario): Set<number> =>
  untrustedSlots({ ...whole, adversaries: [], faults: [fault] });

/**
 * Leaves out, in their order, what would make those that lie, have forgotten their votes or live in another hour a
 * third of the weight: the rest must be survived. Which disks may lose what they hold, the atlas decides in the run.
 */
export const keepSurvivable = (
  drawn: Scenario,
  total = drawn.weights.reduce((sum, weight) => sum + weight, 0),
): Scenario => {
  const untrusted = new Set<number>();
  /** Counts these among the untrusted, if that leaves them below a third. */
  const afforded = (slots: ReadonlySet<number>): boolean => {
    const all = new Set([...untrusted, ...slots]);
    const weight = [...all].reduce((sum, slot) => sum + (drawn.weights[slot] ?? 0), 0);
    if (weight * 3 >= total) return slots.size === 0;
    for (const slot of slots) untrusted.add(slot);
    return true;
  };
  const adversaries = drawn.adversaries.filter(({ node }) => afforded(new Set([node])));
  const exempt = new Set<number>();
  const faults = drawn.faults.filter((fault) => {
    const guilty = untrustedBy(fault, drawn);
    if (!afforded(guilty)) return false;
    // With the right time again a node has nothing to make up for.
    if (fault.kind !== "clock") for (const slot of guilty) exempt.add(slot);
    return true;
  });
  return { ...drawn, adversaries, faults, expect: { ...drawn.expect, exempt: [...exempt] } };
};
