/** How verbs that write are told to sign and to wait. */
import { type Command, Option } from "commander";
import { LIMITS } from "../limits.ts";
import { wholeNumber } from "./numbers.ts";

/** The options that every verb which writes has. */
export const addWriteOptions = (command: Command): Command =>
  command
    .addOption(
      new Option("--wait <level>", "accepted: taken by a node; committed: durable; projected: done")
        .choices(["accepted", "committed", "projected"])
        .default("projected"),
    )
    .option("--key <file>", "key to sign with (NEXUS_KEY; default: the development operator's)")
    .option("--timeout <seconds>", "how long to try, for each batch", wholeNumber(1, 86_400), 30)
    .option(
      "--effort <times>",
      "times the work that the chain asks for (default: what the node takes now, 1 unless it is under load)",
      wholeNumber(1, LIMITS.clientWorkEffortMax),
    );
