/**
 * DER (X.690), as little of it as certificates and certification requests need: one encoding of a value,
 * and a reader that refuses every other. Replicas read certificates while they apply events, so what is
 * accepted must not depend on a library's leniency or version.
 *
 * Nothing here recurses: depth is what the code that reads says it is. Pure and browser-safe.
 */
import { concatBytes, equalBytes } from "../crypto/bytes.ts";
import { DecodeError, utf8 } from "../crypto/codec.ts";
import type { ErrorCode } from "../errors.ts";

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** [0] to [3], constructed: version, attributes and extensions. */
  context0: 0xa0,
  context3: 0xa3,
  /** [0], primitive: the key id of an AuthorityKeyIdentifier. */
  keyId: 0x80,
  /** GeneralName: dNSName [2] and iPAddress [7] (RFC 5280, 4.2.1.6). */
  dnsName: 0x82,
  ipAddress: 0x87,
} as const;

/** What is well-formed and yet refused, with its code; parsers turn it into a Result. */
export class CaRefusal extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, detail: string) {
    super(detail);
    this.code = code;
  }
}

export type DerElement = {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
};

/** Reads elements one after the other. Every method throws DecodeError for what is not DER. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The tag of the next element; undefined at the end. */
  get tag(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** The next element, which must have this tag where one is given. */
  next(tag?: number): DerElement {
    const start = this.#at;
    const found = this.#byte();
    // Tag numbers of 31 and more take several bytes; nothing here has one.
    if ((found & 0x1f) === 0x1f) throw new DecodeError("tag", start, "tag of several bytes");
    if (tag !== undefined && found !== tag) {
      throw new DecodeError("tag", start, `tag ${found} where ${tag} is expected`);
    }
    const length = this.#length();
    const from = this.#at;
    if (from + length > this.#bytes.length) {
      throw new DecodeError("short", from, "element is cut off");
    }
    this.#at = from + length;
    return {
      tag: found,
      content: this.#bytes.subarray(from, this.#at),
      whole: this.#bytes.subarray(start, this.#at),
    };
  }

  /** A reader of the content of the next element. */
  enter(tag: number): DerReader {
    return new DerReader(this.next(tag).content);
  }

  end(): void {
    if (!this.done) throw new DecodeError("trailing", this.#at, "bytes after the last element");
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new DecodeError("short", this.#at, "element is cut off");
    this.#at += 1;
    return byte;
  }

  /** Definite and in its shortest form, below 2^16: everything that is read here is smaller. */
  #length(): number {
    const at = this.#at;
    const first = this.#byte();
    if (first < 0x80) return first;
    if (first !== 0x81 && first !== 0x82) {
      throw new DecodeError("range", at, "length is indefinite or too large");
    }
    const high = first === 0x82 ? this.#byte() : 0;
    const length = high * 256 + this.#byte();
    if (length < (first === 0x82 ? 0x100 : 0x80)) {
      throw new DecodeError("range", at, "length is not in its shortest form");
    }
    return length;
  }
}

/** Reads all of `bytes` as one element. */
export const derWhole = (bytes: Uint8Array, tag: number): DerElement => {
  const reader = new DerReader(bytes);
  const element = reader.next(tag);
  reader.end();
  return element;
};

/** Content of an INTEGER: at least one byte, shortest form, not negative, without the sign byte. */
export const derUnsigned = (content: Uint8Array): Uint8Array => {
  const [first, second] = content;
  if (first === undefined) throw new DecodeError("short", 0, "integer without bytes");
  if (first >= 0x80) throw new DecodeError("range", 0, "integer is negative");
  if (first !== 0 || second === undefined) return content;
  if (second < 0x80) throw new DecodeError("range", 0, "integer is not in its shortest form");
  return content.subarray(1);
};

/** Content of a BIT STRING that is whole bytes. */
export const derBits = (content: Uint8Array): Uint8Array => {
  if (content[0] !== 0) throw new DecodeError("range", 0, "bit string is not whole bytes");
  return content.subarray(1);
};

/** BOOLEAN DEFAULT FALSE: DER leaves the default out and writes true as 0xff. */
export const derFlag = (reader: DerReader): boolean => {
  if (reader.tag !== TAG.boolean) return false;
  const { content } = reader.next(TAG.boolean);
  if (content.length !== 1 || content[0] !== 0xff) {
    throw new DecodeError("range", 0, "not a boolean that DER writes out");
  }
  return true;
};

const lengthBytes = (length: number): Uint8Array => {
  if (length < 0x80) return Uint8Array.of(length);
  if (length < 0x100) return Uint8Array.of(0x81, length);
  if (length < 0x1_0000) return Uint8Array.of(0x82, length >>> 8, length & 0xff);
  throw new RangeError(`an element of ${length} bytes`);
};

/** One element from its parts. Throws RangeError from 64 KiB on. */
export const der = (tag: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const content = concatBytes(...parts);
  return concatBytes(Uint8Array.of(tag), lengthBytes(content.length), content);
};

/** INTEGER of big-endian bytes, not negative. */
export const derInteger = (bytes: Uint8Array): Uint8Array => {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from += 1;
  const short = bytes.subarray(from);
  return (short[0] ?? 0) >= 0x80
    ? der(TAG.integer, Uint8Array.of(0), short)
    : der(TAG.integer, short);
};

/** BIT STRING of whole bytes. */
export const derBitString = (bytes: Uint8Array): Uint8Array =>
  der(TAG.bitString, Uint8Array.of(0), bytes);

/** An object identifier, encoded, from dotted text that a programmer wrote. */
export const oid = (text: string): Uint8Array => {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = [first * 40 + second].concat(rest).flatMap((arc) => {
    const septets = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      septets.unshift(128 + (left % 128));
    }
    return septets;
  });
  return der(TAG.oid, Uint8Array.from(bytes));
};

