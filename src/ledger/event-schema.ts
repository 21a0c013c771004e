/**
 * Schemas of event payloads: a list of fields in a fixed order gives the canonical encoding, a strict
 * decoder, a JSON form for people and tools, and the TypeScript type of the value.
 *
 *     const recordPut = defineEvent({
 *       type: "record.put",
 *       version: 1,
 *       fields: [field.string("topic", 64, TOPIC), field.string("key", 256), field.bytes("body", 1024)],
 *     });
 *     type RecordPut = EventValue<typeof recordPut>; // { topic: string; key: string; body: Uint8Array }
 *
 * JSON: integers are numbers, u64big a decimal string, hashes and fixed bytes lower-case hex, variable
 * bytes base64. Unknown keys are refused, and so is every value that the encoding could not give back.
 */
import { fromHex, toHex } from "../crypto/bytes.ts";
import { DecodeError, Reader, utf8, Writer } from "../crypto/codec.ts";
import { type Failure, fail, ok, type Result } from "../errors.ts";
import { encodeEvent, isEventType } from "./event.ts";
import type { EncodedEvent } from "./types.ts";

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

/** One field: how its value is written, read and shown. Methods, so that fields of any type fit one list. */
export type Field<N extends string, T> = {
  readonly name: N;
  /** The fewest bytes that a value takes: bounds the count of a list before anything is allocated. */
  readonly bytesMin: number;
  /** Throws RangeError for a value that the field does not allow. */
  write(writer: Writer, value: T): void;
  /** Throws DecodeError for bytes that are not a canonical value of the field. */
  read(reader: Reader): T;
  /** Throws as `read`; makes no value. */
  check(reader: Reader): void;
  toJson(value: T): Json;
  /** Throws RangeError; what it accepts may still be refused by `write`. */
  fromJson(json: unknown): T;
};

export type AnyField = Field<string, unknown>;

/** The type of the value that a list of fields describes. */
export type FieldValues<F extends readonly AnyField[]> = {
  readonly [K in F[number] as K["name"]]: ReturnType<K["read"]>;
};

export type EventDefinition<T> = {
  readonly type: string;
  readonly version: number;
  readonly fields: readonly AnyField[];
  /** What an event of it may ask for beside its bytes, in the units of LIMITS.blockCheckUnitsMax. */
  readonly checkUnits: number;
  /** Throws RangeError for a value that the schema or the event's size limit does not allow. */
  encode(value: T): EncodedEvent;
  /** Byte fields of the value are views into the payload. Code: batch.bad-payload. */
  decode(payload: Uint8Array): Result<T>;
  /** Whether `decode` would give a value, without making it. Code: batch.bad-payload. */
  check(payload: Uint8Array): Failure | undefined;
  toJson(value: T): { readonly [key: string]: Json };
  /** What it accepts can be encoded. Code: batch.bad-payload. */
  fromJson(json: unknown): Result<T>;
};

export type AnyEventDefinition = EventDefinition<unknown>;

/** The value type of a definition. */
export type EventValue<D> = D extends EventDefinition<infer T> ? T : never;

/** Lower-case names with dots, dashes and underscores: for topics and other names that people share. */
export const NAME_TEXT: RegExp = /^[a-z0-9][a-z0-9._-]*$/;

/** No control characters; anything else that is UTF-8. */
export const LINE_TEXT: RegExp = /^\P{Cc}*$/u;

const integer = <N extends string>(
  name: N,
  bytesMin: number,
  max: number,
  put: (writer: Writer, value: number) => unknown,
  take: (reader: Reader) => number,
): Field<N, number> => ({
  name,
  bytesMin,
  write: (writer, value) => void put(writer, value),
  read: take,
  check: (reader) => void take(reader),
  toJson: (value) => value,
  fromJson: (json) => {
    if (typeof json !== "number" || !Number.isSafeInteger(json) || json < 0 || json > max) {
      throw new RangeError(`${name}: expected an integer of 0 to ${max}`);
    }
    return json;
  },
});

