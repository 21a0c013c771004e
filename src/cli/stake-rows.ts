/** Rows of the projection `stake` as a node's API gives them. */
import type { ApiClient } from "../client/api.ts";
import { TetradError } from "../errors.ts";
import type { CliContext } from "./context.ts";

export type Candidate = {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  readonly address: string;
};

export type Holding = { readonly holder: string; readonly amount: string };

export type Standing = {
  readonly left: boolean;
  readonly jailed: boolean;
  readonly jailedUntilMs: number;
  readonly tombstoned: boolean;
  readonly slashedBps: number;
  readonly bonds: readonly Holding[];
  readonly leaving: readonly (Holding & { readonly lastEpoch: number })[];
};

export type EpochPowers = {
  readonly degraded: boolean;
  readonly total: string;
  readonly members: readonly { readonly id: string; readonly power: string }[];
};

type RowJson = { readonly key: string; readonly value: unknown };

/** All rows of one kind, with what follows the kind in their key. Throws cli.usage on a chain without stake. */
const rowsOf = async <T>(client: ApiClient, signal: AbortSignal, kind: string) => {
  const rows: { readonly id: string; readonly value: T }[] = [];
  for (let after: string | undefined; ; ) {
    const query = { prefix: kind, limit: 100, ...(after === undefined ? {} : { after }) };
    const page = await client.get("/v1/projections/stake", query, signal);
    for (const { key, value } of (page["items"] ?? []) as readonly RowJson[]) {
      rows.push({ id: key.slice(kind.length + 1), value: value as T });
    }
    const next = page["next"];
    if (typeof next !== "string") break;
    after = next;
  }
  return rows;
};

export const candidatesOf = async (context: CliContext): Promise<Candidate[]> => {
  const client = context.client();
  const found = await rowsOf<Omit<Candidate, "id">>(client, context.signal, "validator");
  if (found.length > 0) return found.map(({ id, value }) => ({ ...value, id }));
  throw new TetradError("cli.usage", "validators of this chain are those of its genesis for good", {
    next: "a chain on which they change is made by `nexus init --stake`",
  });
};

export const standingsOf = async (context: CliContext): Promise<ReadonlyMap<string, Standing>> => {
  const found = await rowsOf<Standing>(context.client(), context.signal, "standing");
  return new Map(found.map(({ id, value }) => [id, value]));
};

/** The set of an epoch. */
export const powersOf = async (context: CliContext, epoch: number): Promise<EpochPowers> => {
  const path = `/v1/projections/stake/${encodeURIComponent(`epoch/${epoch}`)}`;
  const row = await context.client().get(path, {}, context.signal);
  return row["value"] as EpochPowers;
};

/** A candidate by name or id. Throws cli.usage. */
export const candidateOf = async (context: CliContext, wanted: string): Promise<Candidate> => {
  const all = await candidatesOf(context);
  const found = all.find(({ id, name }) => id === wanted || name === wanted);
  if (found !== undefined) return found;
  throw new TetradError("cli.usage", `no validator "${wanted}"`, {
    next: `one of ${all.map(({ name }) => name).join(", ")}`,
  });
};
