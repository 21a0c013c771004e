/**
 * Lists: rows of a projection, and pages of the API's lists.
 *
 * **What is proven of rows.** Each row, by a path to the state root of a header that is final and contains all
 * that was verified before (prover.ts), and that keys ascend from the first row to the last. **What is not:**
 * that no row was left out, between two rows, before the first or after the last. The state tree is ordered by
 * the hashes of keys, so that two keys are neighbours is nothing that it shows. Who must know that a key has no
 * row asks for it by `row()`, which proves absence.
 *
 * **Where a page begins** is decided here: behind the last key that was proven, never at a cursor that the
 * node gives. A node can end a list early or pass over rows, but not repeat them or send the reader back.
 *
 * **Heights.** A node proves rows of its newest certified state alone, so pages cannot be pinned to one
 * height. The height of a row is never below that of the row before; rows of one page are of one state.
 */
import { compareBytes } from "../crypto/bytes.ts";
import { TetradError } from "../errors.ts";
import type { Json } from "../ledger/event-schema.ts";
import type { Hash } from "../ledger/types.ts";
import { toBase64url } from "../ledger/verify/base64url.ts";
import type { ProvenClaim, ProvenRow } from "../ledger/verify/proven.ts";
import { LIMITS } from "../limits.ts";
import { FORMATS, schemaVersionOf } from "../node/formats.ts";
import type { PageJson } from "./api.ts";
import type { LedgerEvent } from "./entry.ts";
import { readEvents } from "./events.ts";
import { badAnswer, isObject, type JsonObject } from "./http.ts";
import type { PoolClient } from "./pool.ts";
import type { Prover, Shown } from "./prover.ts";
import { withinLag } from "./within.ts";

/** A row of a projection, or that there is none. */
export type LedgerRow = {
  readonly projection: string;
  readonly key: string;
  /** Undefined: the projection has no row under this key. */
  readonly value: Json | undefined;
  /** The state after this height was read. */
  readonly height: number;
  /**
   * True: checked against what validators have signed, absence included. Of a row in a list it says that
   * this row is there, not that no other row is.
   */
  readonly verified: boolean;
};

export type ReadOptions = { readonly signal?: AbortSignal };

export type ListOptions = ReadOptions & {
  /** One group of rows, where a projection has groups: the topic, for records. */
  readonly prefix?: string;
  /** True: the word of the node is taken, and items are as it gives them. */
  readonly unverified?: true;
};

export type PageOptions = ListOptions & {
  /** Items of one page at most: 1 to 1000. */
  readonly limit?: number;
};

/**
 * A page of a list. Of a proven list of rows the items are `LedgerRow`s, and `height` says after which height
 * that state was; of the proven log they are `LedgerEvent`s; of any other list, what the node gave.
 */
export type ListPage = PageJson & {
  /** True: every item was checked against what validators have signed. */
  readonly verified: boolean;
  /**
   * True: items may have been left out, between those of the page, before or after them, and nothing here
   * would show it. False only for the proven log, in which no event can be missing.
   */
  readonly mayOmit: boolean;
};

type Source = {
  readonly client: PoolClient;
  /** Undefined: nothing is verified. */
  readonly open: () => Promise<Prover | undefined>;
  readonly genesisHash: Hash | undefined;
};

/** Rows asked for at a time, unless told otherwise. */
const PAGE = 500;

const usage = (detail: string): TetradError => new TetradError("cli.usage", detail);

const limitOf = ({ limit = PAGE }: PageOptions): number => {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= LIMITS.httpPageMax) return limit;
  throw usage(`limit: ${limit} is not in 1..${LIMITS.httpPageMax}`);
};

/** The height that an answer is of; client.bad-answer where it says none. */
export const heightOf = (client: PoolClient, body: JsonObject): number => {
  const { height } = body;
  if (typeof height === "number" && Number.isSafeInteger(height)) return height;
  throw badAnswer(client.node.base, "an answer without a height");
};

/**
 * Throws proof.version for proven rows whose encoding this version does not know: their bytes are right, but
 * what they mean would be a guess.
 */
export const checkSchema = (
  base: string,
  { projection, schemaVersion }: ProvenClaim & { readonly kind: "rows" },
): void => {
  const known = schemaVersionOf(projection);
  if (known === undefined || known === schemaVersion) return;
  const detail = `${base}: rows of ${projection} in schema version ${schemaVersion}; this program knows ${known}`;
  throw new TetradError("proof.version", detail);
};

/** A proven row as programs get it: its value is decoded here, from the proven bytes. */
export const rowOf = (
  projection: string,
  key: string,
  { key: bytes, value }: ProvenRow,
  height: number,
): LedgerRow => ({
  projection,
  key,
  value: value === undefined ? undefined : (FORMATS.row(projection, bytes, value) as Json),
  height,
  verified: true,
});

const startsWith = (key: Uint8Array, prefix: Uint8Array): boolean =>
  key.length >= prefix.length && prefix.every((byte, i) => key[i] === byte);

type Place = {
  readonly projection: string;
  readonly prefix: Uint8Array;
  readonly after: Uint8Array | undefined;
  readonly limit: number;
};

