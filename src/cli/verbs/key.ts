/** `nexus key new|show|export|import`: key files. A passphrase is never an argument. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { actorId } from "../../ledger/batch.ts";
import { LIMITS } from "../../limits.ts";
import { checkIssuerKey, isIssuerKey } from "../../node/ca/issuer-key.ts";
import { keysPaths, makeFolder } from "../../node/folder.ts";
import { createActorKey } from "../../node/identity.ts";
import {
  EXPORT_BYTES_MAX,
  type ExportedKey,
  isExport,
  openExport,
  parseExport,
  sealExport,
} from "../../node/keys/export-format.ts";
import { loadKeyFile, readSealed, writeKeyFile } from "../../node/keys/key-file.ts";
import { findNewPassphrase, readPassphrase } from "../../node/keys/passphrase.ts";
import { createPrivateFile, readPrivateFile } from "../../node/keys/private-file.ts";
import {
  derivationFor,
  deriveKey,
  NONCE_BYTES,
  SALT_BYTES,
  SEALINGS,
} from "../../node/keys/sealing.ts";
import { readGenesis } from "../../node/node.ts";
import { realClock } from "../../node/real-ports.ts";
import { openSealedKey, type SealedUse, sealedPaths } from "../../node/sealed-keys.ts";
import { checkIdentity } from "../../transport/tls.ts";
import type { CliContext } from "../context.ts";
import { fastKeygen } from "../dev/create.ts";
import { notePassphrase } from "../key.ts";

export type PassphraseOptions = {
  readonly passphraseFile?: string;
  readonly newPassphraseFile?: string;
};

const fileOption = (context: CliContext, file: string | undefined): string | undefined =>
  file === undefined ? undefined : resolve(context.cwd, file);

/** What is said of a key. Of an issuer's, which has no mark, the file shows no public key before it opens. */
type Shown = {
  readonly use: SealedUse;
  readonly development?: boolean | undefined;
  readonly publicKey?: Uint8Array | undefined;
};

const factsOf = (
  { use, development, publicKey }: Shown,
  more: Readonly<Record<string, string>>,
): Readonly<Record<string, string | boolean>> => ({
  ...more,
  use,
  ...(development === undefined ? {} : { development }),
  ...(publicKey === undefined ? {} : { fingerprint: toHex(sha256(publicKey)) }),
});

/** What every verb about keys prints: a development key is named as one wherever it is shown. */
const printFacts = (context: CliContext, facts: Readonly<Record<string, string | boolean>>): void =>
  context.print(
    facts,
    Object.entries(facts).map(([name, value]): [string, string] => [
      name,
      name === "development" ? (value === true ? "yes: protects nothing" : "no") : String(value),
    ]),
  );

const printKey = (context: CliContext, key: Shown, more: Readonly<Record<string, string>>): void =>
  printFacts(context, factsOf(key, more));

export const keyNew = async (
  context: CliContext,
  options: PassphraseOptions & { readonly development?: boolean },
  file: string,
): Promise<void> => {
  const path = resolve(context.cwd, file);
  const mark = { use: "actor", development: options.development === true } as const;
  const passphraseFile = fileOption(context, options.passphraseFile);
  const keygen = await fastKeygen();
  const keys = dirname(path);
  const publicKey = await createActorKey(keys, path, context.env, keygen, {
    ...mark,
    passphraseFile,
  });
  printKey(context, { ...mark, publicKey }, { file: path, sealing: await sealingOf(path) });
  notePassphrase(context, keys);
};

type ShowOptions = PassphraseOptions & { readonly genesis?: string; readonly open?: boolean };

export const keyShow = async (
  context: CliContext,
  options: ShowOptions,
  file: string,
): Promise<void> => {
  const path = resolve(context.cwd, file);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    return printFacts(context, await describeKey(context, options, path));
  }
  const names = readdirSync(path).filter((name) => name.endsWith(".key"));
  if (names.length === 0) throw new TetradError("cli.usage", `no key files in ${path}`, { path });
  const rows = [];
  for (const name of names.sort()) rows.push(await describeKey(context, options, join(path, name)));
  const columns = ["file", "use", "development", "mode", "fingerprint"];
  const cells = rows.map((row) =>
    Object.fromEntries(columns.map((column) => [column, row[column]])),
  );
  context.printList(rows, columns, cells);
};

