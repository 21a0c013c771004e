/**
 * The log as an async iterator: every event once and in order, over as many connections and nodes as it
 * takes. Resuming is by index, which means the same on every node of the chain, and a node that is behind
 * waits until it has what is asked for.
 *
 * **Verified.** Events are held until they are proven. The reader keeps the log so far as a compact range
 * (at most 53 hashes). For a run of events, of up to 512 or what a height has, it asks for one proof, that of
 * the last one: its inclusion path holds the whole log before it, so when it equals the range that the
 * reader has computed from what it was sent, every event of the run is proven, and nothing was left out.
 * That is one inclusion proof and at most one certificate a run, never one an event. A filter is applied
 * here, behind the proof: a node that leaves events out is found out.
 */
import { equalBytes, toHex } from "../crypto/bytes.ts";
import { TetradError } from "../errors.ts";
import { hashLeaf } from "../ledger/leaf.ts";
import type { Hash, LogEntry } from "../ledger/types.ts";
import {
  appendLeaf,
  type CompactRange,
  EMPTY_RANGE,
  rangeRoot,
} from "../ledger/verify/compact-range.ts";
import { LIMITS } from "../limits.ts";
import { claimedTimeOf, eventOf, type LedgerEvent, readEntry, typeMatcher } from "./entry.ts";
import { follow } from "./follow.ts";
import { badAnswer, isObject, parseJson } from "./http.ts";
import { isOfThisNode, type PoolClient } from "./pool.ts";
import { hasEvent, type OwnRoots, type Prover, rangesOf, type Shown } from "./prover.ts";
import type { SseMessage } from "./sse.ts";
import type { TextStore } from "./store.ts";
import { LAG_MS, pause, withinLag } from "./within.ts";

export type EventsOptions = {
  /** Index of the first event; "end" for those that come. Default 0, or where the checkpoint store says. */
  readonly from?: number | "end";
  /** Event types, or prefixes such as "asset.*"; all if not given. */
  readonly types?: readonly string[];
  /**
   * False: ends with the last event that the log has when it begins, as a header has it that is at least as
   * new as what was verified before. Default true.
   */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
  /**
   * Remembers how far the reader has come. It wins over `from`. An event counts as read when the next one is
   * asked for: after a crash, and after a loop that was left, the event in hand comes again.
   */
  readonly checkpointStore?: TextStore;
  /** Told why a connection ended, before the next one is made. */
  readonly onBreak?: (reason: string) => void;
};

type Source = {
  readonly client: PoolClient;
  /** Undefined: nothing is verified. */
  readonly prover: Prover | undefined;
  readonly genesisHash: Hash | undefined;
};

/** Events after which a position is saved, where no checkpoint of the stream came before. */
const SAVE_EVERY = 256;
const POLL_MS_MIN = 50;
const POLL_MS_MAX = 1_000;

/** Where a reader is: {"format": "tetrad-position", "version": 1, "genesisHash": "…", "next": 7}. */
const formatPosition = (genesisHash: string, next: number): string =>
  `${JSON.stringify({ format: "tetrad-position", version: 1, genesisHash, next })}\n`;

const parsePosition = (text: string, genesisHash: string): number => {
  let value: unknown;
  try {
    value = text.length > 1024 ? undefined : JSON.parse(text);
  } catch {
    value = undefined;
  }
  const next = isObject(value) ? value["next"] : undefined;
  const known = isObject(value) && value["format"] === "tetrad-position" && value["version"] === 1;
  if (!known || typeof next !== "number" || !Number.isSafeInteger(next) || next < 0) {
    throw new TetradError("trust.state", "the kept position cannot be read");
  }
  if (isObject(value) && value["genesisHash"] !== genesisHash) {
    throw new TetradError("folder.foreign", "the kept position is of another chain");
  }
  return next;
};

type Held = { readonly entry: LogEntry; readonly time: string | undefined };

/** The events that are not proven yet, and the log before them. */
class Run {
  readonly #prover: Prover;
  range: CompactRange;
  /** The log through the last held event. */
  #reached: CompactRange;
  held: Held[] = [];
  #bytes = 0;
  /** Root of the log where the remembered header has its end, once the reader has passed it. */
  #passed: { readonly size: number; readonly root: Hash } | undefined;

  constructor(prover: Prover, range: CompactRange) {
    this.#prover = prover;
    this.range = range;
    this.#reached = range;
    this.#pass();
  }

  get isFull(): boolean {
    const { clientUnprovenEventsMax, clientUnprovenBytesMax } = LIMITS;
    return this.held.length >= clientUnprovenEventsMax || this.#bytes >= clientUnprovenBytesMax;
  }

