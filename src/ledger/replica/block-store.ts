/**
 * Blocks, batches, lane heads, certificates, sets and the final tip in the main store: typed reads, and
 * the operations of one atomic append. Key layout: keys.ts.
 */
import { DecodeError, Reader, Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { type Result, TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { decodeBatch, type LaneHead } from "../batch.ts";
import { decodeBlock, decodeHeader, HEADER_BYTES } from "../block.ts";
import { type ChainPoint, pointOp, readPoint } from "../chain-point.ts";
import {
  batchKey,
  blockKey,
  certificateKey,
  finalizationKey,
  heightKey,
  laneKey,
  metaKey,
  validatorSetKey,
} from "../keys.ts";
import type { StoreOp } from "../ports.ts";
import {
  decodeCertificate,
  encodeCertificate,
  kindNumber,
  type SizedCertificate,
} from "../statement.ts";
import type {
  Batch,
  Block,
  Certificate,
  Hash,
  Header,
  StatementKind,
  ValidatorSet,
} from "../types.ts";
import type { ReadStore } from "./context.ts";
import { decodeValidatorSet, encodeValidatorSet } from "./set-codec.ts";

/** The last appended block. `view` is the view of its own finalization certificate in `epoch`. */
export type Tip = {
  readonly epoch: number;
  readonly view: number;
  readonly height: number;
  readonly hash: Hash;
  readonly timeMs: number;
  readonly boundary: boolean;
};

/** A header read from the store; `bytes` is the whole block. */
export type StoredHeader = Header & { readonly bytes: Uint8Array };

/** The epoch that is running: when it began decides when its boundary block is due. */
export type EpochStart = { readonly epoch: number; readonly startMs: number };

const SETS_KEPT = 4;
/** More than there are grid heights that a batch which is not expired may refer to. */
const TIMES_KEPT = 2 * (LIMITS.batchAgeBlocksCap / LIMITS.gridHeights);
const TIP_KEY = metaKey("final");
const FORMAT_KEY = metaKey("format");
const EPOCH_KEY = metaKey("epoch");
const GENESIS_KEY = metaKey("genesis");

const unwrap = <T>(what: string, result: Result<T>): T => {
  if (!result.ok) throw new TetradError("store.corrupt", `${what}: ${result.detail}`, { what });
  return result.value;
};

const readFixed = <T>(what: string, bytes: Uint8Array, read: (reader: Reader) => T): T => {
  try {
    const reader = new Reader(bytes);
    const value = read(reader);
    reader.end();
    return value;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new TetradError("store.corrupt", `${what}: ${error.message}`, { what });
  }
};

export class BlockStore {
  readonly #read: ReadStore;
  readonly #hasher: Hasher;
  readonly #sets = new Map<number, ValidatorSet>();
  readonly #times = new Map<number, number>();

  constructor(read: ReadStore, hasher: Hasher) {
    this.#read = read;
    this.#hasher = hasher;
  }

  /** The storage format of the folder; 0 for one of before there was a mark. */
  format(): number {
    return this.#read(FORMAT_KEY)?.[0] ?? 0;
  }

  genesisHash(): Hash | undefined {
    return this.#read(GENESIS_KEY);
  }

  tip(): Tip | undefined {
    const bytes = this.#read(TIP_KEY);
    if (bytes === undefined) return undefined;
    return readFixed("final tip", bytes, (reader) => ({
      epoch: reader.u64(),
      view: reader.u64(),
      height: reader.u64(),
      hash: reader.hash(),
      timeMs: reader.u64(),
      boundary: reader.u8() === 1,
    }));
  }

  epochStart(): EpochStart | undefined {
    const bytes = this.#read(EPOCH_KEY);
    if (bytes === undefined) return undefined;
    return readFixed("epoch", bytes, (reader) => ({ epoch: reader.u64(), startMs: reader.u64() }));
  }

  /** A set never changes once it is written, so the last few are kept decoded. */
  validatorSet(epoch: number): ValidatorSet | undefined {
    const known = this.#sets.get(epoch);
    if (known !== undefined) return known;
    const bytes = this.#read(validatorSetKey(epoch));
    if (bytes === undefined) return undefined;
    const set = unwrap(`validator set of epoch ${epoch}`, decodeValidatorSet(this.#hasher, bytes));
    this.#sets.set(epoch, set);
    this.#sets.delete(epoch - SETS_KEPT);
    return set;
  }

  /** The point of a final height, where the chain keeps them (chain-point.ts). */
  point(height: number): ChainPoint | undefined {
    return readPoint(this.#read, height);
  }

  hashAt(height: number): Hash | undefined {
    return this.#read(heightKey(height));
  }

  block(hash: Hash): Block | undefined {
    const bytes = this.#read(blockKey(hash));
    return bytes === undefined ? undefined : unwrap("block", decodeBlock(this.#hasher, bytes));
  }

  /** The header of a stored block, with the block's bytes: decoding the rest hashes every digest. */
  header(hash: Hash): StoredHeader | undefined {
    const bytes = this.#read(blockKey(hash));
    if (bytes === undefined) return undefined;
    const header = decodeHeader(this.#hasher, bytes.subarray(0, HEADER_BYTES));
    return { ...unwrap("block", header), bytes };
  }

  /**
   * Ledger time of a final height above 0, which never changes. References of batches ask for it over and
   * over, so the last few are kept, and of a block no more is decoded than its header.
   */
  timeAt(height: number): number | undefined {
    const known = this.#times.get(height);
    if (known !== undefined) return known;
    const hash = this.hashAt(height);
    const timeMs = hash === undefined ? undefined : this.header(hash)?.timeMs;
    if (timeMs === undefined) return undefined;
    if (this.#times.size >= TIMES_KEPT) this.#times.clear();
    this.#times.set(height, timeMs);
    return timeMs;
  }

  blockBytes(hash: Hash): Uint8Array | undefined {
    return this.#read(blockKey(hash));
  }

  batch(digest: Hash): Batch | undefined {
    const bytes = this.#read(batchKey(digest));
    return bytes === undefined ? undefined : unwrap("batch", decodeBatch(this.#hasher, bytes));
  }

  batchBytes(digest: Hash): Uint8Array | undefined {
    return this.#read(batchKey(digest));
  }

  laneHead(actor: Hash): LaneHead | undefined {
    const bytes = this.#read(laneKey(actor));
    if (bytes === undefined) return undefined;
    return readFixed("lane head", bytes, (reader) => ({ seq: reader.u64(), id: reader.hash() }));
  }

  certificate(epoch: number, view: number, kind: StatementKind): SizedCertificate | undefined {
    const bytes = this.#read(certificateKey(epoch, view, kindNumber(kind)));
    return bytes === undefined ? undefined : unwrap("certificate", decodeCertificate(bytes));
  }

  /** Where the finalization certificate of exactly this height is, if it has one of its own. */
  finalizationAt(height: number): { readonly epoch: number; readonly view: number } | undefined {
    const bytes = this.#read(finalizationKey(height));
    if (bytes === undefined) return undefined;
    return readFixed("finalization", bytes, (reader) => ({
      epoch: reader.u64(),
      view: reader.u64(),
    }));
  }
}

/** Counts up whenever what is under a key of the main store (keys.ts) changes its meaning. */
export const STORE_FORMAT = 3;

const put = (key: Uint8Array, value: Uint8Array): StoreOp => ({ type: "put", key, value });

export const genesisOps = (
  genesisHash: Hash,
  timeMs: number,
  sets: readonly ValidatorSet[],
  point?: ChainPoint,
): StoreOp[] => [
  ...(point === undefined ? [] : [pointOp(0, point)]),
  put(GENESIS_KEY, genesisHash),
  put(FORMAT_KEY, Uint8Array.of(STORE_FORMAT)),
  put(heightKey(0), genesisHash),
  tipOp({ epoch: 0, view: 0, height: 0, hash: genesisHash, timeMs, boundary: false }),
  epochOp({ epoch: 0, startMs: timeMs }),
  ...sets.map(validatorSetOp),
];

export const tipOp = (tip: Tip): StoreOp => {
  const writer = new Writer(72).u64(tip.epoch).u64(tip.view).u64(tip.height).hash(tip.hash);
  return put(
    TIP_KEY,
    writer
      .u64(tip.timeMs)
      .u8(tip.boundary ? 1 : 0)
      .finish(),
  );
};

export const epochOp = (start: EpochStart): StoreOp =>
  put(EPOCH_KEY, new Writer(16).u64(start.epoch).u64(start.startMs).finish());

export const validatorSetOp = (set: ValidatorSet): StoreOp =>
  put(validatorSetKey(set.epoch), encodeValidatorSet(set));

export const certificateOp = (certificate: Certificate, setSize: number): StoreOp => {
  const { epoch, view, kind } = certificate.statement;
  const key = certificateKey(epoch, view, kindNumber(kind));
  return put(key, encodeCertificate(certificate, setSize));
};

export const blockOps = (block: Block, batches: readonly Batch[]): StoreOp[] => [
  put(blockKey(block.hash), block.bytes),
  ...batches.map((batch) => put(batchKey(batch.digest), batch.bytes)),
];

/** The operations that make one block final; the tip and the certificate follow once a run of blocks. */
export const appendOps = (block: Block, batches: readonly Batch[]): StoreOp[] => {
  const ops: StoreOp[] = [put(heightKey(block.header.height), block.hash)];
  // Batches of a lane are in order, so the last put of a lane is its head.
  for (const batch of batches) {
    ops.push(put(laneKey(batch.actor), new Writer(40).u64(batch.laneSeq).hash(batch.id).finish()));
  }
  return ops;
};

export const finalizationOp = (height: number, epoch: number, view: number): StoreOp =>
  put(finalizationKey(height), new Writer(16).u64(epoch).u64(view).finish());
