/**
 * Rows of projections: how keys are built so that they sort, and how a stored row remembers its origin.
 *
 * A key is a sequence of parts. Parts of fixed width (hash, u64) stand as they are; text is UTF-8 with
 * every 0x00 written as 0x00 0xff and 0x00 0x00 at its end, so that keys sort like their parts do and no
 * sequence of parts can look like another. A prefix of parts is a prefix of bytes: what the API lists by.
 */
import { concatBytes } from "../crypto/bytes.ts";
import { DecodeError, Reader, utf8, Writer } from "../crypto/codec.ts";
import { TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type AnyField, type FieldValues, field, type Json } from "./event-schema.ts";
import { rowKey } from "./keys.ts";
import { slabBytes } from "./slab.ts";

const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One part of a row key, encoded. */
export type KeyPart = Uint8Array;

/** UTF-8 text of any length; sorts by code point, shorter first. */
export const textPart = (text: string): KeyPart => {
  const bytes = utf8(text);
  const zeros = bytes.includes(0) ? bytes.filter((byte) => byte === 0).length : 0;
  const part = new Uint8Array(bytes.length + zeros + 2);
  if (zeros === 0) {
    part.set(bytes);
    return part;
  }
  let at = 0;
  for (const byte of bytes) {
    part[at] = byte;
    at += 1;
    if (byte === 0) {
      part[at] = 0xff;
      at += 1;
    }
  }
  return part;
};

