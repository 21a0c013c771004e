/**
 * Signed batches whose outcome is not known yet, on disk: written before they are sent, removed when the
 * network has said what became of them. A command that is interrupted, or whose node goes away, can be
 * repeated: the same bytes go out again, and the batch id makes that harmless.
 *
 *     <key file>.outbox/           a keeper's folder (src/client/node.ts)
 *     <key file>.outbox/in-use     the lock of the command that uses it
 */
import { type FileKeeper, fileKeeper } from "../client/node.ts";
import { TetradError } from "../errors.ts";
import { type FolderLock, lockFolder } from "../ledger/store/level.ts";

export type Outbox = FileKeeper & { close(): Promise<void> };

/** The kernel frees it however the command ends; a process id in a file may be another process's by now. */
const lock = async (folder: string): Promise<FolderLock> => {
  try {
    return await lockFolder(folder);
  } catch (error) {
    if (!(error instanceof TetradError) || error.code !== "folder.locked") throw error;
    const detail = `another command appends with this key: ${error.message}`;
    throw new TetradError("folder.locked", detail);
  }
};

/** Opens the outbox of a key, for this process alone. Throws folder.locked. */
export const openOutbox = async (keyFile: string): Promise<Outbox> => {
  const folder = `${keyFile}.outbox`;
  const keeper = fileKeeper(folder);
  const held = await lock(folder);
  return { ...keeper, close: () => held.release() };
};
