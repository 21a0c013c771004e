/**
 * What a timekeeper has computed, in one file that only grows: a head that says what the run is about, then
 * pieces, each with a check that covers all before it. A process that is killed leaves at most a piece that is
 * not whole, which the next one cuts off; all of what is before it counts. The layout is of this machine only.
 *
 *     head:  u32 magic   u16 version = 1   u32 length || chain id   4 × u32 parameters
 *            u64 epoch   seed(32)   timekeeper(32)   members(32)   check(32) = SHA-256 of all that
 *     piece: u32 length || ( u32 n × label(32)   u32 n × (u64 height   u64 leaf   hash(32))   u64 finished )
 *            check(32) = SHA-256(check before || piece)
 */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { concatBytes, equalBytes } from "../../crypto/bytes.ts";
import { DecodeError, Reader, Writer } from "../../crypto/codec.ts";
import { sha256 } from "../../crypto/hash.ts";
import { fail, ok, type Result, TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { Absorbed } from "../../proofs/time/absorbed.ts";
import { checkTimeParameters, type TimeParameters } from "../../proofs/time/parameters.ts";
import type { TimeStatement } from "../../proofs/time/statement.ts";
import { fileError, writeFileAtomic } from "../folder.ts";

const MAGIC = 0x7474_696d;
const VERSION = 1;

export type RunHead = {
  readonly chainId: string;
  readonly parameters: TimeParameters;
  readonly statement: TimeStatement;
};

/** What was added since the piece before. `finished`: the leaves of the whole run once it is over, else 0. */
export type RunPiece = {
  readonly labels: Uint8Array;
  readonly absorbed: readonly Absorbed[];
  readonly finished: number;
};

export type RunState = RunHead &
  RunPiece & {
    /** Bytes that are whole; what is behind them was cut short by a crash, or is damaged. */
    readonly wholeBytes: number;
    readonly check: Uint8Array;
  };

export const encodeHead = ({ chainId, parameters, statement }: RunHead): Uint8Array => {
  const { tailBlocks, leavesLog2Max, challenges, selfChallenges } = parameters;
  const { epoch, seed, timekeeper, members } = statement;
  const bytes = new Writer().u32(MAGIC).u16(VERSION).string(chainId);
  for (const value of [tailBlocks, leavesLog2Max, challenges, selfChallenges]) bytes.u32(value);
  const head = bytes.u64(epoch).hash(seed).hash(timekeeper).hash(members).finish();
  return concatBytes(head, sha256(head));
};

export const encodePiece = (before: Uint8Array, piece: RunPiece): Uint8Array => {
  const body = new Writer().u32(piece.labels.length / 32).raw(piece.labels);
  body.u32(piece.absorbed.length);
  for (const { height, leaf, hash } of piece.absorbed) body.u64(height).u64(leaf).hash(hash);
  const bytes = body.u64(piece.finished).finish();
  return new Writer()
    .bytes(bytes)
    .hash(sha256(concatBytes(before, bytes)))
    .finish();
};

const readHead = (bytes: Uint8Array, reader: Reader): RunHead & { check: Uint8Array } => {
  if (reader.u32() !== MAGIC) throw new DecodeError("tag", 0, "not the state of a run");
  const version = reader.u16();
  if (version !== VERSION) throw new DecodeError("tag", 4, `format ${version}`);
  const chainId = reader.string(LIMITS.chainIdBytesMax);
  const [tailBlocks, leavesLog2Max, challenges, selfChallenges] = [
    reader.u32(),
    reader.u32(),
    reader.u32(),
    reader.u32(),
  ];
  const epoch = reader.u64();
  const [seed, timekeeper, members] = [reader.hash(), reader.hash(), reader.hash()];
  const check = sha256(bytes.subarray(0, reader.offset));
  if (!equalBytes(check, reader.hash())) throw new DecodeError("tag", 0, "its head is damaged");
  return {
    chainId,
    parameters: { tailBlocks, leavesLog2Max, challenges, selfChallenges },
    statement: {
      epoch,
      seed: seed.slice(),
      timekeeper: timekeeper.slice(),
      members: members.slice(),
    },
    check,
  };
};

const readPiece = (reader: Reader, before: Uint8Array): RunPiece & { check: Uint8Array } => {
  const bytes = reader.bytes(LIMITS.timeStateBytesMax);
  const check = sha256(concatBytes(before, bytes));
  if (!equalBytes(check, reader.hash())) throw new DecodeError("tag", 0, "its check fails");
  const inner = new Reader(bytes);
  const labels = inner.fixed(32 * inner.count32(2 ** 18, 32));
  const absorbed = Array.from({ length: inner.count32(LIMITS.timeAbsorbedMax, 48) }, () => ({
    height: inner.u64(),
    leaf: inner.u64(),
    hash: inner.hash().slice(),
  }));
  const finished = inner.u64();
  inner.end();
  return { labels, absorbed, finished, check };
};

/** The state that the bytes hold, up to the first piece that is not whole. Code: time.state. */
export const decodeState = (bytes: Uint8Array): Result<RunState> => {
  const reader = new Reader(bytes);
  let head: ReturnType<typeof readHead>;
  try {
    head = readHead(bytes, reader);
  } catch (error) {
    if (error instanceof DecodeError) return fail("time.state", error.message);
    throw error;
  }
  const parameters = checkTimeParameters(head.parameters);
  if (!parameters.ok) return fail("time.state", parameters.detail);
  const labels: Uint8Array[] = [];
  const absorbed: Absorbed[] = [];
  let { check } = head;
  let finished = 0;
  let wholeBytes = reader.offset;
  try {
    while (reader.remaining > 0 && finished === 0) {
      const piece = readPiece(reader, check);
      labels.push(piece.labels);
      absorbed.push(...piece.absorbed);
      finished = piece.finished;
      check = piece.check;
      wholeBytes = reader.offset;
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
  return ok({ ...head, labels: concatBytes(...labels), absorbed, finished, wholeBytes, check });
};

export type StateFile = {
  /** Adds a piece and waits for the disk. Throws the codes of fileError. */
  append(piece: RunPiece): void;
  close(): void;
};

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
};

/** Takes the file for this process; one that has died has left its mark behind. Throws folder.locked. */
const lock = (path: string): (() => void) => {
  const mark = `${path}.lock`;
  try {
    writeFileSync(mark, String(process.pid), { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw fileError(mark, error);
    const owner = Number(readFileSync(mark, "utf8"));
    if (owner !== process.pid && Number.isSafeInteger(owner) && owner > 0 && isRunning(owner)) {
      throw new TetradError("folder.locked", `process ${owner} is computing in ${path}`, { path });
    }
    writeFileSync(mark, String(process.pid));
  }
  return () => rmSync(mark, { force: true });
};

/** Reads a state. Throws time.state for a file that holds none, and cli.usage where none can be read. */
export const readStateFile = (path: string): RunState => {
  let bytes: Uint8Array;
  try {
    if (statSync(path).size > LIMITS.timeStateBytesMax) {
      throw new TetradError("time.state", `${path} is too large for the state of a run`, { path });
    }
    // A Buffer's slices would be views of the whole file.
    bytes = new Uint8Array(readFileSync(path));
  } catch (error) {
    throw error instanceof TetradError ? error : fileError(path, error);
  }
  const state = decodeState(bytes);
  if (!state.ok) throw new TetradError("time.state", `${path}: ${state.detail}`, { path });
  return state.value;
};

/** Writes the head of a new run; the file must not be there, or is replaced as a whole. */
export const createStateFile = (path: string, head: RunHead): void =>
  writeFileAtomic(path, encodeHead(head));

/** Opens a state to go on: what a crash cut short is cut off. Throws the codes of readStateFile and fileError. */
export const openStateFile = (
  path: string,
): { readonly state: RunState; readonly file: StateFile; readonly cutBytes: number } => {
  const unlock = lock(path);
  try {
    const state = readStateFile(path);
    const fd = openSync(path, "r+");
    const cutBytes = statSync(path).size - state.wholeBytes;
    if (cutBytes > 0) ftruncateSync(fd, state.wholeBytes);
    let at = state.wholeBytes;
    let { check } = state;
    const append = (piece: RunPiece): void => {
      const bytes = encodePiece(check, piece);
      try {
        for (let done = 0; done < bytes.length; ) {
          done += writeSync(fd, bytes, done, bytes.length - done, at + done);
        }
        fsyncSync(fd);
      } catch (error) {
        throw fileError(path, error);
      }
      at += bytes.length;
      check = bytes.slice(-32);
    };
    const close = (): void => {
      closeSync(fd);
      unlock();
    };
    return { state, file: { append, close }, cutBytes };
  } catch (error) {
    unlock();
    throw error;
  }
};
