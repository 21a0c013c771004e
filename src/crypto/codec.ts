/**
 * The canonical encoding of everything that is signed or hashed: fixed field order, fixed-width
 * big-endian integers, u32 length before variable bytes. There is exactly one encoding of a value, and
 * the reader refuses every other: wrong lengths, integers above 2^53 - 1, and trailing bytes.
 *
 * Integers up to 2^53 - 1 are JavaScript numbers; weights, which are summed, are bigint.
 */

import { shortAscii } from "./bytes.ts";

export type DecodeErrorCode = "short" | "trailing" | "range" | "limit" | "utf8" | "tag";

/** Thrown by Reader; decoders of the product catch it and answer with a code of the error table. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
  readonly code: DecodeErrorCode;
  readonly offset: number;
  constructor(code: DecodeErrorCode, offset: number, detail: string) {
    super(`${detail} at byte ${offset}`);
    this.code = code;
    this.offset = offset;
  }
}

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Names, keys and types are short and ASCII: a loop is several times faster for those than the library. */
const SHORT_TEXT = 64;

/** The UTF-8 bytes of a text; a lone surrogate becomes U+FFFD, as TextEncoder has it. */
export const utf8 = (text: string): Uint8Array => {
  const { length } = text;
  if (length > SHORT_TEXT) return utf8Encoder.encode(text);
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return utf8Encoder.encode(text);
    bytes[i] = code;
  }
  return bytes;
};

/** Throws TypeError for bytes that are not UTF-8. */
const fromUtf8 = (bytes: Uint8Array, from: number, length: number): string =>
  shortAscii(bytes, from, length) ?? utf8Decoder.decode(bytes.subarray(from, from + length));

/**
 * Buffers of writers that are finished, for the next ones: a byte array of its own costs more than what
 * most writers write into it. Few and small, so that nothing large stays behind.
 */
const spareBuffers: Uint8Array[] = [];
const SPARE_BUFFERS_MAX = 8;
const SPARE_BYTES_MAX = 16 * 1024;
const NO_BUFFER = new Uint8Array(0);

/** Appends fixed-order fields to a growing buffer. `finish` returns exactly the bytes written, an array of their own. */
export class Writer {
  #buffer: Uint8Array;
  #length = 0;

  /** `capacity` spares growing: what the caller expects to write, bytes. */
  constructor(capacity = 256) {
    // What is known to be long is written where it stays; growing would copy it several times.
    const spare = capacity > SPARE_BYTES_MAX ? undefined : spareBuffers.pop();
    this.#buffer = spare ?? new Uint8Array(Math.max(capacity, 256));
  }

  #reserve(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#buffer.length) {
      if (this.#buffer === NO_BUFFER) throw new Error("the writer is finished");
      const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    this.#length = needed;
    return at;
  }

  u8(value: number): this {
    checkRange(value, 0xff);
    const at = this.#reserve(1);
    this.#buffer[at] = value;
    return this;
  }

  u16(value: number): this {
    checkRange(value, 0xffff);
    const at = this.#reserve(2);
    this.#buffer[at] = value >>> 8;
    this.#buffer[at + 1] = value;
    return this;
  }

  u32(value: number): this {
    checkRange(value, 0xffff_ffff);
    this.#word(this.#reserve(4), value);
    return this;
  }

  u64(value: number): this {
    checkRange(value, Number.MAX_SAFE_INTEGER);
    const at = this.#reserve(8);
    this.#word(at, Math.floor(value / 0x1_0000_0000));
    this.#word(at + 4, value % 0x1_0000_0000);
    return this;
  }

  u64big(value: bigint): this {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new RangeError("u64 out of range");
    const at = this.#reserve(8);
    this.#word(at, Number(value >> 32n));
    this.#word(at + 4, Number(value & 0xffff_ffffn));
    return this;
  }

  #word(at: number, value: number): void {
    const buffer = this.#buffer;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }

  /** Bytes of a length that the reader knows. */
  fixed(bytes: Uint8Array, length: number): this {
    if (bytes.length !== length)
      throw new RangeError(`expected ${length} bytes, got ${bytes.length}`);
    const at = this.#reserve(length);
    this.#buffer.set(bytes, at);
    return this;
  }

  hash(bytes: Uint8Array): this {
    return this.fixed(bytes, 32);
  }

