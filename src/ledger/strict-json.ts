/**
 * Strict reading of JSON that hashes or proofs depend on: unknown, missing and repeated keys are refused,
 * so that two people who read one file cannot see two things. Throws `Wrong`, with the path of the value
 * that is not what it must be; callers make it an error of the table. Pure and browser-safe.
 */
import { fromHex } from "../crypto/bytes.ts";

/** A value that is not what the reader wants there; never leaves the ledger's readers. */
export class Wrong extends Error {
  readonly path: string;
  constructor(path: string, detail: string) {
    super(detail);
    this.path = path;
  }
}

/** JSON.parse, but for a text that repeats a key of an object. Throws SyntaxError and `Wrong`. */
export function parseStrictJson(text: string): unknown {
  const json: unknown = JSON.parse(text);
  if (countKeys(json) !== countKeyTokens(text)) throw new Wrong("", "a key is repeated");
  return json;
}

/** An object with exactly these keys. */
export function objectAt<K extends string>(
  path: string,
  value: unknown,
  keys: readonly K[],
): Readonly<Record<K, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Wrong(path, "expected an object");
  }
  const own = new Set<string>(Object.keys(value));
  const known = new Set<string>(keys);
  for (const key of own) {
    if (known.has(key)) continue;
    throw new Wrong(path, `unknown key ${JSON.stringify(key.slice(0, 64))}`);
  }
  for (const key of keys) if (!own.has(key)) throw new Wrong(path, `${key} is missing`);
  return value as Readonly<Record<K, unknown>>;
}

/** A list of min to max items. */
export function listAt(path: string, value: unknown, min: number, max: number): unknown[] {
  if (!Array.isArray(value)) throw new Wrong(path, "expected a list");
  if (value.length < min || value.length > max) throw new Wrong(path, `expected ${min} to ${max}`);
  return value;
}

/** Text of a pattern. The patterns allow ASCII only, so characters are bytes. */
export function textAt(path: string, value: unknown, pattern: RegExp, bytesMax: number): string {
  if (typeof value !== "string" || value.length > bytesMax || !pattern.test(value)) {
    throw new Wrong(path, `expected text of at most ${bytesMax} bytes like ${pattern.source}`);
  }
  return value;
}

/** A whole number of min to max. */
export function integerAt(path: string, value: unknown, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    throw new Wrong(path, `expected an integer of ${min} to ${max}`);
  }
  return value;
}

/** So many bytes, as lower-case hex. */
export function hexAt(path: string, value: unknown, bytes: number): Uint8Array {
  if (typeof value !== "string" || value.length !== 2 * bytes || !/^[0-9a-f]*$/.test(value)) {
    throw new Wrong(path, `expected ${bytes} bytes as lower-case hex`);
  }
  return fromHex(value);
}

/** Keys of all objects within a parsed value. */
function countKeys(json: unknown): number {
  let count = 0;
  const open: unknown[] = [json];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value !== "object" || value === null) continue;
    if (!Array.isArray(value)) count += Object.keys(value).length;
    for (const inner of Object.values(value)) open.push(inner);
  }
  return count;
}

/**
 * Strings of a JSON text that stand before a colon: its keys, repeated ones included, of which
 * JSON.parse silently keeps the last. The text has been parsed, so strings are well-formed.
 */
function countKeyTokens(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at)) {
    at = afterString(text, at);
    while (" \t\r\n".includes(text.charAt(at)) && at < text.length) at += 1;
    if (text.charAt(at) === ":") count += 1;
  }
  return count;
}

/** Where the string ends that begins here. By hand: an expression for it takes stack by the character. */
function afterString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '"') return at + 1;
    if (character === "\\") at += 1;
  }
  return text.length;
}
