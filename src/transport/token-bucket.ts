/** A rate limit: `perSecond` on average, at most `burst` at once. Pure; the caller brings the time. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  /** Takes one token, or so many; false when there are not as many. Time that goes backwards adds nothing. */
  take(nowMs: number, count = 1): boolean {
    const elapsed = Math.max(0, nowMs - this.#atMs);
    this.#atMs = Math.max(this.#atMs, nowMs);
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsed * this.#perMs);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** True when nothing is missing of the burst: then it is as good as a new one. */
  isFull(nowMs: number): boolean {
    this.take(nowMs, 0);
    return this.#tokens >= this.#burst;
  }
}
