/** Making a backup of a node: by its admin socket while it runs, from its folder while it does not. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type FileHandle, link, open, rename, unlink } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { dirname } from "node:path";
import { isErrorCode, TetradError } from "../../errors.ts";
import type { Logger } from "../../ledger/ports.ts";
import { type LevelStore, lockFolder, openLevelStore } from "../../ledger/store/level.ts";
import { LIMITS } from "../../limits.ts";
import { formatAddress } from "../address.ts";
import type { NodeConfig } from "../config.ts";
import { fileError, nodePaths } from "../folder.ts";
import { readGenesis } from "../read-genesis.ts";
import { realClock } from "../real-ports.ts";
import type { BackupTail } from "./format.ts";
import { openBackup } from "./read.ts";
import { checkRoom } from "./room.ts";
import { writeBackup } from "./write.ts";

/** The pieces of a backup of an open store. Throws what `writeBackup` and `checkRoom` do. */
export async function* backupOf(
  config: NodeConfig,
  store: LevelStore,
): AsyncGenerator<Uint8Array, void, void> {
  const { hasher } = readGenesis(config.genesis);
  await checkRoom(nodePaths(config.folder).db);
  yield* writeBackup({
    scan: () => store.scan(),
    hasher,
    genesis: readFileSync(config.genesis),
    head: {
      madeMs: realClock.wallMs(),
      name: config.name,
      listen: formatAddress(config.listen),
      api: formatAddress(config.api),
    },
  });
}

export type BackupReport = {
  readonly bytes: number;
  readonly tail: BackupTail;
  /** The node ran while it was backed up. */
  readonly running: boolean;
};

type Source = { readonly pieces: AsyncIterable<Uint8Array>; readonly running: boolean };

/**
 * Writes the backup to a new file, whole and synced or not at all, and reads it back.
 * Throws cli.usage for a file that is there or cannot be written, backup.refused, folder.locked for a node
 * that runs without its socket, store.*.
 */
export const makeBackup = async (
  config: NodeConfig,
  to: string,
  logger: Logger,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<BackupReport> => {
  await using closing = new AsyncDisposableStack();
  const { pieces, running } = await openSource(config, logger, closing, signal);
  const draft = `${to}.part-${process.pid}`;
  const file = await open(draft, "wx", 0o600).catch((error: unknown) => {
    throw fileError(to, error);
  });
  try {
    const bytes = await writeAll(file, pieces, onBytes, signal).finally(() => file.close());
    const { tail } = await checkBackup(draft);
    await nameBackup(draft, to).catch((error: unknown) => {
      throw fileError(to, error);
    });
    return { bytes, tail, running };
  } finally {
    await unlink(draft).catch(() => {});
  }
};

/** What file systems without hard links answer: exFAT, and shares of other machines. */
const NO_LINKS: ReadonlySet<unknown> = new Set(["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"]);

/**
 * Gives a whole file its name, durably, and never replaces one that is there (EEXIST). The draft may be left.
 */
export const nameBackup = async (
  draft: string,
  to: string,
  linkFile: typeof link = link,
): Promise<void> => {
  try {
    // A link, unlike a rename, replaces nothing.
    await linkFile(draft, to);
  } catch (error) {
    if (!NO_LINKS.has((error as NodeJS.ErrnoException).code)) throw error;
    // The name is taken first, by an empty file that only who made it renames over.
    await (await open(to, "wx", 0o600)).close();
    await rename(draft, to).catch(async (failure: unknown) => {
      await unlink(to);
      throw failure;
    });
  }
  const folder = await open(dirname(to), "r");
  await folder.sync().finally(() => folder.close());
};

const writeAll = async (
  file: FileHandle,
  pieces: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<number> => {
  let bytes = 0;
  for await (const piece of pieces) {
    signal.throwIfAborted();
    await file.write(piece).catch((error: unknown) => {
      throw fileError("the backup", error);
    });
    bytes += piece.length;
    onBytes(bytes);
  }
  await file.sync();
  return bytes;
};

/** Reads a whole backup and throws backup.invalid for anything that is wrong with it by itself. */
export const checkBackup = async (path: string): Promise<{ readonly tail: BackupTail }> => {
  const backup = await openBackup(path);
  try {
    const rows = backup.rows();
    for (;;) {
      const step = await rows.next();
      if (step.done === true) return { tail: step.value };
    }
  } finally {
    await backup.close();
  }
};

const openSource = async (
  config: NodeConfig,
  logger: Logger,
  closing: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Source> => {
  const paths = nodePaths(config.folder);
  const answer = await askNode(paths.admin, signal);
  if (answer !== undefined) return { pieces: answer, running: true };
  const lock = await lockFolder(config.folder).catch((error: unknown) => {
    if (!(error instanceof TetradError) || error.code !== "folder.locked") throw error;
    const detail = `${error.message}, and its admin socket ${paths.admin} does not answer`;
    throw new TetradError("folder.locked", detail, error.data);
  });
  closing.defer(() => lock.release());
  const store = await openLevelStore(paths.db, { logger });
  closing.defer(
    () =>
      new Promise<void>((resolve) => {
        store.close(resolve);
      }),
  );
  return { pieces: backupOf(config, store), running: false };
};

/** Undefined where no node listens. Throws what the node answers. */
const askNode = async (
  socketPath: string,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array> | undefined> => {
  const asked = request({ socketPath, path: "/backup", method: "POST", signal, agent: false });
  asked.setTimeout(LIMITS.adminStallMsMax, () => asked.destroy(new Error("it stands still")));
  asked.end();
  let answers: unknown[];
  try {
    answers = await once(asked, "response");
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ECONNREFUSED", "ENAMETOOLONG", "EINVAL"].includes(code)) return undefined;
    throw broken(error);
  }
  const [response] = answers as [IncomingMessage];
  if (response.statusCode === 200) return whole(response);
  let text = "";
  for await (const piece of response) text += String(piece);
  throw refusalOf(text);
};

const broken = (error: unknown): TetradError => {
  const detail = error instanceof Error ? error.message : String(error);
  return new TetradError("cli.unreachable", `the node broke off the backup: ${detail}`);
};

async function* whole(response: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* response;
  } catch (error) {
    throw broken(error);
  }
}

const refusalOf = (text: string): TetradError => {
  try {
    const { code, detail } = JSON.parse(text) as Record<string, unknown>;
    if (isErrorCode(code) && typeof detail === "string") return new TetradError(code, detail);
  } catch {}
  return new TetradError("cli.unreachable", "what answers on the admin socket is no node");
};
