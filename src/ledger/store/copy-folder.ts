/**
 * Copies of a folder of LevelDB's, for reading what is in it without touching it: LevelDB writes whenever it
 * opens a folder, and whoever reads one at length that is written keeps old versions in it (adr/0014). Tables, which
 * nobody ever changes, are hard links where the file system allows it (else copies, shared blocks where it has
 * them); manifest and logs are copies.
 *
 * Of an open folder the logs are copied first and the manifest last, just before the tables are linked. A manifest
 * that is newer than the logs is safe: a flush writes the table, then the manifest that counts it and no longer its
 * log, and deletes the log last, so that the copy has each row in a log or in a table, or the copy of the log finds no
 * file and is repeated; a log that the manifest no longer counts is not replayed. The other way round, rows could be
 * in neither. And the shorter it is from the manifest to the links, the fewer of its tables a compaction can delete.
 */
import { constants } from "node:fs";
import { copyFile, link, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { TetradError } from "../../errors.ts";
import { liveFiles } from "./check-folder.ts";

const TABLE = /^\d+\.ldb$/;
const CHANGING = /^(CURRENT|MANIFEST-\d+|\d+\.log)$/;

/** A compaction deletes tables that the manifest has named just before; ten in a row do not. */
const TRIES = 10;

/**
 * Copies a folder that nobody has open. A table that the manifest does not count is copied and never linked:
 * LevelDB may give a new table in the copy the same number, and would write into the file of both.
 * Throws what the file system says.
 */
export const copyFolder = async (from: string, to: string): Promise<void> => {
  await mkdir(to);
  // A manifest that cannot be read is found out, and told, by whoever opens the copy.
  const live = await liveFiles(from).catch(() => undefined);
  for (const name of await readdir(from)) {
    const [source, target] = [join(from, name), join(to, name)];
    if (TABLE.test(name) && live?.tables.has(numberOf(name)) === true) {
      await linkOrCopy(source, target);
    } else if (TABLE.test(name) || CHANGING.test(name)) await copyShared(source, target);
  }
};

/**
 * Copies a folder that is open in this process, as it is while no write goes on: `alone` runs its argument
 * so. Compactions may go on. What takes long, a copy of tables that cannot be linked, is done before.
 * Throws TetradError store.io where the files change too often, and what the file system says.
 */
export const copyOpenFolder = async (
  from: string,
  to: string,
  alone: (work: () => Promise<void>) => Promise<void>,
): Promise<void> => {
  await mkdir(to);
  await copyLive(from, to);
  await alone(async () => {
    for (let i = 0; i < TRIES; i++) if (await copyLive(from, to)) return;
    throw new TetradError("store.io", `the files of ${from} change too often to be copied`);
  });
};

/**
 * Makes a copy what the folder is now: what the manifest counts and nothing else, because a table that is being
 * made has a number that LevelDB may give to one in the copy. False where the files changed meanwhile.
 */
const copyLive = async (from: string, to: string): Promise<boolean> => {
  // Listed before the manifest is read: it may count fewer logs by then, and none that is not listed.
  const changing = (await readdir(from))
    .filter((name) => CHANGING.test(name))
    .sort((a, b) => rankOf(a) - rankOf(b));
  for (const name of changing) {
    if (!(await isThere(copyShared(join(from, name), join(to, name))))) return false;
  }
  const { tables, torn } = await liveFiles(to);
  if (torn !== undefined) return false;
  const copied = new Set(await readdir(to));
  for (const name of copied) {
    const old = TABLE.test(name) ? !tables.has(numberOf(name)) : !changing.includes(name);
    if (old) await rm(join(to, name));
  }
  for (const number of tables) {
    const name = `${String(number).padStart(6, "0")}.ldb`;
    if (copied.has(name)) continue;
    if (!(await isThere(linkOrCopy(join(from, name), join(to, name))))) return false;
  }
  return true;
};

/** An error from reading a copy, as one of what it is a copy of: the copy is gone when somebody reads names in it. */
export const errorOfOriginal = (
  error: TetradError,
  copy: string,
  original: string,
): TetradError => {
  const rename = <T>(value: T): T | string =>
    typeof value === "string" ? value.replaceAll(copy, original) : value;
  const data = Object.entries(error.data).map(([name, value]) => [name, rename(value)] as const);
  const message = error.message.replaceAll(copy, original);
  return new TetradError(error.code, message, Object.fromEntries(data));
};

/** Logs, then what names the manifest, then that. */
const rankOf = (name: string): number =>
  name.startsWith("MANIFEST") ? 2 : Number(name === "CURRENT");

const numberOf = (name: string): number => Number.parseInt(name, 10);

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

const isThere = async (copied: Promise<void>): Promise<boolean> => {
  try {
    await copied;
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
};

const copyShared = (from: string, to: string): Promise<void> =>
  copyFile(from, to, constants.COPYFILE_FICLONE);

/** A link is refused across file systems, by some file systems, and on files of others. */
const linkOrCopy = async (from: string, to: string): Promise<void> => {
  try {
    await link(from, to);
  } catch (error) {
    if (codeOf(error) === "ENOENT") throw error;
    await copyWhole(from, to);
  }
};

/** Under another name until it is whole: a table that is there counts as copied. */
const copyWhole = async (from: string, to: string): Promise<void> => {
  await copyShared(from, `${to}.part`);
  await rename(`${to}.part`, to);
};
