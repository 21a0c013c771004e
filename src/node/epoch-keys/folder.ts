/**
 * The folder of a node's keys of epochs: whole files or none, and erased ones overwritten before they are
 * removed. What that promises is what the file system and the disk do: where they write a changed block to
 * another place (copy-on-write, snapshots, the wear levelling of an SSD), the old bytes stay until they are
 * reused (docs/operating.md).
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { open, readdir, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { TetradError } from "../../errors.ts";
import { createPrivateFile, readPrivateFile } from "../keys/private-file.ts";
import { EPOCH_KEY_FILE_BYTES } from "./key-file.ts";

const DIGITS = 16;
const NAME = /^([0-9]{16})\.key$/;
/** What a crash may leave: of a file that was being made (private-file.ts), or was being erased. */
const DRAFT = /^\..+\.draft$/;

const pathOf = (folder: string, epoch: number): string =>
  join(folder, `${String(epoch).padStart(DIGITS, "0")}.key`);

/** Keeps a new key. Codes: those of createPrivateFile. */
export const writeEpochKeyFile = (
  folder: string,
  epoch: number,
  bytes: Uint8Array,
): Promise<void> => createPrivateFile(pathOf(folder, epoch), bytes);

/** All keys that are there, in ascending order; removes what a crash has left of others. Throws key.*. */
export const readEpochKeyFiles = async (
  folder: string,
): Promise<{ readonly epoch: number; readonly path: string; readonly bytes: Uint8Array }[]> => {
  if (!existsSync(folder)) return [];
  const names = (await readdir(folder)).sort();
  for (const name of names) if (DRAFT.test(name)) await eraseFile(join(folder, name));
  const files = names.flatMap((name) => {
    const digits = NAME.exec(name)?.[1];
    return digits === undefined ? [] : [{ epoch: Number(digits), path: join(folder, name) }];
  });
  return Promise.all(
    files.map(async (file) => ({
      ...file,
      bytes: await readPrivateFile(file.path, EPOCH_KEY_FILE_BYTES, { sealedKey: true }),
    })),
  );
};

/**
 * Gives a key a name that is none of a key, so that a crash leaves nothing that a start would take for one;
 * overwrites it, syncs, removes the name, syncs the folder. Nothing is done where there is none.
 * Throws store.io; then the file may be there, and is erased at the next start at the latest.
 */
export const eraseEpochKeyFile = async (folder: string, epoch: number): Promise<void> => {
  const path = pathOf(folder, epoch);
  const draft = join(folder, `.${epoch}.erased.draft`);
  try {
    await rename(path, draft);
    await syncFolder(folder);
  } catch (error) {
    // Under the other name it may be from a try before this one.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw notErased(path, error);
  }
  await eraseFile(draft);
};

const notErased = (path: string, error: unknown): TetradError => {
  const detail = error instanceof Error ? error.message : String(error);
  return new TetradError("store.io", `${path} cannot be erased: ${detail}`, { path });
};

const eraseFile = async (path: string): Promise<void> => {
  try {
    const file = await open(path, "r+").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (file === undefined) return;
    try {
      const { size } = await file.stat();
      await file.write(randomBytes(size), 0, size, 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await unlink(path);
    await syncFolder(join(path, ".."));
  } catch (error) {
    throw notErased(path, error);
  }
};

const syncFolder = async (path: string): Promise<void> => {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
};
