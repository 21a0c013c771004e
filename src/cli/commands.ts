/**
 * The verbs of the command: names, options, help. What they do is in verbs/, loaded when it is asked for,
 * because nobody should wait for a QUIC library to see a version.
 */
import { type Command, Option } from "commander";
import { LIMITS } from "../limits.ts";
import { SPACE_PROFILE_NAMES } from "../proofs/space/parameters.ts";
import { addAudit, addReplay } from "./audit-commands.ts";
import { addCapability } from "./capability-commands.ts";
import { addLocation } from "./location-commands.ts";
import { addLookVerbs } from "./look-commands.ts";
import {
  addBackup,
  addCheckpoint,
  addConfig,
  addKey,
  addNodeOptions,
  addRestore,
} from "./node-commands.ts";
import { wholeNumber } from "./numbers.ts";
import { addObject } from "./object-commands.ts";
import { addProof } from "./proof-commands.ts";
import { addSim } from "./sim-commands.ts";
import { addSpace } from "./space-commands.ts";
import { addTime } from "./time-commands.ts";
import { addValidator } from "./validator-commands.ts";
import type { RunVerb } from "./verb.ts";
import { addWork } from "./work-commands.ts";
import { addWriteOptions } from "./write-options.ts";

const addDev = (program: Command, run: RunVerb): void => {
  const dev = program.command("dev");
  dev
    .description("run four validators on this machine; Ctrl-C stops them")
    .option("--fresh", "delete what is in the folder and start a new chain")
    .option("--port-base <port>", "first QUIC port (default 4440)", wholeNumber(1, 65_532))
    .option("--api-base <port>", "first API port (default 8440)", wholeNumber(1, 65_532))
    .addHelpText(
      "after",
      "\nExamples:\n  nexus dev\n  nexus dev --fresh\n" +
        "  nexus --dir net dev --port-base 5000 --api-base 9000\n",
    )
    .action(run(async () => (await import("./verbs/dev.ts")).dev));
  dev
    .command("kill")
    .description("end one node of the running development network, as in a crash (SIGKILL)")
    .argument("<node>", "its name: a, b, c or d")
    .option(
      "--hold <seconds>",
      "it is started again after this time",
      wholeNumber(0, LIMITS.devHoldMsMax / 1000),
      60,
    )
    .addHelpText("after", "\nExamples:\n  nexus dev kill b\n  nexus dev kill b --hold 5\n")
    .action(run(async () => (await import("./verbs/dev-control.ts")).devKill));
  dev
    .command("start")
    .description("start a node again that `nexus dev kill` has ended")
    .argument("<node>", "its name: a, b, c or d")
    .addHelpText("after", "\nExamples:\n  nexus dev start b\n")
    .action(run(async () => (await import("./verbs/dev-control.ts")).devStart));
};

const addStatus = (program: Command, run: RunVerb): void => {
  program
    .command("status")
    .description("show how the nodes are")
    .option(...WATCH)
    .addHelpText(
      "after",
      "\nExamples:\n  nexus status\n  nexus status -w\n" +
        "  nexus status --api http://[::1]:8441 -o json\n",
    )
    .action(run(async () => (await import("./verbs/status.ts")).status));
};

const WATCH = ["-w, --watch", "print again whenever it has changed; Ctrl-C ends"] as const;

const addAppend = (program: Command, run: RunVerb): void => {
  const command = program
    .command("append")
    .description("write events")
    .argument("[record]", "TOPIC/KEY of a record.put")
    .argument("[body]", 'its body; "-" reads standard input')
    .option("-t, --type <type>", "event type, with --data")
    .option("-d, --data <json>", "payload of the event")
    .option("-f, --file <file>", 'JSON list or NDJSON of {"type", "data"}; "-" is standard input')
    .option("--batch <file>", "a batch that is signed already, as bytes");
  addWriteOptions(command)
    .addHelpText(
      "after",
      `
A byte field is base64, or {"text": "…"}, or {"file": "path"}.
A command that is interrupted keeps its signed batch beside the key; run it again to learn the outcome.
What is signed is for the chain of the genesis in --dir, where there is one; else for that of the node.

Examples:
  nexus append notes/first "hello"
  nexus append --type record.put --data '{"topic":"notes","key":"a","body":{"text":"hi"}}'
  nexus append --file events.ndjson --wait committed
  nexus append --batch signed.batch
`,
    )
    .action(run(async () => (await import("./verbs/append.ts")).append));
};

