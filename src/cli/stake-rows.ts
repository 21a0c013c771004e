/** Rows of the projection `stake` as a node's API gives them. */
import type { ApiClient } from "../client/api.ts";
import { TetradError } from "../errors.ts";
import type { CliContext } from "./context.ts";

export type Candidate = {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  readonly address: string;
  readonly tlsPin: string;
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
  const rows = await allRows<T>(client, signal, "stake", { prefix: kind });
  return rows.map(({ id, value }) => ({ id: id.slice(kind.length + 1), value }));
};

/** All rows of a projection, or of one group of them, by their key as text. */
export const allRows = async <T>(
  client: ApiClient,
  signal: AbortSignal,
  projection: string,
  select: { readonly prefix?: string },
) => {
  const rows: { readonly id: string; readonly value: T }[] = [];
  for (let after: string | undefined; ; ) {
    const query = { ...select, limit: 100, ...(after === undefined ? {} : { after }) };
    const page = await client.get(`/v1/projections/${projection}`, query, signal);
    for (const { key, value } of (page["items"] ?? []) as readonly RowJson[]) {
      rows.push({ id: key, value: value as T });
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

/**
 * Of each validator the epoch that its present key was registered for; null for the long-lived key. Undefined on
 * a chain without keys of epochs.
 */
export const keyEpochsOf = async (
  context: CliContext,
  epoch: number,
): Promise<ReadonlyMap<string, number | null> | undefined> => {
  type Registered = { readonly epochs: readonly number[] };
  try {
    const rows = await allRows<Registered>(context.client(), context.signal, "epoch-keys", {});
    return new Map(
      rows.map(({ id, value }) => [id, value.epochs.findLast((one) => one <= epoch) ?? null]),
    );
  } catch (error) {
    if (error instanceof TetradError && error.code === "http.not-found") return undefined;
    throw error;
  }
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
