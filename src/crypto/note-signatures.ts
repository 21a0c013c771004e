/**
 * Verification of the signatures that a checkpoint has beside FALCON, in portable code: Ed25519 (RFC 8032)
 * and ML-DSA-44 (FIPS 204, pure, empty context). Signing is the nodes' (src/node/signing).
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { LIMITS } from "../limits.ts";

/** False for anything but a valid signature; never throws, whatever the bytes and lengths are. */
export type VerifyBytes = (
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
) => boolean;

export const verifyEd25519: VerifyBytes = (signature, message, publicKey) => {
  if (signature.length !== LIMITS.ed25519SignatureBytes) return false;
  if (publicKey.length !== LIMITS.ed25519PublicKeyBytes) return false;
  try {
    // RFC 8032 and not ZIP 215: what one client takes all must take.
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  } catch {
    return false;
  }
};

export const verifyMlDsa44: VerifyBytes = (signature, message, publicKey) => {
  if (signature.length !== LIMITS.mlDsa44SignatureBytes) return false;
  if (publicKey.length !== LIMITS.mlDsa44PublicKeyBytes) return false;
  try {
    return ml_dsa44.verify(signature, message, publicKey);
  } catch {
    return false;
  }
};
