/**
 * The folder that an audit works in: `scratch`, a store with what it has worked out so far, from which an
 * interrupted audit goes on, and `work-PID`, the copy of the folder that is being audited. Nothing else in
 * the folder is touched.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { TetradError } from "../../errors.ts";
import type { AuditRules } from "../../ledger/audit/chain.ts";
import { SAVED_KEY, type SavedAudit } from "../../ledger/audit/saved.ts";
import type { Logger } from "../../ledger/ports.ts";
import { type LevelStore, lockFolder, openLevelStore } from "../../ledger/store/level.ts";
import { readSaved } from "./auditor.ts";
import { isCopy, isStore, SCRATCH } from "./own-files.ts";

export type AuditState = {
  readonly scratch: LevelStore;
  /** Where to go on; undefined to begin at the genesis. */
  readonly saved: SavedAudit | undefined;
  /** Why what was there could not be used; undefined where it was, or where there was nothing. */
  readonly dropped: string | undefined;
  /** For a copy; is not there yet. */
  readonly work: string;
  close(): Promise<void>;
};

/** What an earlier audit must have left to be gone on from. */
export type Wanted = {
  /** False to begin at the genesis whatever is there. */
  readonly resume: boolean;
  /** Go on from an audit that has come to its end, too. */
  readonly finished: boolean;
  /** The lowest height whose signatures must have been checked, if the audit is not new. */
  readonly signaturesFrom: number;
};

/**
 * Throws TetradError: folder.locked while another audit uses it, folder.foreign where there is something in it
 * by the name of a state that no audit has made, store.full, store.io.
 */
export const openState = async (
  folder: string,
  rules: AuditRules,
  wanted: Wanted,
  logger: Logger,
): Promise<AuditState> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const scratchFolder = join(folder, SCRATCH);
  await using closing = new AsyncDisposableStack();
  const lock = await lockFolder(folder);
  closing.defer(() => lock.release());
  // Of audits that were killed: nobody else has the lock.
  for (const name of await readdir(folder)) {
    if (await isCopy(folder, name)) await rm(join(folder, name), { recursive: true, force: true });
  }
  if (existsSync(scratchFolder) && !(await isStore(scratchFolder))) {
    throw new TetradError(
      "folder.foreign",
      `${scratchFolder} is not of an audit and would be replaced: choose another folder`,
      { folder },
    );
  }
  const { saved, dropped } = await usable(scratchFolder, rules, wanted, logger);
  if (saved === undefined) await rm(scratchFolder, { recursive: true, force: true });
  const scratch = await openLevelStore(scratchFolder, { logger });
  closing.defer(() => new Promise<void>((resolve) => scratch.close(resolve)));
  const owned = closing.move();
  return {
    scratch,
    saved,
    dropped,
    work: join(folder, `work-${process.pid}`),
    close: () => owned.disposeAsync(),
  };
};

type Usable = { readonly saved?: SavedAudit | undefined; readonly dropped?: string | undefined };

const usable = async (
  folder: string,
  rules: AuditRules,
  wanted: Wanted,
  logger: Logger,
): Promise<Usable> => {
  if (!wanted.resume) return {};
  const names = await readdir(folder).catch((): string[] => []);
  if (!names.includes("CURRENT")) return {};
  try {
    // Opened with a check of every file, and closed again: it may have to be deleted.
    const store = await openLevelStore(folder, { logger });
    try {
      const { saved, why } = readSaved(rules, store);
      // A state with nothing in it is of an audit that never got to the first height.
      if (saved === undefined) return store.get(SAVED_KEY) === undefined ? {} : { dropped: why };
      if (saved.finished && !wanted.finished) return {};
      if (saved.signaturesFrom > wanted.signaturesFrom) {
        return { dropped: `it has checked signatures from height ${saved.signaturesFrom} on only` };
      }
      return { saved };
    } finally {
      await new Promise<void>((resolve) => store.close(resolve));
    }
  } catch (error) {
    if (error instanceof TetradError && error.code === "store.corrupt") {
      return { dropped: error.message };
    }
    throw error;
  }
};