const addTail = (program: Command, run: RunVerb): void => {
  program
    .command("tail")
    .description("follow the log, event by event")
    .option(
      "--from <index>",
      'global index to begin at, or "end" (default: the last 10, or with --no-follow the last -n)',
    )
    .option("--type <type>", 'only this event type, or a prefix such as "asset.*"')
    .option("-n, --limit <count>", "end after this many events", wholeNumber(1, 2 ** 50))
    .option("--no-follow", "end at the end of the log")
    .option("--verify", "print only what is proven, and find out what a node leaves out")
    .option("--trust <file>", "with --verify: the genesis to trust (default: that of the folder)")
    .option("--state <file>", "with --verify: remembers there what was verified, for the next time")
    .option(
      "--max-age <seconds>",
      "with --verify: how old the newest header may be (default: 600)",
      wholeNumber(1, 2 ** 40),
    )
    .addHelpText(
      "after",
      "\nExamples:\n  nexus tail\n  nexus tail --verify --state trust-state.json\n  nexus tail --from 0 --no-follow -o ndjson > log.ndjson\n" +
        "  nexus tail --type 'record.*' --limit 5\n",
    )
    .action(run(async () => (await import("./verbs/tail.ts")).tail));
};

const addLs = (program: Command, run: RunVerb): void => {
  program
    .command("ls")
    .description("list the rows of a projection; without one, the projections")
    .argument("[projection]", "actors, validators, records, assets, quarantine, certificates or ct")
    .option(
      "-n, --limit <count>",
      "at most this many rows (default: all; 1000 in a table)",
      wholeNumber(1, 2 ** 50),
    )
    .option("--prefix <group>", "only one group of rows: the topic, for records")
    .option(...WATCH)
    .addHelpText(
      "after",
      "\nExamples:\n  nexus ls\n  nexus ls records --prefix notes\n  nexus ls actors -o json\n",
    )
    .action(run(async () => (await import("./verbs/read.ts")).list));
};

const addGet = (program: Command, run: RunVerb): void => {
  program
    .command("get")
    .description("read one row of a projection")
    .argument("<projection>", "name of the projection")
    .argument("<key>", "TOPIC/KEY of a record; the id for the others")
    .option(...WATCH)
    .addHelpText("after", "\nExamples:\n  nexus get records notes/first\n")
    .action(run(async () => (await import("./verbs/read.ts")).get));
};

const addAsset = (program: Command, run: RunVerb): void => {
  const asset = program.command("asset").description("the inventory of machines");
  const scan = asset
    .command("scan")
    .description("read this machine's hardware and register it")
    .option("--dry-run", "print what would be registered, and write nothing");
  addWriteOptions(scan)
    .addHelpText("after", "\nExamples:\n  nexus asset scan\n  nexus asset scan --dry-run | less\n")
    .action(run(async () => (await import("./verbs/asset.ts")).scanHost));
};