/** An integer 0..2^53 - 1 as eight bytes, big-endian; throws RangeError for any other. */
export const u64Part = (value: number): KeyPart => {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a u64`);
  const part = new Uint8Array(8);
  const view = new DataView(part.buffer);
  view.setUint32(0, Math.floor(value / 0x1_0000_0000));
  view.setUint32(4, value % 0x1_0000_0000);
  return part;
};

/** One byte: a tag that keeps the kinds of rows of one projection apart. */
export const tagPart = (tag: number): KeyPart => {
  if (!Number.isInteger(tag) || tag < 0 || tag > 0xff) throw new RangeError(`${tag} is not a byte`);
  return Uint8Array.of(tag);
};

/** A 32-byte hash or id; throws RangeError for another length. */
export const hashPart = (hash: Uint8Array): KeyPart => {
  if (hash.length !== 32) throw new RangeError(`a hash has 32 bytes, not ${hash.length}`);
  return hash;
};

/** The parts in order, as one key. */
export const keyOf = (...parts: readonly KeyPart[]): Uint8Array => concatBytes(...parts);

/** The same as `keyOf` of their text parts, in one array of a slab (slab.ts): for keys that live as long as a block. */
export const keyOfTexts = (...texts: readonly string[]): Uint8Array => {
  let length = 0;
  for (const text of texts) length += text.length + 2;
  const key = slabBytes(length);
  let at = 0;
  for (const text of texts) {
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit === 0 || unit > 0x7f) return keyOf(...texts.map(textPart));
      key[at + i] = unit;
    }
    // Two zero bytes end the part: slabs begin as zeros and are never written twice.
    at += text.length + 2;
  }
  return key;
};

/** Takes a key apart again; throws DecodeError where the parts are not as asked for. */
export class KeyReader {
  readonly #key: Uint8Array;
  #at = 0;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  #take(length: number): Uint8Array {
    const at = this.#at;
    if (at + length > this.#key.length) throw new DecodeError("short", at, "row key too short");
    this.#at = at + length;
    return this.#key.subarray(at, at + length);
  }

  tag(): number {
    return this.#take(1)[0] ?? 0;
  }

  hash(): Uint8Array {
    return this.#take(32);
  }

  u64(): number {
    const bytes = this.#take(8);
    let value = 0;
    for (const byte of bytes) value = value * 256 + byte;
    if (value > Number.MAX_SAFE_INTEGER)
      throw new DecodeError("range", this.#at - 8, "u64 too large");
    return value;
  }

  text(): string {
    const start = this.#at;
    const bytes: number[] = [];
    for (;;) {
      const byte = this.#take(1)[0] ?? 0;
      if (byte !== 0) {
        bytes.push(byte);
        continue;
      }
      const next = this.#take(1)[0];
      if (next === 0) break;
      if (next !== 0xff) throw new DecodeError("tag", start, "row key text is not well-formed");
      bytes.push(0);
    }
    try {
      return utf8Decoder.decode(Uint8Array.from(bytes));
    } catch {
      throw new DecodeError("utf8", start, "row key text is not UTF-8");
    }
  }

  end(): void {
    if (this.#at !== this.#key.length)
      throw new DecodeError("trailing", this.#at, "row key too long");
  }
}

/** Origin of a row that the genesis wrote: no event has this index. */
export const GENESIS_ORIGIN: number = Number.MAX_SAFE_INTEGER;

export type StoredRow = {
  /** Index of the event that last changed the row, or GENESIS_ORIGIN. */
  readonly origin: number;
  readonly value: Uint8Array;
};

const ORIGIN_BYTES = 8;

const setU32 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
};

/** What is stored under r/ and what the state tree commits to: u64 origin, value. Of a slab (slab.ts). */
export const encodeRow = (origin: number, value: Uint8Array): Uint8Array => {
  const stored = slabBytes(ORIGIN_BYTES + value.length);
  setU32(stored, 0, Math.floor(origin / 0x1_0000_0000));
  setU32(stored, 4, origin % 0x1_0000_0000);
  stored.set(value, ORIGIN_BYTES);
  return stored;
};

/** Throws DecodeError for bytes too short to have an origin. The value is a view of `stored`. */
export const decodeRow = (stored: Uint8Array): StoredRow => {
  if (stored.length < ORIGIN_BYTES) throw new DecodeError("short", 0, "row without an origin");
  const view = new DataView(stored.buffer, stored.byteOffset, ORIGIN_BYTES);
  const origin = view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4);
  return { origin, value: stored.subarray(ORIGIN_BYTES) };
};

/** Throws RangeError when a row is over its limits: a bug of the projection that writes it. */
export const checkRow = (key: Uint8Array, value: Uint8Array | undefined): void => {
  if (key.length === 0 || key.length > LIMITS.rowKeyBytesMax) {
    throw new RangeError(`row key of ${key.length} bytes`);
  }
  if (value !== undefined && value.length > LIMITS.rowValueBytesMax) {
    throw new RangeError(`row value of ${value.length} bytes`);
  }
};

/** How the values of one kind of row are encoded: the fields of event payloads, without an event. */
export type RowSchema<T> = {
  /** Of a slab (slab.ts): for a value that is put at once. */
  encode(value: T): Uint8Array;
  /** Throws DecodeError: a stored row that does not decode is a bug or damage. */
  decode(bytes: Uint8Array): T;
  toJson(value: T): Json;
};

/** Defines a kind of row by its fields, in order. Throws RangeError for malformed field names. */
export const defineRow = <const F extends readonly AnyField[]>(
  ...fields: F
): RowSchema<FieldValues<F>> => {
  const record = field.record("row", fields);
  return {
    encode: (value) => {
      const writer = new Writer();
      record.write(writer, value);
      return writer.finishIn(slabBytes);
    },
    decode: (bytes) => {
      const reader = new Reader(bytes);
      const value = record.read(reader);
      reader.end();
      return value;
    },
    toJson: (value) => record.toJson(value),
  };
};

/** The row of a projection as the store has it, or undefined. Throws "store.corrupt". */
export const readRow = (
  read: (key: Uint8Array) => Uint8Array | undefined,
  projection: string,
  key: Uint8Array,
): StoredRow | undefined => {
  const stored = read(rowKey(projection, key));
  if (stored === undefined) return undefined;
  if (stored.length < ORIGIN_BYTES) {
    throw new TetradError("store.corrupt", `row of ${projection} without an origin`, {
      projection,
    });
  }
  return decodeRow(stored);
};
