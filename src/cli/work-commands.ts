/** The verbs of proofs of work: their options and help. */
import { type Command, Option } from "commander";
import { LIMITS } from "../limits.ts";
import type { WorkProfile } from "../proofs/work/index.ts";
import { wholeNumber } from "./numbers.ts";
import { duration } from "./sim-commands.ts";
import type { RunVerb } from "./verb.ts";

const PROFILES: readonly WorkProfile[] = ["test", "dev", "default", "production"];

const profile = (): Option =>
  new Option("--profile <name>", "the chain's parameters of work").choices([...PROFILES]);

const CHAIN = ["--chain-id <id>", "the chain (default: that of the genesis in --dir)"] as const;
const BATCH = ["--batch <file>", "a signed batch, as bytes"] as const;
const BEACON = [
  "--beacon <hex>",
  "the beacon at the batch's reference (default: the block hash that it refers to)",
] as const;

const THREADS = [
  "--threads <count>",
  "threads that search, each on a core",
  wholeNumber(1, LIMITS.workThreadsMax),
  1,
] as const;

const addEffort = (work: Command, run: RunVerb): void => {
  work
    .command("effort")
    .description("what a batch of some size has to show, and how long this machine takes for it")
    .addOption(profile().default("dev"))
    .option(...BATCH)
    .option(...CHAIN)
    .option("--events <count>", "events of the batch", wholeNumber(1, LIMITS.batchEventsMax), 1)
    .option("--bytes <count>", "their bytes", wholeNumber(0, LIMITS.batchBytesMax), 256)
    .option(
      "--price <number>",
      "price under load (default: that of a quiet chain)",
      wholeNumber(1, 2 ** 50),
    )
    .addHelpText(
      "after",
      "\nExamples:\n  nexus work effort\n  nexus work effort --profile production --events 64 --bytes 20000\n",
    )
    .action(run(async () => (await import("./verbs/work.ts")).workEffort));
};

const addSolve = (work: Command, run: RunVerb): void => {
  work
    .command("solve")
    .description("do the work for a batch; prints the proof, or writes it to --out")
    .option(...BATCH)
    .option("--batch-id <hex>", "id of the batch, where it is not at hand")
    .option("--actor <hex>", "its author, with --batch-id")
    .option(...BEACON)
    .option(...CHAIN)
    .option(
      "--effort <number>",
      "effort to show (default: what the profile asks of the batch)",
      wholeNumber(1, LIMITS.workEffortMax),
    )
    .addOption(profile().default("dev"))
    .option(
      "--puzzle <name>",
      "equihash-96-5, or argon2id-256 for 256 KiB (default: the profile's)",
    )
    .option(...THREADS)
    .option("--out <file>", "write the proof here")
    .addHelpText(
      "after",
      `
Examples:
  nexus work solve --batch signed.batch --effort 8 --out work.json
  nexus work solve --batch signed.batch --puzzle argon2id-256 --threads 2 > work.json
  nexus work solve --batch-id $BATCH --actor $ACTOR --beacon $BLOCK --effort 8 --out work.json

A search does not come nearer: after any number of runs as many are to be expected as before the first.
Nodes of this version ask for no work; a batch is taken without it.
`,
    )
    .action(run(async () => (await import("./verbs/work.ts")).workSolve));
};

const addVerify = (work: Command, run: RunVerb): void => {
  work
    .command("verify")
    .description("check a proof or an opening of shares, asking nobody; says what it shows")
    .argument("<file>", 'what `nexus work solve` or `open` has made; "-" is standard input')
    .option("--batch <file>", "of a proof: the batch that it must be for")
    .option("--beacon <hex>", "of a proof: the beacon that it must be for")
    .option(
      "--effort <number>",
      "of a proof: the least that it must show",
      wholeNumber(1, LIMITS.workEffortMax),
    )
    .option("--validator <hex>", "of shares: whose they must be")
    .option("--epoch-seed <hex>", "of shares: the epoch that they must be of")
    .option("--seed <hex>", "of shares: the seed that must have named the opened ones")
    .option("--chain-id <id>", "the chain that it must be of")
    .addOption(profile())
    .addHelpText(
      "after",
      `
Examples:
  nexus work verify work.json
  nexus work verify work.json --batch signed.batch --effort 8 --chain-id acme-1
  nexus work verify opening.json --profile dev -o json

What is not given is taken from the file, and said to be so: whoever wrote it chose it.
Exit codes: 0 it is right, 2 it is not, 3 a file cannot be read.
`,
    )
    .action(run(async () => (await import("./verbs/work.ts")).workVerify));
};

const addShares = (work: Command, run: RunVerb): void => {
  work
    .command("shares")
    .description("do a validator's memory-hard work of an epoch, and commit to it")
    .requiredOption("--epoch-seed <hex>", "the beacon that begins the epoch")
    .requiredOption("--validator <hex>", "id of the validator")
    .option(...CHAIN)
    .addOption(profile().default("dev"))
    .option("--count <number>", "end after so many shares", wholeNumber(1, LIMITS.workSharesMax))
    .option("--time <time>", "end after so long, such as 90s or 10m", duration)
    .option(...THREADS)
    .requiredOption("--out <file>", "where the shares are kept until they have to be opened")
    .addHelpText(
      "after",
      `
Examples:
  nexus work shares --epoch-seed $SEED --validator $ID --time 60s --out shares.json
  nexus work shares --epoch-seed $SEED --validator $ID --count 100 --threads 2 --out shares.json
`,
    )
    .action(run(async () => (await import("./verbs/work-shares.ts")).workShares));
};

const addOpen = (work: Command, run: RunVerb): void => {
  work
    .command("open")
    .description("open the shares that a later seed names")
    .argument("<file>", "what `nexus work shares` has written")
    .requiredOption("--seed <hex>", "the beacon after the commitment was made")
    .requiredOption("--out <file>", "where the opening is written")
    .addHelpText(
      "after",
      "\nExamples:\n  nexus work open shares.json --seed $LATER --out opening.json\n",
    )
    .action(run(async () => (await import("./verbs/work-shares.ts")).workOpen));
};

export const addWork = (program: Command, run: RunVerb): void => {
  const work = program.command("work").description("proofs of work: price, solve, check, shares");
  work
    .command("status")
    .description("what the chain thinks of its validators' shares of this epoch")
    .option("-w, --watch", "print again whenever it has changed; Ctrl-C ends")
    .addHelpText("after", "\nExamples:\n  nexus work status\n  nexus work status --watch\n")
    .action(run(async () => (await import("./verbs/claims.ts")).workStatus));
  addEffort(work, run);
  addSolve(work, run);
  addVerify(work, run);
  addShares(work, run);
  addOpen(work, run);
};