const addCa = (program: Command, run: RunVerb): void => {
  const ca = program.command("ca").description("certificates from an issuer on the log");
  ca.command("sign")
    .description("have a PKCS#10 request signed; prints the certificate and its issuer's")
    .requiredOption("--csr <file>", 'the request, PEM or DER; "-" reads standard input')
    .option("--days <count>", "how long it is to be valid (default: 24 hours)", wholeNumber(1, 90))
    .option("--hours <count>", "the same in hours", wholeNumber(1, 2160))
    .addOption(
      new Option("--profile <name>", "what it is for")
        .choices(["server", "client", "peer"])
        .default("server"),
    )
    .option("--issuer <name>", "name or id of the issuer, where there are several")
    .option("--out <file>", "where the chain is written, instead of standard output")
    .option("--key <file>", "key to sign with (NEXUS_KEY; default: the development operator's)")
    .option("--timeout <seconds>", "how long to try", wholeNumber(1, 86_400), 30)
    .addHelpText(
      "after",
      `
Examples:
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem \\
    -subj / -addext 'subjectAltName=DNS:www.example.org' -out www.csr
  nexus ca sign --csr www.csr --days 30 --out www.pem
`,
    )
    .action(run(async () => (await import("./verbs/ca.ts")).sign));
  ca.command("root")
    .description("print the certificate of an issuer, to be trusted by whoever wants to")
    .option("--issuer <name>", "name or id of the issuer, where there are several")
    .option("--out <file>", "where it is written, instead of standard output")
    .addHelpText("after", "\nExamples:\n  nexus ca root > root.pem\n")
    .action(run(async () => (await import("./verbs/ca.ts")).root));
};

const addCt = (program: Command, run: RunVerb): void => {
  const ct = program.command("ct").description("the Certificate Transparency log");
  ct.command("tail")
    .description("follow the certificates that are issued")
    .option("--domain <pattern>", 'only a name, "*.example.org" for all below it (default: "*")')
    .option("--from <index>", 'global index of the event to begin at, or "end" (default: 0)')
    .option("-n, --limit <count>", "end after this many entries", wholeNumber(1, 2 ** 50))
    .option("--no-follow", "end at the end of the log")
    .option("--domains-only", "print names only, one a line")
    .addHelpText(
      "after",
      "\nExamples:\n  nexus ct tail\n  nexus ct tail --domain '*.example.org' -o ndjson\n" +
        "  nexus ct tail --domains-only --no-follow\n",
    )
    .action(run(async () => (await import("./verbs/ct.ts")).ctTail));
};

const addInit = (program: Command, run: RunVerb): void => {
  program
    .command("init")
    .description("make keys, a genesis, or a whole network")
    .option("--name <name>", "name of the node or actor to make, in --dir")
    .option("--listen <address>", "where the node is reached, [ipv6]:port")
    .option("--api-listen <address>", "where its API listens (default [::1]:8440)")
    .option("--actor", "make the key of an actor (who writes events) instead of a node")
    .addOption(new Option("--join <file...>", "identity files to make a genesis from"))
    .option("--issuer", "make the keys of a certificate issuer too; the (first) node runs it")
    .option("--out <file>", "where the genesis is written (default genesis.json)")
    .option(
      "--chain-id <id>",
      "name of the new chain; with --name: the node gets a key for its beacon",
    )
    .option("--passphrase-file <file>", "file with the passphrase that seals the key")
    .option(
      "--epoch-ms <ms>",
      "length of an epoch of the new chain (default an hour)",
      wholeNumber(...LIMITS.genesisMs.epochMs),
    )
    .addOption(
      new Option(
        "--work <profile>",
        "what every batch of the new chain has to show of work",
      ).choices(["dev", "default", "production"]),
    )
    .addOption(
      new Option("--puzzle <puzzle>", "of that work (default equihash-96-5)").choices([
        "equihash-96-5",
        "argon2id",
      ]),
    )
    .addOption(
      new Option(
        "--time <profile>",
        "validators of the new chain show once an epoch that they kept time",
      ).choices(["dev", "default", "production"]),
    )
    .option("--stake", "validators of the new chain join and leave, by stake that is bonded")
    .option("--no-epoch-keys", "with --stake: validators sign with their long-lived keys for ever")
    .addOption(
      new Option(
        "--space [profile]",
        "validators of the new chain prove sectors; --network without a profile takes dev",
      ).choices([...SPACE_PROFILE_NAMES]),
    )
    .option("--location", "with --space: validators measure how far they are from each other")
    .option("--network", "make all nodes of a network in --dir, for hosts of one owner")
    .option("--node <name=address...>", "a node of --network: name=[ipv6]:port[,api address]")
    .addHelpText(
      "after",
      `
Examples:
  # each member on its own host
  nexus --dir /srv/tetrad init --name a --listen '[2001:db8::a]:4440' --chain-id acme-1
  # and who writes events
  nexus --dir ~/ops init --name ops --actor
  # one of them, with everybody's identity.json
  nexus init --join a.json b.json c.json d.json ops.json --chain-id acme-1 --out genesis.json
  # each member puts genesis.json into its folder, and then
  nexus start --config /srv/tetrad/node.toml
  # where validators show sectors of 1 GiB, work and time, and power follows stake
  nexus init --join a.json b.json c.json d.json ops.json --chain-id acme-1 --stake \\
    --space default --work default --time default
  # or all at once, on one host
  nexus --dir net init --network --node 'a=[::1]:5001' 'b=[::1]:5002' 'c=[::1]:5003' 'd=[::1]:5004'

A genesis with a profile dev, or with --space test, is marked insecure: what its proofs show is nothing. With --join,
and in --network with --space default or production, no sector is in the genesis: each node makes its own.
`,
    )
    .action(run(async () => (await import("./verbs/init.ts")).init));
};

