/**
 * ECDSA over P-256 with SHA-256 in JavaScript: replicas check an issuer's signature while they apply an
 * event, and so may a browser (docs/adr/0012-certificates-checked-by-replicas.md). The issuer signs with it
 * too, because node:crypto has no deterministic ECDSA. The only importer of @noble/curves.
 */
import { p256 } from "@noble/curves/nist.js";
import { sha256 } from "../crypto/hash.ts";

/**
 * Whether r || s (64 bytes) signs the message under an uncompressed point (65 bytes). False for anything
 * malformed. A high s is taken: X.509 has no rule against it.
 */
export const verifyP256 = (
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean => {
  if (signature.length !== 64 || publicKey.length !== 65) return false;
  try {
    return p256.verify(signature, sha256(message), publicKey, { prehash: false, lowS: false });
  } catch {
    return false;
  }
};

/**
 * Signs a message with a secret scalar (32 bytes, big-endian): r || s, 64 bytes. The nonce is that of RFC 6979
 * and nothing is made of s afterwards, so the same message has the same signature for ever. Only the issuer
 * calls this; replicas never sign.
 */
export const signP256 = (message: Uint8Array, secret: Uint8Array): Uint8Array =>
  p256.sign(sha256(message), secret, { prehash: false, lowS: false, extraEntropy: false });
