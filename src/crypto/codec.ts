/**
 * The canonical encoding of everything that is signed or hashed: fixed field order, fixed-width
 * big-endian integers, u32 length before variable bytes. There is exactly one encoding of a value, and
 * the reader refuses every other: wrong lengths, integers above 2^53 - 1, and trailing bytes.
 *
 * Integers up to 2^53 - 1 are JavaScript numbers; weights, which are summed, are bigint.
 */

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

export const utf8 = (text: string): Uint8Array => utf8Encoder.encode(text);

/** Appends fixed-order fields to a growing buffer. `finish` returns a copy of exactly the bytes written. */
export class Writer {
  #buffer: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#buffer = new Uint8Array(capacity);
    this.#view = new DataView(this.#buffer.buffer);
  }

  #reserve(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return at;
  }

  u8(value: number): this {
    checkRange(value, 0xff);
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    checkRange(value, 0xffff);
    const at = this.#reserve(2);
    this.#view.setUint16(at, value);
    return this;
  }

  u32(value: number): this {
    checkRange(value, 0xffff_ffff);
    const at = this.#reserve(4);
    this.#view.setUint32(at, value);
    return this;
  }

  u64(value: number): this {
    checkRange(value, Number.MAX_SAFE_INTEGER);
    const at = this.#reserve(8);
    this.#view.setUint32(at, Math.floor(value / 0x1_0000_0000));
    this.#view.setUint32(at + 4, value % 0x1_0000_0000);
    return this;
  }

  u64big(value: bigint): this {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new RangeError("u64 out of range");
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, value);
    return this;
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

  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }
}

function checkRange(value: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value > max) {
    throw new RangeError(`integer ${value} not in 0..${max}`);
  }
}

/** Reads fields in order from bytes it does not own; returned slices are views, not copies. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(): number {
    const at = this.#take(8);
    const high = this.#view.getUint32(at);
    if (high > 0x1f_ffff) throw new DecodeError("range", at, "integer above 2^53 - 1");
    return high * 0x1_0000_0000 + this.#view.getUint32(at + 4);
  }

  u64big(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  fixed(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  hash(): Uint8Array {
    return this.fixed(32);
  }

  bytes(max: number): Uint8Array {
    const length = this.u32();
    if (length > max) throw new DecodeError("limit", this.#at - 4, `${length} bytes, limit ${max}`);
    return this.fixed(length);
  }

  string(maxBytes: number): string {
    const at = this.#at;
    const bytes = this.bytes(maxBytes);
    try {
      return utf8Decoder.decode(bytes);
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