const u64big = <N extends string>(name: N): Field<N, bigint> => ({
  name,
  bytesMin: 8,
  write: (writer, value) => void writer.u64big(value),
  read: (reader) => reader.u64big(),
  check: (reader) => reader.skip(8),
  toJson: (value) => value.toString(),
  fromJson: (json) => {
    if (typeof json !== "string" || !/^(0|[1-9][0-9]{0,19})$/.test(json)) {
      throw new RangeError(`${name}: expected a decimal string`);
    }
    return BigInt(json);
  },
});

const bool = <N extends string>(name: N): Field<N, boolean> => ({
  name,
  bytesMin: 1,
  write: (writer, value) => void writer.u8(value ? 1 : 0),
  read: (reader) => readBool(name, reader),
  check: (reader) => void readBool(name, reader),
  toJson: (value) => value,
  fromJson: (json) => {
    if (typeof json !== "boolean") throw new RangeError(`${name}: expected true or false`);
    return json;
  },
});

function readBool(name: string, reader: Reader): boolean {
  const at = reader.offset;
  const byte = reader.u8();
  if (byte > 1) throw new DecodeError("tag", at, `${name}: not a boolean`);
  return byte === 1;
}

const fixed = <N extends string>(name: N, length: number): Field<N, Uint8Array> => ({
  name,
  bytesMin: length,
  write: (writer, value) => void writer.fixed(value, length),
  read: (reader) => reader.fixed(length),
  check: (reader) => reader.skip(length),
  toJson: (value) => toHex(value),
  fromJson: (json) => {
    if (typeof json !== "string" || json.length !== 2 * length || !/^[0-9a-f]*$/.test(json)) {
      throw new RangeError(`${name}: expected ${2 * length} lower-case hex digits`);
    }
    return fromHex(json);
  },
});

const bytes = <N extends string>(name: N, bytesMax: number): Field<N, Uint8Array> => ({
  name,
  bytesMin: 4,
  write: (writer, value) => {
    if (value.length > bytesMax) {
      throw new RangeError(`${name}: ${value.length} bytes, limit ${bytesMax}`);
    }
    writer.bytes(value);
  },
  read: (reader) => reader.bytes(bytesMax),
  check: (reader) => reader.skipBytes(bytesMax),
  toJson: (value) => toBase64(value),
  fromJson: (json) => {
    if (typeof json !== "string") throw new RangeError(`${name}: expected base64`);
    return fromBase64(json, name, bytesMax);
  },
});

const string = <N extends string>(
  name: N,
  bytesMax: number,
  pattern: RegExp | undefined = undefined,
): Field<N, string> => ({
  name,
  bytesMin: 4,
  write: (writer, value) => {
    // A lone surrogate has no UTF-8 form; TextEncoder would silently write another character.
    if (!value.isWellFormed()) throw new RangeError(`${name}: text is not well-formed`);
    const encoded = utf8(value);
    if (encoded.length > bytesMax) {
      throw new RangeError(`${name}: ${encoded.length} bytes, limit ${bytesMax}`);
    }
    if (pattern?.test(value) === false) throw new RangeError(`${name}: must match ${pattern}`);
    writer.bytes(encoded);
  },
  read: (reader) => readText(name, bytesMax, pattern, reader),
  check: (reader) => void readText(name, bytesMax, pattern, reader),
  toJson: (value) => value,
  fromJson: (json) => {
    if (typeof json !== "string") throw new RangeError(`${name}: expected text`);
    return json;
  },
});

function readText(
  name: string,
  bytesMax: number,
  pattern: RegExp | undefined,
  reader: Reader,
): string {
  const at = reader.offset;
  const value = reader.string(bytesMax);
  if (pattern?.test(value) === false) {
    throw new DecodeError("tag", at, `${name}: must match ${pattern}`);
  }
  return value;
}

