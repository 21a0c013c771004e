/**
 * FALCON-1024 with padded signatures: 1280 bytes always (FALCON round 3 submission, section 3.11). Keys are
 * 1793 and 2305 bytes. This is the implementation in JavaScript (@noble/post-quantum), which runs
 * everywhere and is what the faster ones are held against: falcon-wasm.ts verifies about seven times as
 * fast, falcon-sign.ts makes the same signatures in a tenth of the time.
 *
 * Signatures are randomised: two of one statement differ. Compare statements, never signature bytes.
 * Signing is not constant-time: a service that signs what strangers send must not be built on it.
 */
import { sha512 } from "@noble/hashes/sha2.js";
import { falcon1024padded } from "@noble/post-quantum/falcon.js";
import { LIMITS } from "../limits.ts";
import { concatBytes } from "./bytes.ts";
import { utf8 } from "./codec.ts";

export type FalconKeyPair = {
  /** 1793 bytes. */
  readonly publicKey: Uint8Array;
  /** 2305 bytes. */
  readonly secretKey: Uint8Array;
};

/** One implementation of verification. All of them give the same answer for the same bytes. */
export type FalconVerifier = {
  readonly name: "noble" | "liboqs-wasm";
  /** False for anything but a valid signature; never throws, whatever the bytes and lengths are. */
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
};

/** Bytes of randomness that a key pair and a signature each take. */
export const FALCON_SEED_BYTES = 48;

const ENTROPY_TAG = utf8("tetrad/falcon-1024/hedged-entropy/v1");

/**
 * The key pair of a 48-byte seed: the same seed gives the same keys. Takes 0.5 to 1.5 s.
 * Throws RangeError on a seed of another length.
 */
export const falconKeygen = (seed: Uint8Array): FalconKeyPair => {
  checkLength("seed", seed, FALCON_SEED_BYTES);
  return falcon1024padded.keygen(seed);
};

/** The public key that belongs to a secret key; throws when the bytes are no secret key. */
export const falconPublicKey = (secretKey: Uint8Array): Uint8Array => {
  checkLength("secret key", secretKey, LIMITS.falconSecretKeyBytes);
  return falcon1024padded.getPublicKey(secretKey);
};

/**
 * Signs at most LIMITS.signedMessageBytesMax bytes: a signature of 1280 bytes, in 5 to 9 ms.
 * What signs more than once expands its key instead: falconSignExpanded gives the same bytes.
 *
 * `entropy` is 48 fresh random bytes. The randomness of the sampler is a hash of entropy, key and message
 * together, so that entropy which is repeated by mistake (a cloned machine, a broken source) repeats at
 * worst a signature: the same randomness under two messages would give the key away.
 * Throws RangeError on a wrong length and Error on bytes that are no secret key.
 */
export const falconSign = (
  message: Uint8Array,
  secretKey: Uint8Array,
  entropy: Uint8Array,
): Uint8Array => {
  checkLength("secret key", secretKey, LIMITS.falconSecretKeyBytes);
  checkSigningInput(message, entropy);
  const seed = hedgedSeed(message, secretKey, entropy);
  try {
    return falcon1024padded.sign(message, secretKey, { extraEntropy: seed });
  } finally {
    seed.fill(0);
  }
};

/** Throws RangeError when entropy or message has a length that is not signed with. */
export const checkSigningInput = (message: Uint8Array, entropy: Uint8Array): void => {
  checkLength("entropy", entropy, FALCON_SEED_BYTES);
  if (message.length > LIMITS.signedMessageBytesMax) {
    throw new RangeError(`message of ${message.length} bytes is too long to sign`);
  }
};

/** The randomness of one signature: a hash of entropy, key and message. The caller wipes it. */
export const hedgedSeed = (
  message: Uint8Array,
  secretKey: Uint8Array,
  entropy: Uint8Array,
): Uint8Array => {
  const input = concatBytes(ENTROPY_TAG, entropy, secretKey, message);
  const hash = sha512(input);
  const seed = hash.slice(0, FALCON_SEED_BYTES);
  input.fill(0);
  hash.fill(0);
  return seed;
};

/** Whether the lengths allow a valid signature at all: checked before any work is done. */
export const falconLengthsFit = (
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean =>
  signature.length === LIMITS.falconSignatureBytes &&
  publicKey.length === LIMITS.falconPublicKeyBytes &&
  message.length <= LIMITS.signedMessageBytesMax;

/** Whether `signature` is a valid padded FALCON-1024 signature of `message`; never throws. About 1 ms. */
export const falconVerify = (
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean => {
  if (!falconLengthsFit(signature, message, publicKey)) return false;
  try {
    return falcon1024padded.verify(signature, message, publicKey);
  } catch {
    // The library throws on arguments of a wrong type only; hostile bytes have none that is right.
    return false;
  }
};

export const nobleVerifier: FalconVerifier = { name: "noble", verify: falconVerify };

const checkLength = (what: string, bytes: Uint8Array, length: number): void => {
  if (bytes.length !== length) {
    throw new RangeError(`${what} must be ${length} bytes, not ${bytes.length}`);
  }
};
