/**
 * Bytes as text in JSON: base64url without padding (RFC 4648, section 5), of which each byte string has one
 * spelling. Pure and browser-safe: neither Buffer nor atob.
 */
import { Wrong } from "../strict-json.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const NONE = 64;

/** By character code: the six bits of a digit, or NONE. */
const VALUES: Uint8Array = Uint8Array.from({ length: 128 }, (_, code) => {
  const at = ALPHABET.indexOf(String.fromCharCode(code));
  return at < 0 ? NONE : at;
});

/** Characters that so many bytes take. */
export const base64urlLength = (bytes: number): number => Math.ceil((bytes * 4) / 3);

export const toBase64url = (bytes: Uint8Array): string => {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const word = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const digits = left >= 3 ? 4 : left + 1;
    for (let i = 0; i < digits; i++) text += ALPHABET[(word >>> (18 - 6 * i)) & 63];
  }
  return text;
};

/** The value at `path`, which must be bytes of min to max in number. Throws `Wrong`. */
export function bytesAt(path: string, value: unknown, min: number, max = min): Uint8Array {
  if (typeof value !== "string" || value.length > base64urlLength(max)) {
    throw new Wrong(path, `expected at most ${max} bytes as base64url`);
  }
  if (value.length % 4 === 1) throw new Wrong(path, "not base64url without padding");
  const bytes = new Uint8Array(Math.floor((value.length * 3) / 4));
  if (bytes.length < min) throw new Wrong(path, `expected at least ${min} bytes`);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < value.length; i++) {
    const digit = VALUES[value.charCodeAt(i)] ?? NONE;
    if (digit === NONE) throw new Wrong(path, "not base64url without padding");
    bits = ((bits << 6) | digit) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes[at++] = (bits >>> held) & 0xff;
  }
  // Bits that no byte uses must be zero: else several texts would mean the same bytes.
  if ((bits & ((1 << held) - 1)) !== 0) throw new Wrong(path, "not canonical base64url");
  return bytes;
}
