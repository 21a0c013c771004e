/** Deleting a development network: only one that the command made, and only while nothing of it runs. */
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { TetradError } from "../../errors.ts";
import { lockFolder } from "../../ledger/store/level.ts";
import { randomHex } from "../../node/real-ports.ts";
import type { DevRecord } from "./record.ts";

/**
 * Deletes the network in the folder once `ready` has agreed. The locks of the network and of each of its
 * nodes are held from before `ready` until nothing is at the old place any more: a node that somebody
 * runs by hand keeps its data, and none can start on files that are about to go.
 * Throws folder.foreign, folder.locked, and what `ready` throws; then everything is as it was.
 */
export const removeNetwork = async (
  dir: string,
  record: DevRecord | undefined,
  ready: () => Promise<void>,
): Promise<void> => {
  if (readdirSync(dir).length === 0) return;
  if (record?.kind !== "tetrad-dev") {
    throw new TetradError(
      "folder.foreign",
      `${dir} is not a development network of this command; it is not deleted`,
    );
  }
  const old = join(dirname(dir), `.${basename(dir)}.old-${randomHex(8)}`);
  await using locks = new AsyncDisposableStack();
  const folders = [dir, ...record.nodes.map((node) => join(dir, node.folder))];
  for (const folder of folders) {
    if (!existsSync(folder)) continue;
    const lock = await lockFolder(folder);
    locks.defer(() => lock.release());
  }
  await ready();
  renameSync(dir, old);
  rmSync(old, { recursive: true });
};
