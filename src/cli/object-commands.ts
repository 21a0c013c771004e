/** The verbs of `nexus object`: files by the name of their bytes. Options and help. */
import type { Command } from "commander";
import { wholeNumber } from "./numbers.ts";
import type { RunVerb } from "./verb.ts";

const HELP = `
An object is any bytes, of at most 16 GiB, and its name is a hash of them: whoever has the name needs to trust
nobody for the rest. The node that is asked fetches what it has not from the members that have it, several at
once, and gives it to others from then on. What is put is kept; what was fetched goes when others need the room.
`;

const NAME = "6b".repeat(4);

const addWriters = (object: Command, run: RunVerb): void => {
  object
    .command("put")
    .description("have a node keep a file as an object, and print its name")
    .argument("<file>", "a file")
    .option("--key <file>", "key to sign with (NEXUS_KEY; default: the development operator's)")
    .addHelpText(
      "after",
      `
The key is that of an actor with the permission object.put. What the node has already is not sent again.

Examples:
  nexus object put image.tar
  nexus --api http://[::1]:8441 object put image.tar -o json
`,
    )
    .action(run(async () => (await import("./verbs/object.ts")).put));
  object
    .command("drop")
    .description("have a node give up an object that it keeps")
    .argument("<name>", "of the object")
    .option("--key <file>", "key to sign with (NEXUS_KEY; default: the development operator's)")
    .addHelpText(
      "after",
      `\nThe key is that of an actor with the permission object.drop.\n\nExamples:\n  nexus object drop ${NAME}…\n`,
    )
    .action(run(async () => (await import("./verbs/object.ts")).drop));
};

const addReaders = (object: Command, run: RunVerb): void => {
  object
    .command("get")
    .description("get an object from a node, which fetches what it has not")
    .argument("<name>", "of the object")
    .option("-f, --file <file>", "where to write it (default: standard output)")
    .option("--timeout <seconds>", "how long to wait for each part", wholeNumber(1, 86_400), 60)
    .addHelpText(
      "after",
      `
Every part is held against the name here. With --file, what an interrupted run has left beside it is used, from a
folder FILE.DIGITS.part with the first 16 digits of the name.

Examples:
  nexus object get ${NAME}… -f image.tar
  nexus --api http://[::1]:8442 object get ${NAME}… | tar -x
`,
    )
    .action(run(async () => (await import("./verbs/object.ts")).get));
  object
    .command("ls")
    .description("list the objects on a node's disk")
    .option("--evidence", "instead: what the node keeps against members that served wrong bytes")
    .addHelpText("after", "\nExamples:\n  nexus object ls\n  nexus object ls --evidence -o json\n")
    .action(run(async () => (await import("./verbs/object.ts")).ls));
  object
    .command("verify")
    .description("have a node read objects from its disk and hold them against their names")
    .argument("[name]", "of one object (default: all)")
    .addHelpText(
      "after",
      `\nExit code 2 where something had changed.\n\nExamples:\n  nexus object verify\n  nexus object verify ${NAME}…\n`,
    )
    .action(run(async () => (await import("./verbs/object.ts")).verify));
};

export const addObject = (program: Command, run: RunVerb): void => {
  const object = program
    .command("object")
    .description("files by the name of their bytes, from whichever node has them")
    .addHelpText("after", HELP);
  addWriters(object, run);
  addReaders(object, run);
};
