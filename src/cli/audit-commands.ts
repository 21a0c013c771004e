/** The verbs of auditors: their options and help. */
import type { Command } from "commander";
import { wholeNumber } from "./numbers.ts";
import type { RunVerb } from "./verb.ts";

/** Options of what is audited, and against which genesis. */
const addTarget = (command: Command): Command =>
  command
    .option("--genesis <file>", "the genesis that you trust (default: that of the folder)")
    .option(
      "--node <name>",
      "node of the network in --dir, or its folder where it does not run (default: the first)",
    )
    .option("--state <folder>", "the audit's own folder, best on the file system of the data")
    .option("--workers <count>", "threads that check signatures", wholeNumber(0, 64));

export const addAudit = (program: Command, run: RunVerb): void => {
  addTarget(program.command("audit"))
    .description("check a whole log from its genesis, trusting no node")
    .option("--from <height>", "check signatures from this height on", wholeNumber(0, 2 ** 50), 0)
    .option("--rebuild", "begin at the genesis even where an earlier audit could be gone on from")
    .option("--forget", "remove what earlier audits have kept for going on, and audit nothing")
    .option("--follow", "keep auditing a node's API as it grows")
    .option("--metrics <address>", "with --follow: serve Prometheus metrics on this [::1]:port")
    .option("--keep-running", "with --follow: stay up after a mismatch and report it")
    .addHelpText(
      "after",
      `
Examples:
  nexus audit --api http://[::1]:8440 --genesis genesis.json
  nexus audit --dir backup-of-a --genesis genesis.json
  nexus audit --api http://[::1]:8440 --genesis genesis.json --follow --metrics '[::1]:9477'

Exit codes: 0 clean, 2 mismatch, 3 could not verify. A folder is read through a copy and never changed.
An audit that was interrupted goes on when the same command is given again, from what it keeps in
~/.local/state/tetrad/audit. States that were not used for 60 days go by themselves, and all but the last 16.
`,
    )
    .action(run(async () => (await import("./verbs/audit.ts")).audit));
};

export const addReplay = (program: Command, run: RunVerb): void => {
  addTarget(program.command("replay"))
    .description("make the state at a height again from the log, and compare two heights")
    .requiredOption("--to <height>", "the height", wholeNumber(0, 2 ** 50))
    .option(
      "--from <height>",
      "with --diff: the other height (default: one below)",
      wholeNumber(0, 2 ** 50),
    )
    .option("--diff", "show the rows that differ between the two heights, side by side")
    .option("--projection <name>", "only this projection; without --diff, its rows")
    .addHelpText(
      "after",
      `
Examples:
  nexus replay --to 120
  nexus replay --to 120 --projection records
  nexus replay --from 100 --to 120 --diff

Hashes, headers and roots are checked on the way; signatures are not: \`nexus audit\` does that.
`,
    )
    .action(run(async () => (await import("./verbs/replay.ts")).replayVerb));
};
