/** Small helpers on byte strings. Pure and browser-safe. */

const HEX: readonly string[] = Array.from({ length: 256 }, (_, i) =>
  i.toString(16).padStart(2, "0"),
);

/** The code units of both digits of every byte. */
const HEX_UNITS: Uint8Array = Uint8Array.from(HEX.join(""), (digit) => digit.charCodeAt(0));

/** Texts up to this length are made from code units at once: joining characters makes garbage by the dozen. */
const SHORT_TEXT = 128;
const shortUnits: (number[] | undefined)[] = [];

/** A list of `length` numbers, at most SHORT_TEXT, that is the same one in every call. */
const unitsOf = (length: number): number[] => {
  let units = shortUnits[length];
  if (units === undefined) {
    units = new Array<number>(length).fill(0);
    shortUnits[length] = units;
  }
  return units;
};

export const toHex = (bytes: Uint8Array): string => {
  const { length } = bytes;
  if (2 * length > SHORT_TEXT) {
    let text = "";
    for (const byte of bytes) text += HEX[byte];
    return text;
  }
  const units = unitsOf(2 * length);
  for (let i = 0; i < length; i++) {
    const byte = bytes[i] ?? 0;
    units[2 * i] = HEX_UNITS[2 * byte] ?? 0;
    units[2 * i + 1] = HEX_UNITS[2 * byte + 1] ?? 0;
  }
  return String.fromCharCode.apply(null, units);
};

/** Applied and not spread: bytes would go through an iterator, at ten times the cost. `apply` takes any list of numbers. */
const fromCharCode: { apply(self: null, units: ArrayLike<number>): string } = String.fromCharCode;

/** One code unit a byte: distinct for distinct bytes, and in their order. Not for people: a key of a map. */
export const byteText = (bytes: Uint8Array): string => {
  const { length } = bytes;
  if (length > SHORT_TEXT) return fromCharCode.apply(null, bytes);
  const units = unitsOf(length);
  for (let i = 0; i < length; i++) units[i] = bytes[i] ?? 0;
  return String.fromCharCode.apply(null, units);
};

/** The text that `length` bytes from `from` on are in ASCII; undefined where one of them is none, or of longer ones. */
export const shortAscii = (bytes: Uint8Array, from: number, length: number): string | undefined => {
  if (length > SHORT_TEXT) return undefined;
  const units = unitsOf(length);
  for (let i = 0; i < length; i++) {
    const byte = bytes[from + i] ?? 0;
    if (byte > 0x7f) return undefined;
    units[i] = byte;
  }
  return String.fromCharCode.apply(null, units);
};

/** Throws RangeError on anything but an even number of lower- or upper-case hex digits. */
export const fromHex = (text: string): Uint8Array => {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) throw new RangeError("not hex");
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(text.slice(i * 2, i * 2 + 2), 16);
  return bytes;
};

/** Lexicographic order, shorter first on a common prefix: the order of LevelDB keys. */
export const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
};

export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && compareBytes(a, b) === 0;

export const concatBytes = (...parts: readonly Uint8Array[]): Uint8Array => {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
};

export const ZERO_HASH: Uint8Array = new Uint8Array(32);

export const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);
