/**
 * When one peer is dialled: exponential back-off with jitter, forgotten after a session that lasted. The
 * member with the higher id waits a little longer, so that the two ends of a pair seldom dial at once; if
 * they do, mesh.ts decides which session stays.
 */
import type { Clock, Random, Timers } from "../ledger/ports.ts";

/** What the higher id waits on top: a few handshakes' time. */
const YIELD_MS = 100;

/** A session that lasted this long proves the peer healthy; the next pause is the shortest again. */
const STABLE_MS = 10_000;

export type DiallerOptions = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly redialMsMin: number;
  readonly redialMsMax: number;
  /** A session that is not proved for so long is not waited for: a post-quantum handshake takes far less. */
  readonly doubtMs: number;
  /** True for the end of the pair with the lower id. */
  readonly first: boolean;
  dial(): void;
};

export class Dialler {
  readonly #options: DiallerOptions;
  #failures = 0;
  #cancel: (() => void) | undefined;
  /** What is planned is for a session that is up: where that has ended it is not waited for. */
  #isDoubt = false;
  /** Until when sessions that are not proved are waited for, however many there are; undefined after a proof. */
  #doubtAtMs: number | undefined;
  #refuseUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: DiallerOptions) {
    this.#options = options;
  }

  /** The first attempt of a run: no pause but the yield. */
  begin(): void {
    this.#set(this.#options.first ? 0 : YIELD_MS);
  }

  /** Plans the next attempt unless one is planned. */
  retry(): void {
    if (this.#isDoubt) this.stop();
    if (this.#cancel === undefined) this.#plan();
  }

  /** As `retry`, and the peer's own attempts are refused until then: it broke the protocol. */
  penalise(): void {
    this.stop();
    this.#refuseUntilMs = this.#options.clock.monotonicMs() + this.#plan();
  }

  /** True while the peer's own attempts are refused. */
  get isRefusing(): boolean {
    return this.#options.clock.monotonicMs() < this.#refuseUntilMs;
  }

  /** Nothing is planned any more. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#isDoubt = false;
  }

  /** A session is up whose peer has shown its key: nothing to plan, and the next doubt is a new one. */
  proved(): void {
    this.stop();
    this.#doubtAtMs = undefined;
  }

  /**
   * A session is up whose peer has not shown its key: dials all the same unless it does so soon. Sessions that follow
   * each other do not put that off, or who cannot show the key could keep the member from ever being dialled.
   */
  doubt(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#doubtAtMs ??= nowMs + this.#options.doubtMs;
    if (nowMs >= this.#doubtAtMs) {
      if (this.#cancel === undefined) this.#plan();
      return;
    }
    this.stop();
    this.#set(this.#doubtAtMs - nowMs);
    this.#isDoubt = true;
  }

  /** Tells how long the last session was up, milliseconds. */
  lasted(ms: number): void {
    if (ms >= STABLE_MS) this.#failures = 0;
  }

  /** Returns the pause without the yield, milliseconds. */
  #plan(): number {
    const pause = this.#pauseMs();
    this.#failures += 1;
    this.#set(pause + (this.#options.first ? 0 : YIELD_MS));
    return pause;
  }

  #pauseMs(): number {
    const { redialMsMin, redialMsMax, random } = this.#options;
    // The exponent is capped so that the product stays an exact integer.
    const full = Math.min(redialMsMax, redialMsMin * 2 ** Math.min(this.#failures, 20));
    return full / 2 + (full / 2) * (random.u32() / 0x1_0000_0000);
  }

  #set(delayMs: number): void {
    if (this.#cancel !== undefined) return;
    this.#cancel = this.#options.timers.set(delayMs, () => {
      this.#cancel = undefined;
      this.#isDoubt = false;
      this.#options.dial();
    });
  }
}
