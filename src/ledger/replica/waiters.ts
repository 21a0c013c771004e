/** Clients that wait for the outcome of a batch, by batch id. Each is answered exactly once. */
import { toHex } from "../../crypto/bytes.ts";
import { type Failure, fail, ok, type Result } from "../../errors.ts";
import type { BatchReceipt, WaitLevel } from "../handle.ts";
import type { Hash, LogEntry, Outcome } from "../types.ts";

type Done = (result: Result<BatchReceipt>) => void;
type Waiter = { readonly id: Hash; readonly level: WaitLevel; readonly done: Done };

export class Waiters {
  readonly #waiting = new Map<string, Waiter[]>();

  get size(): number {
    return this.#waiting.size;
  }

  /** Returns the function that gives up. */
  add(id: Hash, level: WaitLevel, done: Done): () => void {
    const key = toHex(id);
    const waiter: Waiter = { id, level, done };
    const list = this.#waiting.get(key);
    if (list === undefined) this.#waiting.set(key, [waiter]);
    else list.push(waiter);
    return () => this.#remove(key, waiter);
  }

  /** The batch's block is durable here. */
  committed(id: Hash, height: number): void {
    const key = toHex(id);
    for (const waiter of [...(this.#waiting.get(key) ?? [])]) {
      if (waiter.level !== "committed") continue;
      this.#remove(key, waiter);
      waiter.done(ok({ batchId: id, level: "committed", height }));
    }
  }

  /** The batch's events are executed and durable here. */
  projected(id: Hash, height: number, entries: readonly LogEntry[]): void {
    const key = toHex(id);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    const receipt = projectedReceipt(id, height, entries[0]?.index ?? 0, entries.map(outcomeOf));
    for (const waiter of waiting) waiter.done(ok(receipt));
  }

  /** The batch will never be in the log (its place is taken, it expired). */
  failed(id: Hash, failure: Failure): void {
    const key = toHex(id);
    const waiting = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    for (const waiter of waiting) waiter.done(failure);
  }

  /** The node stops: whether the batches arrive is not known here. */
  endAll(): void {
    const all = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    const failure = fail("node.stopping", "the node stops; submit the same batch again elsewhere");
    for (const waiter of all) waiter.done(failure);
  }

  #remove(key: string, waiter: Waiter): void {
    const left = (this.#waiting.get(key) ?? []).filter((other) => other !== waiter);
    if (left.length === 0) this.#waiting.delete(key);
    else this.#waiting.set(key, left);
  }
}

const outcomeOf = (entry: LogEntry): Outcome => entry.outcome;

export const projectedReceipt = (
  batchId: Hash,
  height: number,
  firstIndex: number,
  outcomes: readonly Outcome[],
): BatchReceipt => ({ batchId, level: "projected", height, firstIndex, outcomes });
