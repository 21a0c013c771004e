/**
 * The files of `nexus work`: a proof for a batch, shares of an epoch, and an opening of them. Text, because
 * people mail them; each is read strictly, so that two people who read one see the same.
 */
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import {
  hexAt,
  integerAt,
  listAt,
  objectAt,
  parseStrictJson,
  textAt,
  Wrong,
} from "../../ledger/strict-json.ts";
import { LIMITS } from "../../limits.ts";
import type {
  Puzzle,
  ShareParameters,
  ShareSubject,
  WorkSubject,
} from "../../proofs/work/index.ts";

export type WorkFile = {
  readonly format: "tetrad-work-1";
  readonly chainId: string;
  readonly puzzle: Puzzle;
  readonly subject: WorkSubject;
  readonly proof: Uint8Array;
};

type ShareContext = {
  readonly chainId: string;
  readonly subject: ShareSubject;
  readonly parameters: ShareParameters;
};

export type SharesFile = ShareContext & {
  readonly format: "tetrad-shares-1";
  readonly nonces: readonly number[];
};

export type OpeningFile = ShareContext & {
  readonly format: "tetrad-share-opening-1";
  readonly seed: Uint8Array;
  readonly opening: Uint8Array;
};

export type AnyWorkFile = WorkFile | SharesFile | OpeningFile;

const ARGON = "argon2id-";

/** "equihash-96-5", or "argon2id-256" for 256 KiB. */
export const puzzleText = (puzzle: Puzzle): string =>
  puzzle.kind === "argon2id" ? `${ARGON}${puzzle.memoryKiB}` : puzzle.kind;

/** The puzzle of such a name; undefined for another. */
export const parsePuzzle = (text: string): Puzzle | undefined => {
  if (text === "equihash-96-5") return { kind: text };
  const [, digits] = /^argon2id-([1-9][0-9]{0,5})$/.exec(text) ?? [];
  const memoryKiB = Number(digits ?? 0);
  const [min, max] = LIMITS.workArgonKiB;
  return memoryKiB >= min && memoryKiB <= max ? { kind: "argon2id", memoryKiB } : undefined;
};

/** What is printed, in the order of its fields. */
export const workFileJson = (file: AnyWorkFile): Readonly<Record<string, unknown>> => {
  const { format, chainId } = file;
  if (file.format === "tetrad-work-1") {
    const { beacon, actor, batchId } = file.subject;
    return {
      format,
      chainId,
      puzzle: puzzleText(file.puzzle),
      beacon: toHex(beacon),
      actor: toHex(actor),
      batchId: toHex(batchId),
      proof: toHex(file.proof),
    };
  }
  const { scryptN, difficulty, triesPerUnit } = file.parameters;
  const shared = {
    format,
    chainId,
    epochSeed: toHex(file.subject.epochSeed),
    validator: toHex(file.subject.validator),
    scryptN,
    difficulty,
    triesPerUnit,
  };
  return file.format === "tetrad-shares-1"
    ? { ...shared, nonces: file.nonces }
    : { ...shared, seed: toHex(file.seed), opening: toHex(file.opening) };
};

const CHAIN_ID = /^[\x21-\x7e]+$/;
const SHARED = [
  "format",
  "chainId",
  "epochSeed",
  "validator",
  "scryptN",
  "difficulty",
  "triesPerUnit",
] as const;

const contextAt = (o: Readonly<Record<(typeof SHARED)[number], unknown>>): ShareContext => {
  const [nMin, nMax] = LIMITS.workScryptN;
  const scryptN = integerAt("scryptN", o.scryptN, nMin, nMax);
  if (!Number.isInteger(Math.log2(scryptN))) throw new Wrong("scryptN", "expected a power of two");
  return {
    chainId: textAt("chainId", o.chainId, CHAIN_ID, LIMITS.chainIdBytesMax),
    subject: {
      epochSeed: hexAt("epochSeed", o.epochSeed, 32),
      validator: hexAt("validator", o.validator, 32),
    },
    parameters: {
      scryptN,
      difficulty: integerAt("difficulty", o.difficulty, 1, LIMITS.workEffortMax),
      triesPerUnit: integerAt("triesPerUnit", o.triesPerUnit, 1, Number.MAX_SAFE_INTEGER),
    },
  };
};

