/** Verbs about one node's own folder, files and settings: names, options, help (see commands.ts). */
import { type Command, Option } from "commander";
import { wholeNumber } from "./numbers.ts";
import type { RunVerb } from "./verb.ts";

/** The options that say which node, and override its settings. */
export const addNodeOptions = (command: Command): Command =>
  command
    .option("-c, --config <file>", "configuration file, as `nexus init` writes it")
    .option("--listen <address>", "where QUIC listens, [ipv6]:port")
    .option("--api-listen <address>", "where the HTTP API listens, [ipv6]:port")
    .option("--api-tls-certificate <file>", "PEM certificate chain of the API")
    .option("--api-tls-key <file>", "PEM key of the API's certificate")
    .option("--api-insecure-bind", "allow the API off loopback without TLS: a proxy has it")
    .option("--passphrase-file <file>", "file with the passphrase of the keys")
    .option("--log-level <level>", "debug, info, warn or error");

export const addConfig = (program: Command, run: RunVerb): void => {
  const config = program.command("config").description("check and explain a node's settings");
  const node = ["--node <name>", "node of the network in --dir, instead of --config"] as const;
  addNodeOptions(config.command("check").description("say whether a node could use these settings"))
    .option(...node)
    .addHelpText(
      "after",
      "\nExamples:\n  nexus config check --config /srv/tetrad/node.toml\n" +
        "  nexus config check --node a\n",
    )
    .action(run(async () => (await import("./verbs/config.ts")).configCheck));
  addNodeOptions(config.command("explain").description("show each setting and where it comes from"))
    .option(...node)
    .addHelpText(
      "after",
      "\nExamples:\n  nexus config explain --config node.toml\n" +
        "  NEXUS_LOG_LEVEL=debug nexus config explain -c node.toml --listen '[::1]:5000' -o json\n",
    )
    .action(run(async () => (await import("./verbs/config.ts")).configExplain));
  config
    .command("schema")
    .description("print the JSON Schema of the configuration file")
    .addHelpText("after", "\nExamples:\n  nexus config schema > node.schema.json\n")
    .action(run(async () => (await import("./verbs/config.ts")).configPrintSchema));
};

const addPassphraseOptions = (command: Command, fresh: boolean): Command => {
  if (!fresh) {
    return command.option(
      "--passphrase-file <file>",
      "file with the passphrase (or NEXUS_PASSPHRASE)",
    );
  }
  return command
    .option("--passphrase-file <file>", "passphrase of what is read (or NEXUS_PASSPHRASE)")
    .option(
      "--new-passphrase-file <file>",
      "passphrase of what is written (or NEXUS_NEW_PASSPHRASE)",
    );
};

const COPY_PASSPHRASES = `
What is read is opened with NEXUS_PASSPHRASE or --passphrase-file; what is written is sealed with
NEXUS_NEW_PASSPHRASE or --new-passphrase-file, and with the same one where neither is given. So the new
passphrase of an export is the passphrase of its import.
`;

export const addKey = (program: Command, run: RunVerb): void => {
  const key = program.command("key").description("key files: make, show, copy and seal them anew");
  addPassphraseOptions(key.command("new").argument("<file>", "key file to make"), false)
    .description("make the key of an actor, who writes events")
    .option("--development", "mark it: only development networks take it")
    .addHelpText("after", "\nExamples:\n  nexus key new ~/ops/keys/ops.key\n")
    .action(run(async () => (await import("./verbs/key.ts")).keyNew));
  addPassphraseOptions(
    key.command("show").argument("<file>", "key file, export, or keys folder"),
    false,
  )
    .description("show what key files say of themselves; nothing secret")
    .option("--genesis <file>", "say which id and name the key has on this chain")
    .option("--open", "open it, which proves the passphrase and what is shown")
    .addHelpText("after", SHOW_HELP)
    .action(run(async () => (await import("./verbs/key.ts")).keyShow));
  addPassphraseOptions(key.command("export").argument("<file>", "key file"), true)
    .description("write a sealed copy of a key, with the TLS pair of a validator")
    .requiredOption("--to <file>", "file to write")
    .addHelpText(
      "after",
      "\nExamples:\n  nexus key export a/keys/node.key --to a.export --new-passphrase-file paper\n" +
        COPY_PASSPHRASES,
    )
    .action(run(async () => (await import("./verbs/key.ts")).keyExport));
  addPassphraseOptions(key.command("import").argument("<export>", "exported key"), true)
    .description("make a key file of an exported key")
    .requiredOption("--to <path>", "key file to make; for a validator its keys folder")
    .addHelpText(
      "after",
      "\nExamples:\n  nexus key import ops.export --to ~/ops/keys/ops.key\n" +
        "  nexus key import a.export --to /srv/tetrad/keys --passphrase-file paper\n" +
        COPY_PASSPHRASES,
    )
    .action(run(async () => (await import("./verbs/key.ts")).keyImport));
  const rotate = key
    .command("rotate")
    .argument("[files...]", "key files that one passphrase opens; for a node any of its own");
  addPassphraseOptions(rotate, true)
    .description("seal keys under another passphrase, or replace what can be replaced")
    .option("--actor <key>", "replace an actor: register the key --to, then revoke this one")
    .option("--to <file>", "key of the new actor; made where there is none")
    .option("--certificate <folder>", "make a new certificate for the TLS key in a keys folder")
    .option("--timeout <seconds>", "how long to try, with --actor", wholeNumber(1, 86_400), 30)
    .addHelpText("after", ROTATE_HELP)
    .action(run(async () => (await import("./verbs/key-rotate.ts")).keyRotate));
};

