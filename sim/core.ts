/**
 * The core of the second phase: a random part of the honest nodes with at least the weight of a quorum is
 * healed, and everybody else is gone for good. What such a core cannot do, no outage of the others explains.
 */
import type { Prng } from "./prng.ts";
import { faultySlots, type Scenario, takesData } from "./scenario.ts";

/**
 * Slots of a core, ascending; undefined where honest nodes do not have the weight. No node more than it
 * takes: the last one chosen completes the quorum, floor(2W/3) + 1 (L7). Who is left out takes its data along:
 * nodes that no fault has taken data from are chosen first, and those without a good copy of it last.
 */
export const chooseCore = (
  scenario: Scenario,
  random: Prng,
  hasGoodCopy: (slot: number) => boolean = () => true,
): number[] | undefined => {
  const { weights } = scenario;
  const faulty = faultySlots(scenario);
  const lossy = new Set(
    scenario.faults.flatMap((fault) => (takesData(fault) && "node" in fault ? [fault.node] : [])),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const honest = random.shuffle([...weights.keys()].filter((slot) => !faulty.has(slot)));
  const order = [
    ...honest.filter((slot) => !lossy.has(slot)),
    ...honest.filter((slot) => lossy.has(slot) && hasGoodCopy(slot)),
    ...honest.filter((slot) => lossy.has(slot) && !hasGoodCopy(slot)),
  ];
  const core: number[] = [];
  let weight = 0;
  for (const slot of order) {
    if (weight * 3 > total * 2) break;
    core.push(slot);
    weight += weights[slot] ?? 0;
  }
  return weight * 3 > total * 2 ? core.sort((a, b) => a - b) : undefined;
};
