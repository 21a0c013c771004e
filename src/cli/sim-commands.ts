/** The verbs of the simulator: their options and help. `npm run sim -- ...` is `nexus sim ...`. */
import { type Command, InvalidArgumentError } from "commander";
import { LIMITS } from "../limits.ts";
import { wholeNumber } from "./numbers.ts";
import { FAILURES_FOLDER } from "./simulator/defaults.ts";
import type { RunVerb } from "./verb.ts";

const SEED_MAX = LIMITS.simSeedsMax - 1;

/** "90s", "60m", "8h" in milliseconds; a bare number is seconds. */
export const duration = (text: string): number => {
  const [, digits = "", unit = "s"] = /^([1-9][0-9]{0,6})(s|m|h)?$/.exec(text) ?? [];
  if (digits === "") throw new InvalidArgumentError("It must be a time such as 90s, 60m or 8h.");
  const scale = { s: 1_000, m: 60_000, h: 3_600_000 };
  return Number(digits) * scale[unit as keyof typeof scale];
};

const WITH = [
  "--with <file>",
  "a module with a property of your own (docs/simulation.md)",
] as const;

const WHICH = "FILE.json, or a name of the library";

const addRun = (sim: Command, run: RunVerb): void => {
  sim
    .command("run")
    .description("run scenarios, and report on what fails")
    .argument("[scenario...]", `${WHICH} (default: the library)`)
    .option("--seed <number>", "the random scenario of a seed", wholeNumber(0, SEED_MAX))
    .option("--seeds <range>", "those of many: FIRST..LAST")
    .option("--once", "do not run each a second time to compare the traces")
    .option("--trace", "print every event, one a line, and run once")
    .option("--time <time>", "begin no new run after so long, such as 90s or 10m", duration)
    .option("--no-shrink", "report on a failing scenario as it is")
    .option("--shrink", "also where many are run")
    .option("--out <folder>", "where the files of failures go", FAILURES_FOLDER)
    .option("--no-files", "write no files")
    .option(
      "--row-memory <MiB>",
      "memory for rows of the simulated disks; a temporary file takes the rest (default 256)",
      wholeNumber(0, LIMITS.simRowMemoryMibMax),
    )
    .option(...WITH)
    .addHelpText(
      "after",
      `
Examples:
  nexus sim run --seed 7
  nexus sim run my-scenario.json --trace | less
  nexus sim run leader-isolated all-restart
  nexus sim run --seeds 1..100 --time 10m -o ndjson
  nexus sim run my-scenario.json --with my-property.ts
  nexus sim run a-virtual-day.json --once --row-memory 64

Of a failure the scenario, the report, the whole timeline and a picture are written to --out, and the
scenario is shrunk first where it is the only one. What is printed is what the files have, but for the picture.
Exit codes: 0 all is well, 1 usage or a mistake of the module of --with, 10 crash, 11 liveness lost,
12 correctness lost; of several the highest.
`,
    )
    .action(run(async () => (await import("./simulator/run.ts")).simRun));
};

const addSwarm = (sim: Command, run: RunVerb): void => {
  sim
    .command("swarm")
    .description("run random scenarios on several threads for as long as there is time")
    .option(
      "--budget <time>",
      "how long, such as 90s, 60m or 8h (default: 1m, or as long as --seeds takes)",
      duration,
    )
    .option(
      "--workers <count>",
      "threads, at most one a core and a seed (default 2)",
      wholeNumber(1, LIMITS.simWorkersMax),
      2,
    )
    .option(
      "--from <seed>",
      "the first seed (default: one that the clock gives)",
      wholeNumber(0, SEED_MAX),
    )
    .option("--seeds <count>", "end after so many", wholeNumber(1, SEED_MAX))
    .option(
      "--twice <every>",
      "run every so many-th seed twice and compare the traces; 0 for none",
      wholeNumber(0, 1_000_000),
      16,
    )
    .option("--keep <folder>", "where failing scenarios are kept, by commit", FAILURES_FOLDER)
    .option(...WITH)
    .addHelpText(
      "after",
      `
Examples:
  nexus sim swarm --budget 60m --workers 2
  nexus sim swarm --from 1 --seeds 1000 --budget 8h --keep nightly
  nexus sim swarm --budget 10m -o json > found.json

Of each failure the ${LIMITS.simKeptSeedsMax} scenarios with the least work are kept, in KEEP/COMMIT/INVARIANT:
of what has thrown each message is a failure of its own, ${LIMITS.simKeptInvariantMax} scenarios at most. What earlier
swarms on the commit have left there comes after these. Ctrl-C ends it with the summary of what was found. Exit codes
as \`nexus sim run\`.
`,
    )
    .action(run(async () => (await import("./simulator/swarm.ts")).simSwarm));
};

