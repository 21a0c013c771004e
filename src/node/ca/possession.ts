/**
 * Proof of possession: whether a certification request is signed by the key in it. Outside of replicated
 * code, because RSA and Ed25519 are checked by the system's OpenSSL.
 */
import { createPublicKey, verify } from "node:crypto";
import type { Csr, SignatureAlgorithm } from "../../ca/index.ts";

const DIGEST: Readonly<Record<SignatureAlgorithm, string | null>> = {
  "ecdsa-sha256": "sha256",
  "ecdsa-sha384": "sha384",
  "ecdsa-sha512": "sha512",
  "rsa-sha256": "sha256",
  "rsa-sha384": "sha384",
  "rsa-sha512": "sha512",
  ed25519: null,
};

/** False for a signature that does not verify and for a key that OpenSSL does not take. */
export const provesPossession = ({ subjectKey, algorithm, info, signature }: Csr): boolean => {
  try {
    const key = createPublicKey({
      key: Buffer.from(subjectKey.spki),
      format: "der",
      type: "spki",
    });
    return verify(DIGEST[algorithm], info, key, signature);
  } catch {
    return false;
  }
};
