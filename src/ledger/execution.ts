/**
 * Execution: a final block goes in, one atomic batch of writes comes out (docs/protocol.md, Log and
 * State). Deterministic: the same block on the same state gives the same bytes on every node.
 *
 * The executor never writes. The replica does, in one batch, and executes height h + 1 only when `read`
 * sees what height h wrote. Executing a height that the store has recorded gives no writes, so a replica
 * that died between write and acknowledgement simply executes again.
 *
 * Throws TetradError: "internal" when a projection breaks its contract, "store.corrupt" when stored bytes
 * are not what they must be, "state.mismatch" when the store was made by other projections. All three
 * mean: halt. What an event's author did wrong is never an exception but the event's outcome.
 */
import { equalBytes } from "../crypto/bytes.ts";
import { Writer } from "../crypto/codec.ts";
import { TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Genesis } from "./genesis.ts";
import { batchIndexKey, executionKey, logBatchKey, nodePrefix } from "./keys.ts";
import { addEntries, corruptEntry, encodeLogBatch, readLogBatches } from "./log-batch.ts";
import { createLogAppender, EMPTY_LOG_ROOT, type LogAppender } from "./log-tree.ts";
import { NodeArena } from "./node-arena.ts";
import { Overlay } from "./overlay.ts";
import type { StoreOp } from "./ports.ts";
import {
  type ExecutionRecord,
  encodeBatchLocation,
  encodeExecutionRecord,
  type ReadStore,
  readExecution,
} from "./records.ts";
import { GENESIS_ORIGIN } from "./row.ts";
import {
  type BlockInput,
  BlockRun,
  createDispatch,
  type Dispatch,
  type RunnerOptions,
} from "./runner.ts";
import { StateCache, updateStateTree } from "./state-tree.ts";
import type { ExecutionRoots, Hash, LogEntry } from "./types.ts";

export type ExecutorOptions = RunnerOptions & {
  /** Tree nodes of the upper levels kept in memory, over all projections. */
  readonly cachedNodesMax?: number;
};

export type Execution = {
  /** For one atomic write; empty when the height was executed before. */
  readonly ops: readonly StoreOp[];
  readonly roots: ExecutionRecord;
  /** One an event, in log order. */
  readonly entries: readonly LogEntry[];
};

export type Executor = {
  /** Writes the genesis rows and the record of height 0. The log stays empty. */
  executeGenesis(genesis: Genesis): Execution;
  /**
   * Executes the next height. `previous` is what executing the parent's height gave; `read` is the
   * store's get. Throws RangeError when `previous` is not of the height before.
   */
  executeBlock(input: BlockInput, read: ReadStore, previous: ExecutionRoots): Execution;
  /** Forgets what it remembers of the store. Call it when writes were lost. */
  dropCaches(): void;
};

/** Ht("state/root", u32 count || count × (u32 length || name, u16 schemaVersion, root)). */
export const stateRootOf = (
  dispatch: Pick<Dispatch, "hasher" | "projections">,
  roots: readonly Hash[],
): Hash => {
  const writer = new Writer(1024).u32(dispatch.projections.length);
  dispatch.projections.forEach(({ name, schemaVersion }, at) => {
    writer.string(name).u16(schemaVersion).hash(rootAt(roots, at));
  });
  return dispatch.hasher.ht("state/root", writer.finish());
};

const rootAt = (roots: readonly Hash[], at: number): Hash => {
  const root = roots[at];
  if (root === undefined) throw new RangeError(`no root of projection ${at}`);
  return root;
};

const put = (key: Uint8Array, value: Uint8Array): StoreOp => ({ type: "put", key, value });

/**
 * The roots of the state after a block, by projection. Appends the writes of rows and nodes to `ops`.
 * A projection without changes keeps its root.
 */