const anyHexAt = (path: string, value: unknown, bytesMax: number): Uint8Array => {
  const text = textAt(path, value, /^([0-9a-f]{2})+$/, 2 * bytesMax);
  return fromHex(text);
};

const workAt = (json: unknown): WorkFile => {
  const keys = ["format", "chainId", "puzzle", "beacon", "actor", "batchId", "proof"] as const;
  const o = objectAt("", json, keys);
  const puzzle = parsePuzzle(textAt("puzzle", o.puzzle, /^[a-z0-9-]+$/, 32));
  if (puzzle === undefined) throw new Wrong("puzzle", "expected equihash-96-5 or argon2id-<KiB>");
  return {
    format: "tetrad-work-1",
    chainId: textAt("chainId", o.chainId, CHAIN_ID, LIMITS.chainIdBytesMax),
    puzzle,
    subject: {
      beacon: hexAt("beacon", o.beacon, 32),
      actor: hexAt("actor", o.actor, 32),
      batchId: hexAt("batchId", o.batchId, 32),
    },
    proof: anyHexAt("proof", o.proof, LIMITS.batchProofBytesMax),
  };
};

const sharesAt = (json: unknown): SharesFile => {
  const o = objectAt("", json, [...SHARED, "nonces"]);
  const nonces = listAt("nonces", o.nonces, 1, LIMITS.workSharesMax).map((nonce, i) =>
    integerAt(`nonces[${i}]`, nonce, 0, Number.MAX_SAFE_INTEGER),
  );
  return { format: "tetrad-shares-1", ...contextAt(o), nonces };
};

/** Bytes of 32 openings with paths of 18 hashes, and some room. */
const OPENING_BYTES_MAX = 32 * 1024;

const openingAt = (json: unknown): OpeningFile => {
  const o = objectAt("", json, [...SHARED, "seed", "opening"]);
  return {
    format: "tetrad-share-opening-1",
    ...contextAt(o),
    seed: hexAt("seed", o.seed, 32),
    opening: anyHexAt("opening", o.opening, OPENING_BYTES_MAX),
  };
};

const READERS: ReadonlyMap<unknown, (json: unknown) => AnyWorkFile> = new Map<
  unknown,
  (json: unknown) => AnyWorkFile
>([
  ["tetrad-work-1", workAt],
  ["tetrad-shares-1", sharesAt],
  ["tetrad-share-opening-1", openingAt],
]);

/** Reads the text of any of the files. Throws TetradError: work.malformed. */
export const parseWorkFile = (text: string): AnyWorkFile => {
  try {
    const json = parseStrictJson(text);
    const format = (json as { readonly format?: unknown } | null)?.format;
    const read = READERS.get(format);
    if (read === undefined) throw new Wrong("format", "not a format of nexus work");
    return read(json);
  } catch (error) {
    if (!(error instanceof Wrong) && !(error instanceof SyntaxError)) throw error;
    const where = error instanceof Wrong && error.path !== "" ? `${error.path}: ` : "";
    throw new TetradError("work.malformed", `${where}${error.message}`);
  }
};

const unreadable = (path: string, error: unknown): TetradError => {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  return new TetradError("work.unreadable", `${path}: ${code}`);
};

/** The bytes of a file, at most so many; "-" is standard input. Throws work.unreadable and work.malformed. */
export const readBytes = async (cwd: string, name: string, max: number): Promise<Uint8Array> => {
  const path = name === "-" ? name : resolve(cwd, name);
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    const stream = path === "-" ? process.stdin : createReadStream(path);
    for await (const piece of stream as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > max) throw new TetradError("work.malformed", `${name} is over ${max} bytes`);
      pieces.push(piece);
    }
  } catch (error) {
    throw error instanceof TetradError ? error : unreadable(path, error);
  }
  return new Uint8Array(Buffer.concat(pieces));
};

export const readWorkFile = async (cwd: string, name: string): Promise<AnyWorkFile> => {
  const bytes = await readBytes(cwd, name, LIMITS.workFileCharactersMax);
  return parseWorkFile(Buffer.from(bytes).toString("utf8"));
};

/** Writes a file anew, whole. Throws work.unreadable. */
export const writeWorkFile = async (
  cwd: string,
  name: string,
  file: AnyWorkFile,
): Promise<string> => {
  const path = resolve(cwd, name);
  try {
    await writeFile(path, `${JSON.stringify(workFileJson(file))}\n`);
  } catch (error) {
    throw unreadable(path, error);
  }
  return path;
};
