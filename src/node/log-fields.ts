/**
 * What may stand in a log. Fields are for people and their programs: a field whose name speaks of a secret is
 * not shown, whatever is in it, and a text, which may come from the network, is cut and cannot draw, move a
 * cursor or turn the direction of a terminal's lines.
 */
import type { LogFields } from "../ledger/ports.ts";
import { LIMITS } from "../limits.ts";

/** In names such as passphraseFile there is no secret: only a name that ends like this holds one. */
const SECRET = /(passphrase|password|secret|secretkey|privatekey|token|authorization|cookie|pem)$/i;
export const REDACTED = "[redacted]";

/** Controls but the line end and tab of a stack, and what changes the direction of a text. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** Escaped and cut to LIMITS.logTextMax characters. */
export const plainText = (text: string): string => {
  const cut = text.length > LIMITS.logTextMax ? `${text.slice(0, LIMITS.logTextMax)}…` : text;
  return cut.replace(
    UNPRINTABLE,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
};

export const plainFields = (fields: LogFields | undefined): LogFields => {
  const plain: Record<string, string | number | boolean | undefined> = {};
  for (const [key, value] of Object.entries(fields ?? {})) {
    if (SECRET.test(key)) plain[key] = REDACTED;
    else plain[key] = typeof value === "string" ? plainText(value) : value;
  }
  return plain;
};
