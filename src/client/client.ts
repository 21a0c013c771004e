/**
 * `createClient`: what programs use. A client reads and writes one chain through any of its nodes and, unless
 * it is told otherwise, believes none of them: what it reads it checks against the genesis (docs/sdk.md).
 */
import { toHex } from "../crypto/bytes.ts";
import type { FalconVerifier } from "../crypto/falcon.ts";
import { TetradError } from "../errors.ts";
import type { Json } from "../ledger/event-schema.ts";
import { parseTrust, type Trust } from "../ledger/verify/trust.ts";
import { LIMITS } from "../limits.ts";
import { FORMATS } from "../node/formats.ts";
import { selectVerifier } from "../node/signing/select-verifier.ts";
import type { StatusJson } from "./api.ts";
import { type Appended, type AppendOptions, appendEvents, type EventInput } from "./append.ts";
import { claimedTimeOf, eventOf, type LedgerEvent, readEntry } from "./entry.ts";
import { type EventsOptions, readEvents } from "./events.ts";
import { badAnswer, type Fetch } from "./http.ts";
import {
  checkSchema,
  heightOf,
  type LedgerRow,
  type ListOptions,
  type ListPage,
  type PageOptions,
  pagesOf,
  type ReadOptions,
  rowOf,
  rowsOf,
} from "./lists.ts";
import { objectsOf } from "./objects/index.ts";
import type { Objects } from "./objects/types.ts";
import { PoolClient } from "./pool.ts";
import { hasEvent, Prover, type Shown } from "./prover.ts";
import { createQueue, memoryStore, type TextStore } from "./store.ts";
import { type BatchKeeper, memoryKeeper, type SignedChain } from "./submit.ts";
import { withinLag } from "./within.ts";

/** What to start from: the chain's genesis, or a checkpoint that was verified not long ago. */
export type TrustInput = { readonly genesis: string | object } | { readonly checkpoint: string };

export type ClientOptions = {
  /** Addresses of nodes, such as "http://[::1]:8440": the first that can answer does. */
  readonly baseUrl: string | readonly string[];
  /** Instead of the global fetch. */
  readonly fetch?: Fetch;
  /** Whom to believe. Required unless `unverified` is true. */
  readonly trust?: TrustInput;
  /** True: the word of the node is taken for everything. Nothing is checked, and results say so. */
  readonly unverified?: boolean;
  /** Where the newest verified header is kept between runs; the memory of this client if not given. */
  readonly stateStore?: TextStore;
  /**
   * Milliseconds that the ledger time of a header may lie behind this machine's clock for what it proves to be
   * taken as the present: LIMITS.clientMaxAgeMs if not given, Infinity for a chain that stands still or is
   * read as history. Past it a node is left for the next one, and trust.behind when none is newer.
   */
  readonly maxAgeMs?: number;
  /** Instead of WebAssembly, or JavaScript where that does not load. */
  readonly verifier?: FalconVerifier;
  /** Told of each node that is left for the next one, with why. */
  readonly onFailover?: (baseUrl: string, error: TetradError) => void;
};

export type RowOptions = ReadOptions & {
  /** Waits until the state after this height, or a later one, can be read: that of one's own append. */
  readonly minHeight?: number;
};

/** The newest header that the client has verified. */
export type VerifiedHead = {
  readonly height: number;
  readonly blockHash: string;
  readonly logSize: number;
  readonly logRoot: string;
  /** Ledger time of the header, milliseconds since 1970. */
  readonly timeMs: number;
};

export type Client = {
  /** What the current node says of itself: never verified. */
  status(options?: ReadOptions): Promise<StatusJson>;
  /** The log, event by event (events.ts). */
  events(options?: EventsOptions): AsyncGenerator<LedgerEvent>;
  /** One event; undefined: the log has no event there yet. */
  event(index: number, options?: ReadOptions): Promise<LedgerEvent | undefined>;
  /** One row, or the proof that there is none. */
  row(projection: string, key: string, options?: RowOptions): Promise<LedgerRow>;
  /**
   * The rows of a projection in the order of their keys. Each is proven; that none was left out is not, and
   * later rows may be of a later state (lists.ts).
   */
  rows(projection: string, options?: ListOptions): AsyncGenerator<LedgerRow>;
  /**
   * The pages of a list of the API. Proven are those of `/v1/projections/:name`, as `rows()`, and of
   * `/v1/events`, as `events()`, to the end that the log has now; any other list is the word of the node, so
   * `unverified: true` has to be said for it.
   */
  pages(path: string, options?: PageOptions): AsyncGenerator<ListPage>;
  /** Signs events and sends them; resolves with what became of each. */
  append(events: readonly EventInput[], options: AppendOptions): Promise<Appended[]>;
  /** Files by the name of their bytes: whole chunks are held against the name here (objects/types.ts). */
  readonly objects: Objects;
  /** The newest verified header; undefined before the first proof, and where nothing is verified. */
  head(): Promise<VerifiedHead | undefined>;
};

