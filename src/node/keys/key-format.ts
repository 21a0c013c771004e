/**
 * The bytes of a key file: a FALCON-1024 key pair, the secret half sealed under a passphrase (sealing.ts).
 * One format for validators and actors.
 *
 *     "tetrad-key" (10 bytes ASCII)   u16 version   u8 use (1 validator, 2 actor)   u8 development
 *     salt(16)   nonce(12)   publicKey(1793)   sealed secretKey(2305)   tag(16)
 *
 * The version says how the sealing key is derived: 2 with scrypt, 3 with HKDF (sealing.ts).
 * Everything before the sealed part is authenticated with it, so a file with any byte changed does not
 * open: neither the use nor the mark of a development key can be taken off without the passphrase.
 */
import { concatBytes, equalBytes } from "../../crypto/bytes.ts";
import { Reader, utf8, Writer } from "../../crypto/codec.ts";
import type { FalconKeyPair } from "../../crypto/falcon.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { type Derivation, NONCE_BYTES, SALT_BYTES, seal, TAG_BYTES, unseal } from "./sealing.ts";

const MAGIC = utf8("tetrad-key");
const VERSIONS: Readonly<Record<Derivation, number>> = { scrypt: 2, hkdf: 3 };
const SECRET_KEY_BYTES = LIMITS.falconSecretKeyBytes;
const HEADER_BYTES = MAGIC.length + 4 + SALT_BYTES + NONCE_BYTES + LIMITS.falconPublicKeyBytes;

/** The length of every key file. */
export const KEY_FILE_BYTES: number = HEADER_BYTES + SECRET_KEY_BYTES + TAG_BYTES;

export type KeyUse = "validator" | "actor";

/** What a key is for. A development key lies beside its passphrase, or was made to: it protects nothing. */
export type KeyMark = { readonly use: KeyUse; readonly development: boolean };

/** What a key file says without the passphrase. Nothing of it is proven before `openKeys`. */
export type SealedKeys = KeyMark & {
  readonly derivation: Derivation;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly header: Uint8Array;
  /** Ciphertext and tag. */
  readonly sealed: Uint8Array;
};

export const writeMark = (writer: Writer, { use, development }: KeyMark): Writer =>
  writer.u8(use === "validator" ? 1 : 2).u8(development ? 1 : 0);

/** Undefined for bytes that are no mark. */
export const readMark = (reader: Reader): KeyMark | undefined => {
  const [use, development] = [reader.u8(), reader.u8()];
  if (use < 1 || use > 2 || development > 1) return undefined;
  return { use: use === 1 ? "validator" : "actor", development: development === 1 };
};

/** Seals a key pair under a 32-byte key that was so derived with `salt`. Salt and nonce are fresh and random. */
export const sealKeys = (
  keys: FalconKeyPair,
  mark: KeyMark,
  salt: Uint8Array,
  nonce: Uint8Array,
  sealingKey: Uint8Array,
  derivation: Derivation,
): Uint8Array => {
  const header = writeMark(new Writer(HEADER_BYTES).raw(MAGIC).u16(VERSIONS[derivation]), mark)
    .fixed(salt, SALT_BYTES)
    .fixed(nonce, NONCE_BYTES)
    .fixed(keys.publicKey, LIMITS.falconPublicKeyBytes)
    .finish();
  if (keys.secretKey.length !== SECRET_KEY_BYTES) throw new RangeError("no FALCON-1024 secret key");
  return concatBytes(header, seal(sealingKey, nonce, header, keys.secretKey));
};

/** Splits a key file; `key.invalid` for every other length, magic, version or mark. */
export const parseKeyFile = (bytes: Uint8Array): Result<SealedKeys> => {
  if (bytes.length !== KEY_FILE_BYTES) {
    return fail("key.invalid", `a key file has ${KEY_FILE_BYTES} bytes, this one ${bytes.length}`);
  }
  const reader = new Reader(bytes);
  if (!equalBytes(reader.fixed(MAGIC.length), MAGIC)) return fail("key.invalid", "no key file");
  const version = reader.u16();
  if (version !== VERSIONS.scrypt && version !== VERSIONS.hkdf) {
    return fail("key.invalid", `unknown version ${version} of key files`);
  }
  const mark = readMark(reader);
  if (mark === undefined) return fail("key.invalid", "the key has no known use");
  return ok({
    ...mark,
    derivation: version === VERSIONS.hkdf ? "hkdf" : "scrypt",
    salt: reader.fixed(SALT_BYTES),
    nonce: reader.fixed(NONCE_BYTES),
    publicKey: reader.fixed(LIMITS.falconPublicKeyBytes),
    header: bytes.subarray(0, HEADER_BYTES),
    sealed: reader.fixed(SECRET_KEY_BYTES + TAG_BYTES),
  });
};

/** Opens the sealed half; `key.invalid` when the sealing key is another or any byte was changed. */
export const openKeys = (sealed: SealedKeys, sealingKey: Uint8Array): Result<FalconKeyPair> => {
  const secretKey = unseal(sealingKey, sealed.nonce, sealed.header, sealed.sealed);
  if (secretKey === undefined) {
    return fail("key.invalid", "the passphrase is another, or the file was changed");
  }
  return ok({ publicKey: Uint8Array.from(sealed.publicKey), secretKey });
};
