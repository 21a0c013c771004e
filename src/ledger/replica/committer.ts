/**
 * Append and execute (R6). Append: a run of final blocks that ends in one with its own finalization
 * certificate becomes durable in one atomic synced batch. Execute: each height in turn, one atomic synced
 * batch of outcomes, rows, trees and roots. Both are idempotent by height; nothing is ever undone. A client
 * hears `committed` after the first write and `projected` after the second.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import { type Failure, fail, TetradError } from "../../errors.ts";
import { keepsPoints, pointOp, pointsOfRun } from "../chain-point.ts";
import type { Execution } from "../execution.ts";
import type { StoreFailure, StoreOp } from "../ports.ts";
import { readExecution } from "../records.ts";
import type { Batch, Block, Certificate, ExecutionRoots, Hash, LogEntry } from "../types.ts";
import {
  appendOps,
  type BlockStore,
  blockOps,
  certificateOp,
  type EpochStart,
  epochOp,
  finalizationOp,
  type Tip,
  tipOp,
  validatorSetOp,
} from "./block-store.ts";
import type { Context } from "./context.ts";
import { forgetOps } from "./forget.ts";
import { priceOps } from "./price-store.ts";

/** A final block on its way into the store. `persisted`: its bytes and batches are there already. */
export type FinalBlock = {
  readonly block: Block;
  readonly batches: readonly Batch[];
  readonly persisted: boolean;
};

export type CommitterHooks = {
  /** What the append of this run writes beside, such as the deletion of blocks that lost against it. */
  settle(run: readonly Block[], certificate: Certificate): readonly StoreOp[];
  /** Durable: these blocks are final on this node whatever happens. */
  appended(blocks: readonly FinalBlock[], tip: Tip, certificate: Certificate): void;
  /** Durable: this height's results are what reads see. */
  executed(block: Block, batches: readonly Batch[], entries: readonly LogEntry[]): void;
};

/** Blocks appended but not executed that are kept in memory; beyond, they are read back. */
const QUEUE_MAX = 32;
const ROOTS_KEPT = 64;
/** Heights in which a batch is looked for that may be final and not executed. */
const APPENDED_LOOKED_AT = 64;

export const storeFailure = (failure: StoreFailure, what: string): Failure => {
  const detail = `${what}: ${failure.detail}`;
  if (failure.code === "full") return fail("store.full", detail);
  if (failure.code === "gone") return fail("http.height-gone", detail);
  return fail(failure.code === "corrupt" ? "store.corrupt" : "store.io", detail);
};

const executionFailure = (error: unknown, height: number): Failure => {
  if (error instanceof TetradError) return fail(error.code, error.message, { height });
  const detail = error instanceof Error ? error.message : String(error);
  return fail("internal", `execution of height ${height}: ${detail}`, { height });
};

export class Committer {
  readonly #context: Context;
  readonly #store: BlockStore;
  readonly #hooks: CommitterHooks;
  #tip: Tip;
  #start: EpochStart;
  #appending = false;
  #settledHeight: number;
  #executed: ExecutionRoots;
  #executing = false;
  /** Set when our roots differ from a quorum's: projections stand still, the log goes on (R2). */
  #diverged = false;
  readonly #queue = new Map<number, FinalBlock>();
  readonly #roots = new Map<number, ExecutionRoots>();

  constructor(
    context: Context,
    store: BlockStore,
    hooks: CommitterHooks,
    from: { readonly tip: Tip; readonly start: EpochStart; readonly executed: ExecutionRoots },
  ) {
    this.#context = context;
    this.#store = store;
    this.#hooks = hooks;
    this.#tip = from.tip;
    this.#settledHeight = from.tip.height;
    this.#start = from.start;
    this.#executed = from.executed;
    this.#roots.set(from.executed.height, from.executed);
  }

  get tip(): Tip {
    return this.#tip;
  }

  /** The running epoch, which begins when the boundary block of the one before is durable. */
  get start(): EpochStart {
    return this.#start;
  }

