/**
 * Key files on disk: `keys/node.key` of a validator, and those of actors and operators. The file has mode
 * 0600 in a folder of mode 0700; its format is that of key-format.ts.
 */
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
  type KeyMark,
  openKeys,
  parseKeyFile,
  type SealedKeys,
  sealKeys,
} from "./key-format.ts";
import { createPrivateFile, readPrivateFile } from "./private-file.ts";
import { derivationFor, deriveKey, NONCE_BYTES, SALT_BYTES } from "./sealing.ts";

/** Random bytes fit for keys: randomBytes of node:crypto, or a fixed stream in tests. */
export type RandomBytes = (length: number) => Uint8Array;

/** A key as it was opened, with what its file says of it. */
export type LoadedKey = FalconKeyPair & KeyMark;

export type CreateKeyOptions = Partial<KeyMark> & {
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
  const { use = "actor", development = false } = options;
  try {
    await createPrivateFile(
      path,
      await sealKeyFile(keys, { use, development }, passphrase, random),
    );
    return keys;
  } catch (error) {
    keys.secretKey.fill(0);
    throw error;
  }
};

/** The bytes of a key file, under a fresh salt and nonce. */
export const sealKeyFile = async (
  keys: FalconKeyPair,
  mark: KeyMark,
  passphrase: string,
  random: RandomBytes,
  derivation = derivationFor(passphrase),
): Promise<Uint8Array> => {
  const salt = random(SALT_BYTES);
  const sealingKey = await deriveKey(passphrase, salt, derivation);
  try {
    return sealKeys(keys, mark, salt, random(NONCE_BYTES), sealingKey, derivation);
  } finally {
    sealingKey.fill(0);
  }
};

/** Writes a key that exists already, as an import does; `key.exists` where something is. */
export const writeKeyFile = async (
  path: string,
  key: LoadedKey,
  passphrase: string,
  random: RandomBytes,
): Promise<void> => createPrivateFile(path, await sealKeyFile(key, key, passphrase, random));

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
export const loadKeyFile = async (path: string, passphrase: string): Promise<LoadedKey> => {
  const file = await readSealed(path);
  const sealingKey = await deriveKey(passphrase, file.salt, file.derivation);
  const opened = openKeys(file, sealingKey);
  sealingKey.fill(0);
  if (!opened.ok) throw new TetradError(opened.code, `${path}: ${opened.detail}`, { path });
  return { ...opened.value, use: file.use, development: file.development };
};

/** The public key that the file states; not proven, because that takes the passphrase. */
export const readPublicKey = async (path: string): Promise<Uint8Array> =>
  Uint8Array.from((await readSealed(path)).publicKey);

/** What the file says of itself without the passphrase; none of it is proven. */
export const readSealed = async (path: string): Promise<SealedKeys> => {
  const parsed = parseKeyFile(await readPrivateFile(path, KEY_FILE_BYTES, { sealedKey: true }));
  if (!parsed.ok) throw new TetradError(parsed.code, `${path}: ${parsed.detail}`, { path });
  return parsed.value;
};
