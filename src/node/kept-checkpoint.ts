/**
 * The newest cosigned checkpoint in a file of the node's folder, so that a node that starts has one to serve
 * before a quorum of peers has sent theirs again. Nothing follows from the file: it is checked as any reader
 * would check it, the replica serves it only for a root of its own log, and without it the node has the next
 * one in seconds.
 */
import { readFileSync, statSync } from "node:fs";
import { utf8 } from "../crypto/codec.ts";
import { TetradError } from "../errors.ts";
import { firstValidators, type Genesis } from "../ledger/genesis.ts";
import type { Logger } from "../ledger/ports.ts";
import type { ServedCheckpoint } from "../ledger/types.ts";
import { checkpointPolicyOf, verifyCheckpoint } from "../ledger/verify/checkpoint.ts";
import { LIMITS } from "../limits.ts";
import { writeFileAtomic } from "./folder.ts";

/** Undefined where there is none, or none that a quorum of this genesis has signed. */
export const readKeptCheckpoint = (
  path: string,
  genesis: Pick<Genesis, "chainId" | "validators" | "provers">,
  logger: Logger,
): ServedCheckpoint | undefined => {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  const dropped = (detail: string): undefined => {
    logger.log("warn", "the kept checkpoint is not used; the next one replaces it", {
      path,
      detail,
    });
    return undefined;
  };
  if (!found.isFile() || found.size > LIMITS.noteBytesMax) {
    return dropped("it is no file, or a large one");
  }
  let note: string;
  try {
    note = readFileSync(path, "utf8");
  } catch (error) {
    return dropped(error instanceof Error ? error.message : String(error));
  }
  const verified = verifyCheckpoint(
    checkpointPolicyOf({ chainId: genesis.chainId, validators: firstValidators(genesis) }),
    utf8(note),
  );
  if (!verified.ok) return dropped(`${verified.code}: ${verified.detail}`);
  const { size, root, timeS } = verified.value;
  return { size, root, timeS, note };
};

export type CheckpointKeeper = {
  /** Writes the newest one if it is another one than was written last. */
  keep(): void;
  /** Keeps it once more, and no longer. */
  close(): void;
};

/** Keeps what `newest` gives now and then. A disk that takes no file costs a warning and nothing else. */
export const openCheckpointKeeper = (parts: {
  readonly path: string;
  readonly newest: () => ServedCheckpoint | undefined;
  readonly before: ServedCheckpoint | undefined;
  readonly logger: Logger;
}): CheckpointKeeper => {
  const { path, newest, logger } = parts;
  let written = parts.before?.note;
  const keep = (): void => {
    try {
      // Reads the log where the newest is still that of an earlier run.
      const note = newest()?.note;
      if (note === undefined || note === written) return;
      writeFileAtomic(path, note);
      written = note;
    } catch (error) {
      if (!(error instanceof TetradError)) throw error;
      logger.log("warn", "the checkpoint cannot be kept", { path, detail: error.message });
    }
  };
  const timer = setInterval(keep, LIMITS.checkpointKeepMs);
  timer.unref();
  return {
    keep,
    close() {
      clearInterval(timer);
      keep();
    },
  };
};
