/** `nexus config check|explain|schema`: what a node's settings are and where each comes from. */
import { existsSync } from "node:fs";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import {
  explainConfig,
  loadConfig,
  misspeltVariables,
  type ResolvedConfig,
} from "../../node/config.ts";
import { configSchema } from "../../node/config-keys.ts";
import { nodePaths } from "../../node/folder.ts";
import { readGenesis } from "../../node/read-genesis.ts";
import type { CliContext } from "../context.ts";
import { configOf, type NodeOptions } from "../node-config.ts";
import { flagsOf, type NodeFlags } from "../node-flags.ts";
import { formatJson, formatNdjson, formatTable, printable } from "../output.ts";

type ConfigOptions = NodeFlags & NodeOptions;

/** A whole configuration may come from the environment: a file is only read where one is named. */
const load = (context: CliContext, options: ConfigOptions): ResolvedConfig => {
  const isNamed = options.config !== undefined || options.node !== undefined;
  const path = isNamed ? configOf(context, options) : undefined;
  let resolved: ResolvedConfig;
  try {
    resolved = loadConfig(path, flagsOf(options), context.env, context.cwd);
  } catch (error) {
    if (isNamed || !(error instanceof TetradError)) throw error;
    const next = "name the node: --config FILE, or --node of the network in --dir";
    throw new TetradError(error.code, error.message, { ...error.data, next });
  }
  for (const { name, meant } of misspeltVariables(context.env)) {
    context.note(`nothing reads ${printable(name)}; did you mean ${meant}?`);
  }
  return resolved;
};

/**
 * Prints the hash of the genesis too, which the members compare before they start. Throws config.invalid or
 * transport.* with the line or variable that is wrong, and config.genesis for a file that is no genesis.
 */
export const configCheck = async (context: CliContext, options: ConfigOptions): Promise<void> => {
  const { config } = load(context, options);
  const chain = existsSync(config.genesis) ? readGenesis(config.genesis) : undefined;
  const chainId = chain?.genesis.chainId ?? null;
  const genesisHash = chain === undefined ? null : toHex(chain.hash);
  context.print({ valid: true, name: config.name, chainId, genesisHash }, [
    ["valid", "yes"],
    ["name", config.name],
    ["chain", chainId],
    ["genesis hash", genesisHash],
  ]);
  if (chain === undefined) {
    context.note(`there is no ${printable(config.genesis)} yet: the node cannot start without it`);
  }
  const { nodeKey } = nodePaths(config.folder);
  if (!existsSync(nodeKey)) {
    context.note(`there is no ${printable(nodeKey)} yet: the node cannot start without it`);
  }
};

export const configExplain = async (context: CliContext, options: ConfigOptions): Promise<void> => {
  const { terminal } = context;
  const settings = explainConfig(load(context, options));
  if (context.format === "json") terminal.out(formatJson(settings));
  else if (context.format === "ndjson") for (const one of settings) terminal.out(formatNdjson(one));
  else terminal.out(formatTable(["key", "value", "origin", "place"], settings, terminal.colorOut));
};

export const configPrintSchema = async (context: CliContext): Promise<void> => {
  const format = context.format === "ndjson" ? formatNdjson : formatJson;
  context.terminal.out(format(configSchema()));
};
