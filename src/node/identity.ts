/**
 * The identity of a node: its FALCON-1024 key, its TLS key and certificate, and the public file that the
 * other members put into the genesis. Made once; the id of the node follows when a genesis names a chain.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { fromHex, toHex } from "../crypto/bytes.ts";
import { FALCON_SEED_BYTES, type FalconKeyPair, falconKeygen } from "../crypto/falcon.ts";
import { createHasher, sha256 } from "../crypto/hash.ts";
import { TetradError } from "../errors.ts";
import { CHAIN_ID } from "../ledger/genesis.ts";
import type { CheckpointKeys } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";
import { createIdentityCertificate } from "../transport/identity-certificate.ts";
import { formatAddress, parsePeerAddress } from "./address.ts";
import { deriveIvrfSecret } from "./beacon/ivrf-secret.ts";
import { makeIvrfKey } from "./beacon/make-key.ts";
import { checkName } from "./config.ts";
import { writeEpochKeyFile } from "./epoch-keys/folder.ts";
import { deriveEpochSealingKey, sealEpochKey } from "./epoch-keys/key-file.ts";
import { makeNodeFolder, type NodePaths, writeFileAtomic } from "./folder.ts";
import { deriveCheckpointKeys } from "./keys/checkpoint-keys.ts";
import { createKeyFile } from "./keys/key-file.ts";
import type { KeyMark } from "./keys/key-format.ts";
import { createPassphraseFile, findPassphrase } from "./keys/passphrase.ts";
import { createPrivateFile } from "./keys/private-file.ts";
import { NONCE_BYTES } from "./keys/sealing.ts";

/** What a member publishes about a node. Nothing in it is secret. */
export type Identity = CheckpointKeys & {
  readonly format: 1;
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly tlsPin: Uint8Array;
  /** "[ipv6]:port" where the others reach it. */
  readonly address: string;
  /** What the node has ready for the beacon of one chain: its first iVRF key, whose index 0 is height 1. */
  readonly ivrf?: { readonly chainId: string; readonly depth: number; readonly root: Uint8Array };
  /** What it signs with from epoch 0 on, where the chain asks for keys of epochs. */
  readonly epochKey?: Uint8Array;
  /** The key was made for networks of one machine: no other genesis takes it. */
  readonly development?: true;
};

/** Of the iVRF keys of new chains: 65,536 heights. */
export const BEACON_DEPTH = 16;

const DAY_MS = 86_400_000;
/** The pin is of the key, so a certificate can be renewed without a new genesis. */
const CERTIFICATE_DAYS = 3650;
const IDENTITY_BYTES_MAX = 16 * 1024;

export type IdentityOptions = {
  readonly paths: NodePaths;
  readonly name: string;
  readonly address: string;
  /** Milliseconds since the Unix epoch. */
  readonly nowMs: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly passphraseFile?: string | undefined;
  readonly development?: boolean;
  /** The chain that the node will be of, where it is known: then it can have a beacon. */
  readonly chainId?: string | undefined;
  /** Whether to make a key of epoch 0, for a chain that asks for keys of epochs. */
  readonly epochKey?: boolean;
  readonly keygen?: () => FalconKeyPair;
};

/** The passphrase that is there (passphrase.ts), or a new one in a file beside the keys. */
export const ensurePassphrase = async (
  keysFolder: string,
  env: IdentityOptions["env"],
  file?: string,
): Promise<string> =>
  (await findPassphrase(keysFolder, env, file))?.text ??
  (await createPassphraseFile(keysFolder, randomBytes));

type KeyOptions = Partial<KeyMark> & { readonly passphraseFile?: string | undefined };

/** Makes a key file, with a passphrase beside it where there is none. The caller wipes the secret half. */
const createKey = async (
  keysFolder: string,
  keyFile: string,
  env: IdentityOptions["env"],
  keygen: (() => FalconKeyPair) | undefined,
  { passphraseFile, ...mark }: KeyOptions,
): Promise<FalconKeyPair> => {
  const passphrase = await ensurePassphrase(keysFolder, env, passphraseFile);
  const options = keygen === undefined ? mark : { ...mark, keygen };
  return createKeyFile(keyFile, passphrase, randomBytes, options);
};

