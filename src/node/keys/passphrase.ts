/**
 * Where the passphrase of the key files comes from, the first that is there:
 *
 *     NEXUS_PASSPHRASE                             the text itself
 *     --passphrase-file, passphrase_file           a file; only its first line end is cut
 *     $CREDENTIALS_DIRECTORY/tetrad-passphrase     a credential that systemd gives the service
 *     <keys>/passphrase                            a file beside the keys
 *
 * Never a command line, which every user of the machine can read. The last one is how `nexus dev` starts
 * without asking, and it seals nothing: whoever can read the keys can read it too. It keeps the one format
 * and the one way of loading, and a copy of a key file alone stays closed.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { RandomBytes } from "./key-file.ts";
import { createPrivateFile, type ReadOptions, readPrivateFile } from "./private-file.ts";

export const PASSPHRASE_VARIABLE = "NEXUS_PASSPHRASE";
export const NEW_PASSPHRASE_VARIABLE = "NEXUS_NEW_PASSPHRASE";
const CREDENTIAL = "tetrad-passphrase";
const PASSPHRASE_FILE = "passphrase";

type Env = Readonly<Record<string, string | undefined>>;

export const passphrasePath = (keysFolder: string): string => join(keysFolder, PASSPHRASE_FILE);

export type Passphrase = {
  readonly text: string;
  /** For people: the variable or the path. */
  readonly place: string;
  /** It lies beside the keys that it opens. */
  readonly beside: boolean;
};

/**
 * The passphrase for the keys in a folder, or undefined where none is. Throws `key.invalid` for a file that
 * was named and is not there or no passphrase, and `key.modes` for one that others can read.
 */
export const findPassphrase = async (
  keysFolder: string,
  env: Env,
  file?: string,
): Promise<Passphrase | undefined> => {
  const given = env[PASSPHRASE_VARIABLE];
  if (given !== undefined && given !== "") {
    return { text: given, place: PASSPHRASE_VARIABLE, beside: false };
  }
  if (file !== undefined) return fromFile(file, false, { openFolder: true });
  const credentials = env["CREDENTIALS_DIRECTORY"];
  if (credentials !== undefined && credentials !== "") {
    const credential = join(credentials, CREDENTIAL);
    if (existsSync(credential)) return fromFile(credential, false, { credential: true });
  }
  const beside = passphrasePath(keysFolder);
  return existsSync(beside) ? fromFile(beside, true, {}) : undefined;
};

const fromFile = async (
  path: string,
  beside: boolean,
  options: ReadOptions,
): Promise<Passphrase> => {
  const bytes = await readPrivateFile(path, LIMITS.passphraseBytesMax, options);
  const text = decode(bytes, path);
  bytes.fill(0);
  if (text === "") throw new TetradError("key.invalid", `${path} is empty`, { path });
  return { text, place: path, beside };
};

/** As findPassphrase; throws `key.invalid` with what to do where none is. */
export const readPassphrase = async (
  keysFolder: string,
  env: Env,
  file?: string,
): Promise<string> => {
  const found = await findPassphrase(keysFolder, env, file);
  if (found !== undefined) return found.text;
  const path = passphrasePath(keysFolder);
  throw new TetradError(
    "key.invalid",
    `no passphrase: set ${PASSPHRASE_VARIABLE}, give --passphrase-file, or a systemd credential ` +
      `${CREDENTIAL}; ${path} does not exist`,
    { path },
  );
};

/** The passphrase that a key is sealed with from now on: a variable or a file. Undefined where none is. */
export const findNewPassphrase = async (
  env: Env,
  file: string | undefined,
): Promise<Passphrase | undefined> => {
  const given = env[NEW_PASSPHRASE_VARIABLE];
  if (given !== undefined && given !== "") {
    return { text: given, place: NEW_PASSPHRASE_VARIABLE, beside: false };
  }
  return file === undefined ? undefined : fromFile(file, false, { openFolder: true });
};

/** The text without the line end that editors add. */
const decode = (bytes: Uint8Array, file: string): string => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "");
  } catch {
    throw new TetradError("key.invalid", `${file} is not UTF-8 text`, { path: file });
  }
};

/** Writes a random passphrase of 256 bits beside the keys and returns it; `key.exists` if there is one. */
export const createPassphraseFile = async (
  keysFolder: string,
  random: RandomBytes,
): Promise<string> => {
  const secret = random(32);
  const text = toHex(secret);
  secret.fill(0);
  await createPrivateFile(passphrasePath(keysFolder), new TextEncoder().encode(`${text}\n`));
  return text;
};