/** u32 count, then the items. The item's own name is not used. */
const list = <N extends string, T>(
  name: N,
  itemsMax: number,
  item: Field<string, T>,
): Field<N, readonly T[]> => ({
  name,
  bytesMin: 4,
  write: (writer, values) => {
    if (values.length > itemsMax) {
      throw new RangeError(`${name}: ${values.length} items, limit ${itemsMax}`);
    }
    writer.u32(values.length);
    for (const value of values) item.write(writer, value);
  },
  read: (reader) => {
    const count = reader.count32(itemsMax, item.bytesMin);
    const values: T[] = [];
    for (let i = 0; i < count; i++) values.push(item.read(reader));
    return values;
  },
  check: (reader) => {
    const count = reader.count32(itemsMax, item.bytesMin);
    for (let i = 0; i < count; i++) item.check(reader);
  },
  toJson: (values) => values.map((value) => item.toJson(value)),
  fromJson: (json) => {
    if (!Array.isArray(json)) throw new RangeError(`${name}: expected a list`);
    if (json.length > itemsMax) {
      throw new RangeError(`${name}: ${json.length} items, limit ${itemsMax}`);
    }
    return json.map((value: unknown) => item.fromJson(value));
  },
});

/** A group of fields, one after the other: mostly the item of a list. */
const record = <N extends string, const F extends readonly AnyField[]>(
  name: N,
  fields: F,
): Field<N, FieldValues<F>> => {
  checkNames(fields);
  return {
    name,
    bytesMin: fields.reduce((sum, one) => sum + one.bytesMin, 0),
    write: (writer, value) => writeFields(fields, writer, value),
    read: (reader) => readFields(fields, reader),
    check: (reader) => {
      for (const one of fields) one.check(reader);
    },
    toJson: (value) => fieldsToJson(fields, value),
    fromJson: (json) => fieldsFromJson(fields, name, json),
  };
};

/** The kinds of fields. Sizes and counts are limits that both the writer and the reader enforce. */
export const field = {
  u8: <N extends string>(name: N): Field<N, number> =>
    integer(
      name,
      1,
      0xff,
      (w, v) => w.u8(v),
      (r) => r.u8(),
    ),
  u16: <N extends string>(name: N): Field<N, number> =>
    integer(
      name,
      2,
      0xffff,
      (w, v) => w.u16(v),
      (r) => r.u16(),
    ),
  u32: <N extends string>(name: N): Field<N, number> =>
    integer(
      name,
      4,
      0xffff_ffff,
      (w, v) => w.u32(v),
      (r) => r.u32(),
    ),
  /** At most 2^53 - 1, a number. */
  u64: <N extends string>(name: N): Field<N, number> =>
    integer(
      name,
      8,
      Number.MAX_SAFE_INTEGER,
      (w, v) => w.u64(v),
      (r) => r.u64(),
    ),
  /** All 64 bits, a bigint: for weights and amounts, which are summed. */
  u64big,
  bool,
  hash: <N extends string>(name: N): Field<N, Uint8Array> => fixed(name, 32),
  fixed,
  bytes,
  string,
  list,
  record,
} as const;

/**
 * Defines a type and version of event by the fields of its payload.
 * Throws RangeError for a malformed type or field name: definitions are written by programmers.
 */
export const defineEvent = <const F extends readonly AnyField[]>(spec: {
  readonly type: string;
  readonly version: number;
  readonly fields: F;
  readonly checkUnits?: number;
}): EventDefinition<FieldValues<F>> => {
  const { type, version, fields, checkUnits = 0 } = spec;
  if (!isEventType(type)) throw new RangeError(`not an event type: ${type}`);
  if (!Number.isInteger(version) || version < 1 || version > 0xffff) {
    throw new RangeError(`${type}: not an event version: ${version}`);
  }
  checkNames(fields);
  const encode = (value: FieldValues<F>): EncodedEvent => {
    const writer = new Writer();
    writeFields(fields, writer, value);
    return encodeEvent(type, version, writer.finish());
  };
  return {
    type,
    version,
    fields,
    checkUnits,
    encode,
    decode: (payload) => {
      try {
        const reader = new Reader(payload);
        const value = readFields(fields, reader);
        reader.end();
        return ok(value);
      } catch (error) {
        if (error instanceof DecodeError) return badPayload(type, version, error.message);
        throw error;
      }
    },
    check: (payload) => {
      try {
        const reader = new Reader(payload);
        for (const one of fields) one.check(reader);
        reader.end();
        return undefined;
      } catch (error) {
        if (error instanceof DecodeError) return badPayload(type, version, error.message);
        throw error;
      }
    },
    toJson: (value) => fieldsToJson(fields, value),
    fromJson: (json) => {
      try {
        const value = fieldsFromJson(fields, type, json);
        encode(value);
        return ok(value);
      } catch (error) {
        if (error instanceof RangeError) return badPayload(type, version, error.message);
        throw error;
      }
    },
  };
};