/** Makes an actor's or operator's key file, with a passphrase beside it. Returns the public key. */
export const createActorKey = async (
  keysFolder: string,
  keyFile: string,
  env: IdentityOptions["env"],
  keygen?: () => FalconKeyPair,
  options: KeyOptions = {},
): Promise<Uint8Array> => {
  const keys = await createKey(keysFolder, keyFile, env, keygen, options);
  keys.secretKey.fill(0);
  return keys.publicKey;
};

/** Makes keys, certificate and identity file in the folder. Throws key.exists when there are keys. */
export const createIdentity = async (options: IdentityOptions): Promise<Identity> => {
  const { paths, nowMs } = options;
  const name = checkName(options.name);
  const address = formatAddress(parsePeerAddress(options.address, "listen"));
  makeNodeFolder(paths);
  const { env, keygen, passphraseFile, development = false } = options;
  const mark = { use: "validator", development, passphraseFile } as const;
  const keys = await createKey(paths.keys, paths.nodeKey, env, keygen, mark);
  const { publicKey } = keys;
  const { ed25519Key, mlDsa44Key } = deriveCheckpointKeys(keys.secretKey);
  const secret = deriveIvrfSecret(keys.secretKey);
  const epochKey =
    options.epochKey !== true
      ? {}
      : { epochKey: await makeFirstEpochKey(paths.epochKeys, keys.secretKey, keygen) };
  keys.secretKey.fill(0);
  const ivrf =
    options.chainId === undefined
      ? {}
      : { ivrf: await firstKey(options.chainId, secret, paths.beacon) };
  secret.fill(0);
  const certificate = createIdentityCertificate({
    nodeId: toHex(sha256(publicKey)),
    notBeforeMs: nowMs - DAY_MS,
    notAfterMs: nowMs + CERTIFICATE_DAYS * DAY_MS,
  });
  await createPrivateFile(paths.tlsKey, Buffer.from(certificate.keyPem));
  await createPrivateFile(paths.tlsCertificate, Buffer.from(certificate.certPem));
  // Only a key that has never signed may begin with an empty vote store (folder.ts).
  await createPrivateFile(paths.unused, Buffer.from("This key has not signed anything yet.\n"));
  const identity: Identity = {
    format: 1,
    name,
    publicKey,
    tlsPin: Uint8Array.from(certificate.spkiPin),
    address,
    ed25519Key,
    mlDsa44Key,
    ...ivrf,
    ...epochKey,
    ...(development ? { development } : {}),
  };
  writeFileAtomic(paths.identity, formatIdentity(identity));
  return identity;
};

/** The one that the genesis has of the node. Returns the public half. */
const makeFirstEpochKey = async (
  folder: string,
  secretKey: Uint8Array,
  keygen: () => FalconKeyPair = () => falconKeygen(randomBytes(FALCON_SEED_BYTES)),
): Promise<Uint8Array> => {
  const keys = keygen();
  const sealingKey = deriveEpochSealingKey(secretKey);
  const file = sealEpochKey(0, keys, randomBytes(NONCE_BYTES), sealingKey);
  keys.secretKey.fill(0);
  sealingKey.fill(0);
  await writeEpochKeyFile(folder, 0, file);
  return keys.publicKey;
};

const firstKey = async (
  chainId: string,
  secret: Uint8Array,
  folder: string,
): Promise<Identity["ivrf"] & object> => {
  const trees = { folder, isWanted: () => true };
  const { root } = await makeIvrfKey(createHasher(chainId), secret, 1, BEACON_DEPTH, trees);
  return { chainId, depth: BEACON_DEPTH, root };
};

/** A new certificate for the TLS key that the genesis pins: the pin is of the key and stays. */
export const renewCertificate = (
  publicKey: Uint8Array,
  keyPem: string,
  nowMs: number,
): { readonly certPem: string; readonly spkiPin: Uint8Array; readonly notAfterMs: number } => {
  const notAfterMs = nowMs + CERTIFICATE_DAYS * DAY_MS;
  const nodeId = toHex(sha256(publicKey));
  const notBeforeMs = nowMs - DAY_MS;
  const made = createIdentityCertificate({ nodeId, notBeforeMs, notAfterMs, keyPem });
  return { certPem: made.certPem, spkiPin: made.spkiPin, notAfterMs };
};

