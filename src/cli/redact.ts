/** Taking secrets out of text that somebody is going to send to somebody else. */

const HIDDEN = "[redacted]";

/** A PEM block that is not public. */
const PRIVATE_PEM = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*-----END [A-Z ]*PRIVATE KEY-----/g;

/** `passphrase=…`, `"secretKey": "…"` and the like, whatever wrote them. */
const NAMED =
  /((?:pass(?:phrase|word)|secret[_-]?key|private[_-]?key|token|authorization)["']?\s*[:=]\s*["']?)([^"',\s}]+)/gi;

/** Shorter secrets would take harmless words with them. */
const SECRET_CHARACTERS_MIN = 4;

/** The text without the known secrets, private PEM blocks and values under names of secrets. */
export const redact = (text: string, secrets: readonly string[]): string => {
  let out = text.replace(PRIVATE_PEM, HIDDEN);
  for (const secret of secrets) {
    if (secret.length >= SECRET_CHARACTERS_MIN) out = out.replaceAll(secret, HIDDEN);
  }
  return out.replace(NAMED, `$1${HIDDEN}`);
};
