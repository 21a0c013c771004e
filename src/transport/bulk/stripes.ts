/**
 * When connections to a member are to be replaced because fewer are up than were asked for. Some may be on their way,
 * and where the member or the path will not have more, nothing is gained by asking again and again: so there is a
 * pause first, which doubles. Those that were let go since they carried nothing are missed by nobody until more is
 * asked for than are up. Pure.
 */
import { LIMITS } from "../../limits.ts";

export class Stripes {
  readonly #wanted: number;
  #up = 0;
  /** When the missing ones may be asked for; none is missing: undefined. */
  #moreAtMs: number | undefined;
  #wholeSinceMs = 0;
  /** Times that they were asked for, since all were up for long. */
  #tries = 0;

  constructor(wanted: number) {
    this.#wanted = wanted;
  }

  /** So many are up. */
  count(nowMs: number, up: number): void {
    this.#up = up;
    if (up >= this.#wanted) {
      if (this.#moreAtMs !== undefined) this.#wholeSinceMs = nowMs;
      this.#moreAtMs = undefined;
    } else if (this.#moreAtMs === undefined) {
      if (nowMs - this.#wholeSinceMs > LIMITS.bulkRetryMsMax) this.#tries = 0;
      this.#pause(nowMs);
    }
  }

  /** None is up any more, and the next are waited for anew. */
  none(): void {
    this.#up = 0;
    this.#moreAtMs = undefined;
  }

  /** Whether to ask for others now that so many requests are open. */
  isDue(nowMs: number, requests: number): boolean {
    return requests > this.#up && this.#moreAtMs !== undefined && nowMs >= this.#moreAtMs;
  }

  /** Others are asked for, for whatever reason. */
  tried(nowMs: number): void {
    if (this.#moreAtMs === undefined) return;
    this.#tries += 1;
    this.#pause(nowMs);
  }

  #pause(nowMs: number): void {
    const { bulkHandshakeTimeoutMs: first, bulkRetryMsMax: longest } = LIMITS;
    this.#moreAtMs = nowMs + Math.min(longest, first * 2 ** this.#tries);
  }
}
