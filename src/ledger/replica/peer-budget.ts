/**
 * What one peer may have waiting in this node at a time, in units of its user's choice: signature checks,
 * bytes. A peer that sends faster than its messages are dealt with loses what is over, not the others.
 */
import type { PeerId } from "../ports.ts";

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