const describeKey = async (
  context: CliContext,
  options: ShowOptions,
  path: string,
): Promise<Readonly<Record<string, string | boolean>>> => {
  const bytes = await readPrivateFile(path, EXPORT_BYTES_MAX, { sealedKey: true });
  const exported = isExport(bytes) ? parsed(parseExport(bytes), path) : undefined;
  let shown: Shown = exported ?? (await readAnyKey(path, bytes));
  const more: Record<string, string> = { file: path, kind: exported ? "export" : "key file" };
  if (exported !== undefined) more["exported"] = new Date(exported.exportedMs).toISOString();
  if (options.open === true) {
    const passphrase = await readPassphrase(
      dirname(path),
      context.env,
      fileOption(context, options.passphraseFile),
    );
    if (exported === undefined) {
      const opened = await openSealedKey(path, passphrase);
      opened.wipe();
      shown = opened;
    } else (await openExported(bytes, path, passphrase)).keys.secretKey.fill(0);
    more["opened"] = "yes";
  }
  more["sealing"] = await sealingOf(path);
  more["mode"] = (statSync(path).mode & 0o777).toString(8).padStart(4, "0");
  if (options.genesis !== undefined) {
    Object.assign(more, onChain(resolve(context.cwd, options.genesis), shown));
  }
  return factsOf(shown, more);
};

const readAnyKey = async (path: string, bytes: Uint8Array): Promise<Shown> => {
  if (!isIssuerKey(bytes)) return readSealed(path);
  await checkIssuerKey(path);
  return { use: "issuer" };
};

/** How a file that is there is sealed, for people. */
const sealingOf = async (path: string): Promise<string> => {
  const bytes = await readPrivateFile(path, EXPORT_BYTES_MAX, { sealedKey: true });
  // Who exports a key takes it elsewhere, where its passphrase may be typed: always stretched.
  if (isExport(bytes)) return SEALINGS.scrypt;
  if (isIssuerKey(bytes)) return SEALINGS[await checkIssuerKey(path)];
  return SEALINGS[(await readSealed(path)).derivation];
};

const parsed = <T>(
  result:
    | { readonly ok: true; readonly value: T }
    | { readonly ok: false; readonly detail: string },
  path: string,
): T => {
  if (result.ok) return result.value;
  throw new TetradError("key.invalid", `${path}: ${result.detail}`, { path });
};

/**
 * Id and name of a key on a chain; "not in the genesis" for an actor that was registered later. An issuer
 * stands in no genesis, but its actor does.
 */
const onChain = (path: string, key: Shown): Record<string, string> => {
  const { genesis, hasher } = readGenesis(path);
  if (key.use === "issuer" || key.publicKey === undefined) return { chain: genesis.chainId };
  const id = toHex(actorId(hasher, key.publicKey));
  const members = key.use === "validator" ? genesis.validators : genesis.actors;
  const known = members.find((member) => toHex(member.id) === id);
  return { chain: genesis.chainId, id, name: known?.name ?? "not in the genesis" };
};

const openExported = async (
  bytes: Uint8Array,
  path: string,
  passphrase: string,
): Promise<ExportedKey> => {
  const file = parsed(parseExport(bytes), path);
  const sealingKey = await deriveKey(passphrase, file.salt);
  const opened = openExport(file, sealingKey);
  sealingKey.fill(0);
  return parsed(opened, path);
};

const VOTES_NOTE =
  "the vote store keys/votes is not in it: what the key has signed since then nobody can read from here";

export const keyExport = async (
  context: CliContext,
  options: PassphraseOptions & { readonly to: string },
  file: string,
): Promise<void> => {
  const path = resolve(context.cwd, file);
  const to = resolve(context.cwd, options.to);
  const folder = dirname(path);
  const passphraseFile = fileOption(context, options.passphraseFile);
  const passphrase = await readPassphrase(folder, context.env, passphraseFile);
  const fresh = await newPassphrase(context, options);
  if (isIssuerKey(await readPrivateFile(path, EXPORT_BYTES_MAX, { sealedKey: true }))) {
    const key = await copyIssuerKey(path, to, passphrase, fresh ?? passphrase, "scrypt");
    return printKey(context, key, { export: to, sealing: await sealingOf(to) });
  }
  const key = await loadKeyFile(path, passphrase);
  const salt = randomBytes(SALT_BYTES);
  try {
    const sealingKey = await deriveKey(fresh ?? passphrase, salt);
    const pems =
      key.use === "validator" ? await readPems(folder) : { certificatePem: "", keyPem: "" };
    const { use, development } = key;
    const content = { use, development, exportedMs: realClock.wallMs(), keys: key, ...pems };
    const bytes = sealExport(content, salt, randomBytes(NONCE_BYTES), sealingKey);
    sealingKey.fill(0);
    await createPrivateFile(to, bytes);
  } finally {
    key.secretKey.fill(0);
  }
  printKey(context, key, { export: to, sealing: await sealingOf(to) });
  if (key.use === "validator") {
    context.note(VOTES_NOTE);
    context.note("a node of this key that has no vote store follows the chain and never votes");
    const others = sealedPaths(folder).filter((other) => other !== path);
    if (others.length > 0) context.note(`not in it, to be exported too: ${others.join(", ")}`);
  }
};

