// The property of tickets.ts in scenarios that fast-check draws.
import fc from "fast-check";
import { simulate } from "tetrad/sim";
import { scenarioArbitrary } from "tetrad/sim/arbitraries";
import { events, projections, property } from "./tickets.ts";

const drawn = scenarioArbitrary({ healMs: 2_500, faultsMax: 4 });
const holds = fc.property(drawn, (scenario) => {
  const { violation } = simulate(scenario, { projections, events, property });
  if (violation !== undefined) throw new Error(`${violation.id}: ${violation.detail}`);
});
fc.assert(holds, { numRuns: 10 });
console.log("holds in 10 scenarios");
