/**
 * What a client remembers of the chain: the newest header that it has verified, and the log as that header
 * has it. Whatever it is shown later must contain this log; what does not is proof that somebody keeps two
 * logs, and is never passed over in silence.
 *
 *     {"format": "tetrad-client-state", "version": 1, "checkpoint": {…}, "logSize": 7, "logRoot": "…"}
 */
import { equalBytes, toHex } from "../crypto/bytes.ts";
import { TetradError } from "../errors.ts";
import { hexAt, integerAt, objectAt, parseStrictJson, Wrong } from "../ledger/strict-json.ts";
import type { Hash } from "../ledger/types.ts";
import type { ProvenHeader } from "../ledger/verify/proven.ts";
import {
  type Checkpoint,
  formatCheckpoint,
  readCheckpoint,
  type Trust,
  trustCheckpoint,
} from "../ledger/verify/trust.ts";

/** The newest verified header, and the log that it commits to. */
export type Head = {
  readonly checkpoint: Checkpoint;
  readonly logSize: number;
  readonly logRoot: Hash;
};

const FORMAT = "tetrad-client-state";
/** A state is some hundred bytes; what is longer is none. */
const CHARACTERS_MAX = 16 * 1024;

export const formatHead = (head: Head): string =>
  `${JSON.stringify({
    format: FORMAT,
    version: 1,
    checkpoint: JSON.parse(formatCheckpoint(head.checkpoint)),
    logSize: head.logSize,
    logRoot: toHex(head.logRoot),
  })}\n`;

/**
 * Reads a kept state. Throws trust.state: a state that cannot be read must not pass for a fresh one, or
 * damaging the file would make the client forget.
 */
export const parseHead = (text: string): Head => {
  const bad = (why: string): TetradError =>
    new TetradError("trust.state", `the kept trust state cannot be read: ${why}`);
  if (text.length > CHARACTERS_MAX) throw bad(`over ${CHARACTERS_MAX} characters`);
  try {
    const root = objectAt("", parseStrictJson(text), [
      "format",
      "version",
      "checkpoint",
      "logSize",
      "logRoot",
    ]);
    if (root.format !== FORMAT || root.version !== 1) throw bad("another format");
    return {
      checkpoint: readCheckpoint(root.checkpoint),
      logSize: integerAt("logSize", root.logSize, 0, Number.MAX_SAFE_INTEGER),
      logRoot: hexAt("logRoot", root.logRoot, 32),
    };
  } catch (error) {
    if (error instanceof Wrong) throw bad(`${error.path}: ${error.message}`);
    if (error instanceof SyntaxError) throw bad("not JSON");
    throw error;
  }
};

export const headOf = (checkpoint: Checkpoint, header: ProvenHeader): Head => ({
  checkpoint,
  logSize: header.logSize,
  logRoot: header.logRoot,
});

/**
 * What to verify the next proof with: the validators of the remembered header, or what the caller trusts,
 * where there is none or the caller knows of a later epoch.
 * That the proof is of the same history is not asked here but by `relate`, which says more.
 */
export const trustOf = (given: Trust, head: Head | undefined): Trust => {
  if (head === undefined || given.epoch > head.checkpoint.epoch) return given;
  const { block: _, ...validators } = trustCheckpoint(head.checkpoint);
  return { ...validators, names: given.names };
};

/** Two final blocks of one height, or a log that another one does not contain. */
export const inconsistent = (base: string, detail: string): TetradError =>
  new TetradError(
    "trust.inconsistent",
    `${base} shows, with valid signatures, a log that contradicts what was verified before: ${detail}. ` +
      "Validators have signed two histories, or the trust state is not of this program. " +
      "Keep both and find out which.",
  );

/** How a header stands to the remembered one, as far as the two alone tell. */
export type Relation = "same" | "older" | "same-log" | "longer-log";

/** Throws trust.inconsistent where two kept heads, the older one first, contradict each other. */
export const relateHeads = (older: Head, newer: Head): void => {
  const { logSize, logRoot, checkpoint } = newer;
  const { height, blockHash: hash } = checkpoint;
  relate("another program with this trust state", older, { height, hash, logSize, logRoot });
};

/** Throws trust.inconsistent where the two cannot both be of one chain. */
export const relate = (
  base: string,
  head: Head,
  header: Pick<ProvenHeader, "height" | "hash" | "logSize" | "logRoot">,
): Relation => {
  const { checkpoint } = head;
  if (header.height === checkpoint.height) {
    if (equalBytes(header.hash, checkpoint.blockHash)) return "same";
    throw inconsistent(base, `two blocks are final at height ${header.height}`);
  }
  if (header.height < checkpoint.height) {
    if (header.logSize > head.logSize) {
      throw inconsistent(
        base,
        `its log of ${header.logSize} events is older than one of ${head.logSize}`,
      );
    }
    return "older";
  }
  if (header.logSize < head.logSize) {
    throw inconsistent(base, `the log had ${head.logSize} events and has ${header.logSize} later`);
  }
  if (header.logSize > head.logSize) return "longer-log";
  if (equalBytes(header.logRoot, head.logRoot)) return "same-log";
  throw inconsistent(base, `two logs of ${head.logSize} events`);
};
