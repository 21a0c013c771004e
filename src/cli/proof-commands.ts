/** The verbs of proofs: their options and help. */
import type { Command } from "commander";
import type { RunVerb } from "./verb.ts";

export const addProof = (program: Command, run: RunVerb): void => {
  const proof = program.command("proof").description("proofs that anybody can check, offline");
  proof
    .command("get")
    .description("get a proof of an event, of a range of them, or of a row or its absence")
    .argument("<what>", "index of an event, FIRST..LAST of a range, or name of a projection")
    .argument("[key]", "key of the row: TOPIC/KEY of a record; the id for the others")
    .option("--out <file>", "write it here (default: standard output)")
    .option("--html", "write one page that verifies itself in a browser, offline")
    .option(
      "--trust <file>",
      "genesis or checkpoint to check it with (default: that of the folder)",
    )
    .option("--sets <file>", "on a long chain: write the steps that lead to where the proof begins")
    .addHelpText(
      "after",
      `
Examples:
  nexus proof get 0 --out event-0.json
  nexus proof get 0..99 --out events.json
  nexus proof get records notes/first > row.json
  nexus proof get records notes/absent --out absent.json
  nexus proof get 0 --html --out event-0.html

One proof leads over at most 1024 epochs and 6 MiB of sets and signatures. Where the chain is longer the command follows
the sets in steps, and the proof begins at a later one than you trust: --sets writes the steps for who verifies it. A
file that is there is replaced only by steps that begin with those in it. Where no steps are needed none are written.
`,
    )
    .action(run(async () => (await import("./verbs/proof.ts")).proofGet));
  proof
    .command("verify")
    .description("check a proof, asking nobody")
    .argument("<file>", 'the proof; "-" is standard input')
    .option("--trust <file>", "genesis or checkpoint that you trust (default: that of the folder)")
    .option("--sets <file>", "on a long chain: the steps from what you trust to where it begins")
    .option("--checkpoint <file>", "write what may be trusted from now on")
    .addHelpText(
      "after",
      `
Examples:
  nexus proof verify event-0.json --trust genesis.json
  nexus proof verify event-9.json --trust last.json --checkpoint last.json
  nexus proof verify event-9.json --trust genesis.json --sets steps.ndjson

Exit codes: 0 it is right, 2 it is not, 3 it could not be verified.
A genesis is enough for who has followed the chain; others trust a recent checkpoint, because stolen keys of
past validators could sign another history (weak subjectivity). It must come from elsewhere than the proof.
--checkpoint replaces no checkpoint of another chain, set or block, no newer one, and no other file.
`,
    )
    .action(run(async () => (await import("./verbs/proof.ts")).proofVerify));
};
