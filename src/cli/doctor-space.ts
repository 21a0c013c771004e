/** What `nexus doctor` says of the sectors of a node that runs, on a chain that asks for space. */
import { ApiClient, type StatusJson } from "../client/api.ts";
import { within } from "../client/within.ts";
import { TetradError } from "../errors.ts";
import type { ParsedGenesis } from "../ledger/genesis.ts";
import { LIMITS } from "../limits.ts";
import { formatAddress } from "../node/address.ts";
import type { NodeConfig } from "../node/config.ts";
import type { Finding } from "./finding.ts";
import { type SpaceFacts, spaceLack } from "./validator/lacks.ts";

/** The row of a validator; null where it has none. */
const rowOf = async (
  client: ApiClient,
  id: string,
  signal: AbortSignal,
): Promise<SpaceFacts | null> => {
  try {
    const row = await client.get(`/v1/projections/space/${id}`, {}, signal);
    return row["value"] as SpaceFacts;
  } catch (error) {
    if (error instanceof TetradError && error.code === "http.not-found") return null;
    throw error;
  }
};

/** Pure: what the row says, held against what the operator wants. */
export const spaceFinding = (
  space: SpaceFacts | null,
  epoch: number,
  wanted: number,
): Finding | undefined => {
  const check = "space";
  const sectors = space?.sectors ?? [];
  const counting = sectors.filter(
    ({ fromEpoch, endEpoch }) => fromEpoch !== null && fromEpoch <= epoch && endEpoch > epoch,
  ).length;
  if (wanted === 0 && sectors.length === 0) return undefined;
  const lack = spaceLack(1n, { epoch, stakePerSpaceUnit: 1n }, space);
  if (lack !== undefined) {
    const none = wanted === 0 ? "space_sectors is 0: the node makes none; " : "";
    return { check, state: "warn", found: lack.what, todo: `${none}${lack.todo}` };
  }
  const last = `epoch ${space?.provenEpoch ?? 0} is the last one answered, ${epoch} runs`;
  const found = `${counting} of ${Math.max(wanted, counting)} sectors count; ${last}`;
  if (counting >= wanted) return { check, state: "ok", found };
  const todo = "the node makes the others by itself: its log says what it waits for";
  return { check, state: "warn", found, todo };
};

/** Nothing where the chain asks for no space, or the node does not say in time. */
export const checkSpace = async (
  config: NodeConfig,
  { genesis }: ParsedGenesis,
  { nodeId, epoch }: StatusJson,
  signal: AbortSignal,
): Promise<Finding[]> => {
  if (genesis.proofs.space === null) return [];
  const client = new ApiClient(`http://${formatAddress(config.api)}`);
  const row = await within<SpaceFacts | null | undefined>(
    signal,
    LIMITS.cliStatusMsMax,
    (asking) => rowOf(client, nodeId, asking),
    () => undefined,
  );
  const finding = row === undefined ? undefined : spaceFinding(row, epoch, config.spaceSectors);
  return finding === undefined ? [] : [finding];
};