const addShrink = (sim: Command, run: RunVerb): void => {
  sim
    .command("shrink")
    .description("make a failing scenario smaller while the same invariant fails")
    .argument("[scenario]", WHICH)
    .option("--seed <number>", "the random scenario of a seed", wholeNumber(0, SEED_MAX))
    .option("--runs <count>", "how many runs it may cost", wholeNumber(1, 100_000), 200)
    .option("--time <time>", "how long it may take, such as 90s or 10m", duration)
    .option("--out <file>", "where the smaller scenario is written, instead of standard output")
    .option(...WITH)
    .addHelpText(
      "after",
      `
Examples:
  nexus sim shrink failing.json --out small.json
  nexus sim shrink --seed 1234 --runs 500
  nexus sim shrink failing.json --with my-property.ts --out small.json

It takes away faults, adversaries, nodes, time, load and roughness, halves first. What comes out is a scenario
that \`nexus sim run\` fails on with the same invariant. What two runs of one scenario differ in (I17) is not
the same each time, and not shrunk: exit code 12.
`,
    )
    .action(run(async () => (await import("./simulator/shrink.ts")).simShrink));
};

const addExplain = (sim: Command, run: RunVerb): void => {
  sim
    .command("explain")
    .description("draw what happens in a run: one page with a space-time diagram, for a browser")
    .argument("[scenario]", WHICH)
    .option("--seed <number>", "the random scenario of a seed", wholeNumber(0, SEED_MAX))
    .option("--from <ms>", "draw messages from this virtual time on", wholeNumber(0, 2 ** 40))
    .option(
      "--to <ms>",
      "and up to this one (default: the failure, or the end)",
      wholeNumber(0, 2 ** 40),
    )
    .option("--out <file>", "where the page is written (default: NAME.html)")
    .option(...WITH)
    .addHelpText(
      "after",
      `
Examples:
  nexus sim explain failing.json
  nexus sim explain --seed 7 --out seed-7.html
  nexus sim explain leader-isolated --from 2000 --to 4000

The page needs no network. It shows at most ${LIMITS.simPictureMessagesMax} messages, the newest before
--to, and says what it leaves out. A scenario that does not fail is drawn as well, and run a second time
to compare the traces. Exit code 0 when the page is written.
`,
    )
    .action(run(async () => (await import("./simulator/explain.ts")).simExplain));
};

const addMutants = (sim: Command, run: RunVerb): void => {
  sim
    .command("mutants")
    .description("plant bugs in copies of the source, and see the checkers find them")
    .argument("[name...]", "mutants, as sim/mutants has them (default: all)")
    .option("--no-types", "do not check that each mutant type-checks")
    .addHelpText(
      "after",
      `
Examples:
  nexus sim mutants
  nexus sim mutants quorum-minus-one vote-written-without-sync

It needs a source tree. Exit codes: 0 every one is caught, 2 one is not.
`,
    )
    .action(run(async () => (await import("./simulator/mutants.ts")).simMutants));
};

const addList = (sim: Command, run: RunVerb): void => {
  sim
    .command("list")
    .description("list the scenarios of the library")
    .addHelpText("after", "\nExamples:\n  nexus sim list\n  nexus sim list -o json\n")
    .action(run(async () => (await import("./simulator/list.ts")).simList));
};

export const addSim = (program: Command, run: RunVerb): void => {
  const sim = program
    .command("sim")
    .description("run whole networks under faults, in virtual time, from a seed");
  for (const add of [addRun, addSwarm, addShrink, addExplain, addMutants, addList]) add(sim, run);
};
