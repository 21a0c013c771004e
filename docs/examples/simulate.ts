// Runs one random scenario of the simulator: a network under faults, in virtual time.
import { progressLine, randomScenario, simulate } from "tetrad/sim";

const seed = 3;
const result = simulate(randomScenario(seed));
console.log(progressLine({ kind: "seed", value: String(seed) }, result));
