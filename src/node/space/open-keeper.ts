/** Starts to keep a node's sectors, on a chain that asks for space. */
import type { ParsedGenesis } from "../../ledger/genesis.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { Logger, Metrics } from "../../ledger/ports.ts";
import type { Hash } from "../../ledger/types.ts";
import type { NodePaths } from "../folder.ts";
import { realClock } from "../real-ports.ts";
import { startSpaceKeeper } from "./keeper.ts";
import { openSectorFiles } from "./sector-files.ts";

/** Undefined where the chain asks for no space. Sectors are those in the folder `space` of the node. */
export const openSpaceKeeper = (options: {
  readonly paths: Pick<NodePaths, "space">;
  readonly chain: ParsedGenesis;
  readonly handle: LedgerHandle;
  readonly self: Hash;
  readonly logger: Logger;
  readonly metrics: Metrics;
}): { close(): Promise<void> } | undefined => {
  const { paths, chain, handle, self, logger, metrics } = options;
  const { genesis, hasher } = chain;
  const parameters = genesis.proofs.space;
  if (parameters === null) return undefined;
  const sectors = openSectorFiles(paths.space, genesis.chainId, realClock.monotonicMs);
  const ports = { handle, hasher, sectors, logger, metrics };
  const keeper = startSpaceKeeper({ ...ports, self, parameters });
  return {
    async close() {
      keeper.stop();
      await sectors.close();
    },
  };
};
