/** `nexus ls` and `nexus get`: rows of projections, what the log says now. */
import type { RowJson } from "../../client/api.ts";
import type { CliContext } from "../context.ts";
import {
  type Cell,
  formatFields,
  formatJson,
  formatNdjson,
  formatTable,
  type Row,
  short,
} from "../output.ts";
import { type WatchOptions, watching } from "../watch.ts";

type ListOptions = WatchOptions & { readonly limit?: number; readonly prefix?: string };

/** Rows of a table where no limit was given: programs get all, people a screen that ends. */
const TABLE_ROWS = 1000;

export const list = (
  context: CliContext,
  options: ListOptions,
  projection?: string,
): Promise<void> => watching(context, options, (one) => listRows(one, options, projection));

const listRows = async (
  context: CliContext,
  options: ListOptions,
  projection: string | undefined,
): Promise<void> => {
  const client = context.client();
  const path =
    projection === undefined
      ? "/v1/projections"
      : `/v1/projections/${encodeURIComponent(projection)}`;
  const query = { prefix: options.prefix };
  const items: unknown[] = [];
  const cut = context.format === "table" && options.limit === undefined;
  // One more than is shown says whether there are more.
  const limit = options.limit ?? (cut ? TABLE_ROWS + 1 : Number.POSITIVE_INFINITY);
  const pages =
    projection === undefined
      ? all(((await client.get(path, {}, context.signal))["items"] ?? []) as unknown[])
      : client.items(path, query, limit, context.signal);
  for await (const item of pages) {
    if (context.format === "ndjson") context.terminal.out(formatNdjson(item));
    else items.push(item);
  }
  if (context.format === "json") context.terminal.out(formatJson(items));
  if (context.format !== "table") return;
  const rows = items.map(projection === undefined ? plainRow : tableRow);
  if (rows.length === 0) {
    context.note(`${projection ?? "projections"}: no rows`);
    return;
  }
  const more = cut && rows.length > TABLE_ROWS;
  if (more) rows.length = TABLE_ROWS;
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  context.terminal.out(formatTable(columns, rows, context.terminal.colorOut));
  if (more) context.note(`${TABLE_ROWS} rows are shown, more exist: --limit COUNT shows more`);
  if (projection === undefined) context.suggest("nexus ls records");
};

async function* all(items: readonly unknown[]): AsyncGenerator<unknown> {
  yield* items;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Long values have no place in a table; -o json has all of them, whole. */
const CELL_CHARACTERS = 40;

const cellOf = (value: unknown): Cell => {
  if (value === null || typeof value === "number" || typeof value === "boolean") return value;
  if (typeof value === "string") return short(value.replaceAll("\n", " "), CELL_CHARACTERS);
  return short(JSON.stringify(value) ?? "", CELL_CHARACTERS);
};

const plainRow = (item: unknown): Row =>
  Object.fromEntries(
    Object.entries(isObject(item) ? item : {}).map(([key, value]) => [key, cellOf(value)]),
  );

/** Columns that are hashes, keys or bytes: what people do not read. */
const HIDDEN: ReadonlySet<string> = new Set([
  "publicKey",
  "sha256",
  "body",
  "fingerprint",
  "tlsPin",
  "facts",
  "validators",
]);

/** A field of ledger time, for people; whole numbers are in -o json. */
const timeText = (name: string, value: unknown): string | undefined => {
  // What is smaller is a duration: no ledger began before 2001.
  if (!/Ms$/.test(name) || typeof value !== "number" || value < 1e12) return undefined;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
};

const tableRow = (item: unknown): Row => {
  const { key, value } = item as RowJson;
  const row: Record<string, Cell> = { key: short(key, 24) };
  if (!isObject(value)) return { ...row, value: cellOf(value) };
  for (const [name, cell] of Object.entries(value)) {
    // The key is shown already, whatever the row calls it.
    if (HIDDEN.has(name) || cell === key || name === "key" || name === "topic") continue;
    const time = timeText(name, cell);
    if (time !== undefined) row[name.slice(0, -"Ms".length)] = time;
    else
      row[name] =
        typeof cell === "string" && /^[0-9a-f]{64}$/.test(cell) ? short(cell) : cellOf(cell);
  }
  return row;
};

export const get = (
  context: CliContext,
  options: WatchOptions,
  projection = "",
  key = "",
): Promise<void> =>
  watching(context, options, (one) => getRow(one, projection, key, options.watch === true));

const getRow = async (
  context: CliContext,
  projection: string,
  key: string,
  watched: boolean,
): Promise<void> => {
  const path = `/v1/projections/${encodeURIComponent(projection)}/${encodeURIComponent(key)}`;
  const answer = await context.client().get(path, {}, context.signal);
  // Who watches a row waits for a change of it: the height of the state that it was read in moves all the time.
  const { height, ...rest } = answer;
  const row = watched || height === undefined ? rest : { ...rest, height };
  const { terminal } = context;
  if (context.format === "json") terminal.out(formatJson(row));
  else if (context.format === "ndjson") terminal.out(formatNdjson(row));
  else {
    const { value: stored } = row;
    const value = isObject(stored) ? stored : { value: stored };
    const fields = Object.entries(value).map(([name, cell]): [string, Cell] => {
      const time = timeText(name, cell);
      if (time !== undefined) return [name.slice(0, -"Ms".length), time];
      return [name, isObject(cell) || Array.isArray(cell) ? JSON.stringify(cell) : (cell as Cell)];
    });
    terminal.out(formatFields(fields, terminal.colorOut));
  }
};
