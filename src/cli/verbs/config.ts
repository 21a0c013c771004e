/** `nexus config check|explain|schema`: what a node's settings are and where each comes from. */
import {
  explainConfig,
  loadConfig,
  misspeltVariables,
  type ResolvedConfig,
} from "../../node/config.ts";
import { configSchema } from "../../node/config-keys.ts";
import type { CliContext } from "../context.ts";
import { flagsOf, type NodeFlags } from "../node-flags.ts";
import { formatJson, formatNdjson, formatTable, printable } from "../output.ts";

type ConfigOptions = NodeFlags & { readonly config?: string };

const load = (context: CliContext, options: ConfigOptions): ResolvedConfig => {
  const resolved = loadConfig(options.config, flagsOf(options), context.env, context.cwd);
  for (const { name, meant } of misspeltVariables(context.env)) {
    context.note(`nothing reads ${printable(name)}; did you mean ${meant}?`);
  }
  return resolved;
};

/** Throws config.invalid or transport.* with the line or variable that is wrong. */
export const configCheck = async (context: CliContext, options: ConfigOptions): Promise<void> => {
  const { config } = load(context, options);
  context.print({ valid: true, name: config.name }, [
    ["valid", "yes"],
    ["name", config.name],
  ]);
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
