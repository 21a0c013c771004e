// One process of the bug bank: runs scenarios on the simulator of a tree until a checker complains.
//
//     node scripts/mutant-runs.mjs TREE EXPECTED… -- RUN…      a RUN is "bank NAME", "seed N" or "file PATH"
//
// Prints a JSON line a run: { run, id, seconds }; `id` is the invariant that broke, null when none did.
// Stops after the first run in which one of EXPECTED broke.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [tree = "", ...rest] = process.argv.slice(2);
const expected = rest.slice(0, rest.indexOf("--"));
const runs = rest.slice(rest.indexOf("--") + 1);
const load = (name) => import(pathToFileURL(join(tree, "sim", name)).href);

const { simulate } = await load("simulate.ts");
const { SYSTEM } = await load("system.ts");
const { bankScenario } = await load("scenarios/index.ts");
const { randomScenario } = await load("swarm.ts");
const { parseScenario } = await load("scenario-shape.ts");

const scenarioOf = (run) => {
  const [kind, value] = run.split(" ");
  if (kind === "seed") return randomScenario(Number(value));
  if (kind === "file") return parseScenario(readFileSync(value, "utf8"));
  const found = bankScenario(value);
  if (found === undefined) throw new RangeError(`no scenario "${value}" in the bank`);
  return found;
};

for (const run of runs) {
  const scenario = scenarioOf(run);
  const startMs = performance.now();
  let id;
  try {
    id = simulate(scenario, SYSTEM).violation?.id ?? null;
  } catch {
    id = "crash";
  }
  const seconds = (performance.now() - startMs) / 1000;
  console.log(JSON.stringify({ run, id, seconds }));
  if (expected.includes(id)) break;
}
