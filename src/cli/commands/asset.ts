/** `nexus asset`: the inventory. */
import type { Command } from "commander";
import { hostRegistered } from "../../assets/index.ts";
import { probeHost } from "../../assets/probe.ts";
import { createHasher } from "../../crypto/hash.ts";
import { actorId } from "../../ledger/batch.ts";
import type { CliContext } from "../context.ts";
import { openSigningKey } from "../key.ts";
import { formatJson } from "../output.ts";
import type { RunVerb } from "../verb.ts";
import { type AppendOptions, addWriteOptions, writeEvents } from "./append.ts";

type ScanOptions = Pick<AppendOptions, "wait" | "key" | "timeout"> & { readonly dryRun?: boolean };

export const addAsset = (program: Command, run: RunVerb): void => {
  const asset = program.command("asset").description("the inventory of machines");
  const scan = asset
    .command("scan")
    .description("read this machine's hardware and register it")
    .option("--dry-run", "print what would be registered, and write nothing");
  addWriteOptions(scan)
    .addHelpText("after", "\nExamples:\n  nexus asset scan\n  nexus asset scan --dry-run | less\n")
    .action(run(scanHost));
};

const scanHost = async (context: CliContext, options: ScanOptions): Promise<void> => {
  context.note("reading the hardware (about a second)");
  if (options.dryRun === true) {
    await writeNothing(context, options);
    return;
  }
  await writeEvents(context, options, async ({ hasher, actor }) => [
    hostRegistered.encode(await probeHost(hasher, actor)),
  ]);
  context.suggest("nexus ls assets");
};

/** The asset's id depends on chain and actor, so even a dry run asks the node which chain it is. */
const writeNothing = async (context: CliContext, options: ScanOptions): Promise<void> => {
  const { publicKey } = await openSigningKey(context.keyFile(options.key), context.env);
  const { chainId } = await context.client().status(context.signal);
  const hasher = createHasher(chainId);
  const value = await probeHost(hasher, actorId(hasher, publicKey));
  context.terminal.out(formatJson(hostRegistered.toJson(value)));
};
