/**
 * Cursors of paged reads: opaque to clients, versioned, and bound to the list they were made for, so
 * that a cursor of one list is refused by another instead of reading from a wrong place.
 *
 *     u8 version = 1   u32 check   position (rest)        as base64url
 *
 * The check is the head of a hash over the list's name and the position. It guards against mistakes,
 * not against a forger, who gains nothing by it, because every position may be asked for.
 */
import { concatBytes } from "../../crypto/bytes.ts";
import { utf8 } from "../../crypto/codec.ts";
import { sha256 } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";

const VERSION = 1;
const HEAD_BYTES = 5;

/** Of the longest cursor: a row's key of LIMITS.rowKeyBytesMax is such a position. */
const CHARACTERS_MAX = Math.ceil(((HEAD_BYTES + LIMITS.cursorBytesMax) * 4) / 3);

const checkOf = (list: string, position: Uint8Array): Uint8Array =>
  sha256(concatBytes(utf8(`cursor/${VERSION}/${list}\0`), position)).subarray(0, 4);

/** `list` names the list and its filters. */
export const encodeCursor = (list: string, position: Uint8Array): string =>
  Buffer.from(concatBytes(Uint8Array.of(VERSION), checkOf(list, position), position)).toString(
    "base64url",
  );

const bad = (): TetradError =>
  new TetradError("http.bad-cursor", "The cursor was not made by this API for this list", {});

/** The position inside; throws http.bad-cursor on anything that encodeCursor did not make for `list`. */
export const decodeCursor = (list: string, text: string): Uint8Array => {
  if (text.length > CHARACTERS_MAX || !/^[A-Za-z0-9_-]+$/.test(text)) throw bad();
  const bytes = new Uint8Array(Buffer.from(text, "base64url"));
  if (bytes.length < HEAD_BYTES || bytes[0] !== VERSION) throw bad();
  const position = bytes.slice(HEAD_BYTES);
  // Comparing the whole text also refuses other spellings of the same bytes.
  if (encodeCursor(list, position) !== text) throw bad();
  return position;
};

export const encodeIndexCursor = (list: string, index: number): string =>
  encodeCursor(list, utf8(String(index)));

/** Throws http.bad-cursor. */
export const decodeIndexCursor = (list: string, text: string): number => {
  const digits = Buffer.from(decodeCursor(list, text)).toString("latin1");
  const index = /^(0|[1-9][0-9]{0,15})$/.test(digits) ? Number(digits) : Number.NaN;
  if (!Number.isSafeInteger(index)) throw bad();
  return index;
};
