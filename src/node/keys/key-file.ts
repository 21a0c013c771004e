/**
 * Key files on disk: `keys/node.key` of a validator, and those of actors and operators. The file has mode
 * 0600 in a folder of mode 0700; its format is that of key-format.ts.
 */
import { scrypt } from "node:crypto";
import { equalBytes } from "../../crypto/bytes.ts";
import {
  FALCON_SEED_BYTES,
  type FalconKeyPair,
  falconKeygen,
  falconPublicKey,
} from "../../crypto/falcon.ts";
import { TetradError } from "../../errors.ts";
import {
  KEY_FILE_BYTES,
  NONCE_BYTES,
  openKeys,
  parseKeyFile,
  SALT_BYTES,
  type SealedKeys,
  sealKeys,
} from "./key-format.ts";
import { createPrivateFile, readPrivateFile } from "./private-file.ts";

/** Random bytes fit for keys: randomBytes of node:crypto, or a fixed stream in tests. */
export type RandomBytes = (length: number) => Uint8Array;

/** 32 MiB and about 0.3 s: what a guess of a passphrase costs. Part of version 1 of the format. */
const SCRYPT = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 1024 * 1024 } as const;
const SEALING_KEY_BYTES = 32;

export type CreateKeyOptions = {
  /**
   * How the pair is made; from a random seed in JavaScript if not given (0.5 to 1.5 s). The generator of
   * falcon-wasm.ts takes under 0.1 s.
   */
  readonly keygen?: () => FalconKeyPair;
};

/**
 * Makes a key pair and writes its file. The secret key stays with the caller, who overwrites it when it is
 * not needed. Throws `key.exists` when the file is there and the codes of createPrivateFile.
 */
export const createKeyFile = async (
  path: string,
  passphrase: string,
  random: RandomBytes,
  options: CreateKeyOptions = {},
): Promise<FalconKeyPair> => {
  const keys = checked(options.keygen?.() ?? generate(random));
  const salt = random(SALT_BYTES);
  const sealingKey = await deriveKey(passphrase, salt);
  try {
    await createPrivateFile(path, sealKeys(keys, salt, random(NONCE_BYTES), sealingKey));
    return keys;
  } catch (error) {
    keys.secretKey.fill(0);
    throw error;
  } finally {
    sealingKey.fill(0);
  }
};

/** A generator that is broken must not cost a validator its identity later. */
const checked = (keys: FalconKeyPair): FalconKeyPair => {
  if (equalBytes(falconPublicKey(keys.secretKey), keys.publicKey)) return keys;
  throw new TetradError("internal", "the generated public key does not belong to the secret key");
};

const generate = (random: RandomBytes): FalconKeyPair => {
  const seed = random(FALCON_SEED_BYTES);
  try {
    return falconKeygen(seed);
  } finally {
    seed.fill(0);
  }
};

/**
 * Reads and opens a key file. Throws `key.modes` when others have access to it, and `key.invalid` when it
 * is missing, no key file, changed, or sealed with another passphrase.
 */
export const loadKeyFile = async (path: string, passphrase: string): Promise<FalconKeyPair> => {
  const sealed = await readSealed(path);
  const sealingKey = await deriveKey(passphrase, sealed.salt);
  const opened = openKeys(sealed, sealingKey);
  sealingKey.fill(0);
  if (!opened.ok) throw new TetradError(opened.code, `${path}: ${opened.detail}`, { path });
  return opened.value;
};

/** The public key that the file states; not proven, because that takes the passphrase. */
export const readPublicKey = async (path: string): Promise<Uint8Array> =>
  Uint8Array.from((await readSealed(path)).publicKey);

const readSealed = async (path: string): Promise<SealedKeys> => {
  const parsed = parseKeyFile(await readPrivateFile(path, KEY_FILE_BYTES));
  if (!parsed.ok) throw new TetradError(parsed.code, `${path}: ${parsed.detail}`, { path });
  return parsed.value;
};

const deriveKey = (passphrase: string, salt: Uint8Array): Promise<Uint8Array> => {
  if (passphrase.length === 0) throw new TetradError("key.invalid", "the passphrase is empty");
  return new Promise((resolve, reject) => {
    // The same text has the same bytes however the keyboard composed it.
    scrypt(passphrase.normalize("NFC"), salt, SEALING_KEY_BYTES, SCRYPT, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
};