  /** u32 length, then the bytes. */
  bytes(bytes: Uint8Array): this {
    this.u32(bytes.length);
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  /** Bytes with no length before them; only as the last field or where the length is implied. */
  raw(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  string(text: string): this {
    return this.bytes(utf8(text));
  }

  get length(): number {
    return this.#length;
  }

  /** Once: the writer cannot be used after. */
  finish(): Uint8Array {
    const buffer = this.#buffer;
    if (buffer === NO_BUFFER) throw new Error("the writer is finished");
    this.#buffer = NO_BUFFER;
    if (this.#length === buffer.length && buffer.length > SPARE_BYTES_MAX) return buffer;
    const bytes = buffer.slice(0, this.#length);
    this.#spare(buffer);
    return bytes;
  }

  /** As `finish`, in memory that `allocate` gives for so many bytes. */
  finishIn(allocate: (length: number) => Uint8Array): Uint8Array {
    const buffer = this.#buffer;
    if (buffer === NO_BUFFER) throw new Error("the writer is finished");
    this.#buffer = NO_BUFFER;
    const bytes = allocate(this.#length);
    bytes.set(buffer.subarray(0, this.#length));
    this.#spare(buffer);
    return bytes;
  }

  #spare(buffer: Uint8Array): void {
    if (buffer.length <= SPARE_BYTES_MAX && spareBuffers.length < SPARE_BUFFERS_MAX) {
      spareBuffers.push(buffer);
    }
  }
}

function checkRange(value: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value > max) {
    throw new RangeError(`integer ${value} not in 0..${max}`);
  }
}

/** Reads fields in order from bytes it does not own; returned slices are views, not copies. */
export class Reader {
  // No DataView: to make one costs more than most messages have numbers.
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get offset(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) {
      throw new DecodeError("short", at, `need ${count} bytes, have ${this.#bytes.length - at}`);
    }
    this.#at = at + count;
    return at;
  }

  u8(): number {
    const at = this.#take(1);
    return this.#bytes[at] ?? 0;
  }

  u16(): number {
    const at = this.#take(2);
    const bytes = this.#bytes;
    return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  }

  #word(at: number): number {
    const bytes = this.#bytes;
    const low = ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    return (bytes[at] ?? 0) * 0x100_0000 + low;
  }

  u32(): number {
    return this.#word(this.#take(4));
  }

  u64(): number {
    const at = this.#take(8);
    const high = this.#word(at);
    if (high > 0x1f_ffff) throw new DecodeError("range", at, "integer above 2^53 - 1");
    return high * 0x1_0000_0000 + this.#word(at + 4);
  }

  u64big(): bigint {
    const at = this.#take(8);
    return (BigInt(this.#word(at)) << 32n) | BigInt(this.#word(at + 4));
  }

  fixed(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  hash(): Uint8Array {
    return this.fixed(32);
  }

  bytes(max: number): Uint8Array {
    return this.fixed(this.#length(max));
  }

  /** The same without making a view: for who only checks. */
  skipBytes(max: number): void {
    this.#take(this.#length(max));
  }

  skip(length: number): void {
    this.#take(length);
  }

  #length(max: number): number {
    const length = this.u32();
    if (length > max) throw new DecodeError("limit", this.#at - 4, `${length} bytes, limit ${max}`);
    return length;
  }

  string(maxBytes: number): string {
    const at = this.#at;
    const length = this.#length(maxBytes);
    const from = this.#take(length);
    try {
      return fromUtf8(this.#bytes, from, length);
    } catch {
      throw new DecodeError("utf8", at, "not UTF-8");
    }
  }

  /** A count of items that follow, each at least `itemBytesMin` long: refused before anything is allocated. */
  count32(max: number, itemBytesMin: number): number {
    const at = this.#at;
    const count = this.u32();
    if (count > max) throw new DecodeError("limit", at, `${count} items, limit ${max}`);
    if (count * itemBytesMin > this.remaining) {
      throw new DecodeError("short", at, `${count} items do not fit ${this.remaining} bytes`);
    }
    return count;
  }

  rest(): Uint8Array {
    return this.fixed(this.remaining);
  }

  end(): void {
    if (this.remaining !== 0) {
      throw new DecodeError("trailing", this.#at, `${this.remaining} bytes too many`);
    }
  }
}
