/** The verbs of `nexus location`: how near validators are to each other. Options and help. */
import type { Command } from "commander";
import type { RunVerb } from "./verb.ts";

const HELP = `
On a chain that asks for it every validator is measured once an epoch by the others, and writes their receipts to
the log. A bound says how far it is at most from the validator that took the time; it never says where it is, and
nothing says that it is not nearer. A zone is reached when witnesses with more than a third of the power agree.
`;

export const addLocation = (program: Command, run: RunVerb): void => {
  const location = program
    .command("location")
    .description("how near validators are to each other, by witnesses")
    .addHelpText("after", HELP);
  location
    .command("show")
    .description("the newest certificate of every validator")
    .option("--zone <name>", "only those of this zone or a nearer one")
    .option("-w, --watch", "print again whenever it has changed; Ctrl-C ends")
    .addHelpText(
      "after",
      "\nExamples:\n  nexus location show\n  nexus location show --zone region\n" +
        "  nexus location show -o json\n",
    )
    .action(run(async () => (await import("./verbs/location.ts")).locationShow));
};