const readTrust = (input: TrustInput): Trust => {
  const text =
    "checkpoint" in input
      ? input.checkpoint
      : typeof input.genesis === "string"
        ? input.genesis
        : JSON.stringify(input.genesis);
  const trust = parseTrust(text);
  if (!trust.ok) throw TetradError.from(trust);
  return trust.value;
};

const usage = (detail: string): TetradError => new TetradError("cli.usage", detail);

/**
 * A client of one chain. Opens no connection before it is asked for something. Throws cli.usage for
 * addresses that are none and for neither `trust` nor `unverified`, config.genesis and proof.trust for
 * what is not a genesis or a checkpoint.
 */
export const createClient = (options: ClientOptions): Client => {
  const { trust: given, unverified = false } = options;
  if (given === undefined && !unverified) {
    throw usage("give trust: { genesis }, or unverified: true to take the word of the node");
  }
  if (given !== undefined && unverified)
    throw usage("trust and unverified: true exclude each other");
  const { maxAgeMs = LIMITS.clientMaxAgeMs } = options;
  if (!(maxAgeMs > 0)) throw usage(`maxAgeMs: ${maxAgeMs} is no time`);
  const trust = given === undefined ? undefined : readTrust(given);
  const chain =
    trust === undefined
      ? undefined
      : { chainId: trust.chainId, genesisHash: toHex(trust.genesisHash), work: trust.work };
  const client = poolOf(options, chain);
  const open = trust === undefined ? async () => undefined : openOnce(client, trust, options);
  const genesisHash = trust?.genesisHash;
  return {
    status: ({ signal } = {}) => client.status(signal),
    async *events(reading) {
      const prover = await open();
      yield* readEvents({ client, prover, genesisHash }, reading);
    },
    async event(index, { signal } = {}) {
      if (!Number.isSafeInteger(index) || index < 0) throw usage(`${index} is not an index`);
      const prover = await open();
      return prover === undefined
        ? toldEvent(client, index, signal)
        : provenEvent(client, prover, index, signal);
    },
    async row(projection, key, reading = {}) {
      const prover = await open();
      return prover === undefined
        ? toldRow(client, projection, key, reading)
        : provenRow(prover, projection, key, reading);
    },
    rows: (projection, reading = {}) => rowsOf({ client, open, genesisHash }, projection, reading),
    pages: (path, reading = {}) => pagesOf({ client, open, genesisHash }, path, reading),
    append: appender(client, chain),
    // Which node has an object says nothing of which one is good to read the ledger from.
    objects: objectsOf(poolOf(options, chain), chain),
    async head() {
      const head = (await open())?.head;
      if (head === undefined) return undefined;
      const { height, blockHash, timeMs } = head.checkpoint;
      const log = { logSize: head.logSize, logRoot: toHex(head.logRoot) };
      return { height, blockHash: toHex(blockHash), timeMs, ...log };
    },
  };
};

const poolOf = (
  { baseUrl, fetch, onFailover }: ClientOptions,
  chain: SignedChain | undefined,
): PoolClient =>
  new PoolClient(typeof baseUrl === "string" ? [baseUrl] : baseUrl, {
    ...(fetch === undefined ? {} : { fetch }),
    ...(onFailover === undefined ? {} : { onFailover }),
    ...(chain === undefined ? {} : { genesisHash: chain.genesisHash, chainId: chain.chainId }),
  });

/** The prover, opened when it is first needed; a failure to open it is met again by who comes later. */
const openOnce = (client: PoolClient, trust: Trust, options: ClientOptions) => {
  let opened: Promise<Prover> | undefined;
  const open = async (): Promise<Prover> => {
    const { verify } = options.verifier ?? (await selectVerifier()).verifier;
    const { maxAgeMs = LIMITS.clientMaxAgeMs } = options;
    const store = options.stateStore ?? memoryStore();
    return Prover.open({ client, trust, store, verify, maxAgeMs });
  };
  return (): Promise<Prover> => {
    opened ??= open();
    return opened;
  };
};

