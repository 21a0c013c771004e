/**
 * The night: random runs, the network model, whole networks of processes, the Byzantine matrix, the bug bank, the
 * Quint model and runs of it against the core (sim/night.ts has them). All parts run, also after one that failed; a
 * table tells what each gave.
 *
 *     npm run nightly                    with the seeds of this day, whose number is printed
 *     npm run nightly -- --day 20784     the night of that day again
 *     npm run nightly -- --day 20784 --only sim:nightly,model
 *     npm run nightly -- --plan          what it would run
 *
 * Exit codes: 0, 1 for what it was asked wrongly, else the highest of its parts.
 */
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { dayOf, NIGHT_DAY_MAX, nightOf, nightTable, runNight, worstOf } from "../sim/night.ts";

const { values } = parseArgs({
  options: {
    day: { type: "string" },
    only: { type: "string" },
    plan: { type: "boolean", default: false },
  },
});

const usage = (detail) => {
  console.error(detail);
  process.exit(1);
};

const day = values.day === undefined ? dayOf(Date.now()) : Number(values.day);
if (!/^[0-9]{1,9}$/.test(values.day ?? "0") || day > NIGHT_DAY_MAX)
  usage(`--day: expected a number of 0 to ${NIGHT_DAY_MAX}, found ${values.day}`);
const all = nightOf(day);
const known = all.map(({ script }) => script);
const chosen = values.only?.split(",") ?? known;
const unknown = chosen.find((one) => !known.includes(one));
if (unknown !== undefined) usage(`--only: ${unknown} is none of ${known.join(", ")}`);
const parts = all.filter(({ script }) => chosen.includes(script));

console.log(`night of day ${day}; again: npm run nightly -- --day ${day}`);
for (const { script, args, env } of parts) {
  const set = Object.entries(env).map(([name, value]) => `${name}=${value} `);
  console.log(
    `  ${set.join("")}npm run ${[script, ...(args.length > 0 ? ["--", ...args] : [])].join(" ")}`,
  );
}
if (!values.plan) {
  const run = ({ script, args, env }) => {
    console.log(`\n== ${script} of day ${day}`);
    const { status, error } = spawnSync("npm", ["run", script, "--", ...args], {
      stdio: "inherit",
      env: { ...process.env, CI: "true", ...env },
    });
    if (error !== undefined) console.error(`${script}: ${error.message}`);
    // A part that was ended by a signal has no status.
    return status ?? 1;
  };
  const results = runNight(parts, run, () => performance.now());
  console.log(`\nnight of day ${day}\n${nightTable(results)}`);
  process.exitCode = worstOf(results);
}
