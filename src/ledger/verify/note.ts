/**
 * Signed notes (c2sp.org/signed-note): a text, an empty line, and lines of signatures
 *
 *     — <key name> base64(u32 key id || signature)
 *
 * and the verifier keys ("vkeys") that name who may sign. Strict: one spelling of base64, no control
 * characters, limits before work. Pure and browser-safe.
 */
import { byteText, concatBytes } from "../../crypto/bytes.ts";
import { utf8 } from "../../crypto/codec.ts";
import { sha256 } from "../../crypto/hash.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";

export type NoteSignature = {
  readonly name: string;
  /** Names the key together with `name`; no cryptographic hash. */
  readonly keyId: number;
  readonly signature: Uint8Array;
};

export type SignedNote = {
  /** What is signed, with its last newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
};

/** A key that signs notes. */
export type NoteKey = {
  readonly name: string;
  /** The type byte, and behind 0xff what names a type that has none. */
  readonly type: Uint8Array;
  readonly publicKey: Uint8Array;
};

const DASH = "\u2014 ";
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** Neither empty nor with a plus, a space or a control character (Unicode's too). */
const NAME = /^[^\p{White_Space}\p{Cc}+]+$/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

/** Bytes that are made a text at a time: engines bound the arguments of a call. */
const CHUNK_BYTES = 8192;

export const toBase64 = (bytes: Uint8Array): string => {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    text += byteText(bytes.length <= CHUNK_BYTES ? bytes : bytes.subarray(at, at + CHUNK_BYTES));
  }
  return btoa(text);
};

/** The bytes, or undefined for every text but the one that `toBase64` gives. */
export const fromBase64 = (text: string): Uint8Array | undefined => {
  if (text.length % 4 !== 0 || !BASE64.test(text)) return undefined;
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  // Bits behind the last byte may be anything to atob.
  return toBase64(bytes) === text ? bytes : undefined;
};

const keyIds = new WeakMap<NoteKey, number>();

/** SHA-256(name || newline || type || key), its first four bytes. Kept with the key, which does not change. */
export const noteKeyId = (key: NoteKey): number => {
  let id = keyIds.get(key);
  if (id === undefined) {
    const hash = sha256(concatBytes(utf8(`${key.name}\n`), key.type, key.publicKey));
    id = new DataView(hash.buffer, hash.byteOffset).getUint32(0);
    keyIds.set(key, id);
  }
  return id;
};

/** `<name>+<key id in hex>+<base64(type || key)>`: what clients are given. */
export const formatVkey = (key: NoteKey): string => {
  const id = noteKeyId(key).toString(16).padStart(8, "0");
  return `${key.name}+${id}+${toBase64(concatBytes(key.type, key.publicKey))}`;
};

export const formatNote = ({ text, signatures }: SignedNote): string => {
  const lines = signatures.map(({ name, keyId, signature }) => {
    const bytes = new Uint8Array(4 + signature.length);
    new DataView(bytes.buffer).setUint32(0, keyId);
    bytes.set(signature, 4);
    return `${DASH}${name} ${toBase64(bytes)}\n`;
  });
  return `${text}\n${lines.join("")}`;
};

const malformed = (detail: string): ReturnType<typeof fail> =>
  fail("checkpoint.malformed", `note: ${detail}`);

/** Reads a note from bytes that nobody vouches for. Code: checkpoint.malformed. */
export const parseNote = (bytes: Uint8Array): Result<SignedNote> => {
  if (bytes.length > LIMITS.noteBytesMax) return malformed(`over ${LIMITS.noteBytesMax} bytes`);
  let note: string;
  try {
    note = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return malformed("not UTF-8");
  }
  if (CONTROL.test(note)) return malformed("a control character");
  // The text may have empty lines of its own: the last one ends it.
  const split = note.lastIndexOf("\n\n");
  if (split < 0) return malformed("no empty line before the signatures");
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2).split("\n");
  if (lines.pop() !== "") return malformed("no newline at the end");
  if (lines.length === 0) return malformed("no signature");
  if (lines.length > LIMITS.noteSignaturesMax) {
    return malformed(`over ${LIMITS.noteSignaturesMax} signatures`);
  }
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const signature = readLine(line);
    if (signature === undefined) return malformed("a line that is no signature");
    signatures.push(signature);
  }
  return ok({ text, signatures });
};

function readLine(line: string): NoteSignature | undefined {
  if (!line.startsWith(DASH)) return undefined;
  const [name, base64, ...more] = line.slice(DASH.length).split(" ");
  if (name === undefined || base64 === undefined || more.length > 0 || !NAME.test(name)) {
    return undefined;
  }
  const bytes = fromBase64(base64);
  if (bytes === undefined || bytes.length <= 4) return undefined;
  return {
    name,
    keyId: new DataView(bytes.buffer, bytes.byteOffset).getUint32(0),
    signature: bytes.subarray(4),
  };
}