export const formatIdentity = (identity: Identity): string =>
  `${JSON.stringify(
    {
      format: identity.format,
      name: identity.name,
      address: identity.address,
      tlsPin: toHex(identity.tlsPin),
      publicKey: toHex(identity.publicKey),
      ed25519Key: toHex(identity.ed25519Key),
      mlDsa44Key: toHex(identity.mlDsa44Key),
      ...(identity.ivrf === undefined
        ? {}
        : { ivrf: { ...identity.ivrf, root: toHex(identity.ivrf.root) } }),
      ...(identity.epochKey === undefined ? {} : { epochKey: toHex(identity.epochKey) }),
      ...(identity.development === true ? { development: true } : {}),
    },
    null,
    2,
  )}\n`;

const invalid = (source: string, detail: string): TetradError =>
  new TetradError("config.invalid", `${source} ${detail}`);

const hexField = (source: string, name: string, value: unknown, bytes: number): Uint8Array => {
  if (typeof value !== "string" || !/^[0-9a-f]*$/.test(value) || value.length !== bytes * 2) {
    throw invalid(source, `has a "${name}" that is not ${bytes} bytes of lower-case hex`);
  }
  return fromHex(value);
};

const ivrfField = (source: string, json: unknown): Identity["ivrf"] & object => {
  const { chainId, depth, root, ...more } = Object(json) as Readonly<Record<string, unknown>>;
  const [min, max] = LIMITS.beaconDepth;
  const isDepth =
    typeof depth === "number" && Number.isInteger(depth) && depth >= min && depth <= max;
  const isChain = typeof chainId === "string" && CHAIN_ID.test(chainId);
  if (
    !isDepth ||
    !isChain ||
    chainId.length > LIMITS.chainIdBytesMax ||
    Object.keys(more).length > 0
  ) {
    throw invalid(source, 'has an "ivrf" that is not chainId, depth and root');
  }
  return { chainId, depth, root: hexField(source, "ivrf.root", root, 32) };
};

const FIELDS: readonly string[] = [
  "format",
  "name",
  "address",
  "tlsPin",
  "publicKey",
  "ed25519Key",
  "mlDsa44Key",
  "ivrf",
  "epochKey",
  "development",
];

/** Reads an identity that somebody sent. Throws config.invalid or transport.*. */
export const parseIdentity = (text: string, source: string): Identity => {
  if (text.length > IDENTITY_BYTES_MAX) throw invalid(source, "is too large for an identity");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalid(source, "is not JSON");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw invalid(source, "is not an identity file");
  }
  const fields = json as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(fields).find((key) => !FIELDS.includes(key));
  if (unknown !== undefined) throw invalid(source, `has the unknown key "${unknown}"`);
  if (fields["format"] !== 1) throw invalid(source, "is not an identity file of format 1");
  const { name, address, ivrf, epochKey, development } = fields;
  if (development !== undefined && development !== true) {
    throw invalid(source, 'has a "development" that is not true');
  }
  if (typeof name !== "string" || typeof address !== "string") {
    throw invalid(source, "lacks a name or an address");
  }
  return {
    format: 1,
    name: checkName(name, `the name in ${source}`),
    address: formatAddress(parsePeerAddress(address, `the address in ${source}`)),
    tlsPin: hexField(source, "tlsPin", fields["tlsPin"], 32),
    publicKey: hexField(source, "publicKey", fields["publicKey"], LIMITS.falconPublicKeyBytes),
    ed25519Key: hexField(source, "ed25519Key", fields["ed25519Key"], LIMITS.ed25519PublicKeyBytes),
    mlDsa44Key: hexField(source, "mlDsa44Key", fields["mlDsa44Key"], LIMITS.mlDsa44PublicKeyBytes),
    ...(ivrf === undefined ? {} : { ivrf: ivrfField(source, ivrf) }),
    ...(epochKey === undefined
      ? {}
      : { epochKey: hexField(source, "epochKey", epochKey, LIMITS.falconPublicKeyBytes) }),
    ...(development === true ? { development } : {}),
  };
};

export const readIdentity = (path: string): Identity => {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "?";
    throw new TetradError("config.invalid", `${path} cannot be read (${code})`);
  }
  return parseIdentity(text, path);
};
