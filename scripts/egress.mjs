/**
 * The bound of docs/scale.md: at n = 100, under the load of that page, a node sends less than 400 kB a view in the
 * mean. The costs of a processor are those of that page, so that the result is the same on every machine.
 *
 *     npm run sim:egress
 *     npm run sim:egress -- --nodes 25 --measured 1000     virtual milliseconds, up to 60000
 *
 * Exit codes: 0, 1 for what it was asked wrongly, else that of the simulator for what is not correct.
 */
import { parseArgs } from "node:util";
import { THREE, TWELVE } from "../bench/sim/world-map.ts";
import { DOCUMENTED_LOAD, EGRESS_MAX, measureCapacity } from "../sim/capacity.ts";
import { EXIT_CODES } from "../sim/simulate.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "100" },
    measured: { type: "string", default: "2000" },
  },
});
const [n, measuredMs] = [Number(values.nodes), Number(values.measured)];
if (!(Number.isInteger(n) && n >= 1 && n <= 100 && measuredMs >= 1 && measuredMs <= 60_000)) {
  console.error("expected --nodes of 1 to 100 and --measured of 1 to 60000");
  process.exit(1);
}
for (const { places, rttMs } of [THREE, TWELVE]) {
  const { egress, views } = measureCapacity({ ...DOCUMENTED_LOAD, n, rttMs, measuredMs });
  const isBounded = views > 0 && egress < EGRESS_MAX;
  const kb = (egress / 1000).toFixed(1);
  const bound = `${EGRESS_MAX / 1000} kB`;
  console.log(
    `n = ${n}, ${places.length} places: ${kb} kB a node and view, mean of ${views} views`,
  );
  if (isBounded) continue;
  console.log(`  FAILED: not below ${bound}`);
  process.exitCode = EXIT_CODES.correctness;
}
