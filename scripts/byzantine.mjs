/**
 * The matrix of Byzantine runs (sim/byzantine.ts): every kind of adversary and mixes, with just under a third
 * of the weight, in each size; then a third and more.
 *
 *     node scripts/byzantine.mjs                  all sizes: 4, 7, 10, 31, 100
 *     node scripts/byzantine.mjs --sizes 4,7,10   some of them
 *     --mixes N   mixed runs a size and kind of weights (4)      --seed N   the first seed (1)
 *     --time S    begin no new run after so many seconds
 *
 * Exit codes as of the simulator: 0, or the highest of 10, 11 and 12.
 */
import { parseArgs } from "node:util";
import { BYZANTINE_SIZES, byzantineMatrix, judgeOverThird, overThird } from "../sim/byzantine.ts";
import { EXIT_CODES, simulate } from "../sim/simulate.ts";
import { SYSTEM } from "../sim/system.ts";

const { values } = parseArgs({
  options: {
    sizes: { type: "string", default: BYZANTINE_SIZES.join(",") },
    mixes: { type: "string", default: "4" },
    seed: { type: "string", default: "1" },
    time: { type: "string", default: "0" },
  },
});
const sizes = values.sizes.split(",").map(Number);
const unknown = sizes.find((size) => !BYZANTINE_SIZES.includes(size));
if (unknown !== undefined) throw new RangeError(`--sizes: of ${BYZANTINE_SIZES.join(", ")}`);

const startMs = performance.now();
const isOver = () => Number(values.time) > 0 && performance.now() - startMs > 1000 * values.time;
let worst = 0;
let runs = 0;
let virtualMs = 0;
for (const scenario of byzantineMatrix(sizes, Number(values.mixes), Number(values.seed))) {
  if (isOver()) break;
  const { outcome, violation, virtualMs: spentMs, healedInMs } = simulate(scenario, SYSTEM);
  runs += 1;
  virtualMs += spentMs;
  worst = Math.max(worst, EXIT_CODES[outcome]);
  const why = violation === undefined ? "" : `${violation.id}: ${violation.detail}`;
  console.log(`${scenario.name}: ${outcome}, healed in ${healedInMs} ms ${why}`.trimEnd());
}
for (const [n, liars] of [
  [4, 2],
  [7, 3],
  [10, 4],
]) {
  if (isOver()) break;
  const verdict = judgeOverThird(overThird(n, liars, Number(values.seed)), SYSTEM);
  const isWrong = typeof verdict !== "string";
  if (isWrong) worst = Math.max(worst, EXIT_CODES.correctness);
  console.log(`${liars} of ${n} lie: ${isWrong ? verdict.wrong : verdict}`);
}
console.log(`${runs} runs, ${(virtualMs / 1000).toFixed(0)} virtual seconds`);
process.exitCode = worst;