  #pass(): void {
    const { size } = this.#reached;
    if (this.#prover.head?.logSize === size) {
      this.#passed = { size, root: rangeRoot(this.#reached) };
    }
  }

  add(held: Held): void {
    this.held.push(held);
    this.#bytes += held.entry.event.bytes.length;
    this.#reached = appendLeaf(this.#reached, hashLeaf(held.entry));
    this.#pass();
  }

  /** Throws unless the proof is of just the events that were sent. */
  #compare(shown: Shown): OwnRoots {
    const last = this.held.at(-1)?.entry.index ?? 0;
    const ranges = rangesOf(shown, last);
    if (ranges === undefined) return () => undefined;
    const { through } = ranges;
    const equal = through.subtrees.every((hash, i) =>
      equalBytes(hash, this.#reached.subtrees[i] ?? new Uint8Array(0)),
    );
    if (!equal) {
      const first = this.held[0]?.entry.index;
      throw new TetradError(
        "proof.invalid",
        `events ${first} to ${last}, as they were streamed, are not those that validators have signed`,
      );
    }
    return (size) => (this.#passed?.size === size ? this.#passed.root : undefined);
  }

  /** Forgets what is not proven. */
  reset(): void {
    this.held = [];
    this.#bytes = 0;
    this.#reached = this.range;
    this.#passed = undefined;
    this.#pass();
  }

  /**
   * The held events, proven. Waits for a header that covers the last of them; throws proof.pending when
   * that takes longer than blocks do: the chain stands still, or who streamed the event made it up.
   */
  async prove(signal: AbortSignal): Promise<readonly Held[]> {
    const last = this.held.at(-1)?.entry.index;
    if (last === undefined) return [];
    const end = performance.now() + LAG_MS;
    for (let ms = POLL_MS_MIN; ; ms = Math.min(POLL_MS_MAX, ms * 2)) {
      const shown = await this.#prover.show(`/v1/events/${last}`, signal, (one) =>
        this.#compare(one),
      );
      if (shown !== undefined && hasEvent(shown, last)) break;
      if (performance.now() > end) {
        throw new TetradError("proof.pending", `no header covers event ${last} of the stream yet`);
      }
      await pause(ms, signal);
    }
    this.range = this.#reached;
    this.#bytes = 0;
    return this.held.splice(0);
  }
}

/** The log before an index, proven. Waits until there is one. */
const rangeAt = async (
  prover: Prover,
  index: number,
  signal: AbortSignal,
): Promise<CompactRange> => {
  if (index === 0) return EMPTY_RANGE;
  for (let ms = POLL_MS_MIN; ; ms = Math.min(POLL_MS_MAX, ms * 2)) {
    const shown = await prover.show(`/v1/events/${index - 1}`, signal);
    if (shown !== undefined && hasEvent(shown, index - 1)) {
      const range = rangesOf(shown, index - 1)?.through;
      if (range !== undefined) return range;
    }
    await pause(ms, signal);
  }
};

/**
 * How many events the log has, by a header: not fewer than were verified before, nor than the node says. A
 * node that cannot prove as many as it says is left; throws trust.behind when none can.
 */
const provenEnd = async (
  { client, prover }: { readonly client: PoolClient; readonly prover: Prover },
  saidFirst: number,
  signal: AbortSignal,
): Promise<number> => {
  let said = saidFirst;
  for (let tried = 1; ; tried++) {
    const { node } = client;
    if (!Number.isSafeInteger(said) || said < 0) throw badAnswer(node.base, "no size of the log");
    const least = Math.max(said, prover.head?.logSize ?? 0);
    const size = async (): Promise<number | undefined> => {
      const shown = await prover.show(`/v1/events/${least}`, signal);
      if (shown === undefined) return undefined;
      const { logSize } = shown.proven.header;
      return hasEvent(shown, least) || logSize === least ? logSize : undefined;
    };
    const found = await withinLag(signal, size, () => -1);
    if (found >= 0) return found;
    const detail = `${node.base} proves fewer than the ${least} events that it says it has`;
    const error = new TetradError("trust.behind", detail);
    if (client.node === node) client.leave(error);
    if (tried >= client.size) throw error;
    said = (await client.status(signal)).logSize;
  }
};

/** How far a reader has come, saved now and then. */
class Progress {
  readonly #store: TextStore | undefined;
  readonly #genesisHash: string;
  #saved: number;
  next: number;

  constructor(store: TextStore | undefined, genesisHash: string, next: number) {
    this.#store = store;
    this.#genesisHash = genesisHash;
    this.next = next;
    this.#saved = next;
  }

