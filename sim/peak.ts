/** How much of something waits, and the most of it since somebody has asked. */
export class Peak {
  #now = 0;
  #most = 0;

  get now(): number {
    return this.#now;
  }

  add(amount: number): void {
    this.#now += amount;
    if (this.#now > this.#most) this.#most = this.#now;
  }

  /** What waited is gone; that it was there is not forgotten. */
  clear(): void {
    this.#now = 0;
  }

  /** The most since the last call of this. */
  take(): number {
    const most = this.#most;
    this.#most = this.#now;
    return most;
  }
}
