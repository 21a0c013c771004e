/**
 * The file of one key of an epoch, `keys/epochs/<first epoch>.key`:
 *
 *     "tetrad-epoch-key" (16 bytes ASCII)   u16 version = 1   u64 epoch   nonce(12)   publicKey(1793)
 *     sealed secretKey(2305)   tag(16)
 *
 * Sealed with AES-256-GCM under a key that follows from the node's long-lived secret key, so that a node needs
 * its passphrase only once, at the start, and a passphrase can be changed without these files. What stands in
 * the clear is authenticated with the rest.
 */
import { hkdfSync } from "node:crypto";
import { concatBytes, equalBytes } from "../../crypto/bytes.ts";
import { Reader, utf8, Writer } from "../../crypto/codec.ts";
import { type FalconKeyPair, falconPublicKey } from "../../crypto/falcon.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { NONCE_BYTES, seal, TAG_BYTES, unseal } from "../keys/sealing.ts";

const MAGIC = utf8("tetrad-epoch-key");
const VERSION = 1;
const HEADER_BYTES = MAGIC.length + 2 + 8 + NONCE_BYTES + LIMITS.falconPublicKeyBytes;
const INFO = utf8("tetrad/epoch-keys/v1");
const SEALING_KEY_BYTES = 32;

/** The length of every such file. */
export const EPOCH_KEY_FILE_BYTES: number = HEADER_BYTES + LIMITS.falconSecretKeyBytes + TAG_BYTES;

/** What seals the files of the node with this FALCON-1024 secret key, which the caller still wipes. */
export const deriveEpochSealingKey = (falconSecretKey: Uint8Array): Uint8Array => {
  if (falconSecretKey.length !== LIMITS.falconSecretKeyBytes) {
    throw new RangeError("no FALCON-1024 secret key");
  }
  const none = new Uint8Array(0);
  return new Uint8Array(hkdfSync("sha512", falconSecretKey, none, INFO, SEALING_KEY_BYTES));
};

/** The bytes of a file. `nonce` is fresh and random. */
export const sealEpochKey = (
  epoch: number,
  { publicKey, secretKey }: FalconKeyPair,
  nonce: Uint8Array,
  sealingKey: Uint8Array,
): Uint8Array => {
  const header = new Writer(HEADER_BYTES)
    .raw(MAGIC)
    .u16(VERSION)
    .u64(epoch)
    .fixed(nonce, NONCE_BYTES)
    .fixed(publicKey, LIMITS.falconPublicKeyBytes)
    .finish();
  return concatBytes(header, seal(sealingKey, nonce, header, secretKey));
};

export type OpenedEpochKey = FalconKeyPair & { readonly epoch: number };

/** Opens a file; `key.invalid` for another length, magic, version, sealing key, or any changed byte. */
export const openEpochKey = (bytes: Uint8Array, sealingKey: Uint8Array): Result<OpenedEpochKey> => {
  if (bytes.length !== EPOCH_KEY_FILE_BYTES) {
    return fail("key.invalid", `a key of an epoch has ${EPOCH_KEY_FILE_BYTES} bytes`);
  }
  const reader = new Reader(bytes.subarray(0, HEADER_BYTES));
  if (!equalBytes(reader.fixed(MAGIC.length), MAGIC)) return fail("key.invalid", "no such key");
  const version = reader.u16();
  if (version !== VERSION) return fail("key.invalid", `unknown version ${version}`);
  const high = reader.u32();
  if (high > 0x1f_ffff) return fail("key.invalid", "no epoch has such a number");
  const epoch = high * 0x1_0000_0000 + reader.u32();
  const nonce = reader.fixed(NONCE_BYTES);
  const publicKey = Uint8Array.from(reader.fixed(LIMITS.falconPublicKeyBytes));
  const header = bytes.subarray(0, HEADER_BYTES);
  const secretKey = unseal(sealingKey, nonce, header, bytes.subarray(HEADER_BYTES));
  if (secretKey === undefined) {
    return fail("key.invalid", "it is of another node, or was changed");
  }
  return ok({ epoch, publicKey, secretKey });
};

/** Whether a pair is one: a generator that is broken must not cost an epoch. */
export const isKeyPair = ({ publicKey, secretKey }: FalconKeyPair): boolean =>
  equalBytes(falconPublicKey(secretKey), publicKey);
