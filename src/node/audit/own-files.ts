/**
 * What an audit has put into its folder, told by content and not by name alone: the folder may be one that
 * somebody has named, with a "scratch" or a "work-2" of their own in it, and what is an audit's is deleted.
 */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

export const SCRATCH = "scratch";

/** The files of LevelDB, and the lock that we put beside them. */
const STORE_FILE =
  /^(CURRENT|LOCK|LOG|LOG\.old|MANIFEST-\d+|\d+\.(ldb|sst|log|dbtmp)|in-use|owner\.pid)$/;
const COPY = /^work-\d+$/;
/** In the copy that a folder is read through (snapshot.ts). */
const COPY_PART = /^(db|lock)$/;

/** Whether a path is a folder, and no link to one, of such names only. */
const holdsOnly = async (path: string, pattern: RegExp): Promise<boolean> => {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) return false;
  const names = await readdir(path).catch(() => [""]);
  return names.every((name) => pattern.test(name));
};

export const isStore = (path: string): Promise<boolean> => holdsOnly(path, STORE_FILE);

/** Whether a name in an audit's folder is a copy of an audit that may have been killed. */
export const isCopy = async (folder: string, name: string): Promise<boolean> =>
  COPY.test(name) && (await holdsOnly(join(folder, name), COPY_PART));

/** Names in a folder that are an audit's: its state, and copies. */
export const ownNames = async (folder: string): Promise<readonly string[]> => {
  const names = await readdir(folder).catch((): string[] => []);
  const own: string[] = [];
  for (const name of names) {
    const path = join(folder, name);
    if (name === SCRATCH ? await isStore(path) : await isCopy(folder, name)) own.push(name);
  }
  return own;
};