const SHOW_HELP = `
Examples:
  nexus key show a/keys/node.key --genesis genesis.json
  nexus key show a/keys --open
`;

const ROTATE_HELP = `
One file of a node stands for all its sealed ones: the validator's key, and the two of an issuer. A command
that was cut off is run again as it was, and goes on from there.

The FALCON key of a validator or an actor is its identity on the chain and does not change. An actor is
replaced by another one; a validator cannot be in this version.

Examples:
  nexus key rotate /srv/tetrad/keys/node.key --new-passphrase-file /run/new
  nexus key rotate --actor ops.key --to ops-2027.key
  nexus key rotate --certificate /srv/tetrad/keys
`;

export const addBackup = (program: Command, run: RunVerb): void => {
  program
    .command("backup")
    .description("write a node's data to one file, while it runs or not; never keys")
    .option("-c, --config <file>", "configuration file of the node")
    .option("--node <name>", "node of the development network (default: its first)")
    .requiredOption("--to <file>", "file to write, or a folder that is there, to write one in")
    .addHelpText(
      "after",
      "\nExamples:\n  nexus backup --config /srv/tetrad/node.toml --to /backup\n" +
        "  nexus backup --node b --to b.tetrad\n",
    )
    .action(run(async () => (await import("./verbs/backup.ts")).backup));
};

export const addRestore = (program: Command, run: RunVerb): void => {
  program
    .command("restore")
    .description("make a new folder from a backup, checked against its certificates")
    .argument("<backup>", "file that `nexus backup` wrote")
    .requiredOption("--to <folder>", "folder to make; must be empty or not there")
    .option("--genesis <file>", "the genesis that the backup must be of")
    .addHelpText(
      "after",
      "\nExamples:\n  nexus restore /backup/a.tetrad --to /srv/tetrad --genesis genesis.json\n",
    )
    .action(run(async () => (await import("./verbs/backup.ts")).restore));
};

const trustOption = (): Option =>
  new Option("--trust <file>", "genesis or checkpoint to trust (default: genesis of --dir)");

/** Its name of before checkpoints could be trusted. */
const trustAlias = (): Option => new Option("--genesis <file>", "the same as --trust");

const algorithmOption = (): Option =>
  new Option("--algorithm <name>", "whose signatures must make a quorum")
    .choices(["ed25519", "mlDsa44", "falcon"])
    .default("mlDsa44");

export const addCheckpoint = (program: Command, run: RunVerb): void => {
  const checkpoint = program
    .command("checkpoint")
    .description("the log's cosigned checkpoints, for anybody to check");
  checkpoint
    .command("show")
    .description("fetch a node's newest checkpoint and check who signed it")
    .addOption(trustOption())
    .addOption(trustAlias())
    .addOption(algorithmOption())
    .option("--since <file>", "an earlier checkpoint, which the log must continue")
    .option(
      "--save <file>",
      "keep the checkpoint in this file; it must continue one that is kept there",
    )
    .option(
      "-f, --sets <file>",
      "where validators change: go on from the steps in this file, and keep the new ones there",
    )
    .option("--checkpoint <file>", "where validators change: write what may be trusted from now on")
    .addHelpText(
      "after",
      `
Examples:
  nexus checkpoint show --save last.note
  nexus checkpoint show --since last.note --trust genesis.json
  nexus checkpoint show --save last.note --sets sets.ndjson

On a chain whose validators change, the sets are followed from the one that is trusted to the one that signs, with
proofs that the node gives and need not be believed for. Old steps in the file of --sets are joined. Those that lead to
what is trusted already are passed over, and stay in it for who trusts an older set. --checkpoint replaces no
checkpoint that is newer or of another history, and no other file.
Exit codes: 0 it is right, 2 it is not, 3 it could not be verified.
`,
    )
    .action(run(async () => (await import("./verbs/checkpoint.ts")).checkpointShow));
  checkpoint
    .command("verify")
    .description("check a checkpoint that was kept, asking nobody")
    .argument("<file>", "the checkpoint, as --save keeps it")
    .addOption(trustOption())
    .addOption(trustAlias())
    .addOption(algorithmOption())
    .option(
      "-f, --sets <file>",
      "where validators change: the steps from set to set that were kept",
    )
    .option("--checkpoint <file>", "where validators change: write what may be trusted from now on")
    .addHelpText(
      "after",
      `
Examples:
  nexus checkpoint verify last.note --trust genesis.json
  nexus checkpoint verify last.note --sets sets.ndjson --trust genesis.json

What a past set has signed is held against the headers of the steps alone; for the log ask a node: show --since.
Exit codes: 0 it is right, 2 it is not, 3 it could not be verified.
`,
    )
    .action(run(async () => (await import("./verbs/checkpoint.ts")).checkpointVerify));
  checkpoint
    .command("keys")
    .description("print the keys that sign checkpoints, as a tlog-policy; -o json for each vkey")
    .addOption(trustOption())
    .addOption(trustAlias())
    .option(
      "-f, --sets <file>",
      "where validators change: of the last set that these steps lead to",
    )
    .addHelpText("after", "\nExamples:\n  nexus checkpoint keys --trust genesis.json > policy\n")
    .action(run(async () => (await import("./verbs/checkpoint.ts")).checkpointKeys));
};
