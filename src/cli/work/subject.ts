/** What work is for, from the options of a verb: a batch in a file, or its names. */
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { readSealed } from "../../ledger/batch.ts";
import { LIMITS } from "../../limits.ts";
import {
  batchUnits,
  type Puzzle,
  WORK_PROFILES,
  type WorkParameters,
  type WorkProfile,
  type WorkSubject,
} from "../../proofs/work/index.ts";
import type { CliContext } from "../context.ts";
import { parsePuzzle, readBytes } from "./files.ts";

export type SubjectOptions = {
  readonly batch?: string;
  readonly batchId?: string;
  readonly actor?: string;
  readonly beacon?: string;
  readonly chainId?: string;
};

/** 32 bytes in hex. Throws cli.usage. */
export const hash32 = (flag: string, text: string): Uint8Array => {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) {
    throw new TetradError("cli.usage", `${flag} takes 64 hex digits`);
  }
  return fromHex(text);
};

/** The chain that is named, or that of the genesis in --dir. Throws cli.usage. */
export const chainOf = (context: CliContext, flag: string | undefined): string => {
  const chainId = flag ?? context.signedChain()?.chainId;
  if (chainId !== undefined && chainId !== "") return chainId;
  throw new TetradError(
    "cli.usage",
    "no chain: give --chain-id, or --dir of a folder with a genesis.json",
  );
};

export type Named = {
  readonly subject: WorkSubject;
  /** Of a batch whose file was read. */
  readonly units: bigint | undefined;
};

/** Reads a batch's core as a node does; nothing else of it is looked at. */
export const readBatch = async (
  context: CliContext,
  chainId: string,
  file: string,
): Promise<{ readonly subject: WorkSubject; readonly units: bigint }> => {
  const bytes = await readBytes(context.cwd, file, LIMITS.batchBytesMax);
  const sealed = readSealed(createHasher(chainId), bytes);
  if (!sealed.ok) throw TetradError.from(sealed);
  const { id, actor, refHash, eventCount, eventBytes } = sealed.value;
  return {
    subject: { beacon: refHash.slice(), actor: actor.slice(), batchId: id },
    units: batchUnits(eventCount, eventBytes),
  };
};

/** Throws cli.usage, and the codes of a batch that is none. */
export const subjectOf = async (
  context: CliContext,
  chainId: string,
  options: SubjectOptions,
): Promise<Named> => {
  const { batch, batchId, actor, beacon } = options;
  if (batch !== undefined) {
    if (batchId !== undefined || actor !== undefined) {
      throw new TetradError("cli.usage", "--batch says which batch and whose: leave out the rest");
    }
    const read = await readBatch(context, chainId, batch);
    if (beacon === undefined) {
      context.note("no --beacon: the block hash that the batch refers to stands in for it");
      return read;
    }
    return { ...read, subject: { ...read.subject, beacon: hash32("--beacon", beacon) } };
  }
  if (batchId === undefined || actor === undefined || beacon === undefined) {
    throw new TetradError("cli.usage", "give --batch FILE, or --batch-id, --actor and --beacon");
  }
  return {
    subject: {
      beacon: hash32("--beacon", beacon),
      actor: hash32("--actor", actor),
      batchId: hash32("--batch-id", batchId),
    },
    units: undefined,
  };
};

export const profileOf = (name: WorkProfile): WorkParameters => WORK_PROFILES[name];

/** The puzzle that is named, or that of the profile. Throws cli.usage. */
export const puzzleOf = (profile: WorkParameters, name: string | undefined): Puzzle => {
  if (name === undefined) return profile.puzzle;
  const puzzle = parsePuzzle(name);
  if (puzzle !== undefined) return puzzle;
  const [min, max] = LIMITS.workArgonKiB;
  throw new TetradError(
    "cli.usage",
    `--puzzle is equihash-96-5, or argon2id-${min} to argon2id-${max} (KiB)`,
  );
};

export const subjectFields = ({ beacon, actor, batchId }: WorkSubject) =>
  [
    ["batch", toHex(batchId)],
    ["actor", toHex(actor)],
    ["beacon", toHex(beacon)],
  ] as const;
