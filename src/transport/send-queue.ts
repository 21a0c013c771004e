/**
 * The bounded queue of one traffic class: whole payloads in, a stream of framed bytes out. Payloads are
 * held by reference, so one proposal to three peers is in memory once; only the slice that the connection
 * can take now is copied. Pure.
 */
import { FRAME_HEADER_BYTES } from "./framing.ts";

/** What an entry costs besides its payload; counted so that tiny frames are bounded in number too. */
const ENTRY_OVERHEAD_BYTES = 64;

/** Consumed entries are cut off when this many have gathered. */
const COMPACT_ENTRIES = 1024;

export class SendQueue {
  readonly limitBytes: number;
  #entries: (Uint8Array | undefined)[] = [];
  #head = 0;
  /** Bytes of the head's frame, header included, that are already with the connection. */
  #offset = 0;
  #bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Bytes that the queue accounts for, overhead included. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#head === this.#entries.length;
  }

  /** False when the frame does not fit: nothing was queued. */
  push(payload: Uint8Array): boolean {
    const cost = payload.length + ENTRY_OVERHEAD_BYTES;
    if (this.#bytes + cost > this.limitBytes) return false;
    this.#entries.push(payload);
    this.#bytes += cost;
    return true;
  }

  /** Copies the next framed bytes into the target without taking them; returns how many. */
  peek(target: Uint8Array): number {
    let at = 0;
    let offset = this.#offset;
    for (let index = this.#head; index < this.#entries.length && at < target.length; index++) {
      const payload = this.#entries[index];
      if (payload === undefined) break;
      for (; offset < FRAME_HEADER_BYTES && at < target.length; offset++, at++) {
        target[at] = (payload.length >>> (24 - 8 * offset)) & 0xff;
      }
      const from = offset - FRAME_HEADER_BYTES;
      const count = Math.min(payload.length - from, target.length - at);
      if (offset >= FRAME_HEADER_BYTES && count > 0) {
        target.set(payload.subarray(from, from + count), at);
        at += count;
      }
      offset = 0;
    }
    return at;
  }

  /** Takes framed bytes that `peek` showed; returns how many frames are now wholly out. */
  consume(count: number): number {
    let left = count;
    let frames = 0;
    while (left > 0) {
      const payload = this.#entries[this.#head];
      if (payload === undefined) throw new RangeError("more bytes consumed than queued");
      const rest = payload.length + FRAME_HEADER_BYTES - this.#offset;
      if (left < rest) {
        this.#offset += left;
        break;
      }
      left -= rest;
      frames += 1;
      this.#entries[this.#head] = undefined;
      this.#head += 1;
      this.#offset = 0;
      this.#bytes -= payload.length + ENTRY_OVERHEAD_BYTES;
    }
    if (this.#head >= COMPACT_ENTRIES || this.#head === this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return frames;
  }

  clear(): void {
    this.#entries = [];
    this.#head = 0;
    this.#offset = 0;
    this.#bytes = 0;
  }
}
