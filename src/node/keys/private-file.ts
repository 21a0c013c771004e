/**
 * Files that nobody else may read: modes are checked on the open file, not on its name, and a file appears
 * whole and durable or not at all. On Windows, which has no such modes, only the checks are left out.
 */
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, mkdir, open, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TetradError } from "../../errors.ts";

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
/** Any permission of group or others. */
const OTHERS = 0o077;
/** Reading and entering, for the group. */
const GROUP_MASK = 0o050;
/** The same for everybody: of a folder, the names in it. */
const LOOKING = 0o055;

const hasModes = process.platform !== "win32";

type FileError = { readonly code?: string; readonly message: string };
const asFileError = (error: unknown): FileError =>
  error instanceof Error ? error : { message: String(error) };

export type ReadOptions = {
  /**
   * A credential of systemd: readable by the service's user through an access list, whose mask shows as
   * the permission of the group.
   */
  readonly credential?: boolean;
  /**
   * A sealed key is expected: a file that begins otherwise is refused as none, before anybody is told to
   * change its mode.
   */
  readonly sealedKey?: boolean;
  /** Others may look into its folder, such as /etc or /run/secrets, but not put another file there. */
  readonly openFolder?: boolean;
};

/**
 * Reads a private file of at most `bytesMax` bytes. Throws TetradError `key.modes` when group or others
 * have any access to the file or to its folder, or when the file is another user's, and `key.invalid`
 * when it is missing, larger, or no regular file.
 */
export const readPrivateFile = async (
  path: string,
  bytesMax: number,
  options: ReadOptions = {},
): Promise<Uint8Array> => {
  const file = await openToRead(path);
  try {
    await checkModes(file, path, options);
    const { size } = await file.stat();
    if (size > bytesMax) {
      throw new TetradError(
        "key.invalid",
        `${path} has ${size} bytes, at most ${bytesMax} expected`,
      );
    }
    const buffer = new Uint8Array(size);
    const { bytesRead } = await file.read(buffer, 0, size, 0);
    if (bytesRead !== size)
      throw new TetradError("key.invalid", `${path} changed while it was read`);
    return buffer;
  } finally {
    await file.close();
  }
};

const openToRead = async (path: string): Promise<FileHandle> => {
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for somebody to write to it.
    return await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const { code, message } = asFileError(error);
    const detail = code === "ENOENT" ? `${path} does not exist` : `${path}: ${message}`;
    throw new TetradError("key.invalid", detail, { path });
  }
};

/** How the files of all sealed keys and of their exports begin. */
const KEY_MARK = "tetrad-";

const beginsAsKey = async (file: FileHandle): Promise<boolean> => {
  const head = Buffer.alloc(KEY_MARK.length);
  await file.read(head, 0, head.length, 0);
  return head.toString("latin1") === KEY_MARK;
};

const checkModes = async (
  file: FileHandle,
  path: string,
  { credential = false, openFolder = false, sealedKey = false }: ReadOptions,
): Promise<void> => {
  const info = await file.stat();
  if (!info.isFile()) throw new TetradError("key.invalid", `${path} is no regular file`, { path });
  if (sealedKey && !(await beginsAsKey(file))) {
    throw new TetradError("key.invalid", `${path} is no key file`, { path });
  }
  if (!hasModes) return;
  const folder = dirname(path);
  const folderInfo = await stat(folder);
  refuseOthers(path, info.mode, FILE_MODE, credential ? GROUP_MASK : 0);
  const inFolder = openFolder ? LOOKING : credential ? GROUP_MASK : 0;
  refuseOthers(folder, folderInfo.mode, FOLDER_MODE, inFolder);
  const own = process.getuid?.();
  if (own !== undefined && own !== 0 && info.uid !== own && info.uid !== 0) {
    throw new TetradError("key.modes", `${path} belongs to another user`, { path });
  }
};

const refuseOthers = (path: string, mode: number, wanted: number, allowed = 0): void => {
  if ((mode & OTHERS & ~allowed) === 0) return;
  const octal = (value: number): string => (value & 0o777).toString(8).padStart(4, "0");
  throw new TetradError(
    "key.modes",
    `${path} has mode ${octal(mode)}: others have access; run chmod ${octal(wanted)} ${path}`,
    { path, mode: octal(mode) },
  );
};

/**
 * Creates a private file, and its folder when it is missing. The bytes are on the disk under their name
 * when the promise resolves; a crash before that leaves no file of that name. Throws `key.exists` and
 * leaves what is there alone when the name is taken, because a key that is overwritten is lost;
 * `key.modes` when others have access to the folder; `store.full` or `store.io` when the disk refuses.
 */
export const createPrivateFile = async (path: string, bytes: Uint8Array): Promise<void> => {
  const folder = dirname(path);
  try {
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
    if (hasModes) refuseOthers(folder, (await stat(folder)).mode, FOLDER_MODE);
    await publish(join(folder, `.${randomUUID()}.draft`), path, bytes);
    await syncFolder(folder);
  } catch (error) {
    throw error instanceof TetradError ? error : writeError(path, asFileError(error));
  }
};

/**
 * Replaces a private file that is there: the new bytes are on the disk under its name when the promise
 * resolves, and until then, also after a crash, the old ones. Throws `key.invalid` where there is none, and
 * the codes of createPrivateFile.
 */
export const replacePrivateFile = (path: string, bytes: Uint8Array): Promise<void> =>
  replacePrivateFiles([{ path, bytes }]);

/**
 * As replacePrivateFile for several files. All new bytes are on the disk before the first name is given to
 * them, so that a full disk changes none; a crash between two names leaves each file old or new, and whole.
 */
export const replacePrivateFiles = async (
  files: readonly { readonly path: string; readonly bytes: Uint8Array }[],
): Promise<void> => {
  const drafts = files.map(({ path, bytes }) => {
    return { path, bytes, draft: join(dirname(path), `.${randomUUID()}.draft`) };
  });
  let at = "";
  try {
    for (const { path, bytes, draft } of drafts) {
      at = path;
      const file = await openToRead(path);
      await checkModes(file, path, {}).finally(() => file.close());
      await writeDurably(draft, bytes);
    }
    for (const { path, draft } of drafts) {
      at = path;
      await rename(draft, path);
    }
    for (const folder of new Set(files.map(({ path }) => dirname(path)))) {
      at = folder;
      await syncFolder(folder);
    }
  } catch (error) {
    for (const { draft } of drafts) await unlink(draft).catch(() => {});
    throw error instanceof TetradError ? error : writeError(at, asFileError(error));
  }
};

const publish = async (draft: string, path: string, bytes: Uint8Array): Promise<void> => {
  try {
    await writeDurably(draft, bytes);
    // A link, unlike a rename, fails when the name is taken.
    await link(draft, path).catch((error: unknown) => {
      if (asFileError(error).code !== "EEXIST") throw error;
      throw new TetradError("key.exists", `${path} is already there`, { path });
    });
  } finally {
    await unlink(draft).catch(() => {});
  }
};

const writeError = (path: string, { code, message }: FileError): TetradError => {
  const table = code === "ENOSPC" || code === "EDQUOT" ? "store.full" : "store.io";
  return new TetradError(table, `${path} cannot be written: ${message}`, { path });
};

const writeDurably = async (path: string, bytes: Uint8Array): Promise<void> => {
  const file = await open(path, "wx", FILE_MODE);
  try {
    // The mode given to open is cut by the umask only; said again, it is what it shall be.
    await file.chmod(FILE_MODE);
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
};

const syncFolder = async (path: string): Promise<void> => {
  if (!hasModes) return;
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
};