export const updateState = (
  dispatch: Pick<Dispatch, "hasher" | "projections">,
  overlays: readonly Overlay[],
  read: ReadStore,
  previous: readonly Hash[],
  caches: readonly StateCache[],
  ops: StoreOp[],
): Hash[] =>
  overlays.map((overlay, at) => {
    const changes = overlay.changed();
    const before = previous[at];
    if (changes.length === 0 && before !== undefined) return before;
    addOps(changes, ops);
    const prefix = nodePrefix(dispatch.projections[at]?.name ?? "");
    const { prefixBytes } = overlay;
    const update = updateStateTree(dispatch.hasher, prefix, read, changes, caches[at], prefixBytes);
    addOps(update.ops, ops);
    return update.root;
  });

/** By index: thousands of operations a block, and an iterator makes an object for each. */
function addOps(from: readonly StoreOp[], ops: StoreOp[]): void {
  for (let i = 0; i < from.length; i++) {
    const op = from[i];
    if (op !== undefined) ops.push(op);
  }
}

/** Runs every projection's genesis on empty rows. */
export const genesisState = (dispatch: Dispatch, genesis: Genesis): Overlay[] =>
  dispatch.projections.map((projection) => {
    const overlay = new Overlay(projection.name, () => undefined, undefined);
    overlay.open(GENESIS_ORIGIN);
    projection.genesis?.(overlay.tx, genesis, { hasher: dispatch.hasher });
    overlay.close();
    return overlay;
  });

export const recordOf = (
  dispatch: Pick<Dispatch, "hasher" | "projections">,
  fields: Omit<ExecutionRecord, "stateRoot" | "projections" | "schemaVersions">,
  roots: readonly Hash[],
): ExecutionRecord => ({
  ...fields,
  stateRoot: stateRootOf(dispatch, roots),
  projections: dispatch.projections.map(({ name }, at) => ({ name, root: rootAt(roots, at) })),
  schemaVersions: dispatch.projections.map((projection) => projection.schemaVersion),
});

export const genesisRecord = (
  dispatch: Dispatch,
  genesis: Genesis,
  roots: readonly Hash[],
): ExecutionRecord =>
  recordOf(
    dispatch,
    {
      height: 0,
      timeMs: genesis.timeMs,
      firstIndex: 0,
      count: 0,
      logSize: 0,
      logRoot: EMPTY_LOG_ROOT,
    },
    roots,
  );

/** The roots of `previous` in the order of the projections. Throws "state.mismatch". */
export const previousRootsOf = (
  projections: readonly { readonly name: string }[],
  previous: ExecutionRoots,
): Hash[] => {
  const names = previous.projections.map((projection) => projection.name);
  const fits = projections.every(({ name }, at) => names[at] === name);
  if (!fits || names.length !== projections.length) {
    throw new TetradError(
      "state.mismatch",
      `height ${previous.height} was executed with other projections: ${names.join(", ")}`,
      { height: previous.height },
    );
  }
  return previous.projections.map((projection) => projection.root);
};

/** The entries of an executed height, from its batches. Throws "store.corrupt" where those are others. */
const knownEntries = (
  read: ReadStore,
  known: ExecutionRecord,
  batches: BlockInput["batches"],
): LogEntry[] => {
  const records = readLogBatches(read, known);
  const entries: LogEntry[] = [];
  for (const [at, record] of records.entries()) {
    const batch = batches[at];
    if (batch === undefined) throw corruptEntry(record.firstIndex, "is of no batch of the block");
    addEntries(record, batch, record.firstIndex, record.count, entries);
  }
  if (batches.length !== records.length) {
    throw corruptEntry(known.firstIndex + known.count, "should be of this block");
  }
  return entries;
};

const CACHED_NODES_MAX = 65_536;

class CachingExecutor implements Executor {
  readonly #dispatch: Dispatch;
  readonly #caches: readonly StateCache[];
  #appender: LogAppender | undefined;
  /** What the caches are about: the state after this. */
  #last: ExecutionRoots | undefined;

