/** `nexus version`: what is running, for bug reports. */
import type { Command } from "commander";
import { VERSION } from "../../node/version.ts";
import type { CliContext } from "../context.ts";
import type { RunVerb } from "../verb.ts";

export const addVersion = (program: Command, run: RunVerb): void => {
  program
    .command("version")
    .description("print the version of the program and of what it runs on")
    .action(run(version));
};

const version = async (context: CliContext): Promise<void> => {
  const value = {
    tetrad: VERSION,
    protocol: 1,
    node: process.version,
    openssl: process.versions.openssl,
    platform: `${process.platform}-${process.arch}`,
  };
  context.print(value, Object.entries(value));
};
