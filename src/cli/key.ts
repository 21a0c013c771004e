/** The key that a command signs with, and what is said of keys. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { Signer } from "../client/submit.ts";
import { loadKeyFile, readSealed } from "../node/keys/key-file.ts";
import { passphrasePath, readPassphrase } from "../node/keys/passphrase.ts";
import { selectVerifier } from "../node/signing/select-verifier.ts";
import { createInlineSigner } from "../node/signing/signer.ts";
import type { CliContext } from "./context.ts";

/**
 * Opens a key file with NEXUS_PASSPHRASE or the file beside it. Throws key.invalid, key.modes. `note` is
 * told when noble has to sign because the faster signer made a mistake.
 */
export const openSigningKey = async (
  keyFile: string,
  env: Readonly<Record<string, string | undefined>>,
  note: (text: string) => void,
): Promise<Signer> => {
  // A file that is not there, or is no key, has to be said before what it would be opened with.
  await readSealed(keyFile);
  const passphrase = await readPassphrase(dirname(keyFile), env);
  const keys = await loadKeyFile(keyFile, passphrase);
  const { verifier } = await selectVerifier();
  const signer = createInlineSigner(keys.secretKey, { verifier, onFault: note });
  keys.secretKey.fill(0);
  return {
    publicKey: signer.publicKey,
    sign: (message) =>
      new Promise((resolve) => {
        signer.sign(message, resolve);
      }),
  };
};

/** Says so where the passphrase lies beside the key that it opens, which protects nothing. */
export const notePassphrase = (context: CliContext, keysFolder: string): void => {
  const path = passphrasePath(keysFolder);
  if (!existsSync(path)) return;
  context.note(
    `${path} opens the key: it protects nothing where it lies; ` +
      "keep it elsewhere (--passphrase-file, NEXUS_PASSPHRASE, or a systemd credential)",
  );
};
