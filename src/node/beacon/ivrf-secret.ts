/**
 * The secret of a node's iVRF keys (src/proofs/beacon/ivrf.ts). It is derived from the secret half of the
 * FALCON key (HKDF with SHA-512, RFC 5869), as those of checkpoints are, so that it is sealed, exported, moved
 * and backed up with it and cannot be lost alone. Every key of every chain has a secret of its own under it.
 */
import { hkdfSync } from "node:crypto";
import { utf8 } from "../../crypto/codec.ts";
import { LIMITS } from "../../limits.ts";
import { IVRF_SECRET_BYTES } from "../../proofs/beacon/ivrf.ts";

const INFO = utf8("tetrad/beacon/ivrf/v1");

/** The secret of the node with this FALCON-1024 secret key, which the caller still wipes. */
export const deriveIvrfSecret = (falconSecretKey: Uint8Array): Uint8Array => {
  if (falconSecretKey.length !== LIMITS.falconSecretKeyBytes) {
    throw new RangeError("no FALCON-1024 secret key");
  }
  const none = new Uint8Array(0);
  return new Uint8Array(hkdfSync("sha512", falconSecretKey, none, INFO, IVRF_SECRET_BYTES));
};
