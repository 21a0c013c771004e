/**
 * `nexus key rotate`: what can honestly be rotated. A passphrase: the keys are sealed anew. An actor: a new
 * one is registered with the old one's permissions, and revokes it. A validator's certificate: renewed for
 * the same TLS key, which the genesis pins. A FALCON key itself is an identity and stays.
 */
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { createHasher, sha256 } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { actorId } from "../../ledger/batch.ts";
import { actorRegistered, actorRevoked } from "../../ledger/projections/events.ts";
import { LIMITS } from "../../limits.ts";
import { keysPaths } from "../../node/folder.ts";
import { createActorKey, renewCertificate } from "../../node/identity.ts";
import { readPublicKey } from "../../node/keys/key-file.ts";
import { findNewPassphrase, findPassphrase, readPassphrase } from "../../node/keys/passphrase.ts";
import {
  readPrivateFile,
  replacePrivateFile,
  replacePrivateFiles,
} from "../../node/keys/private-file.ts";
import { realClock } from "../../node/real-ports.ts";
import { type OpenedKey, openSealedKey, withNodeKeys } from "../../node/sealed-keys.ts";
import { checkIdentity } from "../../transport/tls.ts";
import type { CliContext } from "../context.ts";
import { fastKeygen } from "../dev/create.ts";
import { writeEvents } from "./append.ts";
import type { PassphraseOptions } from "./key.ts";

type RotateOptions = PassphraseOptions & {
  readonly actor?: string;
  readonly to?: string;
  readonly certificate?: string;
  readonly timeout: number;
};

const usage = (detail: string): TetradError => new TetradError("cli.usage", detail);

export const keyRotate = async (
  context: CliContext,
  options: RotateOptions,
  ...files: readonly string[]
): Promise<void> => {
  const { actor, certificate } = options;
  const ways = [files.length > 0, actor !== undefined, certificate !== undefined];
  if (ways.filter(Boolean).length !== 1) {
    throw usage("give key files, or --actor KEY --to KEY, or --certificate FOLDER");
  }
  if (actor !== undefined) return rotateActor(context, options, resolve(context.cwd, actor));
  if (certificate !== undefined) {
    return rotateCertificate(context, resolve(context.cwd, certificate));
  }
  return reseal(context, options, files);
};

/**
 * All sealed files of a node together, also where one of them is named. Nothing is written before every file
 * has opened; what a crash leaves opens with one of the two, and the same command goes on from there.
 */
const reseal = async (
  context: CliContext,
  options: RotateOptions,
  files: readonly string[],
): Promise<void> => {
  const absolute = (file: string): string => resolve(context.cwd, file);
  const { passphraseFile, newPassphraseFile } = options;
  const fresh = await findNewPassphrase(
    context.env,
    newPassphraseFile === undefined ? undefined : absolute(newPassphraseFile),
  );
  if (fresh === undefined) {
    throw usage("say what to seal with: --new-passphrase-file FILE or NEXUS_NEW_PASSPHRASE");
  }
  const named = passphraseFile === undefined ? undefined : absolute(passphraseFile);
  const opened: Opened[] = [];
  const beside = new Set<string>();
  try {
    for (const path of withNodeKeys(files.map(absolute))) {
      const passphrase = await readPassphrase(dirname(path), context.env, named);
      const found = await findPassphrase(dirname(path), context.env, named);
      if (found?.beside === true) beside.add(found.place);
      opened.push(await openWithEither(path, passphrase, fresh.text));
    }
    const changed: { path: string; bytes: Uint8Array }[] = [];
    for (const { key, before } of opened) {
      if (!before) changed.push({ path: key.path, bytes: await key.seal(fresh.text) });
    }
    await replacePrivateFiles(changed);
  } finally {
    for (const { key } of opened) key.wipe();
  }
  printSealed(context, opened);
  for (const place of beside) {
    context.note(
      `${place} does not open what was sealed anew: delete it once nothing else needs it`,
    );
  }
  context.note("a node that runs goes on; from its next start it needs the new passphrase");
};

/** `before`: the new passphrase opens it already, as after a crash of this command. */
type Opened = { readonly key: OpenedKey; readonly before: boolean };

