/** Files of objects: each appears whole and durable or not at all, and is taken away without half of it staying. */
import { type FileHandle, open, readdir, rename, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { TetradError } from "../../errors.ts";

/** How names end of what a crash may leave behind, which is removed when its folder is opened. */
export const DRAFT = ".new";
/** Of this process: two writes of one file at the same time are in two drafts, each whole. */
let drafts = 0;

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException)?.code ?? "";

/** A failed write in terms of the table: store.full, store.io. */
export const writeFailure = (path: string, error: unknown): TetradError => {
  if (error instanceof TetradError) return error;
  const full = codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT";
  const detail = error instanceof Error ? error.message : String(error);
  return new TetradError(full ? "store.full" : "store.io", `${path}: ${detail}`, { path });
};

export const isMissing = (error: unknown): boolean => codeOf(error) === "ENOENT";

const closing = async <T>(file: FileHandle, use: (file: FileHandle) => Promise<T>): Promise<T> => {
  try {
    return await use(file);
  } finally {
    await file.close();
  }
};

/** The names in a folder are on the disk after it. */
export const syncFolder = async (path: string): Promise<void> => {
  if (process.platform === "win32") return;
  await closing(await open(path, "r"), (folder) => folder.sync());
};

/**
 * Writes a whole file: its bytes are on the disk before it has its name. That the name is there after a power cut,
 * `syncFolder` sees to. Throws store.full, store.io.
 */
export const writeWhole = async (path: string, bytes: Uint8Array): Promise<void> => {
  drafts += 1;
  const draft = `${path}.${drafts}${DRAFT}`;
  try {
    await closing(await open(draft, "w", 0o600), async (file) => {
      await file.writeFile(bytes);
      await file.sync();
    });
    await rename(draft, path);
  } catch (error) {
    await unlink(draft).catch(() => {});
    throw writeFailure(path, error);
  }
};

/** A file of at most `bytesMax` bytes; undefined where there is none, or a longer one. Throws store.io. */
export const readWhole = async (
  path: string,
  bytesMax: number,
): Promise<Uint8Array | undefined> => {
  try {
    return await closing(await open(path, "r"), async (file) => {
      const info = await file.stat();
      if (!info.isFile() || info.size > bytesMax) return undefined;
      const bytes = new Uint8Array(info.size);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
      return bytesRead === bytes.length ? bytes : undefined;
    });
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw writeFailure(path, error);
  }
};

/** Names in a folder; none where there is no such folder. */
export const namesIn = async (path: string): Promise<readonly string[]> => {
  try {
    return await readdir(path);
  } catch (error) {
    if (isMissing(error)) return [];
    throw writeFailure(path, error);
  }
};

/** Takes away what a crash has left of writes in a folder. */
export const removeDrafts = async (folder: string): Promise<void> => {
  for (const name of await namesIn(folder)) {
    if (name.endsWith(DRAFT)) await rm(join(folder, name), { force: true });
  }
};

/** Takes a folder away under another name first, so that what a crash leaves of it is not taken for an object. */
export const removeFolder = async (path: string, aside: string): Promise<void> => {
  try {
    await rename(path, aside);
  } catch (error) {
    if (isMissing(error)) return;
    throw writeFailure(path, error);
  }
  await rm(aside, { recursive: true, force: true });
};
