/** Starts what a validator proves on its own: sectors, elapsed time, shares of work. */
import { type OpenClaimantsOptions, openClaimants } from "./claims/open-claims.ts";
import type { NodePaths } from "./folder.ts";
import { openSpaceKeeper } from "./space/open-keeper.ts";

export type OpenProversOptions = OpenClaimantsOptions & {
  readonly paths: Pick<NodePaths, "space">;
};

/** Those that the chain asks for. Close them before the replica. */
export const openProvers = (options: OpenProversOptions): { close(): Promise<void> } => {
  const keeper = openSpaceKeeper(options);
  const claimants = openClaimants(options);
  return {
    async close() {
      await Promise.all([keeper?.close(), claimants.close()]);
    },
  };
};
