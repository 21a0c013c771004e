/**
 * All sealed keys of a node as one set: the validator's, the issuer's actor's and the issuer's own. One
 * passphrase opens them all, so they are sealed anew together; where a crash has left some under the old
 * passphrase and some under the new one, it is said which are which.
 */
import { createPublicKey, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { TetradError } from "../errors.ts";
import { isIssuerKey, openIssuerKey, pkcs8Key, sealIssuerKey } from "./ca/issuer-key.ts";
import { keysPaths } from "./folder.ts";
import { EXPORT_BYTES_MAX } from "./keys/export-format.ts";
import { loadKeyFile, sealKeyFile } from "./keys/key-file.ts";
import type { KeyUse } from "./keys/key-format.ts";
import { readPrivateFile } from "./keys/private-file.ts";
import type { Derivation } from "./keys/sealing.ts";

export type SealedUse = KeyUse | "issuer";

/** A key of any kind as it was opened; `wipe` overwrites the secret half. */
export type OpenedKey = {
  readonly path: string;
  readonly use: SealedUse;
  /** Undefined for an issuer's key, whose file has no such mark: the key of its actor has it. */
  readonly development: boolean | undefined;
  /** FALCON-1024 as in its file, or SubjectPublicKeyInfo, DER, of an issuer. */
  readonly publicKey: Uint8Array;
  /** The bytes of its file under another passphrase, with fresh salt and nonce; derived as the passphrase wants. */
  seal(passphrase: string, derivation?: Derivation): Promise<Uint8Array>;
  wipe(): void;
};

/** Opens a key file of any kind. Throws key.modes, and key.invalid also for another passphrase. */
export const openSealedKey = async (path: string, passphrase: string): Promise<OpenedKey> => {
  if (!isIssuerKey(await readPrivateFile(path, EXPORT_BYTES_MAX, { sealedKey: true }))) {
    const key = await loadKeyFile(path, passphrase);
    const { use, development, publicKey, secretKey } = key;
    return {
      ...{ path, use, development, publicKey },
      seal: (fresh, derivation) => sealKeyFile(key, key, fresh, randomBytes, derivation),
      wipe: () => void secretKey.fill(0),
    };
  }
  const plain = await openIssuerKey(path, passphrase);
  const spki = createPublicKey(pkcs8Key(plain)).export({ type: "spki", format: "der" });
  return {
    ...{ path, use: "issuer", development: undefined, publicKey: new Uint8Array(spki) },
    seal: (fresh, derivation) => sealIssuerKey(plain, fresh, randomBytes, derivation),
    wipe: () => void plain.fill(0),
  };
};

/** The sealed files of a node that are there. */
export const sealedPaths = (keysFolder: string): string[] => {
  const { nodeKey, issuerActorKey, issuerKey } = keysPaths(keysFolder);
  return [nodeKey, issuerActorKey, issuerKey].filter((path) => existsSync(path));
};

/** The files, and where one is of a node the others that the same node opens; each once. */
export const withNodeKeys = (files: readonly string[]): string[] => {
  const all = files.flatMap((file) => {
    const set = sealedPaths(dirname(file));
    return set.includes(file) ? [file, ...set] : [file];
  });
  return [...new Set(all)];
};

/**
 * What to say instead of a key.invalid that opening one of a node's files has ended with: where the
 * passphrase opens others of them, which it does and which not, and how to make them one again.
 */
export const explainClosed = async (
  keysFolder: string,
  passphrase: string,
  error: unknown,
): Promise<unknown> => {
  if (!(error instanceof TetradError) || error.code !== "key.invalid") return error;
  const opened: string[] = [];
  const closed: string[] = [];
  for (const path of sealedPaths(keysFolder)) {
    try {
      (await openSealedKey(path, passphrase)).wipe();
      opened.push(path);
    } catch {
      closed.push(path);
    }
  }
  if (opened.length === 0 || closed.length === 0) return error;
  return new TetradError(
    "key.invalid",
    `${error.message}. This passphrase opens ${opened.join(" and ")} but not ${closed.join(" and ")}: a ` +
      "`nexus key rotate` that was cut off leaves that; run it again with the old and the new passphrase",
    { opened: opened.join(", "), closed: closed.join(", ") },
  );
};

/** Whether an error is one that explainClosed made. */
export const isHalfRotated = (error: unknown): boolean =>
  error instanceof TetradError && error.code === "key.invalid" && "opened" in error.data;
