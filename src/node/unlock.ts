/**
 * What must hold of a node's folder before the node may sign or be reached. `nexus start` refuses by these
 * functions and `nexus doctor` looks with them, so that what the one finds sound the other takes.
 */
import { existsSync, readdirSync } from "node:fs";
import { equalBytes, toHex } from "../crypto/bytes.ts";
import type { FalconKeyPair } from "../crypto/falcon.ts";
import { fail, type Result, TetradError } from "../errors.ts";
import type { GenesisValidator, ParsedGenesis } from "../ledger/genesis.ts";
import type { Logger } from "../ledger/ports.ts";
import { VoteStore } from "../ledger/replica/vote-store.ts";
import { openLevelStore } from "../ledger/store/level.ts";
import type { CheckpointKeys, Validator } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";
import { checkIdentity, pinOfCertificate } from "../transport/tls.ts";
import type { NodeConfig } from "./config.ts";
import { type NodePaths, nodePaths } from "./folder.ts";
import { loadKeyFile } from "./keys/key-file.ts";
import type { KeyMark } from "./keys/key-format.ts";
import { readPassphrase } from "./keys/passphrase.ts";
import { readPrivateFile } from "./keys/private-file.ts";
import { explainClosed } from "./sealed-keys.ts";

/**
 * Opens the node's key; the caller overwrites the secret half. Throws key.invalid, key.modes, and
 * key.development for a key that was made for networks of one machine only.
 */
export const unlockKey = async (
  config: NodeConfig,
  env: Readonly<Record<string, string | undefined>>,
  chain: ParsedGenesis,
): Promise<FalconKeyPair> => {
  const paths = nodePaths(config.folder);
  if (!existsSync(paths.nodeKey)) {
    // Said before a passphrase is asked for: a restored folder has neither.
    throw new TetradError("key.invalid", `${paths.nodeKey} does not exist`, {
      path: paths.nodeKey,
      next: "move the node's whole keys folder here, with keys/votes, or make a node with `nexus init`",
    });
  }
  const passphrase = await readPassphrase(paths.keys, env, config.passphraseFile);
  const key = await loadKeyFile(paths.nodeKey, passphrase).catch(async (error: unknown) => {
    throw await explainClosed(paths.keys, passphrase, error);
  });
  try {
    checkMark(key, chain, paths.nodeKey);
    return key;
  } catch (error) {
    key.secretKey.fill(0);
    throw error;
  }
};

const checkMark = (mark: KeyMark, chain: ParsedGenesis, path: string): void => {
  if (mark.use !== "validator") {
    throw new TetradError("key.invalid", `${path} is the key of an actor, not of a validator`);
  }
  if (mark.development && !chain.genesis.insecure) {
    const { chainId } = chain.genesis;
    const detail = `${path} was made for development; ${chainId} is no development network`;
    throw new TetradError("key.development", detail, { path });
  }
};

/**
 * The validator of the genesis whose key it is; undefined for one that may join later, on a chain with stake.
 * Throws folder.foreign where the genesis has none and nobody can join.
 */
export const findSelf = (
  config: NodeConfig,
  chain: ParsedGenesis,
  publicKey: Uint8Array,
): GenesisValidator | undefined => {
  const id = toHex(chain.hasher.ht("id", publicKey));
  const self = chain.genesis.validators.find((validator) => toHex(validator.id) === id);
  if (self === undefined && chain.genesis.proofs.stake === null) {
    throw new TetradError(
      "folder.foreign",
      `the key in ${config.folder} is not of a validator in ${config.genesis}`,
    );
  }
  return self;
};

/**
 * The checkpoint keys of a node follow from its key: a genesis that names others was put together wrongly,
 * and no checkpoint of this node would count. Throws folder.foreign.
 */
export const checkCheckpointKeys = (
  self: GenesisValidator | undefined,
  keys: CheckpointKeys,
): void => {
  if (self === undefined) return;
  const same =
    equalBytes(self.ed25519Key, keys.ed25519Key) && equalBytes(self.mlDsa44Key, keys.mlDsa44Key);
  if (same) return;
  throw new TetradError(
    "folder.foreign",
    `the genesis names other checkpoint keys for ${self.name} than follow from its key`,
  );
};

export type TlsIdentity = { readonly certPem: string; readonly keyPem: string };

/**
 * The node's TLS pair. Peers know a node by its pin and by nothing else: with another pair than that in the
 * genesis it would run and reach nobody. A node that joins has its pin on the chain.
 */
export const readTlsIdentity = async (
  paths: Pick<NodePaths, "tlsCertificate" | "tlsKey">,
  self: Validator | undefined,
): Promise<TlsIdentity> => {
  const [certPem, keyPem] = await Promise.all([
    readPem(paths.tlsCertificate),
    readPem(paths.tlsKey),
  ]);
  checkIdentity(certPem, keyPem);
  if (self !== undefined && !equalBytes(pinOfCertificate(certPem), self.tlsPin)) {
    throw new TetradError(
      "folder.foreign",
      `${paths.tlsCertificate} is not the certificate that the genesis pins for ${self.name}`,
    );
  }
  return { certPem, keyPem };
};

const readPem = async (path: string): Promise<string> =>
  new TextDecoder().decode(await readPrivateFile(path, LIMITS.pemBytesMax));

export type VoteStoreState = { readonly unused: boolean; readonly votes: number };

/**
 * Reads the vote store of a node that does not run; the caller holds the node's lock. Nothing is made
 * where nothing is. Codes: votes.missing, store.corrupt, store.full, store.io; throws folder.locked.
 */
export const inspectVotes = async (
  paths: NodePaths,
  self: Pick<Validator, "id">,
  logger: Logger,
): Promise<Result<VoteStoreState>> => {
  if (existsSync(paths.unused)) return { ok: true, value: { unused: true, votes: 0 } };
  if (!existsSync(paths.votes) || readdirSync(paths.votes).length === 0) {
    return fail("votes.missing", `${paths.votes} is missing or empty`);
  }
  const store = await openLevelStore(paths.votes, { logger });
  try {
    const votes = new VoteStore(store);
    const loaded = await new Promise<Result<readonly unknown[]>>((resolve) => {
      votes.load(self.id, resolve);
    });
    return loaded.ok ? { ok: true, value: { unused: false, votes: loaded.value.length } } : loaded;
  } finally {
    await new Promise<void>((resolve) => {
      store.close(() => resolve());
    });
  }
};