const toldEvent = async (
  client: PoolClient,
  index: number,
  signal: AbortSignal | undefined,
): Promise<LedgerEvent | undefined> => {
  const page = await client.get("/v1/events", { from: index, limit: 1 }, signal);
  const [item] = Array.isArray(page["items"]) ? page["items"] : [];
  if (item === undefined) return undefined;
  const entry = readEntry(client.node.base, item);
  if (entry.index !== index) throw badAnswer(client.node.base, "another event than was asked for");
  return eventOf(entry, false, claimedTimeOf(item));
};

/** Throws proof.invalid for a proof of anything else. */
const eventIn = (shown: Shown, index: number): LedgerEvent | undefined => {
  if (!hasEvent(shown, index)) return undefined;
  const { claim } = shown.proven;
  const found =
    claim.kind === "events" ? claim.events.find((event) => event.index === index) : undefined;
  return found === undefined ? undefined : eventOf(found, true);
};

const provenEvent = async (
  client: PoolClient,
  prover: Prover,
  index: number,
  signal: AbortSignal | undefined,
): Promise<LedgerEvent | undefined> => {
  // What a node has just taken is covered by a header a block or two later: worth waiting for. That there
  // is no such event is never the node's word: the proof says it.
  const isTold = (await client.status(signal)).logSize > index;
  const check = async (): Promise<LedgerEvent | "none" | undefined> => {
    const shown = await prover.show(`/v1/events/${index}`, signal);
    const found = shown === undefined ? undefined : eventIn(shown, index);
    return found ?? (isTold || shown === undefined ? undefined : "none");
  };
  const found = await withinLag(signal, check, () => {
    throw new TetradError("trust.behind", `no header that is final covers event ${index} yet`);
  });
  return found === "none" ? undefined : found;
};

const rowPath = (projection: string, key: string): string =>
  `/v1/projections/${encodeURIComponent(projection)}/${encodeURIComponent(key)}`;

const toldRow = async (
  client: PoolClient,
  projection: string,
  key: string,
  { signal, minHeight = 0 }: RowOptions,
): Promise<LedgerRow> => {
  const check = async (): Promise<LedgerRow | undefined> => {
    const row = await askRow(client, projection, key, signal);
    return row.height >= minHeight ? row : undefined;
  };
  return withinLag(signal, check, () => notYet(minHeight));
};

const notYet = (minHeight: number): never => {
  throw new TetradError("trust.behind", `the state after height ${minHeight} cannot be read yet`);
};

const askRow = async (
  client: PoolClient,
  projection: string,
  key: string,
  signal: AbortSignal | undefined,
): Promise<LedgerRow> => {
  const base = { projection, key, verified: false };
  try {
    const body = await client.get(rowPath(projection, key), {}, signal);
    return { ...base, value: body["value"] as Json, height: heightOf(client, body) };
  } catch (error) {
    if (!(error instanceof TetradError) || error.code !== "http.not-found") throw error;
    const { executedHeight } = await client.status(signal);
    return { ...base, value: undefined, height: executedHeight };
  }
};

const provenRow = async (
  prover: Prover,
  projection: string,
  key: string,
  { signal, minHeight = 0 }: RowOptions,
): Promise<LedgerRow> => {
  const bytes = FORMATS.keyBytes(projection, key);
  if (!bytes.ok) throw TetradError.from(bytes);
  const wanted = toHex(bytes.value);
  const check = async (): Promise<LedgerRow | undefined> => {
    const shown = await prover.show(rowPath(projection, key), signal);
    if (shown === undefined) return undefined;
    const { claim, header } = shown.proven;
    const found =
      claim.kind === "rows" && claim.projection === projection
        ? claim.rows.find((row) => toHex(row.key) === wanted)
        : undefined;
    if (found === undefined) {
      throw new TetradError(
        "proof.invalid",
        `${shown.base}: the proof is not of ${projection} ${key}`,
      );
    }
    if (header.executedHeight < minHeight) return undefined;
    if (claim.kind === "rows") checkSchema(shown.base, claim);
    return rowOf(projection, key, found, header.executedHeight);
  };
  return withinLag(signal, check, () => notYet(minHeight));
};

/** Appends of one key one after the other: each takes the next place of the key's lane. */
const appender = (client: PoolClient, chain: SignedChain | undefined): Client["append"] => {
  type Lane = { readonly queue: ReturnType<typeof createQueue>; readonly keeper: BatchKeeper };
  const lanes = new Map<string, Lane>();
  return (events, options) => {
    const key = toHex(options.signer.publicKey);
    const lane = lanes.get(key) ?? { queue: createQueue(), keeper: memoryKeeper() };
    lanes.set(key, lane);
    return lane.queue(() => appendEvents(client, events, options, lane.keeper, chain));
  };
};
