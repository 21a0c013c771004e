/**
 * The Ed25519 and ML-DSA-44 keys that sign checkpoints beside a validator's FALCON key. Their seeds are
 * derived from that key's secret half (HKDF with SHA-512, RFC 5869; the length of both seeds is 32 bytes),
 * so that they are sealed, exported, moved and backed up with it, and cannot be lost or mixed up alone.
 * Whoever breaks Ed25519 learns a seed, from which nothing of the FALCON key follows.
 */
import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from "node:crypto";
import { concatBytes, fromHex } from "../../crypto/bytes.ts";
import { utf8 } from "../../crypto/codec.ts";
import type { CheckpointKeys } from "../../ledger/types.ts";
import { LIMITS } from "../../limits.ts";

const SEED_BYTES = 32;
const ED25519_INFO = utf8("tetrad/checkpoint/ed25519/v1");
const ML_DSA_44_INFO = utf8("tetrad/checkpoint/ml-dsa-44/v1");

/** PKCS #8 before an Ed25519 seed (RFC 8410, 7) and before an ML-DSA-44 seed (RFC 9881, 6). */
const ED25519_PKCS8 = fromHex("302e020100300506032b657004220420");
const ML_DSA_44_PKCS8 = fromHex("3034020100300b060960864801650304031104228020");

export type CheckpointKeyPairs = CheckpointKeys & {
  readonly ed25519: KeyObject;
  readonly mlDsa44: KeyObject;
};

const privateKey = (prefix: Uint8Array, secretKey: Uint8Array, info: Uint8Array): KeyObject => {
  const seed = new Uint8Array(hkdfSync("sha512", secretKey, new Uint8Array(0), info, SEED_BYTES));
  const der = Buffer.from(concatBytes(prefix, seed));
  try {
    return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  } finally {
    seed.fill(0);
    der.fill(0);
  }
};

/** The raw public key, which a SubjectPublicKeyInfo ends with. */
const rawPublicKey = (key: KeyObject, bytes: number): Uint8Array =>
  Uint8Array.from(createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-bytes));

/** The checkpoint keys of the validator with this FALCON-1024 secret key, which the caller still wipes. */
export const deriveCheckpointKeys = (falconSecretKey: Uint8Array): CheckpointKeyPairs => {
  if (falconSecretKey.length !== LIMITS.falconSecretKeyBytes) {
    throw new RangeError("no FALCON-1024 secret key");
  }
  const ed25519 = privateKey(ED25519_PKCS8, falconSecretKey, ED25519_INFO);
  const mlDsa44 = privateKey(ML_DSA_44_PKCS8, falconSecretKey, ML_DSA_44_INFO);
  return {
    ed25519,
    mlDsa44,
    ed25519Key: rawPublicKey(ed25519, LIMITS.ed25519PublicKeyBytes),
    mlDsa44Key: rawPublicKey(mlDsa44, LIMITS.mlDsa44PublicKeyBytes),
  };
};
