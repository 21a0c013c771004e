/** What a chain says of a sector: asked of a node, which need not be there. */
import type { ApiClient, JsonObject } from "../../client/api.ts";
import { within } from "../../client/within.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";

/**
 * "absent": not committed to. "other": the chain has another sector of this number. "committed": not admitted
 * yet. "admitted": counts from a later epoch. "live": counts. "over": counts no more.
 */
export type OnChain = {
  readonly state: "absent" | "other" | "committed" | "admitted" | "live" | "over";
  /** The epoch that runs. */
  readonly epoch: number;
  /** Challenges of the admission that are answered, of so many. */
  readonly admission: readonly [done: number, total: number] | null;
  /** The last epoch that its validator has answered for all its sectors; 0 before the first. */
  readonly answeredEpoch: number;
  /** Whether the epoch that runs is answered; null where nothing is asked. */
  readonly answered: boolean | null;
};

export type ChainSector = {
  readonly chainId: string;
  readonly validator: string;
  readonly sector: number;
  readonly commRl: string;
};

const numberOf = (value: unknown): number => (typeof value === "number" ? value : 0);

/** The value of a row; undefined where there is none. */
const rowOf = async (
  client: ApiClient,
  key: string,
  signal: AbortSignal,
): Promise<JsonObject | undefined> => {
  try {
    const row = await client.get(`/v1/projections/space/${encodeURIComponent(key)}`, {}, signal);
    return row["value"] as JsonObject;
  } catch (error) {
    if (error instanceof TetradError && error.code === "http.not-found") return undefined;
    throw error;
  }
};

type Entry = {
  readonly number: number;
  readonly fromEpoch: number | null;
  readonly endEpoch: number;
};

const entryOf = (prover: JsonObject | undefined, number: number): Entry | undefined => {
  const entries = Array.isArray(prover?.["sectors"]) ? (prover["sectors"] as Entry[]) : [];
  return entries.find((entry) => entry.number === number);
};

const stateOf = ({ fromEpoch, endEpoch }: Entry, epoch: number): OnChain["state"] => {
  if (endEpoch < epoch) return "over";
  if (fromEpoch === null) return "committed";
  // Given back before it counted.
  if (fromEpoch > endEpoch) return "over";
  return fromEpoch > epoch ? "admitted" : "live";
};

const ask = async (
  client: ApiClient,
  sector: ChainSector,
  signal: AbortSignal,
): Promise<OnChain | null> => {
  const { chainId, epoch } = await client.status(signal);
  if (chainId !== sector.chainId) return null;
  const parameters = await rowOf(client, "parameters", signal);
  const prover = await rowOf(client, sector.validator, signal);
  const row = await rowOf(client, `${sector.validator}/${sector.sector}`, signal);
  const entry = entryOf(prover, sector.sector);
  const answeredEpoch = numberOf(prover?.["provenEpoch"]);
  const nothing = { epoch, admission: null, answeredEpoch, answered: null };
  if (row === undefined || entry === undefined) return { ...nothing, state: "absent" };
  if (row["commRl"] !== sector.commRl) return { ...nothing, state: "other" };
  const state = stateOf(entry, epoch);
  return {
    ...{ state, epoch, answeredEpoch },
    admission: [numberOf(row["done"]), numberOf(parameters?.["admissionChallenges"])],
    answered: state === "live" && epoch > 0 ? answeredEpoch >= epoch : null,
  };
};

/** Null where no node answers, or the node is of another chain; one that asks for no space has no sector. */
export const onChain = async (
  client: ApiClient,
  sector: ChainSector,
  signal: AbortSignal,
): Promise<OnChain | null> => {
  try {
    return await within(
      signal,
      LIMITS.cliStatusMsMax,
      (asking) => ask(client, sector, asking),
      () => null,
    );
  } catch (error) {
    if (!(error instanceof TetradError) || signal.aborted) throw error;
    return null;
  }
};

/** For people. */
export const onChainText = (found: OnChain | null): string => {
  if (found === null) return "no node of its chain answers";
  const { state, epoch, admission, answeredEpoch, answered } = found;
  if (state === "absent") return "not on the chain";
  if (state === "other") return "another sector has its number";
  if (state === "over") return "counts no more";
  const [done, total] = admission ?? [0, 0];
  const admitted = done < total ? `admission ${done} of ${total}` : "admitted";
  if (state === "committed") return admitted;
  if (state === "admitted") return `${admitted}, counts from the next epoch`;
  if (answered === null) return admitted;
  if (answered) return `${admitted}, epoch ${epoch} answered`;
  const missed = epoch - answeredEpoch;
  const text = `${admitted}, epoch ${epoch} not answered`;
  return missed < 2 ? text : `${text}, nor the ${missed - 1} before: it counts for nothing`;
};