const badPayload = (type: string, version: number, detail: string) =>
  fail("batch.bad-payload", `${type} version ${version}: ${detail}`, { type, version });

function checkNames(fields: readonly AnyField[]): void {
  const names = new Set<string>();
  for (const { name } of fields) {
    if (!/^[a-z][a-zA-Z0-9]{0,63}$/.test(name)) throw new RangeError(`not a field name: ${name}`);
    if (names.has(name)) throw new RangeError(`two fields are named ${name}`);
    names.add(name);
  }
}

type Values = Readonly<Record<string, unknown>>;

function writeFields(fields: readonly AnyField[], writer: Writer, values: Values): void {
  for (const one of fields) one.write(writer, values[one.name]);
}

function readFields<F extends readonly AnyField[]>(fields: F, reader: Reader): FieldValues<F> {
  const values: Record<string, unknown> = {};
  for (const one of fields) values[one.name] = one.read(reader);
  return values as FieldValues<F>;
}

function fieldsToJson(
  fields: readonly AnyField[],
  values: Values,
): { readonly [key: string]: Json } {
  const json: Record<string, Json> = {};
  for (const one of fields) json[one.name] = one.toJson(values[one.name]);
  return json;
}

function fieldsFromJson<F extends readonly AnyField[]>(
  fields: F,
  where: string,
  json: unknown,
): FieldValues<F> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new RangeError(`${where}: expected an object`);
  }
  const source = new Map<string, unknown>(Object.entries(json));
  const values: Record<string, unknown> = {};
  for (const one of fields) {
    if (!source.has(one.name)) throw new RangeError(`${where}: ${one.name} is missing`);
    values[one.name] = one.fromJson(source.get(one.name));
    source.delete(one.name);
  }
  for (const key of source.keys()) {
    throw new RangeError(`${where}: unknown key ${JSON.stringify(key.slice(0, 64))}`);
  }
  return values as FieldValues<F>;
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_VALUES = new Map([...BASE64].map((letter, value) => [letter, value]));

/** RFC 4648 section 4, with padding. Written here because it must run in a browser and be strict. */
function toBase64(data: Uint8Array): string {
  let text = "";
  for (let i = 0; i < data.length; i += 3) {
    const left = data.length - i;
    const bits = ((data[i] ?? 0) << 16) | ((data[i + 1] ?? 0) << 8) | (data[i + 2] ?? 0);
    text += BASE64.charAt(bits >> 18) + BASE64.charAt((bits >> 12) & 63);
    text += left > 1 ? BASE64.charAt((bits >> 6) & 63) : "=";
    text += left > 2 ? BASE64.charAt(bits & 63) : "=";
  }
  return text;
}

function fromBase64(text: string, name: string, bytesMax: number): Uint8Array {
  if (text.length > Math.ceil(bytesMax / 3) * 4) {
    throw new RangeError(`${name}: more than ${bytesMax} bytes`);
  }
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  if (text.length % 4 !== 0) throw new RangeError(`${name}: not base64 with padding`);
  const data = new Uint8Array((text.length / 4) * 3 - padding);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const letter of text.slice(0, text.length - padding)) {
    const value = BASE64_VALUES.get(letter);
    if (value === undefined) throw new RangeError(`${name}: not base64 with padding`);
    bits = ((bits << 6) | value) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      data[at++] = (bits >> held) & 0xff;
    }
  }
  // Bits that no byte uses must be zero: else several texts would mean the same bytes.
  if ((bits & ((1 << held) - 1)) !== 0) throw new RangeError(`${name}: not canonical base64`);
  return data;
}
