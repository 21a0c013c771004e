/**
 * Where the passphrase of the key files comes from: the environment variable NEXUS_PASSPHRASE, else the
 * file `passphrase` beside the keys.
 *
 * That file is how `nexus dev` starts without asking, and it seals nothing: whoever can read the keys can
 * read it too. It keeps the one format and the one way of loading, and a copy of a key file alone stays
 * closed. In production the passphrase comes from the environment or from a file on another volume.
 */
import { join } from "node:path";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import type { RandomBytes } from "./key-file.ts";
import { createPrivateFile, readPrivateFile } from "./private-file.ts";

export const PASSPHRASE_VARIABLE = "NEXUS_PASSPHRASE";
const PASSPHRASE_FILE = "passphrase";
const PASSPHRASE_BYTES_MAX = 1024;

export const passphrasePath = (keysFolder: string): string => join(keysFolder, PASSPHRASE_FILE);

/**
 * The passphrase for the keys in a folder. `file` is a path to use instead of the one beside the keys.
 * Throws `key.invalid` when there is none, with what to do, and `key.modes` when the file is readable by
 * others.
 */
export const readPassphrase = async (
  keysFolder: string,
  env: Readonly<Record<string, string | undefined>>,
  file: string = passphrasePath(keysFolder),
): Promise<string> => {
  const given = env[PASSPHRASE_VARIABLE];
  if (given !== undefined && given !== "") return given;
  const bytes = await readPrivateFile(file, PASSPHRASE_BYTES_MAX).catch((error: unknown) => {
    if (error instanceof TetradError && error.code === "key.invalid") {
      const detail = `no passphrase: set ${PASSPHRASE_VARIABLE} (${error.message})`;
      throw new TetradError("key.invalid", detail, { path: file });
    }
    throw error;
  });
  const text = decode(bytes, file);
  bytes.fill(0);
  if (text === "") throw new TetradError("key.invalid", `${file} is empty`, { path: file });
  return text;
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
