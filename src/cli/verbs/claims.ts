/** `nexus time status` and `nexus work status`: what the chain thinks of the proofs of every validator. */
import type { RowJson } from "../../client/api.ts";
import { TetradError } from "../../errors.ts";
import type { CliContext } from "../context.ts";
import { byMeaning, type Cell, type Row, short } from "../output.ts";
import { type WatchOptions, watching } from "../watch.ts";

type Part = "time" | "work";

/** A claim as a row of the projection shows it. */
type Claim = {
  readonly epoch: number;
  readonly state: string;
  readonly leaves?: number;
  readonly shares?: number;
  readonly units?: number;
  readonly challengeHeight: number;
  readonly countsForEpoch: number | null;
  readonly fault: string | null;
};

type Item = {
  readonly id: string;
  readonly name: string | null;
  /** Of the newest epoch that it has claimed anything in. */
  readonly claim: Claim | null;
  /** Whether what it has proven counts for the running epoch. */
  readonly proven: boolean;
};

type ValidatorJson = { readonly id: string; readonly name: string };

const claimsOf = (value: unknown, part: Part): readonly Claim[] => {
  const name = part === "time" ? "runs" : "shares";
  const list = (value as Readonly<Record<string, unknown>>)[name];
  return Array.isArray(list) ? (list as Claim[]) : [];
};

/** Rows of the projection. Throws http.not-found in words where the chain does not ask for the proof. */
const rowsOf = async (context: CliContext, part: Part): Promise<readonly RowJson[]> => {
  const client = context.client();
  const { items } = await client.get("/v1/projections", {}, context.signal);
  const names = (items as readonly { readonly name?: unknown }[]).map(({ name }) => name);
  if (!names.includes(part)) {
    throw new TetradError("http.not-found", `this chain asks its validators for no ${part}`);
  }
  const path = `/v1/projections/${part}`;
  const rows: RowJson[] = [];
  const all = Number.MAX_SAFE_INTEGER;
  for await (const row of client.items(path, {}, all, context.signal)) rows.push(row as RowJson);
  return rows;
};

const cellsOf = ({ claim }: Item, part: Part): Readonly<Record<string, Cell>> =>
  part === "time"
    ? { leaves: claim?.leaves ?? null }
    : { shares: claim?.shares ?? null, units: claim?.units ?? null };

const show = async (context: CliContext, part: Part): Promise<void> => {
  const rows = await rowsOf(context, part);
  const set = await context.client().get("/v1/validators", {}, context.signal);
  const validators = set["items"] as readonly ValidatorJson[];
  const epoch = set["epoch"] as number;
  const names = new Map(validators.map(({ id, name }) => [id, name]));
  const claims = new Map(rows.map(({ key, value }) => [key, claimsOf(value, part)]));
  const ids = new Set([...validators.map(({ id }) => id), ...claims.keys()]);
  const items = [...ids].map((id): Item => {
    const own = claims.get(id) ?? [];
    return {
      id,
      name: names.get(id) ?? null,
      claim: own.toSorted((a, b) => b.epoch - a.epoch)[0] ?? null,
      proven: own.some(({ countsForEpoch }) => countsForEpoch === epoch),
    };
  });
  const cells = items.map((item): Row => {
    const { id, name, claim, proven } = item;
    return {
      name: name ?? short(id, 9),
      this_epoch: proven ? "yes" : "no",
      state: claim === null ? "nothing" : claim.state,
      of_epoch: claim?.epoch ?? null,
      ...cellsOf(item, part),
      challenge_at: claim?.challengeHeight ?? null,
      fault: claim?.fault ?? null,
    };
  });
  const what = part === "time" ? ["leaves"] : ["shares", "units"];
  const columns = ["name", "this_epoch", "state", "of_epoch", ...what, "challenge_at", "fault"];
  context.printList(items, columns, cells, byMeaning("state"));
  if (context.format !== "table") return;
  context.note(`epoch ${epoch}: what is proven in it counts for the set of epoch ${epoch + 2}`);
};

export const timeStatus = (context: CliContext, options: WatchOptions): Promise<void> =>
  watching(context, options, (one) => show(one, "time"));

export const workStatus = (context: CliContext, options: WatchOptions): Promise<void> =>
  watching(context, options, (one) => show(one, "work"));
