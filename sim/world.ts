/**
 * Virtual time. The world owns the event heap, the named random streams and the trace; nothing in a
 * simulation has any other source of time, order or chance.
 */
import { type Task, TaskHeap } from "./heap.ts";
import { Prng } from "./prng.ts";
import { Trace } from "./trace.ts";

/** Wall time at virtual time zero: 2027-01-15 08:00 UTC, an arbitrary constant. */
export const WALL_START_MS = 1_800_000_000_000;

export class World {
  readonly seed: number;
  readonly trace = new Trace();
  readonly #heap = new TaskHeap();
  /**
   * Tasks of this very moment, in their order: half of all are. What lies in the heap for this moment was put
   * there before it came, and so goes first.
   */
  readonly #now: Task[] = [];
  #nowAt = 0;
  readonly #streams = new Map<string, Prng>();
  #nowUs = 0;
  #seq = 0;
  #steps = 0;
  #stopped = false;
  readonly #faultsEndUs: number;

  constructor(seed: number, faultsEndUs: number = Number.MAX_SAFE_INTEGER) {
    this.seed = seed;
    this.#faultsEndUs = faultsEndUs;
  }

  get nowUs(): number {
    return this.#nowUs;
  }

  get nowMs(): number {
    return Math.floor(this.#nowUs / 1000);
  }

  /** Tasks run so far. */
  get steps(): number {
    return this.#steps;
  }

  /** The random stream of this name; one per subsystem, so that streams do not shift each other. */
  stream(name: string): Prng {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = new Prng(this.seed, name);
      this.#streams.set(name, stream);
    }
    return stream;
  }

  at(atUs: number, run: () => void): Task {
    const task: Task = { atUs: Math.max(Math.round(atUs), this.#nowUs), seq: this.#seq, run };
    this.#seq += 1;
    if (task.atUs === this.#nowUs) this.#now.push(task);
    else this.#heap.push(task);
    return task;
  }

  after(delayUs: number, run: () => void): Task {
    return this.at(this.#nowUs + delayUs, run);
  }

  /**
   * When something is over that begins at `fromUs`, takes so long, and so much longer by a fault: what a fault adds
   * ends with the faults, also of what has begun before.
   */
  endOf(fromUs: number, takesUs: number, addedUs: number): number {
    const calmUs = fromUs + takesUs;
    return Math.max(calmUs, Math.min(calmUs + addedUs, this.#faultsEndUs));
  }

  static cancel(task: Task): void {
    task.run = undefined;
  }

  /** Ends the current `runUntil` after the task that is running. */
  stop(): void {
    this.#stopped = true;
  }

  /** Takes the next task off the queue. */
  #next(limitUs: number): Task | undefined {
    const first = this.#heap.peek();
    if (this.#nowAt < this.#now.length && (first === undefined || first.atUs > this.#nowUs)) {
      if (this.#nowUs > limitUs) return undefined;
      const task = this.#now[this.#nowAt];
      this.#nowAt += 1;
      if (this.#nowAt === this.#now.length) {
        this.#now.length = 0;
        this.#nowAt = 0;
      }
      return task;
    }
    return first === undefined || first.atUs > limitUs ? undefined : this.#heap.pop();
  }

  /** Runs the next task. False when there is none up to `limitUs`. */
  step(limitUs: number = Number.MAX_SAFE_INTEGER): boolean {
    for (;;) {
      const next = this.#next(limitUs);
      if (next === undefined) return false;
      const run = next.run;
      if (run === undefined) continue;
      next.run = undefined;
      this.#nowUs = next.atUs;
      this.#steps += 1;
      run();
      return true;
    }
  }

  /** Runs all tasks up to this time; false when `stop` was called. The clock then stands at `untilUs`. */
  runUntil(untilUs: number): boolean {
    this.#stopped = false;
    while (!this.#stopped && this.step(untilUs)) {
      // All work is in the condition.
    }
    if (this.#stopped) return false;
    this.#nowUs = Math.max(this.#nowUs, untilUs);
    return true;
  }
}