const openWithEither = async (path: string, old: string, fresh: string): Promise<Opened> => {
  try {
    return { key: await openSealedKey(path, old), before: false };
  } catch (error) {
    if (!(error instanceof TetradError) || error.code !== "key.invalid") throw error;
    const key = await openSealedKey(path, fresh).catch(() => undefined);
    if (key === undefined) throw error;
    return { key, before: true };
  }
};

const printSealed = (context: CliContext, opened: readonly Opened[]): void => {
  const rows = opened.map(({ key: { path, use, development, publicKey }, before }) => ({
    file: path,
    use,
    development,
    fingerprint: toHex(sha256(publicKey)),
    before,
  }));
  context.print(
    rows,
    rows.map(({ file, development, before }) => [
      (before ? "sealed before" : "sealed") + (development === true ? " (development)" : ""),
      file,
    ]),
  );
};

const rotateActor = async (
  context: CliContext,
  options: RotateOptions,
  oldFile: string,
): Promise<void> => {
  if (options.to === undefined) throw usage("--to names the key of the new actor");
  const newFile = resolve(context.cwd, options.to);
  const client = context.client();
  const { chainId } = await client.status(context.signal);
  const oldId = toHex(actorId(createHasher(chainId), await readPublicKey(oldFile)));
  const row = await client.get(`/v1/projections/actors/${oldId}`, {}, context.signal);
  const { name, permissions } = actorOf(row["value"]);
  if (!existsSync(newFile)) {
    await createActorKey(dirname(newFile), newFile, context.env, await fastKeygen());
    context.note(`made ${newFile}`);
  }
  const publicKey = await readPublicKey(newFile);
  const { timeout } = options;
  const known = await isRegistered(context, toHex(actorId(createHasher(chainId), publicKey)));
  // A repeat of a command that was cut off in between goes on where that one ended.
  if (!known) {
    await writeEvents(context, { key: oldFile, wait: "projected", timeout }, () => [
      actorRegistered.encode({ publicKey, name, permissions }),
    ]);
  }
  // Signed by the new key: so nothing is revoked before the new one has been seen to write.
  await writeEvents(context, { key: newFile, wait: "projected", timeout }, () => [
    actorRevoked.encode({ actor: fromHex(oldId) }),
  ]);
  context.note(`${oldFile} is revoked for good; sign with ${newFile} from now on`);
};

const actorOf = (value: unknown): { name: string; permissions: string[] } => {
  const { name, permissions } = (value ?? {}) as Record<string, unknown>;
  const texts = Array.isArray(permissions) && permissions.every((one) => typeof one === "string");
  if (typeof name !== "string" || !texts) {
    throw new TetradError("cli.unreachable", "the answer of the node is not of this API");
  }
  return { name, permissions };
};

const isRegistered = async (context: CliContext, id: string): Promise<boolean> => {
  try {
    await context.client().get(`/v1/projections/actors/${id}`, {}, context.signal);
    return true;
  } catch (error) {
    if (error instanceof TetradError && error.code === "http.not-found") return false;
    throw error;
  }
};

const rotateCertificate = async (context: CliContext, folder: string): Promise<void> => {
  const { nodeKey, tlsKey: keyPath, tlsCertificate: certificatePath } = keysPaths(folder);
  const keyPem = new TextDecoder().decode(await readPrivateFile(keyPath, LIMITS.pemBytesMax));
  const publicKey = await readPublicKey(nodeKey);
  const renewed = renewCertificate(publicKey, keyPem, realClock.wallMs());
  checkIdentity(renewed.certPem, keyPem);
  await replacePrivateFile(certificatePath, Buffer.from(renewed.certPem));
  const until = new Date(renewed.notAfterMs).toISOString();
  const pin = toHex(renewed.spkiPin);
  context.print(
    [{ certificate: certificatePath, pin, notAfter: until }],
    [
      ["certificate", certificatePath],
      ["pin", pin],
      ["valid until", until],
    ],
  );
  context.note("the pin is that of the TLS key and has not changed; it holds from the next start");
};
