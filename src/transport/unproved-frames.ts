/**
 * Whose fault a frame was. Frames of a session that is not proved are read, and some of what is in them is checked
 * later, in a pool of threads: what comes out is charged to the member by its id, by when the member itself may be
 * there, in another session. What somebody said who never showed the member's key may not be held against it: for as
 * long as such a check can take, a charge ends the member's session, and no pause follows.
 *
 * A member that provokes this itself, to be spared the pause, needs two sessions each time, for which there is a budget
 * of handshakes.
 */
import type { Clock } from "../ledger/ports.ts";
import type { PathsLimits } from "./options.ts";

/** Sessions that are remembered: of more at once, the one that was silent longest is forgotten. */
const SESSIONS_MAX = 8;

export class UnprovedFrames {
  readonly #limits: Pick<PathsLimits, "lateChargeMs">;
  readonly #clock: Clock;
  /** When each sent its last frame before it was proved, the latest at the end. */
  readonly #lastMs = new Map<object, number>();

  constructor(limits: Pick<PathsLimits, "lateChargeMs">, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** A frame came in a session that is not proved. */
  heard(session: object): void {
    this.#lastMs.delete(session);
    this.#lastMs.set(session, this.#clock.monotonicMs());
    for (const oldest of this.#lastMs.keys()) {
      if (this.#lastMs.size <= SESSIONS_MAX) return;
      this.#lastMs.delete(oldest);
    }
  }

  /** True where a charge against the peer of this session may be for what came in another, which was not proved. */
  isLate(carrying: object): boolean {
    const nowMs = this.#clock.monotonicMs();
    for (const [session, lastMs] of this.#lastMs) {
      if (nowMs - lastMs >= this.#limits.lateChargeMs) this.#lastMs.delete(session);
      else if (session !== carrying) return true;
    }
    return false;
  }
}
