/** `nexus rebuild`: makes the projections of a stopped node anew from its log. */
import { lockFolder, openLevelStore } from "../../ledger/store/level.ts";
import { loadConfig } from "../../node/config.ts";
import { nodePaths } from "../../node/folder.ts";
import { openVerifier, readGenesis } from "../../node/node.ts";
import { createLogger, realClock } from "../../node/real-ports.ts";
import { rebuildStore } from "../../node/rebuild.ts";
import type { CliContext } from "../context.ts";
import { configOf, type NodeOptions } from "../node-config.ts";
import { createProgress } from "../progress.ts";

export const rebuild = async (context: CliContext, options: NodeOptions): Promise<void> => {
  const { config } = loadConfig(configOf(context, options), {}, context.env, context.cwd);
  const logger = createLogger("human", "warn", config.name);
  await using closing = new AsyncDisposableStack();
  const lock = await lockFolder(config.folder);
  closing.defer(() => lock.release());
  const chain = readGenesis(config.genesis);
  const { verifier, verifySignature } = await openVerifier(logger);
  closing.defer(() => verifier.close());
  const store = await openLevelStore(nodePaths(config.folder).db, { logger });
  closing.defer(() => new Promise<void>((done) => store.close(done)));
  const progress = createProgress(context.terminal, "rebuilding", "events", realClock.monotonicMs);
  const report = await rebuildStore(store, chain, verifySignature, (done, total) => {
    progress.update(done, total);
  });
  progress.end();
  context.print({ node: config.name, ...report, equal: true }, [
    ["node", config.name],
    ["height", report.height],
    ["events", report.events],
    ["roots", "equal at every height"],
  ]);
};
