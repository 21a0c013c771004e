/** The verbs of proofs of space: their options and help. */
import { type Command, Option } from "commander";
import { LIMITS } from "../limits.ts";
import { SPACE_PROFILE_NAMES } from "../proofs/space/parameters.ts";
import { bytesInHex, wholeNumber } from "./numbers.ts";
import type { RunVerb } from "./verb.ts";
import { addWriteOptions } from "./write-options.ts";

const addSeal = (space: Command, run: RunVerb): void => {
  space
    .command("seal")
    .description("make a sector: room on the disk that a validator can prove; can be interrupted")
    .argument("[file]", "where it is made (default: space/NODE-SECTOR.sector in --dir)")
    .option("--node <name>", "validator whose sector it is: name or id (default: the first one)")
    .option("--sector <number>", "its number among the validator's", wholeNumber(0, 2 ** 40), 0)
    .addOption(
      new Option(
        "--profile <name>",
        "size and layers: 128 KiB, 2 MiB, 1 GiB, 32 GiB (default: those of the genesis)",
      ).choices([...SPACE_PROFILE_NAMES]),
    )
    .option("--beacon <hex>", "beacon to begin from (default: that of the genesis)", bytesInHex(32))
    .option("--genesis <file>", "genesis of the chain (default: that of the folder)")
    .addHelpText(
      "after",
      `
Examples:
  nexus space seal
  nexus space seal /data/a-0.sector --node a
  nexus space seal big.sector --node a --sector 1 --genesis genesis.json

It takes about a second for each MiB on one core, memory for two layers (twice the sector), and on the disk
some 14 times the sector while it goes on. FILE.layers has what it was made of: it is needed for the
admission proof and may be removed afterwards. The same command goes on where an earlier one was stopped.
A chain forgets beacons after 1,048,576 heights. Where a node answers that its chain is near that, a sector from the
beacon of the genesis is refused (space.beacon) with the newer one to name; on a chain of which no node answers it is
made, and never committed to if it is too late.
Size and layers are those that the genesis asks for, also where no profile has them. A --profile of other ones makes
what is never committed to, and the command says so. Where the genesis asks for no space, --profile has to be given. The
profiles dev and test are for trying out: their sectors are made faster than an answer is due.
`,
    )
    .action(run(async () => (await import("./space/seal.ts")).seal));
};

const addProve = (space: Command, run: RunVerb): void => {
  space
    .command("prove")
    .description("answer a challenge from sectors of one validator, into a file")
    .argument("<sector...>", "the sector; of an epoch or a block all of the validator's")
    .requiredOption("--out <file>", "where the proof is written")
    .option("--admission <hex>", "seed of an admission: needs FILE.layers", bytesInHex(32))
    .option("--epoch <hex>", "seed of an epoch", bytesInHex(32))
    .option("--block <hex>", "beacon of the block before", bytesInHex(32))
    .option("--event <hex>", "beacon of a batch's grid height; with --lane", bytesInHex(32))
    .option("--lane <hex>", "id of the batch's lane", bytesInHex(32))
    .option("--lane-seq <number>", "place of the batch in it", wholeNumber(0, 2 ** 50), 1)
    .option(
      "--genesis <file>",
      "genesis of the sector's chain: challenges are as many as it asks for",
    )
    .addHelpText(
      "after",
      `
Examples:
  nexus space prove a-0.sector --admission ${"5e".repeat(4)}… --out a-0.admission
  nexus space prove a-0.sector a-1.sector --epoch ${"5e".repeat(4)}… --out epoch-9.proof

A seed is 64 hex digits. What is written has been verified; a damaged node that is asked for gives none.
Without --genesis it is asked for as much as the profile with the sector's shape asks; \`nexus space verify\` likewise.
`,
    )
    .action(run(async () => (await import("./space/prove.ts")).prove));
};

const addGiveBack = (space: Command, run: RunVerb): void => {
  addWriteOptions(
    space
      .command("give-back")
      .description("give a sector back: it is asked for until the epoch ends, and counts no more")
      .argument("<sector>", "its number among the validator's"),
  )
    .addHelpText(
      "after",
      `
Examples:
  nexus space give-back 0 --key /srv/a/keys/node.key

Whose sector it is says the key: that of the node. Its node writes in the same lane, so the command may have
to be run again when both write at once. The file may go when the epoch has ended.
`,
    )
    .action(run(async () => (await import("./space/give-back.ts")).giveBack));
};

export const addSpace = (program: Command, run: RunVerb): void => {
  const space = program.command("space").description("sectors, and proofs that they are stored");
  addSeal(space, run);
  space
    .command("ls")
    .description("list the sectors of a folder")
    .argument("[folder]", "the folder (default: space in --dir)")
    .addHelpText("after", "\nExamples:\n  nexus space ls\n  nexus space ls /data -o json\n")
    .action(run(async () => (await import("./space/list.ts")).list));
  space
    .command("check")
    .description("read a whole sector and name the nodes that are damaged or missing")
    .argument("<file>", "the sector")
    .addHelpText(
      "after",
      `
Examples:
  nexus space check a-0.sector
  nexus space check a-0.sector -o json

Nodes are named in groups of 64 (2 KiB). Exit codes: 0 whole, 2 damaged, 3 no sector can be read.
`,
    )
    .action(run(async () => (await import("./space/check.ts")).check));
  addProve(space, run);
  addGiveBack(space, run);
  space
    .command("verify")
    .description("check a proof of space, asking nobody")
    .argument("<file>", "the proof")
    .option("--seed <hex>", "the challenge that was given", bytesInHex(32))
    .option("--sector <hex...>", "ids of the sectors that were admitted, all of the proof's")
    .option("--genesis <file>", "genesis of the chain that it must be of")
    .addHelpText(
      "after",
      `
Examples:
  nexus space verify epoch-9.proof --seed ${"5e".repeat(4)}… --genesis genesis.json
  nexus space verify a-0.admission -o json

What is not given is taken as the proof states it: an answer to a challenge of the prover's own proves
nothing. Exit codes: 0 it is right, 2 it is not. At most ${LIMITS.spaceSectorsMax} sectors.
`,
    )
    .action(run(async () => (await import("./space/verify.ts")).verify));
};
