/** The verbs of proofs of elapsed time: their options and help. */
import { type Command, Option } from "commander";
import { LIMITS } from "../limits.ts";
import { TIME_PROFILES, TIME_REFERENCE } from "../proofs/time/parameters.ts";
import { wholeNumber } from "./numbers.ts";
import { duration } from "./sim-commands.ts";
import type { RunVerb } from "./verb.ts";

const PROFILES = ["dev", "default", "production"] as const;
const { stepNs: STEP_NS, fasterMax: FASTER_MAX } = TIME_REFERENCE;
const LEAVES_MAX = PROFILES.map(
  (name) => `${2 ** TIME_PROFILES[name].leavesLog2Max} with profile ${name}`,
).join(", ");
const STATE = ["--state <file>", "what is computed is kept here", "time.state"] as const;
const CHAIN = [
  "--chain-id <id>",
  "the chain (default: that of the folder, else of the node)",
] as const;

const addProve = (time: Command, run: RunVerb): void => {
  time
    .command("prove")
    .description("compute for a while, and write a proof that it took that long")
    .option("--seed <hex>", "what the run begins from, 32 bytes (default: the newest block's hash)")
    .option(
      "--leaves <count>",
      "compute so many leaves",
      wholeNumber(1, 2 ** LIMITS.timeLeavesLog2Max),
    )
    .option("--for <time>", "or for so long, such as 90s, 60m or 8h", duration)
    .addOption(
      new Option("--profile <name>", "how long a leaf is, and how many are opened")
        .choices([...PROFILES])
        .default("default"),
    )
    .option("--duty <percent>", "share of one core that it may take", wholeNumber(1, 100), 100)
    .option("--absorb", "take in the hashes of the node's blocks as they become final")
    .option("--timekeeper <id>", "whose time it is: id of a validator or actor, 32 bytes as hex")
    .option("--epoch <number>", "the epoch it is for", wholeNumber(0, 2 ** 50), 0)
    .option(...CHAIN)
    .option(...STATE)
    .option("--commit", "end with the commitment, to be opened by a seed that somebody draws then")
    .option("--out <file>", "where the proof is written", "time-proof.json")
    .addHelpText(
      "after",
      `
Examples:
  nexus time prove --for 10m --duty 50 --absorb
  nexus time prove --seed 5f…c1 --leaves 100000 --chain-id acme-1 --out proof.json
  nexus time prove --for 1h --profile production --commit
  nexus time open --challenge 90…3e --out proof.json

Most leaves of a run: ${LEAVES_MAX}.
With --for it ends there, even if the time is not over.
A run that is interrupted, even by a crash, is gone on with by the same command. What is opened of a run that
ends without --commit follows from the run itself, so its maker can try again: that takes more openings.
`,
    )
    .action(run(async () => (await import("./verbs/time.ts")).timeProve));
};

const addOpen = (time: Command, run: RunVerb): void => {
  time
    .command("open")
    .description("answer a challenge to a finished run, and show blocks that it took in")
    .option(
      "--challenge <hex>",
      "a seed drawn after the commitment, 32 bytes (default: the run's own)",
    )
    .option(
      "--block <height...>",
      "show that this block was taken in (default: the first and the last)",
    )
    .option("--duty <percent>", "share of one core that it may take", wholeNumber(1, 100), 100)
    .option(...STATE)
    .option("--out <file>", "where the proof is written", "time-proof.json")
    .addHelpText(
      "after",
      `
Examples:
  nexus time open --challenge 90…3e --out proof.json
  nexus time open --state run.state --block 120 --block 480

Only opened leaves and what is around them are computed again.
`,
    )
    .action(run(async () => (await import("./verbs/time.ts")).timeOpen));
};

