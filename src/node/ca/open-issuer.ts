/** Makes the keys of an issuer, and starts it on the node in whose folder they are. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import type { FalconKeyPair } from "../../crypto/falcon.ts";
import { TetradError } from "../../errors.ts";
import type { UnsignedBatch } from "../../ledger/batch.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { Logger, Metrics } from "../../ledger/ports.ts";
import type { ProofSlot } from "../../ledger/types.ts";
import type { NodePaths } from "../folder.ts";
import { createActorKey } from "../identity.ts";
import { type LoadedKey, loadKeyFile } from "../keys/key-file.ts";
import { readPassphrase } from "../keys/passphrase.ts";
import { realTimers } from "../real-ports.ts";
import { explainClosed } from "../sealed-keys.ts";
import { createInlineSigner } from "../signing/signer.ts";
import { startIssuer } from "./issuer.ts";
import { createIssuerKey, loadIssuerKey } from "./issuer-key.ts";
import type { IssuerSigner } from "./issuer-signer.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** What an issuer writes, and so what its actor may write. */
export const ISSUER_PERMISSIONS: readonly string[] = [
  "ca.certificate.denied",
  "ca.certificate.issued",
  "ca.issuer.created",
];

/** Makes both keys of an issuer in a node's folder: of its actor, whose public half is returned, and P-256. */
export const createIssuerKeys = async (
  paths: NodePaths,
  env: Env,
  keygen: (() => FalconKeyPair) | undefined,
  options: { readonly development: boolean; readonly passphraseFile?: string | undefined },
): Promise<Uint8Array> => {
  const publicKey = await createActorKey(paths.keys, paths.issuerActorKey, env, keygen, options);
  const passphrase = await readPassphrase(paths.keys, env, options.passphraseFile);
  await createIssuerKey(paths.issuerKey, passphrase, randomBytes);
  return publicKey;
};

export type OpenIssuerOptions = {
  readonly paths: NodePaths;
  readonly env: Env;
  readonly passphraseFile: string | undefined;
  readonly handle: LedgerHandle;
  /** What the chain asks a batch to carry. */
  proofsFor(unsigned: UnsignedBatch): Promise<readonly ProofSlot[]>;
  readonly chainId: string;
  /** The chain is for development (genesis). */
  readonly insecure: boolean;
  readonly name: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

/** The opened keys of an issuer. The caller overwrites the secret half of its actor's. */
export type IssuerKeys = { readonly signer: IssuerSigner; readonly actor: LoadedKey };

/** Opens what an issuer starts with; undefined where the folder has no issuer. Throws key.*. */
export const openIssuerKeys = async ({
  paths,
  env,
  passphraseFile,
  insecure,
}: Pick<OpenIssuerOptions, "paths" | "env" | "passphraseFile" | "insecure">): Promise<
  IssuerKeys | undefined
> => {
  const keys = [paths.issuerKey, paths.issuerActorKey];
  const missing = keys.filter((path) => !existsSync(path));
  if (missing.length === keys.length) return undefined;
  if (missing[0] !== undefined) {
    throw new TetradError(
      "key.invalid",
      `${missing[0]} is missing, and the issuer needs both keys`,
    );
  }
  const passphrase = await readPassphrase(paths.keys, env, passphraseFile);
  try {
    const signer = await loadIssuerKey(paths.issuerKey, passphrase);
    const actor = await loadKeyFile(paths.issuerActorKey, passphrase);
    if (!actor.development || insecure) return { signer, actor };
    actor.secretKey.fill(0);
  } catch (error) {
    throw await explainClosed(paths.keys, passphrase, error);
  }
  throw new TetradError("key.development", `${paths.issuerActorKey} was made for development`);
};

/** Starts the issuer whose keys the folder has; undefined where it has none. Throws key.*. */
export const openIssuer = async (
  options: OpenIssuerOptions,
): Promise<{ close(): Promise<void> } | undefined> => {
  const { handle, chainId, name, logger, metrics, proofsFor } = options;
  const keys = await openIssuerKeys(options);
  if (keys === undefined) return undefined;
  const { signer, actor: pair } = keys;
  const actor = createInlineSigner(pair.secretKey, {
    onFault: (detail) => logger.log("warn", "noble signs for the issuer", { detail }),
  });
  pair.secretKey.fill(0);
  const ports = { timers: realTimers, logger, metrics };
  const issuer = startIssuer({ ...ports, handle, chainId, name, signer, actor, proofsFor });
  return {
    async close() {
      issuer.stop();
      await actor.close();
    },
  };
};
