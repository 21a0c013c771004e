/**
 * Frames on a stream: `u32 length || payload`, one after the other. The parser takes the stream in pieces
 * of any size. A frame longer than the limit is refused when its header is complete, before a byte is
 * allocated for it, and memory grows with what has arrived, never with what a header claims. Pure.
 */
import { type Failure, fail } from "../errors.ts";

export const FRAME_HEADER_BYTES = 4;

/** What is allocated at once for a frame that has not arrived in one piece. */
const FIRST_ALLOCATION_BYTES = 64 * 1024;

export class FrameParser {
  readonly #limitBytes: number;
  #header = 0;
  #headerBytes = 0;
  #length = 0;
  #filled = 0;
  #payload: Uint8Array = EMPTY;
  #frames = 0;
  #failure: Failure | undefined;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** True when the stream stands inside a frame. */
  get partial(): boolean {
    return this.#headerBytes > 0;
  }

  /** Frames completed so far: tells a frame that is still the same from one that began later. */
  get frames(): number {
    return this.#frames;
  }

  /** Bytes held for the frame in progress. */
  get heldBytes(): number {
    return this.#payload.length;
  }

  /**
   * Takes the next bytes of the stream, which stay the caller's, and hands over each frame that they
   * complete, in order, as bytes of its own. `onFrame` answers false to stop: the rest is dropped.
   * A failure (transport.frame-too-large) is final: the stream cannot be read on.
   */
  push(bytes: Uint8Array, onFrame: (payload: Uint8Array) => boolean): Failure | undefined {
    let at = 0;
    while (at < bytes.length && this.#failure === undefined) {
      if (this.#headerBytes < FRAME_HEADER_BYTES) {
        at = this.#takeHeader(bytes, at);
        if (this.#headerBytes < FRAME_HEADER_BYTES || this.#failure !== undefined) break;
      }
      const count = Math.min(this.#length - this.#filled, bytes.length - at);
      this.#takePayload(bytes.subarray(at, at + count));
      at += count;
      if (this.#filled === this.#length && !onFrame(this.#finish())) break;
    }
    return this.#failure;
  }

  #takeHeader(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length && this.#headerBytes < FRAME_HEADER_BYTES) {
      this.#header = this.#header * 256 + (bytes[at] ?? 0);
      this.#headerBytes += 1;
      at += 1;
    }
    if (this.#headerBytes === FRAME_HEADER_BYTES) {
      this.#length = this.#header;
      if (this.#length > this.#limitBytes) {
        this.#failure = fail(
          "transport.frame-too-large",
          `a frame claims ${this.#length} bytes, limit ${this.#limitBytes}`,
        );
      }
    }
    return at;
  }

  #takePayload(part: Uint8Array): void {
    const filled = this.#filled + part.length;
    if (filled > this.#payload.length) {
      const size =
        filled === this.#length
          ? filled
          : Math.min(this.#length, Math.max(FIRST_ALLOCATION_BYTES, filled * 2));
      const grown = new Uint8Array(size);
      grown.set(this.#payload.subarray(0, this.#filled));
      this.#payload = grown;
    }
    this.#payload.set(part, this.#filled);
    this.#filled = filled;
  }

  #finish(): Uint8Array {
    const payload =
      this.#payload.length === this.#length ? this.#payload : this.#payload.slice(0, this.#length);
    this.#payload = EMPTY;
    this.#header = 0;
    this.#headerBytes = 0;
    this.#length = 0;
    this.#filled = 0;
    this.#frames += 1;
    return payload;
  }
}

const EMPTY = new Uint8Array(0);
