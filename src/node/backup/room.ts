/** Whether there is room for the copy that a backup is read from. */
import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { TetradError } from "../../errors.ts";

const LOG = /^\d+\.log$/;
/** The copies, and the tables that LevelDB makes of them. */
const TIMES = 2;

/**
 * Throws store.io, and backup.refused where the disk of a store has not room for its logs twice; `freeBytes` tells how much there
 * is. Where the file system knows no links the tables are copied too, which is found out when they do not fit.
 */
export const checkRoom = async (
  db: string,
  freeBytes: (folder: string) => Promise<number> = bytesFree,
): Promise<void> => {
  const [needed, free] = await Promise.all([bytesNeeded(db), freeBytes(db)]).catch((error) => {
    throw new TetradError("store.io", `cannot tell the room of ${db}: ${String(error)}`);
  });
  if (free >= needed) return;
  const detail = `a backup needs ${mib(needed)} beside ${db} while it is made; ${mib(free)} are free`;
  throw new TetradError("backup.refused", detail);
};

const bytesNeeded = async (db: string): Promise<number> => {
  let logs = 0;
  for (const name of await readdir(db)) if (LOG.test(name)) logs += await sizeOf(join(db, name));
  return TIMES * logs;
};

const bytesFree = async (folder: string): Promise<number> => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

/** LevelDB deletes a log whose rows are in a table. */
const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
