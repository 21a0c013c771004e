/** Verbs that look at a network and show it: names, options, help (see commands.ts). */
import { Argument, type Command } from "commander";
import { wholeNumber } from "./numbers.ts";
import type { RunVerb } from "./verb.ts";

const addTour = (program: Command, run: RunVerb): void => {
  program
    .command("tour")
    .description("see what the ledger is for, on the running development network")
    .option("--yes", "do not wait for Enter between the steps")
    .addHelpText(
      "after",
      `
It appends a record, proves it offline, kills the leader, submits a forged batch, starts the node again and
audits everything.
Each step runs the commands that it shows and looks the result up on the nodes; it exits with 2 when a step
does not show what it claims. Where no development network runs it makes one for the time.

Examples:
  nexus tour
  nexus tour --yes
  nexus tour --yes -o json > report.json
`,
    )
    .action(run(async () => (await import("./verbs/tour.ts")).tour));
};

const WATCH = ["-w, --watch", "print again whenever it has changed; Ctrl-C ends"] as const;

const addPeers = (program: Command, run: RunVerb): void => {
  program
    .command("peers")
    .description("show how a node reaches the others: state, round trip, bytes by class")
    .option(...WATCH)
    .addHelpText(
      "after",
      "\nExamples:\n  nexus peers\n  nexus peers -w\n  nexus peers --api http://[::1]:8441 -o json\n",
    )
    .action(run(async () => (await import("./verbs/peers.ts")).peers));
};

const addValidators = (program: Command, run: RunVerb): void => {
  program
    .command("validators")
    .description("show the validator set: weights, who leads next, who is quarantined")
    .option(...WATCH)
    .addHelpText("after", "\nExamples:\n  nexus validators\n  nexus validators -w\n")
    .action(run(async () => (await import("./verbs/peers.ts")).validators));
};

const addExplain = (program: Command, run: RunVerb): void => {
  program
    .command("explain")
    .description("show everything about one event: batch, lane, block, outcome, proofs")
    .argument("<index>", "global index of the event")
    .option("--full", "all of the event's data, however long (default: what fits the terminal)")
    .addHelpText("after", "\nExamples:\n  nexus explain 0\n  nexus explain 42 -o json\n")
    .action(run(async () => (await import("./verbs/explain.ts")).explain));
};

const addVerify = (program: Command, run: RunVerb): void => {
  program
    .command("verify")
    .description("check a deployed network from end to end")
    .argument("[api...]", "addresses of the nodes' APIs (default: those of the folder's network)")
    .option("--read-only", "append nothing: watch the heights grow instead")
    .option("--genesis <file>", "the genesis that you trust (default: that of the folder)")
    .option("--key <file>", "key to sign the record with (NEXUS_KEY)")
    .option("--timeout <seconds>", "how long to wait for each step", wholeNumber(1, 3600), 30)
    .addHelpText(
      "after",
      `
It asks every node, compares chain, block, log root and state root at a common height, appends a record in
the topic nexus-verify, reads it back on every node, and has each prove it against the genesis.
Exit codes: 0 all well, 2 a check failed, 4 only nodes that do not answer.

Examples:
  nexus verify
  nexus verify --read-only http://[2001:db8::a]:8440 http://[2001:db8::b]:8440
  nexus verify --genesis genesis.json --key ops.key http://[::1]:8440 http://[::1]:8441
`,
    )
    .action(run(async () => (await import("./verbs/verify.ts")).verify));
};

const addCompletion = (program: Command, run: RunVerb): void => {
  program
    .command("completion")
    .description("print a script that completes verbs, flags and projections in your shell")
    .addArgument(new Argument("<shell>", "your shell").choices(["bash", "zsh", "fish"]))
    .addHelpText(
      "after",
      "\nExamples:\n  source <(nexus completion bash)\n  source <(nexus completion zsh)\n" +
        "  nexus completion fish > ~/.config/fish/completions/nexus.fish\n\n" +
        "It completes the command nexus, which `npm install -g` of the package puts on the PATH, and not npx nexus.\n",
    )
    .action(run(async () => (await import("./verbs/completion.ts")).completionOf(program)));
};

const addDebug = (program: Command, run: RunVerb): void => {
  program
    .command("debug")
    .description("write an archive for who helps: status, settings, metrics, logs, without secrets")
    .option("--out <file>", "where it is written (default: nexus-debug-TIME.tar.gz)")
    .addHelpText("after", "\nExamples:\n  nexus debug\n  nexus debug --out report.tar.gz\n")
    .action(run(async () => (await import("./verbs/debug.ts")).debug));
};

/** In the order of the help. */
export const addLookVerbs = (program: Command, run: RunVerb): void => {
  for (const add of [
    addTour,
    addPeers,
    addValidators,
    addExplain,
    addVerify,
    addDebug,
    addCompletion,
  ])
    add(program, run);
};
