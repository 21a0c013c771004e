/**
 * The queue in front of a verifier: jobs of many calls, taken by strict priority and oldest first, their
 * answers put back together call by call. Bounded by LIMITS.verifyJobsPendingMax for each priority.
 */
import { falconLengthsFit } from "../../crypto/falcon.ts";
import { TetradError } from "../../errors.ts";
import type { Verifier } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import { type CheckJob, isWorkJob } from "./work-job.ts";

export type Priority = Parameters<Verifier["verify"]>[1];

type Call = {
  readonly results: boolean[];
  readonly done: (valid: readonly boolean[]) => void;
  left: number;
};

/** One job of a call on its way; of use to the queue alone, except for the job. */
export type QueuedJob = {
  readonly job: CheckJob;
  readonly priority: Priority;
  readonly index: number;
  readonly call: Call;
};

const PRIORITIES: readonly Priority[] = ["consensus", "batch", "sync"];

/**
 * First in, first out, without moving the rest at every step. A place that was taken is emptied at once: a
 * job holds its whole batch, and those of a thousand taken ones were most of a node's memory under load.
 */
class Fifo {
  #items: (QueuedJob | undefined)[] = [];
  #head = 0;

  push(item: QueuedJob): void {
    this.#items.push(item);
  }

  shift(): QueuedJob | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  putBack(items: readonly QueuedJob[]): void {
    this.#items = [...items, ...this.#items.slice(this.#head)];
    this.#head = 0;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }
}

const isPossible = (job: CheckJob): boolean =>
  isWorkJob(job) || falconLengthsFit(job.signature, job.message, job.publicKey);

export class VerifyQueue {
  readonly #lanes = { consensus: new Fifo(), batch: new Fifo(), sync: new Fifo() };
  readonly #limit: number;
  #taken = 0;

  constructor(limit: number = LIMITS.verifyJobsPendingMax) {
    this.#limit = limit;
  }

  /**
   * Adds a call. Jobs whose lengths rule a valid signature out are false without waiting. `done` is never
   * called from within. Throws TetradError `node.overloaded`, and adds nothing, when the priority is full.
   */
  push(
    jobs: readonly CheckJob[],
    priority: Priority,
    done: (valid: readonly boolean[]) => void,
  ): void {
    const lane = this.#lanes[priority];
    if (lane.size + jobs.length > this.#limit) {
      throw new TetradError("node.overloaded", "too many signatures wait for verification", {
        priority,
        pending: lane.size,
        limit: this.#limit,
      });
    }
    const call: Call = { results: jobs.map(() => false), done, left: 0 };
    for (const [index, job] of jobs.entries()) {
      if (!isPossible(job)) continue;
      call.left += 1;
      lane.push({ job, priority, index, call });
    }
    if (call.left === 0) queueMicrotask(() => done(call.results));
  }

  /** The next jobs to check, at most `max`: all of consensus before any of batch before any of sync. */
  take(max: number): QueuedJob[] {
    const items: QueuedJob[] = [];
    for (const priority of PRIORITIES) {
      while (items.length < max) {
        const item = this.#lanes[priority].shift();
        if (item === undefined) break;
        items.push(item);
      }
    }
    this.#taken += items.length;
    return items;
  }

  /** Jobs that were taken and not answered go to the front of their priority, in their order. */
  putBack(items: readonly QueuedJob[]): void {
    this.#taken -= items.length;
    for (const priority of PRIORITIES) {
      const own = items.filter((item) => item.priority === priority);
      if (own.length > 0) this.#lanes[priority].putBack(own);
    }
  }

  /** Answers taken jobs, one value each in the same order, and calls back the calls that are complete. */
  settle(items: readonly QueuedJob[], valid: readonly boolean[]): void {
    this.#taken -= items.length;
    const complete: Call[] = [];
    for (const [at, { call, index }] of items.entries()) {
      call.results[index] = valid[at] === true;
      call.left -= 1;
      if (call.left === 0) complete.push(call);
    }
    for (const { done, results } of complete) done(results);
  }

  /** Jobs that nobody has taken. */
  get waiting(): number {
    return PRIORITIES.reduce((sum, priority) => sum + this.#lanes[priority].size, 0);
  }

  /** Jobs that are not answered. */
  get pending(): number {
    return this.waiting + this.#taken;
  }
}