  /** The event before `next` was read. */
  async read(next: number): Promise<void> {
    this.next = next;
    if (next - this.#saved >= SAVE_EVERY) await this.save();
  }

  async save(): Promise<void> {
    if (this.#store === undefined || this.next === this.#saved) return;
    this.#saved = this.next;
    await this.#store.save(formatPosition(this.#genesisHash, this.next));
  }
}

const startOf = async (
  options: EventsOptions,
  genesisHash: string,
  logSize: number,
): Promise<number> => {
  const kept = await options.checkpointStore?.load();
  if (kept !== undefined) return parsePosition(kept, genesisHash);
  const { from } = options;
  if (from === "end") return logSize;
  if (from === undefined) return 0;
  if (!Number.isSafeInteger(from) || from < 0) {
    throw new TetradError("cli.usage", `from: ${from} is not an index or "end"`);
  }
  return from;
};

/** Index that a stream's message brings the reader to; -1 for one that says nothing of it. */
const reachedBy = (base: string, message: SseMessage): number => {
  if (message.event !== "checkpoint") return -1;
  const value = parseJson(base, message.data);
  const next = isObject(value) ? value["next"] : undefined;
  if (typeof next !== "number" || !Number.isSafeInteger(next) || next < 0) {
    throw badAnswer(base, "a checkpoint of the stream says not how far it is");
  }
  return next;
};

type Ready = { readonly held: readonly Held[]; readonly next: number };

/**
 * Reads the stream from an index on; yields runs of events that are ready (proven, or not to be), each with
 * how far the reader is after it. `filter` is left to the node, where nothing is verified. A node that talks
 * nonsense is left for the next one, until each of them has.
 */
async function* runsOf(
  { client, prover }: Source,
  from: number,
  filter: string | undefined,
  options: EventsOptions,
  signal: AbortSignal,
): AsyncGenerator<Ready> {
  const range = prover === undefined ? undefined : await rangeAt(prover, from, signal);
  const reader: Reader = {
    run: prover === undefined || range === undefined ? undefined : new Run(prover, range),
    filter,
    next: from,
  };
  for (let nonsense = 0; !signal.aborted; ) {
    let { node } = client;
    try {
      const messages = follow({
        client,
        query: { from, type: filter },
        signal,
        sleep: (ms) => pause(ms, signal),
        onBreak: options.onBreak ?? (() => undefined),
        failuresMax: Number.POSITIVE_INFINITY,
        ...(reader.next > 0 ? { lastId: String(reader.next - 1) } : {}),
      });
      for await (const message of messages) {
        node = client.node;
        const ready = await take(node.base, reader, message, signal);
        nonsense = 0;
        if (ready !== undefined) yield ready;
      }
    } catch (error) {
      if (!(error instanceof TetradError) || !isOfThisNode(error)) throw error;
      // A chain that stands still is no nonsense: what is not proven is read again, from the next node.
      if (error.code === "proof.pending" && reader.run !== undefined) {
        reader.run.reset();
        reader.next = reader.run.range.size;
      } else nonsense += 1;
      if (nonsense >= client.size) throw error;
      // The client has left it already when the error was met below.
      if (client.node === node) client.leave(error);
      options.onBreak?.(error.message);
    }
  }
}

type Reader = {
  readonly run: Run | undefined;
  readonly filter: string | undefined;
  /** Index that the next event has, or with a filter at least. */
  next: number;
};

/** Takes a message of the stream; gives what is ready after it. */
const take = async (
  base: string,
  reader: Reader,
  message: SseMessage,
  signal: AbortSignal,
): Promise<Ready | undefined> => {
  const { run, filter } = reader;
  if (message.event !== "message") {
    const reached = reachedBy(base, message);
    if (reached < reader.next) return undefined;
    // With a filter the node passes over events; without one it must have sent them all.
    if (filter === undefined && reached > reader.next) {
      throw badAnswer(base, "the stream has a gap");
    }
    reader.next = reached;
    return { held: run === undefined ? [] : await run.prove(signal), next: reached };
  }
  const json = parseJson(base, message.data);
  const entry = readEntry(base, json);
  if (filter === undefined ? entry.index !== reader.next : entry.index < reader.next) {
    throw badAnswer(base, `event ${entry.index} came where ${reader.next} was due`);
  }
  reader.next = entry.index + 1;
  const held = { entry, time: claimedTimeOf(json) };
  if (run === undefined) return { held: [held], next: reader.next };
  run.add(held);
  return run.isFull ? { held: await run.prove(signal), next: reader.next } : undefined;
};

/** The events of the log, until the signal ends it or, without `follow`, the log is read. */
export async function* readEvents(
  source: Source,
  options: EventsOptions = {},
): AsyncGenerator<LedgerEvent> {
  const { client, prover } = source;
  const matches = typeMatcher(options.types);
  const signal = options.signal ?? new AbortController().signal;
  const status = await client.status(signal);
  const genesisHash =
    source.genesisHash === undefined ? status.genesisHash : toHex(source.genesisHash);
  const isBounded = options.follow === false || options.from === "end";
  const end =
    prover !== undefined && isBounded
      ? await provenEnd({ client, prover }, status.logSize, signal)
      : status.logSize;
  const from = await startOf(options, genesisHash, end);
  const until = options.follow === false ? end : Number.POSITIVE_INFINITY;
  const progress = new Progress(options.checkpointStore, genesisHash, from);
  if (from >= until) return;
  const single = options.types?.length === 1 ? options.types[0] : undefined;
  const runs = runsOf(source, from, prover === undefined ? single : undefined, options, signal);
  try {
    for await (const { held, next } of runs) {
      for (const { entry, time } of held) {
        if (entry.index >= until) return;
        if (matches(entry.event.type)) yield eventOf(entry, prover !== undefined, time);
        await progress.read(entry.index + 1);
      }
      const isIdle = held.length === 0 || prover !== undefined;
      if (isIdle) {
        progress.next = Math.max(progress.next, next);
        await progress.save();
      }
      if (next >= until) return;
    }
  } finally {
    await progress.save();
  }
  signal.throwIfAborted();
}
