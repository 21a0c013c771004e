/** Clients that wait for the outcome of a batch, by batch id. Each is answered exactly once. */
import { toHex } from "../../crypto/bytes.ts";
import { type Failure, fail, ok, type Result } from "../../errors.ts";
import type { BatchReceipt, WaitLevel } from "../handle.ts";
import type { Batch, Hash, LogEntry, Outcome } from "../types.ts";

type Done = (result: Result<BatchReceipt>) => void;
type Waiter = { readonly level: WaitLevel; readonly done: Done };
type Waiting = {
  readonly id: Hash;
  /** In hex. */
  readonly actor: string;
  readonly laneSeq: number;
  /** Its block is final here: it can only be executed now, whatever its lane does. */
  included: boolean;
  waiters: readonly Waiter[];
};

export class Waiters {
  readonly #waiting = new Map<string, Waiting>();

  /** Batches that somebody waits for. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Returns the function that gives up: true if the waiter had not been answered. */
  add(batch: Pick<Batch, "id" | "actor" | "laneSeq">, level: WaitLevel, done: Done): () => boolean {
    const key = toHex(batch.id);
    const waiter: Waiter = { level, done };
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) waiting.waiters = [...waiting.waiters, waiter];
    else {
      const { id, laneSeq } = batch;
      const actor = toHex(batch.actor);
      this.#waiting.set(key, { id, actor, laneSeq, included: false, waiters: [waiter] });
    }
    return () => this.#remove(key, waiter);
  }

  /** The batch's block is durable here. */
  committed(id: Hash, height: number): void {
    const key = toHex(id);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    waiting.included = true;
    for (const waiter of waiting.waiters) {
      if (waiter.level !== "committed") continue;
      this.#remove(key, waiter);
      waiter.done(ok({ batchId: id, level: "committed", height }));
    }
  }

  /** The batch was found to be in a final block that is not executed yet. */
  included(id: Hash): void {
    const waiting = this.#waiting.get(toHex(id));
    if (waiting !== undefined) waiting.included = true;
  }

  /** The batch's events are executed and durable here. */
  projected(id: Hash, height: number, entries: readonly LogEntry[]): void {
    const waiting = this.#take(toHex(id));
    if (waiting.length === 0) return;
    const receipt = projectedReceipt(id, height, entries[0]?.index ?? 0, entries.map(outcomeOf));
    for (const waiter of waiting) waiter.done(ok(receipt));
  }

  /** The batch will never be in the log (its place is taken, it expired). */
  failed(id: Hash, failure: Failure): void {
    for (const waiter of this.#take(toHex(id))) waiter.done(failure);
  }

  /**
   * Final heads of lanes, by actor in hex, after `committed` was called for every batch up to there:
   * whoever waits for another batch at one of these places has lost it, also where the pool never held it.
   */
  passed(heads: ReadonlyMap<string, number>): void {
    const lost = [...this.#waiting.values()].filter(
      ({ included, actor, laneSeq }) => !included && laneSeq <= (heads.get(actor) ?? 0),
    );
    const failure = fail("batch.lane-fork", "another batch took this place in the lane");
    for (const waiting of lost) this.failed(waiting.id, failure);
  }

  /** The node stops: whether the batches arrive is not known here. */
  endAll(): void {
    const all = [...this.#waiting.values()].flatMap((waiting) => waiting.waiters);
    this.#waiting.clear();
    const failure = fail("node.stopping", "the node stops; submit the same batch again elsewhere");
    for (const waiter of all) waiter.done(failure);
  }

  #take(key: string): readonly Waiter[] {
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    return waiting?.waiters ?? [];
  }

  #remove(key: string, waiter: Waiter): boolean {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined || !waiting.waiters.includes(waiter)) return false;
    waiting.waiters = waiting.waiters.filter((other) => other !== waiter);
    if (waiting.waiters.length === 0) this.#waiting.delete(key);
    return true;
  }
}

const outcomeOf = (entry: LogEntry): Outcome => entry.outcome;

export const projectedReceipt = (
  batchId: Hash,
  height: number,
  firstIndex: number,
  outcomes: readonly Outcome[],
): BatchReceipt => ({ batchId, level: "projected", height, firstIndex, outcomes });
