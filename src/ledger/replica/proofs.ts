/**
 * Makes proof bundles (verify/bundle.ts) from what a node has: the log, its tiles, the headers with their own
 * certificates, and the states that such headers commit to. Reads only; nothing of the replica waits for it.
 */
import { compareBytes, concatBytes, equalBytes, toHex } from "../../crypto/bytes.ts";
import { type Failure, fail, ok, type Result, TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { BATCH_CORE_BYTES } from "../batch.ts";
import { decodeHeader } from "../block.ts";
import type { ProofOptions, ProofSource, ProvenPage, StateView } from "../handle.ts";
import { nodePrefix, rangeOfPrefix, rowKey, rowPrefix } from "../keys.ts";
import { encodeLeaf } from "../leaf.ts";
import { addStoredEntries, type LogBatch } from "../log-batch.ts";
import { inclusionPath } from "../log-tree.ts";
import type { StoreEntry } from "../ports.ts";
import { actorKeyAt } from "../projections/actors.ts";
import { KEYS, STAKE } from "../projections/stake/rows.ts";
import { VALIDATORS, validatorKey } from "../projections/validators.ts";
import { readExecution } from "../records.ts";
import { readRow } from "../row.ts";
import { provePath } from "../state-tree.ts";
import { BatchPaths, type StoredBatch } from "../stored-batch.ts";
import type { Hash, LogEntry, ValidatorSet } from "../types.ts";
import type {
  BatchProof,
  Bundle,
  Claim,
  EventProof,
  ProjectionRoot,
  ProofLink,
  RowProof,
} from "../verify/bundle.ts";
import { rangeBefore } from "../verify/compact-range.ts";
import type { BlockStore } from "./block-store.ts";
import { storeFailure } from "./committer.ts";
import type { Context } from "./context.ts";
import { type HeldState, HeldStates, type Readable } from "./held-states.ts";
import type { LogReader } from "./log-reader.ts";
import { type CertifiedHeader, ProofChain, reading } from "./proof-chain.ts";
import { readRowsOf } from "./read-rows.ts";

/** What of a running replica proofs are made from. */
export type ProvenReplica = {
  readonly context: Context;
  readonly store: BlockStore;
  readonly genesisHash: Hash;
  readonly executedListeners: Set<(height: number, logSize: number) => void>;
  readonly committer:
    | {
        readonly tip: { readonly height: number };
        readonly executed: { readonly height: number; readonly logSize: number };
      }
    | undefined;
};

type Done<T> = (result: Result<T>) => void;

export type Proofs = ProofSource & { readonly states: HeldStates; close(): void };

const PENDING: Failure = fail(
  "proof.pending",
  "no header with its own certificate commits to this yet: a block or two later one does",
);

export const createProofs = (replica: ProvenReplica, log: LogReader): Proofs => {
  const { context } = replica;
  const chain = new ProofChain(replica.store, context.ports.store);
  const states = new HeldStates(
    () => context.ports.store.snapshot(),
    chain,
    () => replica.committer?.tip.height ?? 0,
  );
  const listener = (height: number, logSize: number): void => states.executed(height, logSize);
  replica.executedListeners.add(listener);
  const { committer } = replica;
  if (committer !== undefined) {
    // A disk that fails now fails the next execution too, which is where the node stops for it.
    const held = reading(() => listener(committer.executed.height, committer.executed.logSize));
    if (!held.ok) context.log("warn", "no state is held to prove rows from", { code: held.code });
  }
  const maker = new BundleMaker(replica, log, chain, states);
  return {
    states,
    event: (index, options, done) => maker.event(index, options, done),
    rows: (projection, keys, options, done) => maker.rows(projection, keys, options, done),
    stateAt: (height) => {
      states.want();
      return viewOf(states.at(height), height);
    },
    set: (options, done) => maker.set(options, done),
    range: (query, options, done) => maker.range(query, options, done),
    page: (projection, query, options, done) => maker.page(projection, query, options, done),
    close: () => {
      replica.executedListeners.delete(listener);
      states.close();
    },
  };
};

const viewOf = (state: Readable | undefined, height: number): StateView | undefined => {
  if (state === undefined) return undefined;
  const { snapshot } = state;
  const read = (key: Uint8Array): Uint8Array | undefined => snapshot.get(key);
  const record = readExecution(read, height);
  if (record === undefined) return undefined;
  return {
    stateRoot: record.stateRoot,
    rows: (projection, options, done) => readRowsOf(snapshot, projection, options, done),
    row: (projection, key) => readRow(read, projection, key)?.value,
    release: state.hold(),
  };
};

/** Rows, and events, that are proven at a time: about a millisecond of work. */
const SLICE_ROWS = 4;
const SLICE_EVENTS = 64;
/** Rows that are read at a time. */
const READ_ROWS_MAX = 64;

/** The smallest key above a key: that one with a zero byte behind it. */
const keyAfter = (key: Uint8Array): Uint8Array => concatBytes(key, Uint8Array.of(0));

const NOBODY_WAITS: Failure = fail("http.timeout", "nobody waits for the page any more");

/** Repeats a step until it says false or fails, with what `slice` waits for before each but the first. */
const inSlices = (
  step: () => Result<boolean>,
  slice: ((resume: (goesOn: boolean) => void) => void) | undefined,
  done: (result: Result<boolean>) => void,
): void => {
  for (;;) {
    const result = step();
    if (!result.ok || !result.value) return done(result);
    if (slice === undefined) continue;
    return slice((goesOn) => {
      if (goesOn) inSlices(step, slice, done);
      else done(NOBODY_WAITS);
    });
  }
};

const projectionsOf = ({ record }: HeldState): ProjectionRoot[] =>
  record.projections.map(({ name, root }, at) => ({
    name,
    schemaVersion: record.schemaVersions[at] ?? 0,
    root,
  }));

/** Where the rows of a set's members are, in the order of keys. */
const membersOf = (
  { options }: Context,
  set: ValidatorSet | undefined,
): { readonly projection: string; readonly keys: readonly Uint8Array[] } => {
  const changes = options.genesis.proofs.stake !== null;
  const keyOf = changes ? KEYS.identity : validatorKey;
  const keys = (set?.validators ?? []).map(({ id }) => keyOf(id)).sort(compareBytes);
  return { projection: changes ? STAKE : VALIDATORS, keys };
};

class BundleMaker {
  readonly #replica: ProvenReplica;
  readonly #log: LogReader;
  readonly #chain: ProofChain;
  readonly #states: HeldStates;
  readonly #batchPaths: BatchPaths;

  constructor(replica: ProvenReplica, log: LogReader, chain: ProofChain, states: HeldStates) {
    this.#replica = replica;
    this.#log = log;
    this.#chain = chain;
    this.#states = states;
    this.#batchPaths = new BatchPaths(replica.context.hasher);
  }

  event(index: number, { trustedEpoch, newest }: ProofOptions, done: Done<Bundle>): void {
    const logSize = this.#replica.committer?.executed.logSize ?? 0;
    if (index >= logSize) {
      const claim: Claim = { kind: "no-event", index };
      return this.#atTip(trustedEpoch, done, ({ header }) =>
        header.logSize <= index ? ok(claim) : PENDING,
      );
    }
    this.#log.find(index, (found) => {
      if (!found.ok) return done(found);
      const { record, batch } = found.value;
      const claimAt = (target: CertifiedHeader): Result<Claim> =>
        reading(() => this.#eventClaim(index, record, batch, target.header.logSize));
      this.#chain.covering(record.height, index, (covering) => {
        if (!covering.ok) return done(covering);
        const target = covering.value;
        if (target === undefined) return done(PENDING);
        // Who trusts a later set than the first header's needs a header of that epoch, which has all that
        // the first one has.
        const isOld = newest === true || target.header.epoch < trustedEpoch;
        if (isOld) return this.#atTip(trustedEpoch, done, claimAt);
        this.#finish(target, trustedEpoch, claimAt(target), done);
      });
    });
  }

  /** A bundle about the newest certified header. */
  #atTip(
    trustedEpoch: number,
    done: Done<Bundle>,
    claimAt: (target: CertifiedHeader) => Result<Claim>,
  ): void {
    const tip = reading(() => this.#chain.certified(this.#replica.committer?.tip.height ?? 0));
    if (!tip.ok) return done(tip);
    if (tip.value === undefined) return done(PENDING);
    this.#finish(tip.value, trustedEpoch, claimAt(tip.value), done);
  }

  #eventClaim(index: number, record: LogBatch, batch: StoredBatch, logSize: number): Claim {
    const { read } = this.#replica.context;
    const entries: LogEntry[] = [];
    addStoredEntries(record, batch, index, 1, entries);
    const [entry] = entries;
    const key = actorKeyAt(read, batch.actor);
    if (entry === undefined || key === undefined) {
      throw new TetradError("store.corrupt", `log entry ${index}: its actor is missing`, { index });
    }
    const event: EventProof = {
      leaf: encodeLeaf(entry),
      path: inclusionPath(read, index, logSize),
      batchPath: this.#batchPaths.path(toHex(batch.digest), batch, entry.position),
    };
    const signed: BatchProof = {
      core: batch.bytes.slice(0, BATCH_CORE_BYTES),
      signature: batch.signature,
      publicKey: key.publicKey,
    };
    return { kind: "events", events: [event], batches: [signed] };
  }

  range(
    query: Parameters<ProofSource["range"]>[0],
    { trustedEpoch }: ProofOptions,
    done: Done<ProvenPage>,
  ): void {
    const { from } = query;
    const logSize = this.#replica.committer?.executed.logSize ?? 0;
    if (from >= logSize) {
      return this.event(from, { trustedEpoch }, (bundle) => {
        done(bundle.ok ? ok({ bundle: bundle.value, more: false }) : bundle);
      });
    }
    const found = reading(() => this.#chain.certified(this.#replica.committer?.tip.height ?? 0));
    if (!found.ok) return done(found);
    const target = found.value;
    if (target === undefined || target.header.logSize <= from) return done(PENDING);
    const end = Math.min(from + query.limit, target.header.logSize);
    this.#leaves({ ...query, end }, (leaves) => {
      if (!leaves.ok) return done(leaves);
      const claim = reading(() => this.#rangeClaim(from, leaves.value, target.header.logSize));
      const more = from + leaves.value.length < logSize;
      this.#finish(target, trustedEpoch, claim, (bundle) => {
        done(bundle.ok ? ok({ bundle: bundle.value, more }) : bundle);
      });
    });
  }

  #rangeClaim(from: number, leaves: readonly Uint8Array[], logSize: number): Claim {
    const { read } = this.#replica.context;
    const path = inclusionPath(read, from + leaves.length - 1, logSize);
    const before = rangeBefore(from, logSize, inclusionPath(read, from, logSize));
    if (before === undefined) throw new RangeError(`no leaf ${from} in a log of ${logSize}`);
    return { kind: "range", leaves, before: before.subtrees, path };
  }

  /** The leaves from..end, until they have `bytesMax` bytes; at least one. */
  #leaves(
    { from, end, bytesMax, slice }: Parameters<ProofSource["range"]>[0] & { readonly end: number },
    done: Done<readonly Uint8Array[]>,
  ): void {
    const leaves: Uint8Array[] = [];
    let bytes = 0;
    const readOn = (count: number): void => {
      const next = from + leaves.length;
      this.#log.page(next, Math.min(end, next + count), (page) => {
        if (!page.ok) return done(page);
        for (const entry of page.value) {
          bytes += entry.event.bytes.length;
          if (leaves.length > 0 && bytes > bytesMax) return done(ok(leaves));
          leaves.push(encodeLeaf(entry));
        }
        if (from + leaves.length >= end) return done(ok(leaves));
        // Few at first: what is read before it is counted is never much more than what was counted.
        const more = Math.min(SLICE_EVENTS, 2 * count);
        if (slice === undefined) return readOn(more);
        slice((goesOn) => {
          if (goesOn) readOn(more);
          else done(NOBODY_WAITS);
        });
      });
    };
    readOn(4);
  }

  rows(
    projection: string,
    keys: readonly Uint8Array[],
    options: ProofOptions,
    done: Done<Bundle>,
  ): void {
    const found = this.#stateFor(options);
    if (!found.ok) return done(found);
    const state = found.value;
    const rows = reading(() => keys.map((key) => this.#rowProof(state, projection, key)));
    this.#finishRows(state, projection, rows, options, done);
  }

  set(options: ProofOptions, done: Done<Bundle>): void {
    const found = this.#stateFor(options);
    if (!found.ok) return done(found);
    const state = found.value;
    const { context, store, genesisHash } = this.#replica;
    const { chainId } = context.hasher;
    const members = membersOf(context, store.validatorSet(state.target.header.epoch));
    // Made before anything is waited for: the state need not be held for longer.
    const claim = reading(() => this.#rowsClaim(state, members.projection, members.keys));
    if (!claim.ok) return done(claim);
    const { trustedEpoch } = options;
    this.#chain.linksWithin(state.target, trustedEpoch, LIMITS.setStepBytesMax, (links) => {
      if (!links.ok) return done(links);
      const end = links.value.at(-1);
      const isWhole = end !== undefined && equalBytes(end.header, state.target.bytes);
      const boundary = end === undefined ? undefined : decodeHeader(context.hasher, end.header);
      const index = boundary?.ok === true ? boundary.value.logSize : 0;
      const about: Claim = isWhole ? claim.value : { kind: "no-event", index };
      done(ok({ chainId, genesisHash, links: links.value, claim: about }));
    });
  }

  #rowsClaim(state: HeldState, projection: string, keys: readonly Uint8Array[]): Claim {
    const rows = keys.map((key) => this.#rowProof(state, projection, key));
    return { kind: "rows", projection, projections: projectionsOf(state), rows };
  }

  page(
    projection: string,
    query: Parameters<ProofSource["page"]>[1],
    options: ProofOptions,
    done: Done<ProvenPage>,
  ): void {
    const found = this.#stateFor(options);
    if (!found.ok) return done(found);
    const state = found.value;
    const release = state.hold();
    const finish: Done<ProvenPage> = (result) => {
      release();
      // Who named no height is served by the next state as well.
      const lost = !result.ok && result.code === "http.height-gone";
      done(lost && options.atHeight === undefined ? PENDING : result);
    };
    this.#rowProofs(state, projection, query, (found) => {
      if (!found.ok) return finish(found);
      const { rows, more } = found.value;
      this.#finishRows(state, projection, ok(rows), options, (bundle) => {
        finish(bundle.ok ? ok({ bundle: bundle.value, more }) : bundle);
      });
    });
  }

  /** Rows behind `after` with their proofs, until they are `limit` or have `bytesMax`; at least one. */
  #rowProofs(
    state: HeldState,
    projection: string,
    { after, prefix, limit, bytesMax, slice }: Parameters<ProofSource["page"]>[1],
    done: Done<{ readonly rows: readonly RowProof[]; readonly more: boolean }>,
  ): void {
    const base = rowPrefix(projection);
    const { gte, lt } = rangeOfPrefix(concatBytes(base, prefix ?? new Uint8Array(0)));
    const rows: RowProof[] = [];
    let bytes = 0;
    let full = false;
    /** Proves some of the entries; false when there is nothing left to do with them. */
    const prove = (entries: readonly StoreEntry[]): boolean => {
      for (const [key, row] of entries) {
        bytes += key.length + row.length;
        full = rows.length >= limit || (rows.length > 0 && bytes > bytesMax);
        if (full) return false;
        rows.push(this.#rowProof(state, projection, key.slice(base.length), row));
      }
      return entries.length > 0;
    };
    const readOn = (from: Uint8Array, count: number): void => {
      state.snapshot.range({ gte: from, lt, limit: count }, (failure, entries) => {
        if (failure !== undefined) return done(storeFailure(failure, projection));
        let at = 0;
        const step = (): Result<boolean> =>
          reading(() => {
            const next = entries.slice(at, at + SLICE_ROWS);
            at += next.length;
            return prove(next) && at < entries.length;
          });
        inSlices(step, slice, (result) => {
          if (!result.ok) return done(result);
          const last = entries.at(-1);
          if (full || last === undefined || entries.length < count) {
            return done(ok({ rows, more: full }));
          }
          // Few at first: what is read before it is counted is never much more than what was counted.
          const more = (): void => readOn(keyAfter(last[0]), Math.min(READ_ROWS_MAX, 2 * count));
          if (slice === undefined) return more();
          slice((goesOn) => {
            if (goesOn) more();
            else done(NOBODY_WAITS);
          });
        });
      });
    };
    readOn(after === undefined ? gte : keyAfter(concatBytes(base, after)), SLICE_ROWS);
  }

  /** The state to prove from, or why there is none: proof.pending, http.height-gone, store.*. */
  #stateFor(options: ProofOptions): Result<HeldState> {
    const { atHeight } = options;
    this.#states.want();
    if (atHeight === undefined) {
      const found = reading(() => this.#newestFor(options));
      if (!found.ok) return found;
      return found.value === undefined ? PENDING : ok(found.value);
    }
    const state = this.#states.provableAt(atHeight);
    if (state !== undefined) return ok(state);
    if (this.#states.isWaiting(atHeight)) return PENDING;
    const available = this.#states.newest?.record.height;
    const detail = `no state that is held after height ${atHeight} can be proven`;
    return fail("http.height-gone", detail, available === undefined ? {} : { available });
  }

  /** The newest provable state, unless a newer one is asked for. */
  #newestFor({ notBefore, trustedEpoch }: ProofOptions): HeldState | undefined {
    const state = this.#states.newest;
    if (state === undefined) return undefined;
    // An epoch that has begun, but not yet for the states that can be proven.
    const { epoch } = state.target.header;
    if (epoch < trustedEpoch && trustedEpoch <= this.#epochOfTip()) return undefined;
    if (notBefore === undefined) return state;
    const { height, stateRoot } = state.record;
    if (height >= notBefore.executedHeight) return state;
    // A block that changed no row leaves the state what it was.
    return stateRoot.every((byte, i) => byte === notBefore.stateRoot[i]) ? state : undefined;
  }

  #epochOfTip(): number {
    const tip = this.#chain.certified(this.#replica.committer?.tip.height ?? 0);
    return tip?.header.epoch ?? 0;
  }

  #rowProof(
    { snapshot }: HeldState,
    projection: string,
    key: Uint8Array,
    row: Uint8Array | undefined = snapshot.get(rowKey(projection, key)),
  ): RowProof {
    const { hasher } = this.#replica.context;
    const read = (at: Uint8Array): Uint8Array | undefined => snapshot.get(at);
    return { key, row, proof: provePath(hasher, nodePrefix(projection), read, key) };
  }

  #finishRows(
    state: HeldState,
    projection: string,
    rows: Result<readonly RowProof[]>,
    { trustedEpoch }: ProofOptions,
    done: Done<Bundle>,
  ): void {
    if (!rows.ok) return done(rows);
    const projections = projectionsOf(state);
    const claim: Claim = { kind: "rows", projection, projections, rows: rows.value };
    this.#finish(state.target, trustedEpoch, ok(claim), done);
  }

  #finish(
    target: CertifiedHeader,
    trustedEpoch: number,
    claim: Result<Claim>,
    done: Done<Bundle>,
  ): void {
    if (!claim.ok) return done(claim);
    this.#chain.links(target, trustedEpoch, (links: Result<readonly ProofLink[]>) => {
      if (!links.ok) return done(links);
      const { genesisHash, context } = this.#replica;
      const { chainId } = context.hasher;
      done(ok({ chainId, genesisHash, links: links.value, claim: claim.value }));
    });
  }
}
