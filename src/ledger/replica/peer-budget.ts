/**
 * What one peer may cost this node, in units of its user's choice: signature checks, bytes. A peer that
 * sends faster than its messages are dealt with loses what is over, not the others.
 */
import type { Clock, PeerId } from "../ports.ts";

/** What each peer may have waiting at a time. */
export class PeerBudget {
  readonly #max: number;
  readonly #used = new Map<PeerId, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Takes units for a peer; false, with nothing taken, where they do not fit. */
  take(peer: PeerId, units: number): boolean {
    const used = (this.#used.get(peer) ?? 0) + units;
    if (used > this.#max) return false;
    this.#used.set(peer, used);
    return true;
  }

  /** Gives back what was taken. */
  give(peer: PeerId, units: number): void {
    const left = (this.#used.get(peer) ?? 0) - units;
    if (left > 0) this.#used.set(peer, left);
    else this.#used.delete(peer);
  }

  /** Peers that have something waiting. */
  get size(): number {
    return this.#used.size;
  }
}

/**
 * What each peer may use a second: a token bucket, one second deep. A peer that goes and comes back finds
 * its bucket as it left it; peers are pinned by the genesis, so there are never many.
 */
export class RateBudget {
  readonly #perSecond: number;
  readonly #clock: Clock;
  readonly #left = new Map<PeerId, { units: number; atMs: number }>();

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Takes units for a peer; false, with nothing taken, where they do not fit. */
  take(peer: PeerId, units: number): boolean {
    const rate = this.#perSecond;
    const nowMs = this.#clock.monotonicMs();
    const left = this.#left.get(peer) ?? { units: rate, atMs: nowMs };
    left.units = Math.min(rate, left.units + ((nowMs - left.atMs) * rate) / 1000);
    left.atMs = nowMs;
    this.#left.set(peer, left);
    if (left.units < units) return false;
    left.units -= units;
    return true;
  }

  /** Gives back what was taken and not used; a negative number takes more, also where it does not fit. */
  give(peer: PeerId, units: number): void {
    const left = this.#left.get(peer);
    if (left !== undefined) left.units += units;
  }
}
