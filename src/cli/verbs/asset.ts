/** `nexus asset`: the inventory. */
import { hostRegistered } from "../../assets/index.ts";
import { probeHost } from "../../assets/probe.ts";
import { createHasher } from "../../crypto/hash.ts";
import { actorId } from "../../ledger/batch.ts";
import type { CliContext } from "../context.ts";
import { openSigningKey } from "../key.ts";
import { formatJson } from "../output.ts";
import { type AppendOptions, writeEvents } from "./append.ts";

type ScanOptions = Pick<AppendOptions, "wait" | "key" | "timeout"> & { readonly dryRun?: boolean };

export const scanHost = async (context: CliContext, options: ScanOptions): Promise<void> => {
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
  const { publicKey } = await openSigningKey(context.keyFile(options.key), context.env, (text) =>
    context.note(text),
  );
  const { chainId } = await context.client().status(context.signal);
  const hasher = createHasher(chainId);
  const value = await probeHost(hasher, actorId(hasher, publicKey));
  context.terminal.out(formatJson(hostRegistered.toJson(value)));
};