/** The key of the table whose value is this encoded identifier. */
export const oidName = <K extends string>(
  table: Readonly<Record<K, Uint8Array>>,
  whole: Uint8Array,
): K | undefined => (Object.keys(table) as K[]).find((name) => equalBytes(table[name], whole));

const DAY_S = 86_400;
const YEAR_MAX = 9999;

/** Days from 1970-01-01 to a date of the proleptic Gregorian calendar, and back. */
const daysOf = (year: number, month: number, day: number): number => {
  // Years that begin in March have the leap day last.
  const y = month > 2 ? year : year - 1;
  const m = month > 2 ? month - 3 : month + 9;
  const leap = Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  return 365 * y + leap + Math.floor((153 * m + 2) / 5) + day - 1 - 719_468;
};

const dateOf = (days: number): readonly [number, number, number] => {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const doe = z - era * 146_097;
  const yoe = Math.floor(
    (doe - Math.floor(doe / 1460) + Math.floor(doe / 36_524) - Math.floor(doe / 146_096)) / 365,
  );
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100));
  const mp = Math.floor((5 * doy + 2) / 153);
  const month = mp < 10 ? mp + 3 : mp - 9;
  const year = yoe + era * 400 + (month <= 2 ? 1 : 0);
  return [year, month, doy - Math.floor((153 * mp + 2) / 5) + 1];
};

const digits = (value: number, width = 2): string => String(value).padStart(width, "0");

/**
 * Seconds since the Unix epoch as UTCTime through 2049 and GeneralizedTime from 2050 on (RFC 5280,
 * 4.1.2.5). Throws RangeError outside of 1970 to 9999.
 */
export const derTime = (seconds: number): Uint8Array => {
  const days = Math.floor(seconds / DAY_S);
  const [year, month, day] = dateOf(days);
  if (!Number.isSafeInteger(seconds) || seconds < 0 || year > YEAR_MAX) {
    throw new RangeError(`${seconds} s is no time of a certificate`);
  }
  const rest = seconds - days * DAY_S;
  const clock = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60];
  const tail = `${digits(month)}${digits(day)}${clock.map((n) => digits(n)).join("")}Z`;
  return year < 2050
    ? der(TAG.utcTime, utf8(`${digits(year % 100)}${tail}`))
    : der(TAG.generalizedTime, utf8(`${digits(year, 4)}${tail}`));
};

/** Reads what `derTime` writes, and nothing else: seconds since the Unix epoch. */
export const readTime = (reader: DerReader): number => {
  const element = reader.next();
  const text = String.fromCharCode(...element.content.subarray(0, 16));
  const wide = element.tag === TAG.generalizedTime;
  const match = (wide ? /^(\d{4})(\d{10})Z$/ : /^(\d{2})(\d{10})Z$/).exec(text);
  if (match === null) throw new DecodeError("range", 0, "not a time");
  const [, years = "", rest = ""] = match;
  const year = wide ? Number(years) : Number(years) + (Number(years) < 50 ? 2000 : 1900);
  const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = [0, 2, 4, 6, 8].map((at) =>
    Number(rest.slice(at, at + 2)),
  );
  const seconds = daysOf(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
  // A month of 13, a 30th of February or an UTCTime after 2049 would be written differently.
  if (seconds < 0 || !equalBytes(derTime(seconds), element.whole)) {
    throw new DecodeError("range", 0, "not a time in its one form");
  }
  return seconds;
};

const BASE64_LINE = 64;

/** PEM (RFC 7468) of DER bytes. */
export const pemOf = (label: string, bytes: Uint8Array): string => {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  const lines = btoa(binary).match(new RegExp(`.{1,${BASE64_LINE}}`, "g")) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
};

/**
 * The bytes of the one PEM block of this label in a text; undefined when there is none, more than one, or
 * what is in it is not base64. Text around the block is ignored, as RFC 7468 section 2 wants.
 */
export const fromPem = (text: string, labels: readonly string[]): Uint8Array | undefined => {
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]{1,40})-----([^-]*)-----END \1-----/g)];
  const [block, second] = blocks.filter(([, label = ""]) => labels.includes(label));
  if (block === undefined || second !== undefined) return undefined;
  const base64 = (block[2] ?? "").replace(/[ \t\r\n]/g, "");
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return undefined;
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
};
