/**
 * How secrets are sealed under a passphrase: a key is derived from it, AES-256-GCM encrypts under that key and
 * authenticates what stands in the clear before it. How it is derived belongs to the version of the file
 * formats: a cost read from a file could be made to exhaust memory.
 *
 * A passphrase of a person is stretched with scrypt, since there are few that people think of. One of the
 * product's own (passphrase.ts) has 256 random bits: nobody guesses those, stretched or not, and a node opens
 * up to three files when it starts. HKDF derives the key of a file from it at once.
 */
import { createCipheriv, createDecipheriv, hkdf, scrypt } from "node:crypto";
import { TetradError } from "../../errors.ts";

/** RFC 7914: 32 MiB, and 0.2 to 0.4 s of one core, is what one guess of a passphrase costs. */
export const SCRYPT = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 1024 * 1024 } as const;

export const SALT_BYTES = 16;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
const SEALING_KEY_BYTES = 32;
const CIPHER = "aes-256-gcm";

/** RFC 7914 with the cost above, or RFC 5869 with SHA-256. */
export type Derivation = "scrypt" | "hkdf";

/** For people. */
export const SEALINGS: Readonly<Record<Derivation, string>> = {
  scrypt: `AES-256-GCM, scrypt N=${SCRYPT.N} r=${SCRYPT.r} p=${SCRYPT.p}`,
  hkdf: "AES-256-GCM, HKDF-SHA256 of 64 digits, not stretched",
};

const HKDF_INFO = "tetrad/sealing/v1";
const DRAWN = /^[0-9a-f]{64}$/;

/** How the key for a new file is derived: stretched, unless the product has drawn the passphrase itself. */
export const derivationFor = (passphrase: string): Derivation =>
  DRAWN.test(passphrase) ? "hkdf" : "scrypt";

/** The 32-byte key for a passphrase; the caller overwrites it. Throws key.invalid for an empty one. */
export const deriveKey = (
  passphrase: string,
  salt: Uint8Array,
  derivation: Derivation = "scrypt",
): Promise<Uint8Array> => {
  if (passphrase.length === 0) throw new TetradError("key.invalid", "the passphrase is empty");
  return new Promise((resolve, reject) => {
    // The same text has the same bytes however the keyboard composed it.
    const text = passphrase.normalize("NFC");
    if (derivation === "hkdf") {
      hkdf("sha256", text, salt, HKDF_INFO, SEALING_KEY_BYTES, (error, key) => {
        if (error === null) resolve(new Uint8Array(key));
        else reject(error);
      });
      return;
    }
    scrypt(text, salt, SEALING_KEY_BYTES, SCRYPT, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
};

/** Ciphertext and tag (16 bytes). Key and nonce are used together once. */
export const seal = (
  key: Uint8Array,
  nonce: Uint8Array,
  header: Uint8Array,
  plain: Uint8Array,
): Uint8Array => {
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(header);
  const ciphertext = cipher.update(plain);
  cipher.final();
  return Buffer.concat([ciphertext, cipher.getAuthTag()]);
};

/** What was sealed, or undefined when the key is another or any byte was changed. */
export const unseal = (
  key: Uint8Array,
  nonce: Uint8Array,
  header: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined => {
  const end = sealed.length - TAG_BYTES;
  if (end < 0) return undefined;
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(header);
  decipher.setAuthTag(sealed.subarray(end));
  const plain = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    plain.fill(0);
    return undefined;
  }
  const opened = Uint8Array.from(plain);
  plain.fill(0);
  return opened;
};
