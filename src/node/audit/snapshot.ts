/**
 * A folder of LevelDB as it is, for reading only. LevelDB writes whenever it opens a folder (it replays its
 * log into a table and deletes what is obsolete), so it is never let near the audited one: it opens a copy
 * beside it (copy-folder.ts).
 *
 * A folder that is in use is refused. The lock of a node is a lock of the kernel on in-use/LOCK. It is on
 * the file and not on its name, so a hard link to it, opened from another folder, tells whether it is held
 * and holds it while the copy is made. Where no link can be made the kernel's list of locks is read.
 */
import { link, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { TetradError } from "../../errors.ts";
import type { Logger } from "../../ledger/ports.ts";
import { checkFolder, type FolderCheck } from "../../ledger/store/check-folder.ts";
import { copyFolder } from "../../ledger/store/copy-folder.ts";
import { holdLockFile, type LevelStore, openLevelStore } from "../../ledger/store/level.ts";

export type Snapshot = {
  readonly store: LevelStore;
  readonly check: FolderCheck;
  /** Closes the store and deletes the copy. */
  close(): Promise<void>;
};

const LOCK_FILE = join("in-use", "LOCK");

const inUse = (db: string): TetradError =>
  new TetradError(
    "folder.locked",
    `${db} is in use by a running node: name its API with --api instead, or stop it first`,
    { folder: db },
  );

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

/**
 * Opens what is in `db` through a copy in `work`, which is made and must not be there.
 * Throws TetradError: folder.locked; store.corrupt with the file that is damaged; audit.unverified where
 * there is no store; store.io, store.full.
 */
export const openSnapshot = async (db: string, work: string, logger: Logger): Promise<Snapshot> => {
  const names = await readdir(db).catch((): string[] => []);
  if (!names.includes("CURRENT")) {
    throw new TetradError("audit.unverified", `there is no ledger in ${db}`, { folder: db });
  }
  await mkdir(work, { recursive: true, mode: 0o700 });
  const remove = (): Promise<void> => rm(work, { recursive: true, force: true });
  try {
    const copy = join(work, "db");
    await copyUnlocked(db, work, copy);
    const { check, store } = await openChecked(copy, logger).catch((error: unknown) => {
      throw ofOriginal(error, copy, db);
    });
    const close = async (): Promise<void> => {
      await new Promise<void>((resolve) => store.close(resolve));
      await remove();
    };
    return { store, check, close };
  } catch (error) {
    await remove();
    throw error;
  }
};

const openChecked = async (copy: string, logger: Logger): Promise<Omit<Snapshot, "close">> => {
  const check = await checkFolder(copy, Number.POSITIVE_INFINITY);
  const { torn } = check;
  // LevelDB would refuse a manifest with such an end without its name, and drop it from a log.
  if (torn?.damaged === true) {
    const { file, at } = torn;
    const detail = `${join(copy, file)}: the last write, at byte ${at}, fails its checksum`;
    throw new TetradError("store.corrupt", detail, { file });
  }
  return { check, store: await openLevelStore(copy, { logger }) };
};

/**
 * People know the file by the folder that is audited. What LevelDB refuses after the checks has no name in
 * it: its tables and logs were found whole, so it is the manifest's.
 */
const ofOriginal = (error: unknown, copy: string, db: string): unknown =>
  error instanceof TetradError
    ? new TetradError(error.code, error.message.replaceAll(copy, db), {
        ...(error.code === "store.corrupt" ? { file: "MANIFEST" } : {}),
        ...error.data,
        folder: db,
      })
    : error;

const copyUnlocked = async (db: string, work: string, copy: string): Promise<void> => {
  const lock = await takeLock(db, join(work, "lock"));
  try {
    await copyFolder(db, copy);
  } finally {
    await lock?.release();
  }
};

type Held = { release(): Promise<void> };

/** Undefined where nobody has ever locked the folder, or where only a look was possible. */
const takeLock = async (db: string, place: string): Promise<Held | undefined> => {
  const file = join(db, LOCK_FILE);
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return undefined;
  await mkdir(place);
  try {
    await link(file, join(place, "LOCK"));
  } catch {
    if (await isListed(found.ino)) throw inUse(db);
    return undefined;
  }
  try {
    return await holdLockFile(place);
  } catch (error) {
    if (error instanceof TetradError && error.code === "folder.locked") throw inUse(db);
    throw error;
  }
};

/** Whether the kernel lists a lock on a file: "1: POSIX ADVISORY WRITE 4711 08:01:131 0 EOF". */
const isListed = async (inode: number): Promise<boolean> => {
  const text = await readFile("/proc/locks", "utf8").catch((error: unknown) => {
    const why = `whether a node uses the folder cannot be told here (${codeOf(error)})`;
    throw new TetradError("audit.unverified", `${why}: audit a copy of it`);
  });
  return text.split("\n").some((line) => line.split(/\s+/)[5]?.split(":")[2] === String(inode));
};