const addVerify = (time: Command, run: RunVerb): void => {
  time
    .command("verify")
    .description("check a proof of elapsed time, asking nobody, and say what it shows")
    .argument("<file>", 'the proof; "-" is standard input')
    .option("--chain-id <id>", "it must be of this chain")
    .option("--seed <hex>", "and begin from this seed")
    .option("--challenge <hex>", "and answer this challenge")
    .option("--phi <hex>", "to this commitment")
    .option("--timekeeper <id>", "and be of this timekeeper")
    .option("--epoch <number>", "and for this epoch", wholeNumber(0, 2 ** 50))
    .addOption(new Option("--profile <name>", "with these parameters").choices([...PROFILES]))
    .addHelpText(
      "after",
      `
Examples:
  nexus time verify time-proof.json
  nexus time verify proof.json --chain-id acme-1 --seed 5f…c1 --challenge 90…3e --profile production

What you do not name is taken from the file, and said to be. Seconds are those of a core that takes
${STEP_NS} ns for a step, divided by ${FASTER_MAX}: nobody is assumed to be faster than that.
Exit codes: 0 it is right, 2 it is not, or not about what you named.
`,
    )
    .action(run(async () => (await import("./verbs/time-verify.ts")).timeVerify));
};

const addBench = (time: Command, run: RunVerb): void => {
  time
    .command("bench")
    .description("measure how fast this machine keeps time, and checks it")
    .addOption(
      new Option("--profile <name>", "of this profile").choices([...PROFILES]).default("default"),
    )
    .option("--seconds <count>", "how long each figure may take", wholeNumber(1, 60), 3)
    .addHelpText(
      "after",
      "\nExamples:\n  nexus time bench\n  nexus time bench --profile production --seconds 10 -o json\n",
    )
    .action(run(async () => (await import("./verbs/time-bench.ts")).timeBench));
};

const STEPS_MAX = LIMITS.delayCheckpointsMax * LIMITS.delaySegmentIterationsMax;

const addDelay = (time: Command, run: RunVerb): void => {
  time
    .command("delay")
    .description(
      "make another seed of a seed, which takes so many steps of AES-128 and has one result",
    )
    .requiredOption("--seed <hex>", "32 bytes that nobody knew before")
    .requiredOption("--steps <count>", "encryptions, one after another", wholeNumber(1, STEPS_MAX))
    .option(
      "--checkpoints <count>",
      "cuts, which make checking faster than computing",
      wholeNumber(1, LIMITS.delayCheckpointsMax),
      512,
    )
    .option("--duty <percent>", "share of one core that it may take", wholeNumber(1, 100), 100)
    .option(...CHAIN)
    .option("--out <file>", "where it is written", "time-delay.json")
    .addHelpText(
      "after",
      `
Examples:
  nexus time delay --seed 5f…c1 --steps 600000000 --chain-id acme-1

The steps are rounded up to a multiple of the checkpoints. Unlike a proof of elapsed time it has one result,
and is checked in a part of the time that it takes, not in milliseconds.
`,
    )
    .action(run(async () => (await import("./verbs/time-delay.ts")).timeDelay));
  time
    .command("delay-verify")
    .description("check what `nexus time delay` wrote, all of its cuts side by side")
    .argument("<file>", 'the file; "-" is standard input')
    .option("--seed <hex>", "it must begin from this seed")
    .option("--chain-id <id>", "and be of this chain")
    .addHelpText("after", "\nExamples:\n  nexus time delay-verify time-delay.json --seed 5f…c1\n")
    .action(run(async () => (await import("./verbs/time-delay.ts")).timeDelayVerify));
};

export const addTime = (program: Command, run: RunVerb): void => {
  const time = program
    .command("time")
    .description("proofs that so much computing, one step after another, was done");
  time
    .command("status")
    .description("what the chain thinks of its validators' runs of this epoch")
    .option("-w, --watch", "print again whenever it has changed; Ctrl-C ends")
    .addHelpText("after", "\nExamples:\n  nexus time status\n  nexus time status --watch\n")
    .action(run(async () => (await import("./verbs/claims.ts")).timeStatus));
  addProve(time, run);
  addOpen(time, run);
  addVerify(time, run);
  addDelay(time, run);
  addBench(time, run);
};
