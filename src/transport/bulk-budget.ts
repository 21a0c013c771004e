/**
 * How much bulk a node moves, both ways and with all peers together: as much as leaves its event loop the rest of
 * its time, since a vote waits for whatever the loop does just then. The rate follows from how busy the loop was,
 * whoever kept it so: on a machine without a free core bulk slows down, and where a packet is cheap it is
 * fast. What one wake-up moves is small, so that the loop gets to votes in between.
 */
import type { Clock, Timers } from "../ledger/ports.ts";
import { BULK_LIMITS } from "../limits-bulk.ts";

/** Time of the event loop since some moment, milliseconds: at work, and waiting for something to do. */
export type LoopTime = { readonly activeMs: number; readonly idleMs: number };

export type BulkBudgetOptions = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly loopTime: () => LoopTime;
  /** Part of the loop's time above which bulk slows down; 1 and more: there is no budget. */
  readonly loopShare: number;
};

const MIB = 1024 * 1024;

/** Below this rate bulk is not pushed: a chunk of 1 MiB is always through well within the time of a frame. */
export const BULK_RATE_MIN: number = 4 * MIB;
const RATE_FIRST = 16 * MIB;
const RATE_MAX = 4_096 * MIB;

/** What may be moved at once: so much of the rate, which takes about half of that time, and within these bounds. */
const BURST_MS = 4;
const BURST_BYTES_MIN = 64 * 1024;
export const BULK_BURST_BYTES_MAX: number = MIB;
/** Who found the budget empty is woken so much later. */
const WAKE_MS = 2;
/** Over how long the loop is looked at. */
const LOOK_MS = 50;
/** What one look changes the rate by, at most. */
const FALL_MAX = 0.5;
const RISE_MAX = 1.2;

/** Half: what is left over is for the chain, its clients, and whoever else is on the machine. */
const LOOP_SHARE = 0.5;

const loopTimeOfThread = (): LoopTime => {
  const { active, idle } = performance.eventLoopUtilization();
  return { activeMs: active, idleMs: idle };
};

export class BulkBudget {
  readonly #options: BulkBudgetOptions;
  readonly #isFree: boolean;
  readonly #waiting = new Set<() => void>();
  #cancel: (() => void) | undefined;
  #rate = RATE_FIRST;
  #tokens = BURST_BYTES_MIN;
  #atMs: number;
  #lookedMs: number;
  #looked: LoopTime;
  #wasShort = false;

  constructor(options: BulkBudgetOptions) {
    this.#options = options;
    this.#isFree = options.loopShare >= 1;
    this.#atMs = options.clock.monotonicMs();
    this.#lookedMs = this.#atMs;
    this.#looked = options.loopTime();
  }

  /** A budget of the calling thread, where nothing else is said. */
  static ofThread(
    { clock, timers }: Pick<BulkBudgetOptions, "clock" | "timers">,
    loopShare: number = LOOP_SHARE,
    loopTime: () => LoopTime = loopTimeOfThread,
  ): BulkBudget {
    return new BulkBudget({ clock, timers, loopShare, loopTime });
  }

  /** Bytes a second, as of the last look. */
  get rate(): number {
    return this.#isFree ? Number.POSITIVE_INFINITY : this.#rate;
  }

  /** Whether something may be moved now. Who moves more than there is leaves a debt. */
  hasRoom(): boolean {
    if (this.#isFree) return true;
    const now = this.#options.clock.monotonicMs();
    this.#look(now);
    const earned = (Math.max(0, now - this.#atMs) * this.#rate) / 1000;
    this.#atMs = now;
    const burst = Math.max(BURST_BYTES_MIN, (this.#rate * BURST_MS) / 1000);
    this.#tokens = Math.min(this.#tokens + earned, burst, BULK_BURST_BYTES_MAX);
    return this.#tokens > 0;
  }

  /** A frame that came costs more than its bytes where it is small: it is cut out, decoded and looked up. */
  spend(bytes: number, framesIn = 0): void {
    this.#tokens -= bytes + framesIn * BULK_LIMITS.frameCostBytes;
  }

  /** Calls once, when it is worth asking again. */
  wait(wake: () => void): void {
    this.#wasShort = true;
    this.#waiting.add(wake);
    this.#cancel ??= this.#options.timers.set(WAKE_MS, () => {
      this.#cancel = undefined;
      const due = [...this.#waiting];
      this.#waiting.clear();
      for (const each of due) each();
    });
  }

  /** Forgets who waits: the session has ended. */
  leave(wake: () => void): void {
    this.#waiting.delete(wake);
  }

  close(): void {
    this.#cancel?.();
    this.#waiting.clear();
  }

  #look(now: number): void {
    if (now - this.#lookedMs < LOOK_MS) return;
    const time = this.#options.loopTime();
    const active = time.activeMs - this.#looked.activeMs;
    const whole = active + time.idleMs - this.#looked.idleMs;
    const lasted = now - this.#lookedMs;
    this.#looked = time;
    this.#lookedMs = now;
    const wasShort = this.#wasShort;
    this.#wasShort = false;
    // After a long silence the time says nothing about what bulk costs.
    if (whole <= 0 || lasted > 10 * LOOK_MS) return;
    const ratio = (this.#options.loopShare * whole) / Math.max(active, 0.01);
    if (ratio < 1) this.#rate *= Math.max(ratio, FALL_MAX);
    else if (wasShort) this.#rate *= Math.min(ratio, RISE_MAX);
    this.#rate = Math.min(Math.max(this.#rate, BULK_RATE_MIN), RATE_MAX);
  }
}
