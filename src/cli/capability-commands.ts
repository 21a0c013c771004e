/** The verbs of `nexus capability`: rights that are passed on. Options and help. */
import type { Command } from "commander";
import { wholeNumber } from "./numbers.ts";
import type { RunVerb } from "./verb.ts";
import { addWriteOptions } from "./write-options.ts";

const HELP = `
A capability allows its holder events that the permissions of its own do not: of some types, about some
resources, up to a time. Its holder may pass on a part of it where it says so. A chain has them where stake
decides (nexus init --stake).
`;

const ID = "7a".repeat(4);

const addGivenOptions = (command: Command): Command =>
  addWriteOptions(
    command
      .option("--action <type...>", 'event types that it allows, such as record.put or "ca.*"')
      .option(
        "--resource <resource>",
        'one resource, or with a "/" at its end all below it: record/notes/ (default: everything)',
      )
      .option("--until <time>", "when it ends: a time, or a span such as 30d, 12h, 90m")
      .option("--pass-on", "its holder may pass on a part of it"),
  );

const addReadOptions = (command: Command): Command =>
  command
    .option("--trust <file>", "the genesis to trust (default: that of the folder)")
    .option(
      "--max-age <seconds>",
      "how old the newest header may be (default: 600)",
      wholeNumber(1, 2 ** 40),
    )
    .option("--unverified", "take the word of the node, and prove nothing");

const addWriters = (capability: Command, run: RunVerb): void => {
  addGivenOptions(
    capability
      .command("grant")
      .description("give a right that your permissions cover")
      .argument("<holder>", "id of the actor who gets it"),
  )
    .addHelpText(
      "after",
      `\nExamples:\n  nexus capability grant ${ID}… --action record.put --resource record/notes/ --until 12h\n`,
    )
    .action(run(async () => (await import("./verbs/capability.ts")).grant));
  addGivenOptions(
    capability
      .command("attenuate")
      .description("pass on a capability that you hold, or a part of it; what is left out stays")
      .argument("<capability>", "id of yours")
      .argument("<holder>", "id of the actor who gets it"),
  )
    .addHelpText(
      "after",
      `\nExamples:\n  nexus capability attenuate ${ID}… ${ID}… --resource record/notes/today --until 1h\n`,
    )
    .action(run(async () => (await import("./verbs/capability.ts")).attenuate));
  addWriteOptions(
    capability
      .command("revoke")
      .description("take a capability back, with all that comes from it, for good")
      .argument("<capability>", "its id"),
  )
    .addHelpText("after", `\nExamples:\n  nexus capability revoke ${ID}…\n`)
    .action(run(async () => (await import("./verbs/capability.ts")).revoke));
};

const addReaders = (capability: Command, run: RunVerb): void => {
  addReadOptions(
    capability
      .command("ls")
      .description("list capabilities")
      .option("--holder <actor>", "only what this actor holds")
      .option("--all", "also what has ended or was taken back"),
  )
    .addHelpText(
      "after",
      "\nExamples:\n  nexus capability ls\n  nexus capability ls --all -o json\n",
    )
    .action(run(async () => (await import("./verbs/capability.ts")).ls));
  addReadOptions(
    capability
      .command("show")
      .description("prove a capability, all that it comes from, and whether it is live")
      .argument("<capability>", "its id"),
  )
    .addHelpText("after", `\nExamples:\n  nexus capability show ${ID}…\n`)
    .action(run(async () => (await import("./verbs/capability.ts")).show));
  addReadOptions(
    capability
      .command("check")
      .description("prove whether an actor may write an event; exit code 1 where it may not")
      .argument("<actor>", "its id")
      .argument("<type>", "of the event")
      .argument("[resource]", "what it is about, such as record/notes/today"),
  )
    .addHelpText(
      "after",
      `\nExamples:\n  nexus capability check ${ID}… record.put record/notes/today\n`,
    )
    .action(run(async () => (await import("./verbs/capability.ts")).check));
};

export const addCapability = (program: Command, run: RunVerb): void => {
  const capability = program
    .command("capability")
    .description("rights that are passed on")
    .addHelpText("after", HELP);
  addWriters(capability, run);
  addReaders(capability, run);
};
