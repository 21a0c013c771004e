/**
 * Bytes that come in pieces whose size the sender chooses, in one buffer: pieces that are kept cost a hundred bytes
 * each, so that an answer sent byte by byte would cost a hundred times its size. Pure.
 */

const FIRST_BYTES = 256;

export class GrowingBytes {
  readonly #maxBytes: number;
  #buffer = new Uint8Array(0);
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that are allocated: at most twice what has come, or what may. */
  get allocated(): number {
    return this.#buffer.length;
  }

  /** Copies the piece; false, and nothing taken, where there would be more than may. */
  push(piece: Uint8Array): boolean {
    const length = this.#length + piece.length;
    if (length > this.#maxBytes) return false;
    if (length > this.#buffer.length) {
      const doubled = Math.max(FIRST_BYTES, 2 * this.#buffer.length, length);
      const grown = new Uint8Array(Math.min(doubled, this.#maxBytes));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = length;
    return true;
  }

  /** What has come. The bytes are the caller's; nothing may be pushed after it. */
  take(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
}
