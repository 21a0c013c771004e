/**
 * A bounded pool of datagram buffers. A buffer is the socket's from the moment it is handed over until the
 * socket says that it is out, so a full kernel queue shows as an empty pool, which stops the connections
 * from producing packets: nothing queues without bound.
 */
export class SendBuffers {
  readonly #bytes: number;
  readonly #max: number;
  readonly #free: Uint8Array[] = [];
  #made = 0;
  #starved = false;
  readonly #onFree: () => void;

  /** `onFree` is called when a buffer comes back after `take` had none. */
  constructor(bytes: number, max: number, onFree: () => void) {
    this.#bytes = bytes;
    this.#max = max;
    this.#onFree = onFree;
  }

  /** Buffers that are with the socket. */
  get outstanding(): number {
    return this.#made - this.#free.length;
  }

  take(): Uint8Array | undefined {
    const buffer = this.#free.pop();
    if (buffer !== undefined) return buffer;
    if (this.#made < this.#max) {
      this.#made += 1;
      return new Uint8Array(this.#bytes);
    }
    this.#starved = true;
    return undefined;
  }

  give(buffer: Uint8Array): void {
    this.#free.push(buffer);
    if (this.#starved) {
      this.#starved = false;
      this.#onFree();
    }
  }
}