  constructor(options: ExecutorOptions) {
    this.#dispatch = createDispatch(options);
    const share = Math.ceil(
      (options.cachedNodesMax ?? CACHED_NODES_MAX) / Math.max(1, options.projections.length),
    );
    const arena = new NodeArena(LIMITS.nodeArenaBytesMax);
    this.#caches = options.projections.map((_, tree) => new StateCache(share, { arena, tree }));
  }

  dropCaches(): void {
    this.#last = undefined;
    this.#appender = undefined;
    for (const cache of this.#caches) cache.clear();
  }

  executeGenesis(genesis: Genesis): Execution {
    const ops: StoreOp[] = [];
    const overlays = genesisState(this.#dispatch, genesis);
    const roots = updateState(this.#dispatch, overlays, () => undefined, [], [], ops);
    const record = genesisRecord(this.#dispatch, genesis, roots);
    ops.push(put(executionKey(0), encodeExecutionRecord(record)));
    return { ops, roots: record, entries: [] };
  }

  executeBlock(input: BlockInput, read: ReadStore, previous: ExecutionRoots): Execution {
    const { height } = input.header;
    const known = readExecution(read, height);
    if (known !== undefined) {
      return { ops: [], roots: known, entries: knownEntries(read, known, input.batches) };
    }
    if (previous.height !== height - 1) {
      throw new RangeError(`height ${height} does not follow ${previous.height}`);
    }
    if (this.#last === undefined || !sameResult(this.#last, previous)) this.dropCaches();
    try {
      const execution = this.#execute(input, read, previous);
      this.#last = execution.roots;
      return execution;
    } catch (error) {
      this.dropCaches();
      throw error;
    }
  }

  #execute(input: BlockInput, read: ReadStore, previous: ExecutionRoots): Execution {
    const { height, timeMs } = input.header;
    const before = previousRootsOf(this.#dispatch.projections, previous);
    const appender = this.#appenderAt(read, previous);
    const firstIndex = previous.logSize;
    const run = new BlockRun(this.#dispatch, read, input.header, firstIndex);
    const ops: StoreOp[] = [];
    for (const batch of input.batches) {
      const at = run.entries.length;
      const location = { height, firstIndex: run.index, count: batch.events.length };
      const value = encodeBatchLocation({ ...location, actor: batch.actor });
      run.batch(batch);
      ops.push(
        put(batchIndexKey(batch.id), value),
        put(logBatchKey(location.firstIndex), encodeLogBatch(batch.digest, run.entries.slice(at))),
      );
    }
    const log = appender.append(run.leafHashes);
    for (const op of log.ops) ops.push(op);
    const roots = updateState(this.#dispatch, run.overlays, read, before, this.#caches, ops);
    const count = run.entries.length;
    const record = recordOf(
      this.#dispatch,
      { height, timeMs, firstIndex, count, logSize: log.size, logRoot: log.root },
      roots,
    );
    ops.push(put(executionKey(height), encodeExecutionRecord(record)));
    return { ops, roots: record, entries: run.entries };
  }

  #appenderAt(read: ReadStore, previous: ExecutionRoots): LogAppender {
    if (this.#appender !== undefined) return this.#appender;
    const appender = createLogAppender(read, previous.logSize);
    if (!equalBytes(appender.root(), previous.logRoot)) {
      const { logSize: size } = previous;
      throw new TetradError("store.corrupt", `log tiles do not give the root of size ${size}`, {
        size,
      });
    }
    this.#appender = appender;
    return appender;
  }
}

const sameResult = (a: ExecutionRoots, b: ExecutionRoots): boolean =>
  a.height === b.height &&
  a.logSize === b.logSize &&
  equalBytes(a.logRoot, b.logRoot) &&
  equalBytes(a.stateRoot, b.stateRoot);

/** Throws RangeError when registry, projections and permissions do not fit together. */
export const createExecutor = (options: ExecutorOptions): Executor => new CachingExecutor(options);

export { decodeExecutionRecord, readBatchLocation, readExecution } from "./records.ts";
export type { BlockInput, Permissions, RunnerOptions } from "./runner.ts";
