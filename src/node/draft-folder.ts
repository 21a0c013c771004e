/** A folder beside a file that is being made, of one user and one call at a time. */
import { lstat, mkdir } from "node:fs/promises";
import { TetradError } from "../errors.ts";
import { type FolderLock, lockFolder } from "../ledger/store/level.ts";
import { fileError } from "./folder.ts";

/** Makes a folder for this user alone, or takes the one that is there. Throws cli.usage for a link and another's. */
export const makeDraft = async (folder: string): Promise<void> => {
  const failed = (error: unknown): never => {
    throw fileError(folder, error);
  };
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") failed(error);
  });
  const info = await lstat(folder).catch(failed);
  const isOwn = process.getuid === undefined || info.uid === process.getuid();
  if (info.isDirectory() && isOwn) return;
  throw new TetradError("cli.usage", `${folder} is there, and is no folder of this user`, {
    path: folder,
  });
};

/** Takes a draft for this call; the kernel frees it however that ends. Throws folder.locked. */
export const lockDraft = async (folder: string, path: string): Promise<FolderLock> => {
  try {
    return await lockFolder(folder);
  } catch (error) {
    if (!(error instanceof TetradError) || error.code !== "folder.locked") throw error;
    throw new TetradError(
      "folder.locked",
      `the object is being got into ${path}: ${error.message}`,
      {
        next: "wait for the other one, or name another file",
      },
    );
  }
};
