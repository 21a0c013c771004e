/**
 * Ends sessions whose peer's certificate is over: one timer, for the next end. It never waits for longer than
 * the check, because a timer counts monotonic time and certificates end by wall time: when that steps forward
 * nobody says so, and sessions have to end within a second of it all the same. Where there is no session,
 * there is no timer.
 */
import type { Clock, Timers } from "../ledger/ports.ts";

/** What has an end in wall time; it may be used up to and with this millisecond. */
export type Expiring = { readonly certificateEndMs: number };

export type ExpiryWatchOptions<T extends Expiring> = {
  readonly clock: Clock;
  readonly timers: Timers;
  /** The longest that the timer waits. */
  readonly checkMs: number;
  /** All that there is now. */
  readonly all: () => readonly T[];
  /** Called once a look for each that is over; what it ends is in `all` no more. */
  readonly expired: (one: T) => void;
};

export class ExpiryWatch<T extends Expiring> {
  readonly #options: ExpiryWatchOptions<T>;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: ExpiryWatchOptions<T>) {
    this.#options = options;
  }

  /** To be called when something new is in `all`. Ends nothing before it returns. */
  added(): void {
    this.#arm(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #look(): void {
    const { clock, all, expired } = this.#options;
    const nowMs = clock.wallMs();
    for (const one of all()) {
      if (nowMs > one.certificateEndMs) expired(one);
    }
    // What would not end is told so again, and not in a busy loop.
    this.#arm(this.#options.checkMs);
  }

  #arm(overdueMs: number): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#stopped) return;
    const { clock, timers, checkMs, all } = this.#options;
    const ends = all().map((one) => one.certificateEndMs);
    if (ends.length === 0) return;
    const leftMs = Math.min(...ends) + 1 - clock.wallMs();
    const delayMs = leftMs > 0 ? Math.min(checkMs, leftMs) : overdueMs;
    this.#cancel = timers.set(delayMs, () => this.#look());
  }
}
