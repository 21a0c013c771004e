/** The verbs of `nexus validator`: who is one, with how much stake. Options and help. */
import type { Command } from "commander";
import type { RunVerb } from "./verb.ts";
import { addWriteOptions } from "./write-options.ts";

const VALIDATOR = ["<validator>", "its name or id"] as const;
const AMOUNT = ["<amount>", "of stake, a whole number"] as const;

const HELP = `
What is changed takes effect at a boundary of epochs: sets are decided at the end of an epoch for the one
after the next. A validator's owner is who registered it; those of the genesis are their own owners, so that
--key is the node's own key file. Amounts are the ledger's units of stake.
`;

const addStakeVerbs = (validator: Command, run: RunVerb): void => {
  addWriteOptions(
    validator
      .command("grant")
      .description("make new stake; for who may write stake.granted")
      .argument("<actor>", "id of who gets it")
      .argument(...AMOUNT),
  )
    .addHelpText("after", `\nExamples:\n  nexus validator grant ${"7a".repeat(4)}… 5000\n`)
    .action(run(async () => (await import("./verbs/validator.ts")).grant));
  addWriteOptions(
    validator
      .command("bond")
      .description("bond free stake: its owner's own, or anybody's as a delegation")
      .argument(...VALIDATOR)
      .argument(...AMOUNT),
  )
    .addHelpText("after", "\nExamples:\n  nexus validator bond e 1000\n")
    .action(run(async () => (await import("./verbs/validator.ts")).bond));
  addWriteOptions(
    validator
      .command("unbond")
      .description("take stake back; it may be withdrawn after the unbonding time")
      .argument(...VALIDATOR)
      .argument(...AMOUNT),
  )
    .addHelpText("after", "\nExamples:\n  nexus validator unbond e 500\n")
    .action(run(async () => (await import("./verbs/validator.ts")).unbond));
  addWriteOptions(
    validator
      .command("withdraw")
      .description("make unbonded stake free again, once its time is over")
      .argument(...VALIDATOR),
  )
    .addHelpText("after", "\nExamples:\n  nexus validator withdraw e\n")
    .action(run(async () => (await import("./verbs/validator.ts")).withdraw));
};

const addMembershipVerbs = (validator: Command, run: RunVerb): void => {
  addWriteOptions(
    validator
      .command("join")
      .description("register the node in a folder, so that it may be a validator")
      .argument("<folder>", "the node's folder, as `nexus init --name` made it")
      .option("--bond <amount>", "and bond so much of the owner's free stake to it"),
  )
    .addHelpText(
      "after",
      `
Examples:
  nexus --dir /srv/e init --name e --listen '[2001:db8::e]:4440'
  nexus validator join /srv/e --bond 1000 --key ops.key
  nexus start --config /srv/e/node.toml

Who writes it owns the validator; the node's key signs for that, so it is opened with the passphrase beside
it or NEXUS_PASSPHRASE. The others let the node in as soon as the event is final; it follows the chain, and
votes from the first epoch in whose set it is.
`,
    )
    .action(run(async () => (await import("./verbs/validator.ts")).join));
  addWriteOptions(
    validator
      .command("leave")
      .description("be in no further set; the stake stays bonded until it is unbonded")
      .argument(...VALIDATOR),
  )
    .addHelpText("after", "\nExamples:\n  nexus validator leave e\n")
    .action(run(async () => (await import("./verbs/validator.ts")).leave));
  addWriteOptions(
    validator
      .command("rejoin")
      .description("come back: from jail once its time is over, or from having left")
      .argument(...VALIDATOR),
  )
    .addHelpText(
      "after",
      "\nExamples:\n  nexus validator rejoin e\n  nexus validator rejoin a --key a/keys/node.key\n",
    )
    .action(run(async () => (await import("./verbs/validator.ts")).rejoin));
  addWriteOptions(
    validator
      .command("jail")
      .description("take a validator out of further sets; for who may write validator.jailed")
      .argument(...VALIDATOR)
      .argument("<reason>", "why, for the log"),
  )
    .addHelpText("after", '\nExamples:\n  nexus validator jail e "has not voted for a day"\n')
    .action(run(async () => (await import("./verbs/validator.ts")).jail));
};

export const addValidator = (program: Command, run: RunVerb): void => {
  const validator = program
    .command("validator")
    .description("who is a validator, and with how much stake")
    .addHelpText("after", HELP);
  validator
    .command("status")
    .description("list validators and candidates with stake, power and what keeps them out")
    .option("-w, --watch", "print again whenever it has changed; Ctrl-C ends")
    .addHelpText(
      "after",
      "\nExamples:\n  nexus validator status\n  nexus validator status -o json\n",
    )
    .action(run(async () => (await import("./verbs/validator-status.ts")).status));
  validator
    .command("peers")
    .description("print where the members of the set are reached, for the setting peers of a node")
    .addHelpText(
      "after",
      `
Examples:
  nexus validator peers
  nexus --api http://[::1]:8440 validator peers -o json

A node finds the network at the addresses of its genesis and of its log. One that joins when nobody is there any
more takes a line of these as \`peers\` in its node.toml or as NEXUS_PEERS. Id and pin are checked in every session.
`,
    )
    .action(run(async () => (await import("./verbs/validator-peers.ts")).validatorPeers));
  addMembershipVerbs(validator, run);
  addStakeVerbs(validator, run);
};
