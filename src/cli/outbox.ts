/**
 * Signed batches whose outcome is not known yet, on disk: written before they are sent, removed when the
 * network has said what became of them. A command that is interrupted, or whose node goes away, can be
 * repeated: the same bytes go out again, and the batch id makes that harmless.
 *
 *     <key file>.outbox/<lane seq, 16 digits>.batch       one envelope
 *     <key file>.outbox/<lane seq, 16 digits>.accepted    one that a node has taken into its memory
 *     <key file>.outbox/in-use                            the lock of the command that uses it
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { KeptBatch } from "../client/submit.ts";
import { TetradError } from "../errors.ts";
import { type FolderLock, lockFolder } from "../ledger/store/level.ts";
import { LIMITS } from "../limits.ts";
import { makeFolder, writeFileAtomic } from "../node/folder.ts";

/** A BatchKeeper whose writes are done when they return. */
export type Outbox = {
  pending(): readonly KeptBatch[];
  keep(seq: number, bytes: Uint8Array): void;
  accepted(seq: number): void;
  drop(seq: number): void;
  close(): Promise<void>;
};

const nameOf = (seq: number, kind: "batch" | "accepted"): string =>
  `${String(seq).padStart(16, "0")}.${kind}`;

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
  makeFolder(folder, 0o700);
  const held = await lock(folder);
  return {
    pending: () =>
      readdirSync(folder)
        .filter((name) => /^[0-9]{16}\.(batch|accepted)$/.test(name))
        .sort()
        .map((name) => ({
          seq: Number(name.slice(0, 16)),
          bytes: new Uint8Array(readFileSync(join(folder, name))),
          accepted: name.endsWith(".accepted"),
        }))
        // A file that is no batch (a crash on a full disk) can never be sent.
        .filter(({ bytes }) => bytes.length > 0 && bytes.length <= LIMITS.batchBytesMax),
    keep(seq, bytes) {
      writeFileAtomic(join(folder, nameOf(seq, "batch")), bytes, 0o600);
      rmSync(join(folder, nameOf(seq, "accepted")), { force: true });
    },
    accepted(seq) {
      const kept = join(folder, nameOf(seq, "batch"));
      if (existsSync(kept)) renameSync(kept, join(folder, nameOf(seq, "accepted")));
    },
    drop(seq) {
      rmSync(join(folder, nameOf(seq, "batch")), { force: true });
      rmSync(join(folder, nameOf(seq, "accepted")), { force: true });
    },
    close: () => held.release(),
  };
};
