/** Which beacon a sector is begun from where nobody names one. */
import type { ApiClient } from "../../client/api.ts";
import { within } from "../../client/within.ts";
import { TetradError } from "../../errors.ts";
import type { ParsedGenesis } from "../../ledger/genesis.ts";
import type { Hash } from "../../ledger/types.ts";
import { LIMITS } from "../../limits.ts";

/** For so long a beacon must still be known when sealing begins: it takes hours, and then comes the commitment. */
const ROOM_HEIGHTS = LIMITS.beaconHistory / 4;

/** The newest final height whose beacon may be named, and that beacon; undefined where no node of the chain answers. */
const newest = async (
  client: Pick<ApiClient, "status" | "get">,
  chainId: string,
  signal: AbortSignal,
): Promise<{ readonly height: number; readonly beacon: string | undefined } | undefined> => {
  const ask = async (asking: AbortSignal) => {
    const status = await client.status(asking);
    if (status.chainId !== chainId) return undefined;
    const height = status.refHeight;
    if (height <= LIMITS.beaconHistory - ROOM_HEIGHTS) return { height, beacon: undefined };
    const block = await client.get(`/v1/blocks/${height}`, {}, asking);
    const beacon = block["beacon"] as { readonly value?: unknown } | null | undefined;
    const value = beacon?.value;
    return { height, beacon: typeof value === "string" ? value : undefined };
  };
  try {
    return await within(signal, LIMITS.cliStatusMsMax, ask, () => undefined);
  } catch (error) {
    if (!(error instanceof TetradError) || signal.aborted) throw error;
    return undefined;
  }
};

/**
 * The beacon of height 0, which whoever has the genesis knows and which stays the same when sealing is interrupted.
 * A chain forgets it: where a node says that it soon will have, the code is space.beacon, with the beacon to name.
 */
export const firstBeacon = async (
  client: Pick<ApiClient, "status" | "get">,
  { genesis, hasher, hash }: ParsedGenesis,
  signal: AbortSignal,
): Promise<Hash> => {
  const found = await newest(client, genesis.chainId, signal);
  if (found !== undefined && found.height > LIMITS.beaconHistory - ROOM_HEIGHTS) {
    const { height, beacon } = found;
    throw new TetradError(
      "space.beacon",
      `the chain is at height ${height}: it takes sectors that are begun from the beacon of its genesis ` +
        `up to height ${LIMITS.beaconHistory} only`,
      {
        height,
        next: `the same command with --beacon ${beacon ?? `and the beacon of height ${height}`}, also to go on with it`,
      },
    );
  }
  return hasher.ht("beacon/0", hash);
};
