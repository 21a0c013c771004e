/**
 * The bytes of a key file: a FALCON-1024 key pair, the secret half sealed with AES-256-GCM under a key that
 * scrypt derives from a passphrase. One format for nodes, actors and operators.
 *
 *     "tetrad-key" (10 bytes ASCII)   u16 version = 1   salt(16)   nonce(12)   publicKey(1793)
 *     sealed secretKey(2305)   tag(16)
 *
 * Everything before the sealed part is authenticated with it, so a file with any byte changed does not
 * open. The version fixes the cost of scrypt: a cost read from the file could be made to exhaust memory.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { concatBytes, equalBytes } from "../../crypto/bytes.ts";
import { Reader, utf8, Writer } from "../../crypto/codec.ts";
import type { FalconKeyPair } from "../../crypto/falcon.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";

const MAGIC = utf8("tetrad-key");
const VERSION = 1;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";
const SECRET_KEY_BYTES = LIMITS.falconSecretKeyBytes;

export const SALT_BYTES = 16;
export const NONCE_BYTES = 12;
const HEADER_BYTES = MAGIC.length + 2 + SALT_BYTES + NONCE_BYTES + LIMITS.falconPublicKeyBytes;

/** The length of every key file. */
export const KEY_FILE_BYTES: number = HEADER_BYTES + SECRET_KEY_BYTES + TAG_BYTES;

/** What a key file says without the passphrase. Nothing of it is proven before `openKeys`. */
export type SealedKeys = {
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly header: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
};

/** Seals a key pair under a 32-byte key that was derived with `salt`. Salt and nonce are fresh and random. */
export const sealKeys = (
  keys: FalconKeyPair,
  salt: Uint8Array,
  nonce: Uint8Array,
  sealingKey: Uint8Array,
): Uint8Array => {
  const header = new Writer(HEADER_BYTES)
    .raw(MAGIC)
    .u16(VERSION)
    .fixed(salt, SALT_BYTES)
    .fixed(nonce, NONCE_BYTES)
    .fixed(keys.publicKey, LIMITS.falconPublicKeyBytes)
    .finish();
  if (keys.secretKey.length !== SECRET_KEY_BYTES) throw new RangeError("no FALCON-1024 secret key");
  const cipher = createCipheriv(CIPHER, sealingKey, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(header);
  const ciphertext = cipher.update(keys.secretKey);
  cipher.final();
  return concatBytes(header, ciphertext, cipher.getAuthTag());
};

/** Splits a key file; `key.invalid` for every other length, magic or version. */
export const parseKeyFile = (bytes: Uint8Array): Result<SealedKeys> => {
  if (bytes.length !== KEY_FILE_BYTES) {
    return fail("key.invalid", `a key file has ${KEY_FILE_BYTES} bytes, this one ${bytes.length}`);
  }
  const reader = new Reader(bytes);
  if (!equalBytes(reader.fixed(MAGIC.length), MAGIC)) return fail("key.invalid", "no key file");
  const version = reader.u16();
  if (version !== VERSION) return fail("key.invalid", `unknown version ${version} of key files`);
  return ok({
    salt: reader.fixed(SALT_BYTES),
    nonce: reader.fixed(NONCE_BYTES),
    publicKey: reader.fixed(LIMITS.falconPublicKeyBytes),
    header: bytes.subarray(0, HEADER_BYTES),
    ciphertext: reader.fixed(SECRET_KEY_BYTES),
    tag: reader.fixed(TAG_BYTES),
  });
};

/** Opens the sealed half; `key.invalid` when the sealing key is another or any byte was changed. */
export const openKeys = (sealed: SealedKeys, sealingKey: Uint8Array): Result<FalconKeyPair> => {
  const decipher = createDecipheriv(CIPHER, sealingKey, sealed.nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(sealed.header);
  decipher.setAuthTag(sealed.tag);
  const plain = decipher.update(sealed.ciphertext);
  try {
    decipher.final();
  } catch {
    plain.fill(0);
    return fail("key.invalid", "the passphrase is another, or the file was changed");
  }
  const secretKey = Uint8Array.from(plain);
  plain.fill(0);
  return ok({ publicKey: Uint8Array.from(sealed.publicKey), secretKey });
};
