/**
 * Makes a failing scenario smaller: takes away what can be taken away while the same invariant still
 * fails. Greedy and in order, so the result is the same every time.
 */
import type { Scenario } from "./scenario.ts";

/** Runs a scenario and says which invariant failed, if one did. */
export type Failing = (scenario: Scenario) => string | undefined;

const without = <T>(items: readonly T[], at: number, count: number): T[] => [
  ...items.slice(0, at),
  ...items.slice(at + count),
];

/** Smaller versions of a scenario, the boldest first. */
function* smaller(scenario: Scenario): Generator<Scenario> {
  for (let chunk = scenario.faults.length; chunk >= 1; chunk = Math.floor(chunk / 2)) {
    for (let at = 0; at + chunk <= scenario.faults.length; at += chunk) {
      yield { ...scenario, faults: without(scenario.faults, at, chunk) };
    }
  }
  for (let at = 0; at < scenario.adversaries.length; at++) {
    yield { ...scenario, adversaries: without(scenario.adversaries, at, 1) };
  }
  const { workload, knobs } = scenario;
  if (workload.clients > 1) yield { ...scenario, workload: { ...workload, clients: 1 } };
  if (workload.bodyBytes > 0) yield { ...scenario, workload: { ...workload, bodyBytes: 0 } };
  for (const name of ["lossPpm", "duplicatePpm", "linkBytesPerMs", "uplinkBytesPerMs"] as const) {
    if (knobs.net[name] === 0) continue;
    yield { ...scenario, knobs: { ...knobs, net: { ...knobs.net, [name]: 0 } } };
  }
  const lastMs = scenario.faults.reduce((last, fault) => {
    const endMs = "untilMs" in fault ? fault.untilMs : fault.atMs;
    return Math.max(last, endMs);
  }, 500);
  if (lastMs + 500 < scenario.healMs) yield { ...scenario, healMs: lastMs + 500 };
}

/** At most `budget` runs are spent. Returns the scenario itself when nothing can go. */
export const shrink = (scenario: Scenario, failing: Failing, budget = 200): Scenario => {
  const invariant = failing(scenario);
  if (invariant === undefined) return scenario;
  let best = scenario;
  let left = budget;
  for (let progress = true; progress && left > 0; ) {
    progress = false;
    for (const candidate of smaller(best)) {
      if (left <= 0) break;
      left -= 1;
      if (failing(candidate) !== invariant) continue;
      best = candidate;
      progress = true;
      break;
    }
  }
  return best;
};
