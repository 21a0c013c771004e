/**
 * The bytes of an exported key: what `nexus key export` writes and `import` reads. A validator's has its TLS
 * pair with it, because peers know a node by both. It never has the vote store: what a key has signed goes
 * on growing, and an old copy of it taken for the newest is how a validator contradicts itself.
 *
 *     "tetrad-export" (13 bytes ASCII)   u16 version = 1   u8 use   u8 development   u64 exported, ms
 *     salt(16)   nonce(12)   publicKey(1793)
 *     sealed: secretKey(2305)   u32 length || certificate PEM   u32 length || key PEM    tag(16)
 */
import { concatBytes, equalBytes } from "../../crypto/bytes.ts";
import { DecodeError, Reader, utf8, Writer } from "../../crypto/codec.ts";
import type { FalconKeyPair } from "../../crypto/falcon.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { type KeyMark, readMark, writeMark } from "./key-format.ts";
import { NONCE_BYTES, SALT_BYTES, seal, TAG_BYTES, unseal } from "./sealing.ts";

const MAGIC = utf8("tetrad-export");
const VERSION = 1;
const HEADER_BYTES = MAGIC.length + 4 + 8 + SALT_BYTES + NONCE_BYTES + LIMITS.falconPublicKeyBytes;
const PLAIN_BYTES_MIN = LIMITS.falconSecretKeyBytes + 8;

export const EXPORT_BYTES_MAX: number =
  HEADER_BYTES + PLAIN_BYTES_MIN + 2 * LIMITS.pemBytesMax + TAG_BYTES;

export type ExportedKey = KeyMark & {
  readonly exportedMs: number;
  readonly keys: FalconKeyPair;
  /** Both for a validator; both empty for an actor. */
  readonly certificatePem: string;
  readonly keyPem: string;
};

export type SealedExport = KeyMark & {
  readonly exportedMs: number;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly header: Uint8Array;
  readonly sealed: Uint8Array;
};

export const isExport = (bytes: Uint8Array): boolean =>
  equalBytes(bytes.subarray(0, MAGIC.length), MAGIC);

export const sealExport = (
  exported: ExportedKey,
  salt: Uint8Array,
  nonce: Uint8Array,
  sealingKey: Uint8Array,
): Uint8Array => {
  const { keys } = exported;
  const header = writeMark(new Writer(HEADER_BYTES).raw(MAGIC).u16(VERSION), exported)
    .u64(exported.exportedMs)
    .fixed(salt, SALT_BYTES)
    .fixed(nonce, NONCE_BYTES)
    .fixed(keys.publicKey, LIMITS.falconPublicKeyBytes)
    .finish();
  const plain = new Writer(PLAIN_BYTES_MIN + 4096)
    .fixed(keys.secretKey, LIMITS.falconSecretKeyBytes)
    .bytes(utf8(exported.certificatePem))
    .bytes(utf8(exported.keyPem))
    .finish();
  const bytes = concatBytes(header, seal(sealingKey, nonce, header, plain));
  plain.fill(0);
  return bytes;
};

/** Splits the file; `key.invalid` for everything else. */
export const parseExport = (bytes: Uint8Array): Result<SealedExport> => {
  if (bytes.length < HEADER_BYTES + PLAIN_BYTES_MIN + TAG_BYTES || !isExport(bytes)) {
    return fail("key.invalid", "no exported key");
  }
  if (bytes.length > EXPORT_BYTES_MAX) return fail("key.invalid", "too long for an exported key");
  const reader = new Reader(bytes.subarray(0, HEADER_BYTES));
  reader.fixed(MAGIC.length);
  const version = reader.u16();
  if (version !== VERSION) return fail("key.invalid", `unknown version ${version} of exports`);
  const mark = readMark(reader);
  if (mark === undefined) return fail("key.invalid", "the key has no known use");
  try {
    return ok({
      ...mark,
      exportedMs: reader.u64(),
      salt: reader.fixed(SALT_BYTES),
      nonce: reader.fixed(NONCE_BYTES),
      publicKey: reader.fixed(LIMITS.falconPublicKeyBytes),
      header: bytes.subarray(0, HEADER_BYTES),
      sealed: bytes.subarray(HEADER_BYTES),
    });
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return fail("key.invalid", error.message);
  }
};

/** Opens it; `key.invalid` when the passphrase is another or any byte was changed. */
export const openExport = (file: SealedExport, sealingKey: Uint8Array): Result<ExportedKey> => {
  const plain = unseal(sealingKey, file.nonce, file.header, file.sealed);
  if (plain === undefined) {
    return fail("key.invalid", "the passphrase is another, or the file was changed");
  }
  try {
    const reader = new Reader(plain);
    const secretKey = Uint8Array.from(reader.fixed(LIMITS.falconSecretKeyBytes));
    const certificatePem = new TextDecoder().decode(reader.bytes(LIMITS.pemBytesMax));
    const keyPem = new TextDecoder().decode(reader.bytes(LIMITS.pemBytesMax));
    reader.end();
    const { use, development, exportedMs } = file;
    const keys = { publicKey: Uint8Array.from(file.publicKey), secretKey };
    return ok({ use, development, exportedMs, keys, certificatePem, keyPem });
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return fail("key.invalid", error.message);
  } finally {
    plain.fill(0);
  }
};
