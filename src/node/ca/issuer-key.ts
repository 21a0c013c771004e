/**
 * The key of an issuer on disk: P-256, sealed with AES-256-GCM under a key that is derived from the passphrase
 * of the keys beside it (keys/sealing.ts). Nothing but the issuer signs with it.
 *
 *     "tetrad-ca-key" (13 bytes ASCII)   u16 version (1: with scrypt, 2: with HKDF)   salt(16)   nonce(12)
 *     u16 length || sealed PKCS#8, tag(16)
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { concatBytes, equalBytes } from "../../crypto/bytes.ts";
import { DecodeError, Reader, utf8, Writer } from "../../crypto/codec.ts";
import { TetradError } from "../../errors.ts";
import type { RandomBytes } from "../keys/key-file.ts";
import { createPrivateFile, readPrivateFile } from "../keys/private-file.ts";
import {
  type Derivation,
  derivationFor,
  deriveKey,
  NONCE_BYTES,
  SALT_BYTES,
  seal,
  unseal,
} from "../keys/sealing.ts";
import { type IssuerSigner, issuerSigner } from "./issuer-signer.ts";

const MAGIC = utf8("tetrad-ca-key");
const VERSIONS: Readonly<Record<Derivation, number>> = { scrypt: 1, hkdf: 2 };
const HEADER_BYTES = MAGIC.length + 2 + SALT_BYTES + NONCE_BYTES;
const FILE_BYTES_MAX = 1024;

/** Whether the bytes begin as the file of an issuer's key. */
export const isIssuerKey = (bytes: Uint8Array): boolean =>
  equalBytes(bytes.subarray(0, MAGIC.length), MAGIC);

/** Makes a key and its file. Throws key.exists and the codes of createPrivateFile. */
export const createIssuerKey = async (
  path: string,
  passphrase: string,
  random: RandomBytes,
): Promise<void> => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const plain = privateKey.export({ type: "pkcs8", format: "der" });
  try {
    await createPrivateFile(path, await sealIssuerKey(plain, passphrase, random));
  } finally {
    plain.fill(0);
  }
};

/** The bytes of the file of a key (PKCS#8), under a fresh salt and nonce. */
export const sealIssuerKey = async (
  plain: Uint8Array,
  passphrase: string,
  random: RandomBytes,
  derivation = derivationFor(passphrase),
): Promise<Uint8Array> => {
  const salt = random(SALT_BYTES);
  const nonce = random(NONCE_BYTES);
  const sealingKey = await deriveKey(passphrase, salt, derivation);
  try {
    const header = new Writer(HEADER_BYTES)
      .raw(MAGIC)
      .u16(VERSIONS[derivation])
      .fixed(salt, SALT_BYTES)
      .fixed(nonce, NONCE_BYTES)
      .finish();
    const sealed = seal(sealingKey, nonce, header, plain);
    const length = new Writer(2).u16(sealed.length).finish();
    return concatBytes(header, length, sealed);
  } finally {
    sealingKey.fill(0);
  }
};

type Sealed = {
  readonly derivation: Derivation;
  readonly header: Uint8Array;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  /** PKCS#8 and tag. */
  readonly sealed: Uint8Array;
};

const invalid = (path: string, detail: string): TetradError =>
  new TetradError("key.invalid", `${path}: ${detail}`, { path });

const parse = (path: string, bytes: Uint8Array): Sealed => {
  try {
    const reader = new Reader(bytes);
    if (!equalBytes(reader.fixed(MAGIC.length), MAGIC)) throw invalid(path, "no issuer's key file");
    const version = reader.u16();
    if (version !== VERSIONS.scrypt && version !== VERSIONS.hkdf) {
      throw invalid(path, "unknown version of issuers' key files");
    }
    const derivation = version === VERSIONS.hkdf ? "hkdf" : "scrypt";
    const salt = reader.fixed(SALT_BYTES);
    const nonce = reader.fixed(NONCE_BYTES);
    const sealed = reader.fixed(reader.u16());
    reader.end();
    return { derivation, header: bytes.subarray(0, HEADER_BYTES), salt, nonce, sealed };
  } catch (error) {
    if (error instanceof DecodeError) throw invalid(path, error.message);
    throw error;
  }
};

/**
 * Reads the file and checks its form, which says nothing of who made it; gives how it is sealed. Throws
 * key.modes, key.invalid.
 */
export const checkIssuerKey = async (path: string): Promise<Derivation> =>
  parse(path, await readPrivateFile(path, FILE_BYTES_MAX, { sealedKey: true })).derivation;

/**
 * Opens a key file: PKCS#8, which the caller overwrites. Throws key.modes, and key.invalid for another
 * passphrase or a changed file.
 */
export const openIssuerKey = async (path: string, passphrase: string): Promise<Uint8Array> => {
  const file = parse(path, await readPrivateFile(path, FILE_BYTES_MAX, { sealedKey: true }));
  const sealingKey = await deriveKey(passphrase, file.salt, file.derivation);
  const plain = unseal(sealingKey, file.nonce, file.header, file.sealed);
  sealingKey.fill(0);
  if (plain === undefined) {
    throw invalid(path, "the passphrase is another, or the file was changed");
  }
  return plain;
};

/** A key object of PKCS#8, whose bytes stay the caller's. */
export const pkcs8Key = (plain: Uint8Array): KeyObject => {
  const key = Buffer.from(plain.buffer, plain.byteOffset, plain.length);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
};

/** A signer of a key file. Throws the codes of openIssuerKey. */
export const loadIssuerKey = async (path: string, passphrase: string): Promise<IssuerSigner> => {
  const plain = await openIssuerKey(path, passphrase);
  try {
    return issuerSigner(pkcs8Key(plain));
  } finally {
    plain.fill(0);
  }
};
