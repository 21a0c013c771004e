/**
 * Signed batches whose outcome is not known yet, on disk: written before they are sent, removed when the
 * network has said what became of them. A command that is interrupted, or whose node goes away, can be
 * repeated: the same bytes go out again, and the batch id makes that harmless.
 *
 *     <key file>.outbox/<lane seq, 16 digits>.batch       one envelope
 *     <key file>.outbox/<lane seq, 16 digits>.accepted    one that a node has taken into its memory
 *     <key file>.outbox/lock                              process id of the command that uses it
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { writeFileAtomic } from "../node/folder.ts";

export type Pending = {
  readonly seq: number;
  readonly bytes: Uint8Array;
  /** The command that made it was told "accepted" and ended; else it was interrupted or failed. */
  readonly accepted: boolean;
};

export type Outbox = {
  /** In order of the lane. */
  pending(): readonly Pending[];
  /** Durable when it returns. */
  keep(seq: number, bytes: Uint8Array): void;
  accepted(seq: number): void;
  drop(seq: number): void;
  close(): void;
};

const nameOf = (seq: number, kind: "batch" | "accepted"): string =>
  `${String(seq).padStart(16, "0")}.${kind}`;

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
};

/** Takes the lock, also from a dead holder. Throws folder.locked. */
const lock = (path: string): void => {
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const file = openSync(path, "wx", 0o600);
      writeSync(file, `${process.pid}\n`);
      closeSync(file);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = Number.parseInt(existsSync(path) ? readFileSync(path, "utf8") : "", 10);
    if (Number.isSafeInteger(holder) && holder > 0 && alive(holder)) {
      throw new TetradError(
        "folder.locked",
        `another command (process ${holder}) appends with this key`,
      );
    }
    rmSync(path, { force: true });
  }
  throw new TetradError("folder.locked", "another command appends with this key");
};

/** Opens the outbox of a key, for this process alone. Throws folder.locked. */
export const openOutbox = (keyFile: string): Outbox => {
  const folder = `${keyFile}.outbox`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lockPath = join(folder, "lock");
  lock(lockPath);
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
    },
    accepted(seq) {
      const kept = join(folder, nameOf(seq, "batch"));
      if (existsSync(kept)) renameSync(kept, join(folder, nameOf(seq, "accepted")));
    },
    drop(seq) {
      rmSync(join(folder, nameOf(seq, "batch")), { force: true });
      rmSync(join(folder, nameOf(seq, "accepted")), { force: true });
    },
    close() {
      rmSync(lockPath, { force: true });
    },
  };
};