const addStart = (program: Command, run: RunVerb): void => {
  addNodeOptions(program.command("start").description("run one configured node"))
    .addHelpText(
      "after",
      "\nExamples:\n  nexus start --config a/node.toml\n  NEXUS_LOG_LEVEL=debug nexus start -c a/node.toml\n",
    )
    .action(run(async () => (await import("./verbs/start.ts")).start));
};

const addRebuild = (program: Command, run: RunVerb): void => {
  program
    .command("rebuild")
    .description("make the projections of a stopped node anew from its log, byte for byte")
    .option("-c, --config <file>", "configuration file of the node")
    .option("--node <name>", "node of the development network")
    .addHelpText(
      "after",
      "\nExamples:\n  nexus rebuild --node a\n  nexus rebuild --config /srv/tetrad/node.toml\n",
    )
    .action(run(async () => (await import("./verbs/rebuild.ts")).rebuild));
};

const addDoctor = (program: Command, run: RunVerb): void => {
  program
    .command("doctor")
    .description("look for what is wrong and say what to do")
    .option("-c, --config <file>", "check this node (default: all of the development network)")
    .addHelpText("after", "\nExamples:\n  nexus doctor\n  nexus doctor --config a/node.toml\n")
    .action(run(async () => (await import("./verbs/doctor.ts")).doctor));
};

const addVersion = (program: Command, run: RunVerb): void => {
  program
    .command("version")
    .description("print the version of the program and of what it runs on")
    .addHelpText("after", "\nExamples:\n  nexus version\n  nexus version -o json\n")
    .action(run(async () => (await import("./verbs/version.ts")).version));
};

/** Adds every verb, in the order of the help. */
export const addVerbs = (program: Command, run: RunVerb): void => {
  for (const add of [
    addDev,
    addLookVerbs,
    addStatus,
    addAppend,
    addTail,
    addLs,
    addGet,
    addAsset,
    addCa,
    addCt,
    addInit,
    addStart,
    addProof,
    addWork,
    addTime,
    addAudit,
    addReplay,
    addSpace,
    addLocation,
    addValidator,
    addCapability,
    addObject,
    addSim,
    addCheckpoint,
    addRebuild,
    addDoctor,
    addConfig,
    addKey,
    addBackup,
    addRestore,
    addVersion,
  ]) {
    add(program, run);
  }
};