/** An issuer's file has nothing of its place in it: a copy under a passphrase is its export and import. */
const copyIssuerKey = async (
  path: string,
  to: string,
  passphrase: string,
  fresh: string,
  derivation = derivationFor(fresh),
): Promise<Shown> => {
  const key = await openSealedKey(path, passphrase);
  try {
    await createPrivateFile(to, await key.seal(fresh, derivation));
    return key;
  } finally {
    key.wipe();
  }
};

const newPassphrase = async (
  context: CliContext,
  options: PassphraseOptions,
): Promise<string | undefined> => {
  const file = fileOption(context, options.newPassphraseFile);
  return (await findNewPassphrase(context.env, file))?.text;
};

const readPems = async (
  folder: string,
): Promise<{ readonly certificatePem: string; readonly keyPem: string }> => {
  const { tlsCertificate, tlsKey } = keysPaths(folder);
  const [certificate, key] = await Promise.all(
    [tlsCertificate, tlsKey].map((path) => readPrivateFile(path, LIMITS.pemBytesMax)),
  );
  const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
  return { certificatePem: text(certificate), keyPem: text(key) };
};

export const keyImport = async (
  context: CliContext,
  options: PassphraseOptions & { readonly to: string },
  file: string,
): Promise<void> => {
  const path = resolve(context.cwd, file);
  const to = resolve(context.cwd, options.to);
  const bytes = await readPrivateFile(path, EXPORT_BYTES_MAX, { sealedKey: true });
  const passphraseFile = fileOption(context, options.passphraseFile);
  const passphrase = await readPassphrase(dirname(path), context.env, passphraseFile);
  const fresh = (await newPassphrase(context, options)) ?? passphrase;
  if (isIssuerKey(bytes)) {
    const key = await copyIssuerKey(path, to, passphrase, fresh).catch(whosePassphrase);
    return printKey(context, key, { imported: to, sealing: await sealingOf(to) });
  }
  const exported = await openExported(bytes, path, passphrase).catch(whosePassphrase);
  const { use, development, keys } = exported;
  const key = { ...keys, use, development };
  try {
    if (use === "actor") await writeKeyFile(to, key, fresh, randomBytes);
    else await importValidator(to, exported, fresh);
  } finally {
    keys.secretKey.fill(0);
  }
  const written = use === "validator" ? keysPaths(to).nodeKey : to;
  printKey(context, key, { imported: to, sealing: await sealingOf(written) });
  if (use === "validator") noteVotes(context, to);
};

/** With both passphrases set for an export, its import is begun with the wrong one of them. */
const whosePassphrase = (error: unknown): never => {
  if (!(error instanceof TetradError) || error.code !== "key.invalid") throw error;
  const next =
    "an import is opened with what its export was sealed with: the new passphrase of `nexus key export`, " +
    "if it had one, is given here by NEXUS_PASSPHRASE or --passphrase-file";
  throw new TetradError("key.invalid", error.message, { ...error.data, next });
};

/**
 * Into an own keys folder. The mark that a key has signed nothing (folder.ts) is never made here, and one
 * that lies there already would let an old key begin with an empty vote store: refused.
 */
const importValidator = async (
  folder: string,
  exported: ExportedKey,
  passphrase: string,
): Promise<void> => {
  const { use, development, keys, certificatePem, keyPem } = exported;
  checkIdentity(certificatePem, keyPem);
  const { nodeKey, tlsKey, tlsCertificate, unused } = keysPaths(folder);
  for (const path of [nodeKey, tlsKey, tlsCertificate, unused]) {
    if (existsSync(path)) throw new TetradError("key.exists", `${path} is already there`, { path });
  }
  makeFolder(folder, 0o700);
  await createPrivateFile(tlsKey, Buffer.from(keyPem));
  await createPrivateFile(tlsCertificate, Buffer.from(certificatePem));
  await writeKeyFile(nodeKey, { ...keys, use, development }, passphrase, randomBytes);
};

const noteVotes = (context: CliContext, folder: string): void => {
  if (existsSync(keysPaths(folder).votes)) {
    context.note(
      "the vote store is there: at its start the node asks its peers whether it is whole",
    );
    return;
  }
  context.note(VOTES_NOTE);
  context.note(
    `until ${keysPaths(folder).votes} is brought from where the key was used last, a node of this key ` +
      "refuses to vote (votes.missing) and follows the chain only; never run the key in two places",
  );
};
