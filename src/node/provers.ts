/** Starts what a validator proves on its own: sectors, elapsed time, shares of work. */
import { type OpenClaimantsOptions, openClaimants } from "./claims/open-claims.ts";
import type { NodeConfig } from "./config.ts";
import type { NodePaths } from "./folder.ts";
import { openSpaceKeeper, type SpacePorts } from "./space/open-keeper.ts";

export type OpenProversOptions = Omit<OpenClaimantsOptions, "logger" | "metrics"> & {
  readonly ports: SpacePorts;
  readonly config: Pick<NodeConfig, "spaceSectors" | "spaceDuty">;
  readonly paths: Pick<NodePaths, "space">;
};

/** Those that the chain asks for. Close them before the replica. */
export const openProvers = (options: OpenProversOptions): { close(): Promise<void> } => {
  const { logger, metrics } = options.ports;
  const endKeeper = openSpaceKeeper(options);
  const claimants = openClaimants({ ...options, logger, metrics });
  return {
    async close() {
      await Promise.all([endKeeper(), claimants.close()]);
    },
  };
};