/**
 * The rows of a page, when it is one of this list from this place on; proof.invalid else. That each row is in
 * the state, and that keys ascend within the page, verifyBundle has checked.
 */
const checkPage = (
  { base, proven }: Shown,
  { projection, prefix, after, limit }: Place,
): readonly ProvenRow[] => {
  const bad = (detail: string): TetradError =>
    new TetradError("proof.invalid", `${base}: ${detail}`);
  const { claim } = proven;
  if (claim.kind !== "rows" || claim.projection !== projection) {
    throw bad(`the proof is not of rows of ${projection}`);
  }
  checkSchema(base, claim);
  const { rows } = claim;
  if (rows.length > limit)
    throw bad(`a page of ${rows.length} rows, of ${limit} that were asked for`);
  const [first] = rows;
  if (first !== undefined && after !== undefined && compareBytes(first.key, after) <= 0) {
    throw bad("a page that does not begin behind the one before");
  }
  for (const { key, value } of rows) {
    if (!startsWith(key, prefix)) throw bad("a row that is not of the list");
    if (value === undefined) throw bad("a key without a row in a list of rows");
  }
  return rows;
};

/** Pages of proven rows, until the node has none behind the last one. */
async function* provenPages(
  prover: Prover,
  projection: string,
  reading: PageOptions,
): AsyncGenerator<ListPage & { readonly items: readonly LedgerRow[] }> {
  const limit = limitOf(reading);
  const { signal } = reading;
  const prefix = FORMATS.prefix(projection, reading.prefix);
  if (!prefix.ok) throw TetradError.from(prefix);
  const group = reading.prefix === undefined ? {} : { prefix: reading.prefix };
  let after: Uint8Array | undefined;
  for (;;) {
    const start = after === undefined ? {} : { afterKey: toBase64url(after) };
    const query = new URLSearchParams({ limit: String(limit), ...group, ...start });
    const path = `/v1/projections/${encodeURIComponent(projection)}?${query}`;
    const shown = await withinLag(
      signal,
      () => prover.show(path, signal),
      () => {
        throw new TetradError("trust.behind", `no header that is final covers ${projection} yet`);
      },
    );
    const rows = checkPage(shown, { projection, prefix: prefix.value, after, limit });
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.key;
    const height = shown.proven.header.executedHeight;
    const items = rows.map((row) =>
      rowOf(projection, FORMATS.keyText(projection, row.key), row, height),
    );
    yield { projection, items, height, verified: true, mayOmit: true };
  }
}

/** Pages as the node gives them. */
async function* toldPages(
  client: PoolClient,
  path: string,
  { prefix, limit, signal }: PageOptions,
): AsyncGenerator<ListPage> {
  const query = limit === undefined ? { prefix } : { prefix, limit };
  for await (const page of client.pages(path, query, signal)) {
    yield { ...page, verified: false, mayOmit: true };
  }
}

/** The proven log, in pages. */
async function* eventPages(
  { client, genesisHash }: Source,
  prover: Prover,
  reading: PageOptions,
): AsyncGenerator<ListPage> {
  const limit = limitOf(reading);
  if (reading.prefix !== undefined) throw usage("events have no groups to list by");
  const { signal } = reading;
  const options = signal === undefined ? { follow: false } : { follow: false, signal };
  const page = (items: readonly LedgerEvent[]): ListPage => ({
    items,
    verified: true,
    mayOmit: false,
  });
  let items: LedgerEvent[] = [];
  for await (const event of readEvents({ client, prover, genesisHash }, options)) {
    items.push(event);
    if (items.length < limit) continue;
    yield page(items);
    items = [];
  }
  if (items.length > 0) yield page(items);
}

/** `Client.pages`. Throws cli.usage for a list that is not proven, where nobody said `unverified`. */
export async function* pagesOf(
  source: Source,
  path: string,
  reading: PageOptions,
): AsyncGenerator<ListPage> {
  const prover = reading.unverified === true ? undefined : await source.open();
  if (prover === undefined) {
    yield* toldPages(source.client, path, reading);
    return;
  }
  const projection = /^\/v1\/projections\/([a-z0-9.-]+)$/.exec(path)?.[1];
  if (projection !== undefined) yield* provenPages(prover, projection, reading);
  else if (path === "/v1/events") yield* eventPages(source, prover, reading);
  else throw usage(`${path.slice(0, 64)} is not proven: say unverified: true`);
}

/** `Client.rows`. */
export async function* rowsOf(
  { client, open }: Source,
  projection: string,
  reading: ListOptions,
): AsyncGenerator<LedgerRow> {
  const prover = reading.unverified === true ? undefined : await open();
  if (prover !== undefined) {
    for await (const page of provenPages(prover, projection, reading)) yield* page.items;
    return;
  }
  const path = `/v1/projections/${encodeURIComponent(projection)}`;
  for await (const page of toldPages(client, path, reading)) {
    const height = heightOf(client, page);
    for (const item of page.items) {
      if (!isObject(item) || typeof item["key"] !== "string") {
        throw badAnswer(client.node.base, "a row without a key");
      }
      const { key, value } = item;
      yield { projection, key, value: value as Json, height, verified: false };
    }
  }
}
