/** The rows of the proofs of all validators, as a node's API gives them. */
import type { CliContext } from "../context.ts";
import { allRows } from "../stake-rows.ts";
import type { ChainFacts, ClaimFacts, IvrfFacts, ProofFacts, SpaceFacts } from "./lacks.ts";

type Rows<T> = readonly { readonly id: string; readonly value: T }[];
type Runs = {
  readonly runs: readonly (ClaimFacts & { readonly members: readonly string[] })[];
};
type Shares = { readonly shares: readonly ClaimFacts[] };
type IvrfRow = {
  readonly validator?: string;
  readonly keys?: readonly IvrfFacts[];
  readonly depth?: number;
};
type Parameters = { readonly stakePerSpaceUnit: string; readonly stakePerWorkUnit: string };

export type ProofRows = {
  readonly chain: ChainFacts;
  /** What the rows say of a validator. */
  of(id: string): ProofFacts;
};

const byId = <T>(rows: Rows<T> | undefined): ReadonlyMap<string, T> | undefined =>
  rows && new Map(rows.map(({ id, value }) => [id, value]));

/** Own runs, and the runs of others that were begun for it as well. */
const runsFor = (rows: Rows<Runs>, id: string): readonly ClaimFacts[] =>
  rows.flatMap(({ id: keeper, value }) =>
    value.runs.filter(({ members }) => keeper === id || members.includes(id)),
  );

export const proofRowsOf = async (
  context: CliContext,
  { epoch, finalHeight: height }: { readonly epoch: number; readonly finalHeight: number },
): Promise<ProofRows> => {
  const client = context.client();
  const { signal } = context;
  const { items } = await client.get("/v1/projections", {}, signal);
  const names = new Set((items as readonly { readonly name: string }[]).map(({ name }) => name));
  const rowsOf = async <T>(name: string): Promise<Rows<T> | undefined> =>
    names.has(name) ? allRows<T>(client, signal, name, {}) : undefined;
  const [space, work, time, beacon, row] = await Promise.all([
    rowsOf<SpaceFacts>("space"),
    rowsOf<Shares>("work"),
    rowsOf<Runs>("time"),
    rowsOf<IvrfRow>("beacon"),
    client.get("/v1/projections/stake/parameters", {}, signal),
  ]);
  const parameters = row["value"] as Parameters;
  const depth = beacon?.find(({ value }) => value.depth !== undefined)?.value.depth ?? 0;
  const [spaces, works] = [byId(space), byId(work)];
  const keys = new Map(beacon?.map(({ value }) => [value.validator, value.keys ?? []]));
  return {
    chain: {
      ...{ epoch, height, ivrfHeights: 2 ** depth },
      stakePerSpaceUnit: BigInt(parameters.stakePerSpaceUnit),
      stakePerWorkUnit: BigInt(parameters.stakePerWorkUnit),
    },
    of: (id) => ({
      ...(spaces === undefined ? {} : { space: spaces.get(id) ?? null }),
      ...(works === undefined ? {} : { work: works.get(id)?.shares ?? [] }),
      ...(time === undefined ? {} : { time: runsFor(time, id) }),
      ...(beacon === undefined ? {} : { beacon: keys.get(id) ?? [] }),
    }),
  };
};
