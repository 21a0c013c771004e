/**
 * Rebuild: drops the rows and trees of all projections and makes them again from the genesis and the log,
 * byte for byte, checking every height's recorded roots on the way.
 *
 * Written as a generator that asks for what it needs of the disk, so that it stays pure and can be driven
 * by a command with a progress bar, by a replica, and by tests that stop it anywhere. A mark in the store
 * says that a rebuild has begun: while it is there the projections are not whole, and a node must finish
 * the rebuild (by starting it again) before it executes or answers anything.
 */
import { equalBytes } from "../crypto/bytes.ts";
import { fail, ok, type Result, TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import {
  genesisRecord,
  genesisState,
  previousRootsOf,
  recordOf,
  updateState,
} from "./execution.ts";
import type { Genesis } from "./genesis.ts";
import { metaKey, rangeOfArea } from "./keys.ts";
import {
  corruptEntry,
  differingIndex,
  type LogBatch,
  readBatchOf,
  readLogBatches,
} from "./log-batch.ts";
import { createLogAppender, type LogAppender } from "./log-tree.ts";
import { NodeArena } from "./node-arena.ts";
import type { Store, StoreEntry, StoreFailure, StoreOp, StoreRange } from "./ports.ts";
import {
  decodeExecutionRecord,
  type ExecutionRecord,
  type ReadStore,
  readBatchLocation,
  readExecution,
} from "./records.ts";
import { BlockRun, createDispatch, type Dispatch, type RunnerOptions } from "./runner.ts";
import { StateCache } from "./state-tree.ts";
import type { Batch } from "./types.ts";

export type RebuildOptions = {
  readonly runner: RunnerOptions;
  readonly genesis: Genesis;
  /** The store's get; must see every write that was asked for before. */
  readonly read: ReadStore;
  /** Called after each height with the events done and the events in the log. */
  readonly onProgress?: (done: number, total: number) => void;
};

export type RebuildRequest =
  /** Answer with the entries. */
  | { readonly kind: "range"; readonly range: StoreRange }
  /** Answer with anything once it is written. */
  | { readonly kind: "write"; readonly ops: readonly StoreOp[]; readonly sync: boolean };

export type RebuildReport = { readonly height: number; readonly events: number };

export type Rebuild = Generator<RebuildRequest, Result<RebuildReport>, readonly StoreEntry[]>;

const MARK = metaKey("rebuild");
const DROP_PAGE = 1024;
const CACHED_NODES_MAX = 65_536;

/** Whether a rebuild has begun and not ended. */
export const rebuildPending = (read: ReadStore): boolean => read(MARK) !== undefined;

/**
 * Rebuilds up to the last executed height. Codes: state.mismatch with the height and the name of the
 * first projection whose root differs ("log" when it is the log itself), store.corrupt, internal.
 */
export function* rebuildProjections(options: RebuildOptions): Rebuild {
  try {
    return yield* rebuild(options);
  } catch (error) {
    if (error instanceof TetradError) return fail(error.code, error.message, error.data);
    throw error;
  }
}

function* rebuild(options: RebuildOptions): Rebuild {
  const { read, onProgress } = options;
  const dispatch = createDispatch(options.runner);
  const last = yield* lastExecution();
  yield { kind: "write", ops: [{ type: "put", key: MARK, value: Uint8Array.of(1) }], sync: true };
  yield* drop("r");
  yield* drop("n");
  const arena = new NodeArena(LIMITS.nodeArenaBytesMax);
  const caches = dispatch.projections.map(
    (_, tree) => new StateCache(CACHED_NODES_MAX / dispatch.projections.length, { arena, tree }),
  );
  const log = createLogAppender(() => undefined, 0);
  let previous = yield* restoreGenesis(dispatch, options, caches);
  for (let height = 1; height <= last.height; height++) {
    const recorded = recordAt(read, height);
    const { ops, record } = replay(dispatch, read, recorded, previous, caches, log);
    const mismatch = compareRecords(recorded, record);
    if (mismatch !== undefined) throw mismatch;
    if (ops.length > 0) yield { kind: "write", ops, sync: false };
    previous = record;
    onProgress?.(record.logSize, last.logSize);
  }
  yield { kind: "write", ops: [{ type: "del", key: MARK }], sync: true };
  return ok({ height: last.height, events: last.logSize });
}

/** The newest execution record. */
function* lastExecution(): Generator<RebuildRequest, ExecutionRecord, readonly StoreEntry[]> {
  const range = { ...rangeOfArea("x"), limit: 1, reverse: true };
  const [newest] = yield { kind: "range", range };
  const record = newest === undefined ? undefined : decodeExecutionRecord(newest[1]);
  if (record?.ok !== true)
    throw new TetradError("store.corrupt", "no execution record to rebuild to");
  return record.value;
}

function* drop(area: "r" | "n"): Generator<RebuildRequest, void, readonly StoreEntry[]> {
  for (;;) {
    const range = { ...rangeOfArea(area), limit: DROP_PAGE };
    const entries = yield { kind: "range", range };
    if (entries.length === 0) return;
    const ops = entries.map(([key]): StoreOp => ({ type: "del", key }));
    yield { kind: "write", ops, sync: false };
  }
}

function* restoreGenesis(
  dispatch: Dispatch,
  { genesis, read }: RebuildOptions,
  caches: readonly StateCache[],
): Generator<RebuildRequest, ExecutionRecord, readonly StoreEntry[]> {
  const ops: StoreOp[] = [];
  const overlays = genesisState(dispatch, genesis);
  const roots = updateState(dispatch, overlays, () => undefined, [], caches, ops);
  const record = genesisRecord(dispatch, genesis, roots);
  const mismatch = compareRecords(recordAt(read, 0), record);
  if (mismatch !== undefined) throw mismatch;
  yield { kind: "write", ops, sync: false };
  return record;
}

const recordAt = (read: ReadStore, height: number): ExecutionRecord => {
  const record = readExecution(read, height);
  if (record !== undefined) return record;
  throw new TetradError("store.corrupt", `no execution record of height ${height}`, { height });
};

type Replayed = { readonly ops: readonly StoreOp[]; readonly record: ExecutionRecord };

/** Executes a height again, from its batches: only rows and nodes are written. */
function replay(
  dispatch: Dispatch,
  read: ReadStore,
  recorded: ExecutionRecord,
  previous: ExecutionRecord,
  caches: readonly StateCache[],
  log: LogAppender,
): Replayed {
  const { height, timeMs, firstIndex, count } = recorded;
  if (firstIndex !== previous.logSize) {
    throw new TetradError("store.corrupt", `height ${height} does not follow in the log`, {
      height,
    });
  }
  const run = new BlockRun(dispatch, read, { height, timeMs }, firstIndex);
  const logBatches = readLogBatches(read, recorded);
  for (const stored of logBatches) {
    const batch = readBatchOf(read, dispatch.hasher, stored);
    checkLocation(read, stored, batch);
    run.batch(batch);
  }
  const ops: StoreOp[] = [];
  const before = previousRootsOf(dispatch.projections, previous);
  const roots = updateState(dispatch, run.overlays, read, before, caches, ops);
  const tree = log.append(run.leafHashes);
  const fields = { height, timeMs, firstIndex, count, logSize: tree.size, logRoot: tree.root };
  const record = recordOf(dispatch, fields, roots);
  const differing = differingIndex(logBatches, run.entries);
  if (differing !== undefined) {
    // Roots first: they name the projection whose writes made the leaf another.
    throw compareRecords(recorded, record) ?? mismatchOf(height, "log", differing);
  }
  return { ops, record };
}

/** The index of batches is not made again, so it is compared with the log that it is an index of. */
function checkLocation(read: ReadStore, stored: LogBatch, batch: Batch): void {
  const { firstIndex, height, count, batchId } = stored;
  const location = readBatchLocation(read, batchId);
  const fits =
    location?.height === height &&
    location.firstIndex === firstIndex &&
    location.count === count &&
    equalBytes(location.actor, batch.actor);
  if (!fits) throw corruptEntry(firstIndex, "is not where its batch is said to be");
}

const mismatchOf = (height: number, projection: string, index?: number): TetradError => {
  const where = index === undefined ? "" : ` at index ${index}`;
  return new TetradError(
    "state.mismatch",
    `height ${height}: ${projection} comes out differently than recorded${where}`,
    index === undefined ? { height, projection } : { height, projection, index },
  );
};

/** What differs first between what was recorded and what came out now: a projection, or the log. */
export function compareRecords(
  recorded: ExecutionRecord,
  now: ExecutionRecord,
): TetradError | undefined {
  for (const [at, { name, root }] of now.projections.entries()) {
    const then = recorded.projections[at];
    const version = recorded.schemaVersions[at];
    const same = then?.name === name && equalBytes(then.root, root);
    if (!same || version !== now.schemaVersions[at]) return mismatchOf(now.height, name);
  }
  const more = recorded.projections[now.projections.length];
  if (more !== undefined) return mismatchOf(now.height, more.name);
  if (recorded.logSize !== now.logSize || !equalBytes(recorded.logRoot, now.logRoot)) {
    return mismatchOf(now.height, "log");
  }
  if (!equalBytes(recorded.stateRoot, now.stateRoot)) return mismatchOf(now.height, "state root");
  return undefined;
}

const failureCode = (failure: StoreFailure): "store.full" | "store.corrupt" | "store.io" => {
  if (failure.code === "full") return "store.full";
  return failure.code === "corrupt" ? "store.corrupt" : "store.io";
};

/** Drives a rebuild on a store; calls `done` once. Codes as `rebuildProjections`, and the disk's. */
export const runRebuild = (
  store: Store,
  options: Omit<RebuildOptions, "read">,
  done: (result: Result<RebuildReport>) => void,
): void => {
  const rebuilding = rebuildProjections({ ...options, read: (key) => store.get(key) });
  // A store may call back before the call returns; a loop then goes on where recursion would grow.
  let answer: readonly StoreEntry[] | undefined = [];
  let running = false;
  const resume = (failure: StoreFailure | undefined, entries: readonly StoreEntry[]): void => {
    if (failure !== undefined) {
      done(fail(failureCode(failure), failure.detail));
      return;
    }
    answer = entries;
    if (running) return;
    running = true;
    while (answer !== undefined) {
      const entry: readonly StoreEntry[] = answer;
      answer = undefined;
      const step = rebuilding.next(entry);
      if (step.done === true) {
        done(step.value);
        return;
      }
      const request = step.value;
      if (request.kind === "range") store.range(request.range, resume);
      else store.write(request.ops, { sync: request.sync }, (failed) => resume(failed, []));
    }
    running = false;
  };
  resume(undefined, []);
};
