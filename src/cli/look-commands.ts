/** Verbs that look at a network and show it: names, options, help (see commands.ts). */
import type { Command } from "commander";
import type { RunVerb } from "./verb.ts";

const addTour = (program: Command, run: RunVerb): void => {
  program
    .command("tour")
    .description("see what the ledger is for, on the running development network")
    .option("--yes", "do not wait for Enter between the steps")
    .addHelpText(
      "after",
      `
It appends a record, kills the leader, submits a forged batch and starts the node again. Each step runs the
commands that it shows and looks the result up on the nodes; it exits with 2 when a step does not show what
it claims. Where no development network runs it makes one for the time.

Examples:
  nexus tour
  nexus tour --yes
  nexus tour --yes -o json > report.json
`,
    )
    .action(run(async () => (await import("./verbs/tour.ts")).tour));
};

/** In the order of the help. */
export const addLookVerbs = (program: Command, run: RunVerb): void => {
  for (const add of [addTour]) add(program, run);
};
