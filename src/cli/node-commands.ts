/** Verbs about one node's own folder, files and settings: names, options, help (see commands.ts). */
import type { Command } from "commander";
import type { RunVerb } from "./verb.ts";

/** The options that say which node, and override its settings. */
export const addNodeOptions = (command: Command): Command =>
  command
    .option("-c, --config <file>", "configuration file, as `nexus init` writes it")
    .option("--listen <address>", "where QUIC listens, [ipv6]:port")
    .option("--api-listen <address>", "where the HTTP API listens, [ipv6]:port")
    .option("--api-insecure-bind", "allow the API, which has no TLS and no login, off loopback")
    .option("--passphrase-file <file>", "file whose first line unlocks the keys")
    .option("--log-level <level>", "debug, info, warn or error");

export const addConfig = (program: Command, run: RunVerb): void => {
  const config = program.command("config").description("check and explain a node's settings");
  addNodeOptions(config.command("check").description("say whether a node could use these settings"))
    .addHelpText("after", "\nExamples:\n  nexus config check --config /srv/tetrad/node.toml\n")
    .action(run(async () => (await import("./verbs/config.ts")).configCheck));
  addNodeOptions(config.command("explain").description("show each setting and where it comes from"))
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