  get executed(): ExecutionRoots {
    return this.#executed;
  }

  get busy(): boolean {
    return this.#appending;
  }

  /** The tip's height or, while an append is under way, the one that the tip will have after it. */
  get settledHeight(): number {
    return this.#settledHeight;
  }

  get diverged(): boolean {
    return this.#diverged;
  }

  rootsAt(height: number): ExecutionRoots | undefined {
    if (height > this.#executed.height) return undefined;
    return this.#roots.get(height) ?? readExecution(this.#context.read, height);
  }

  /** Whether a batch is in a final block that is not executed yet (of the next few, if many wait). */
  appended(id: Hash): boolean {
    const from = this.#executed.height + 1;
    const to = Math.min(this.#tip.height, from + APPENDED_LOOKED_AT - 1);
    for (let height = from; height <= to; height++) {
      const final = this.#queue.get(height) ?? this.#load(height);
      if (final?.batches.some((batch) => equalBytes(batch.id, id)) === true) return true;
    }
    return false;
  }

  /** Begins executing what an earlier run of this node appended. */
  resume(): void {
    this.#executeNext();
  }

  /**
   * Appends a run that follows the tip and ends with the certified block. Callers check `busy`, the
   * certificate, and that the blocks are a chain; blocks at or below the tip are dropped here.
   */
  append(run: readonly FinalBlock[], certificate: Certificate, setSize: number): void {
    const blocks = run.filter(({ block }) => block.header.height > this.#tip.height);
    const last = blocks.at(-1)?.block;
    const first = blocks[0]?.block;
    if (last === undefined || first === undefined || this.#context.stopped()) return;
    const isNext = first.header.height === this.#tip.height + 1;
    if (!isNext || !equalBytes(first.header.parentHash, this.#tip.hash)) {
      const detail = `height ${first.header.height} does not follow the final height ${this.#tip.height}`;
      return this.#context.fatal(fail("internal", detail));
    }
    const { epoch, view } = certificate.statement;
    const { height, timeMs, nextSetHash } = last.header;
    const boundary = nextSetHash.some((byte) => byte !== 0);
    const tip: Tip = { epoch, view, height, hash: last.hash, timeMs, boundary };
    this.#settledHeight = height;
    const ops = this.#appendOps(blocks);
    ops.push(...priceOps(this.#context.read, this.#context.options.genesis.proofs.work, blocks));
    const final = blocks.map(({ block }) => block);
    ops.push(...this.#hooks.settle(final, certificate));
    const { read, hasher } = this.#context;
    ops.push(...forgetOps(this.#store, read, hasher, first.header.height, height));
    ops.push(certificateOp(certificate, setSize), finalizationOp(height, epoch, view), tipOp(tip));
    if (boundary) ops.push(epochOp({ epoch: epoch + 1, startMs: timeMs }));
    this.#appending = true;
    this.#context.ports.store.write(ops, { sync: true }, (failure) => {
      this.#appending = false;
      if (this.#context.stopped()) return;
      if (failure !== undefined) return this.#context.fatal(storeFailure(failure, "append"));
      this.#onAppended(blocks, tip, certificate);
    });
  }

  #appendOps(blocks: readonly FinalBlock[]): StoreOp[] {
    const ops: StoreOp[] = [];
    for (const { block, batches, persisted } of blocks) {
      if (!persisted) ops.push(...blockOps(block, batches));
      ops.push(...appendOps(block, batches));
    }
    ops.push(...this.#pointOps(blocks.map(({ block }) => block)));
    return ops;
  }

  /** Beacon and epoch after each block, from its bytes alone: catching up needs nobody's key for it. */
  #pointOps(run: readonly Block[]): StoreOp[] {
    const { hasher, options, read } = this.#context;
    const { genesis } = options;
    if (!keepsPoints(genesis)) return [];
    const first = run[0]?.header.height ?? 0;
    const points = pointsOfRun(hasher, genesis.proofs, read, run);
    return points.map((point, i) => pointOp(first + i, point));
  }

  #onAppended(blocks: readonly FinalBlock[], tip: Tip, certificate: Certificate): void {
    this.#tip = tip;
    if (tip.boundary) this.#start = { epoch: tip.epoch + 1, startMs: tip.timeMs };
    for (const final of blocks) {
      if (this.#queue.size < QUEUE_MAX) this.#queue.set(final.block.header.height, final);
    }
    this.#hooks.appended(blocks, tip, certificate);
    this.#executeNext();
  }

  /** Our roots at a height differ from what a quorum stated. */
  diverge(height: number, what: string): void {
    if (this.#diverged) return;
    this.#diverged = true;
    const detail =
      `${what} at height ${height} differs from what the network agreed: projections are halted, ` +
      "the log goes on; rebuild the projections from the log";
    this.#context.problem(fail("state.mismatch", detail, { height }));
  }

  #executeNext(): void {
    const height = this.#executed.height + 1;
    if (this.#executing || this.#diverged || this.#context.stopped()) return;
    if (height > this.#tip.height) return;
    const final = this.#queue.get(height) ?? this.#load(height);
    this.#queue.delete(height);
    if (final === undefined) {
      const detail = `block ${height} is final but not in the store`;
      return this.#context.fatal(fail("store.corrupt", detail, { height }));
    }
    if (!this.#agrees(final.block)) return;
    const { executor } = this.#context.options;
    const { header } = final.block;
    let result: Execution;
    let ops: StoreOp[];
    try {
      const input = { header, batches: final.batches };
      result = executor.executeBlock(input, this.#context.read, this.#executed);
      ops = [...result.ops, ...this.#nextSetOps(final.block)];
    } catch (error) {
      // Execution is deterministic: what it cannot do now it could not do at a second try either.
      return this.#context.fatal(executionFailure(error, height));
    }
    this.#executing = true;
    // Nothing here holds the operations: the store lets go of them before it has synced them.
    const { roots, entries } = result;
    this.#context.ports.store.write(ops, { sync: true }, (failure) => {
      this.#executing = false;
      if (this.#context.stopped()) return;
      if (failure !== undefined) return this.#context.fatal(storeFailure(failure, "execute"));
      this.#executed = roots;
      this.#roots.set(height, roots);
      this.#roots.delete(height - ROOTS_KEPT);
      this.#hooks.executed(final.block, final.batches, entries);
      this.#executeNext();
    });
  }

  /**
   * The state before the boundary block of epoch e decides the set of epoch e + 2 (R9): final by the start
   * of epoch e + 1, and the same on every node because it is read before the block's own writes.
   */
  #nextSetOps(block: Block): StoreOp[] {
    if (block.header.nextSetHash.every((byte) => byte === 0)) return [];
    const { nextSet } = this.#context.options;
    return [validatorSetOp(nextSet(this.#context.read, block.header.epoch + 2))];
  }

  #load(height: number): FinalBlock | undefined {
    const hash = this.#store.hashAt(height);
    const block = hash === undefined ? undefined : this.#store.block(hash);
    if (block === undefined) return undefined;
    const batches: Batch[] = [];
    for (const digest of block.batchDigests) {
      const batch = this.#store.batch(digest);
      if (batch === undefined) return undefined;
      batches.push(batch);
    }
    return { block, batches, persisted: true };
  }

  /** What a final header states about an executed ancestor must be what was executed here. */
  #agrees(block: Block): boolean {
    const { executedHeight, logSize, logRoot, stateRoot } = block.header;
    const own = this.rootsAt(executedHeight);
    if (own === undefined) return true;
    const equal = own.logSize === logSize && equalBytes(own.logRoot, logRoot);
    if (equal && equalBytes(own.stateRoot, stateRoot)) return true;
    this.diverge(executedHeight, equal ? "the state root" : "the log root");
    return false;
  }
}
