/** Starts to keep a node's sectors, on a chain that asks for space. */
import type { ParsedGenesis } from "../../ledger/genesis.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { Ports } from "../../ledger/ports.ts";
import { startSpaceKeeper } from "../../ledger/replica/space-keeper.ts";
import type { Hash } from "../../ledger/types.ts";
import type { NodeConfig } from "../config.ts";
import type { NodePaths } from "../folder.ts";
import { realClock, realTimers } from "../real-ports.ts";
import { startRenewer } from "./renewer.ts";
import { openSectorFiles, type SectorFiles } from "./sector-files.ts";

/** The sectors in the folder `space` of a node; none where its chain asks for no space. */
export const openSectors = (
  { space }: Pick<NodePaths, "space">,
  chain: ParsedGenesis,
): { readonly sectors?: SectorFiles } =>
  chain.genesis.proofs.space === null
    ? {}
    : { sectors: openSectorFiles(space, chain, realClock.monotonicMs) };

export type SpacePorts = Pick<Ports, "logger" | "metrics"> & { readonly sectors?: SectorFiles };

/** Gives what ends it: nothing to do where the chain asks for no space. */
export const openSpaceKeeper = (options: {
  readonly ports: SpacePorts;
  readonly chain: ParsedGenesis;
  readonly handle: LedgerHandle;
  readonly self: Hash;
  readonly config: Pick<NodeConfig, "spaceSectors" | "spaceDuty">;
  readonly paths: Pick<NodePaths, "space">;
}): (() => Promise<void>) => {
  const { ports, chain, handle, self } = options;
  const { genesis, hasher } = chain;
  const parameters = genesis.proofs.space;
  const { sectors, logger, metrics } = ports;
  if (parameters === null || sectors === undefined) return async () => undefined;
  const parts = { handle, hasher, sectors, logger, metrics };
  const keeper = startSpaceKeeper({ ...parts, self, parameters });
  const { spaceSectors: wanted, spaceDuty: duty } = options.config;
  const renewer = startRenewer({
    ...{ handle, keeper, chain, parameters, self, logger, metrics, wanted, duty },
    ...{ folder: options.paths.space, clock: realClock, timers: realTimers },
  });
  return async () => {
    keeper.stop();
    await Promise.all([renewer.close(), sectors.close()]);
  };
};
