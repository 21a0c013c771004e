/**
 * What a chain that asks for proofs (a genesis of format 2) has come to at a height, along the chain of
 * blocks and without executing any: the beacon, and the epoch that the next height is of. It follows from
 * the headers and proof sections alone, so whoever has a block's ancestors has its point: a replica that
 * votes, one that catches up, and an audit. Final points are kept, one row a height, in the write that makes
 * the block final.
 *
 *     row of height h:  beacon(32)  u64 epoch  u64 firstHeight  u64 startMs  seed(32)     of height h + 1
 */
import { isZero, ZERO_HASH } from "../crypto/bytes.ts";
import { DecodeError, Reader, Writer } from "../crypto/codec.ts";
import type { Hasher } from "../crypto/hash.ts";
import { TetradError } from "../errors.ts";
import {
  epochSeedHeight,
  firstBeacon,
  nextBeacon,
  nextBeaconUncovered,
} from "../proofs/beacon/beacon.ts";
import type { Genesis } from "./genesis.ts";
import type { GenesisProofs } from "./genesis-proofs.ts";
import { pointKey } from "./keys.ts";
import type { StoreOp } from "./ports.ts";
import type { ReadStore } from "./records.ts";
import type { Block, BlockProofs, Hash, Header } from "./types.ts";

/** An epoch as the chain has it. */
export type LedgerEpoch = {
  readonly number: number;
  readonly firstHeight: number;
  /** Ledger time that it began at: of the boundary block before it, or of the genesis. Milliseconds. */
  readonly startMs: number;
  /** The beacon of 16 heights before firstHeight, or b_0; zero on a chain without a beacon. */
  readonly seed: Hash;
};

export type ChainPoint = {
  /** b_h; zero on a chain without a beacon. */
  readonly beacon: Hash;
  /** Of the next height. */
  readonly epoch: LedgerEpoch;
};

/** Whether a chain keeps points. */
export const keepsPoints = ({ format }: Pick<Genesis, "format">): boolean => format === 2;

export const genesisPoint = (
  hasher: Hasher,
  genesisHash: Hash,
  { proofs, timeMs }: Pick<Genesis, "proofs" | "timeMs">,
): ChainPoint => {
  const beacon = proofs.beacon === null ? ZERO_HASH : firstBeacon(hasher, genesisHash);
  return { beacon, epoch: { number: 0, firstHeight: 1, startMs: timeMs, seed: beacon } };
};

/**
 * The point after a block, from that of its parent. `beaconAt` answers for heights up to the parent's. The
 * reveal is taken as it stands: that it is the right one is checked by those who vote.
 */
export const pointAfter = (
  hasher: Hasher,
  proofs: GenesisProofs,
  parent: ChainPoint,
  block: {
    readonly header: Pick<Header, "height" | "timeMs" | "nextSetHash">;
    readonly proofs: Pick<BlockProofs, "reveal">;
  },
  beaconAt: (height: number) => Hash | undefined,
): ChainPoint => {
  const { height, timeMs, nextSetHash } = block.header;
  const beacon =
    proofs.beacon === null
      ? ZERO_HASH
      : beaconAfter(hasher, parent.beacon, height, block.proofs.reveal);
  if (isZero(nextSetHash)) return { beacon, epoch: parent.epoch };
  const seedHeight = epochSeedHeight(height + 1);
  const seed =
    proofs.beacon === null ? ZERO_HASH : seedHeight === height ? beacon : beaconAt(seedHeight);
  if (seed === undefined) throw missingPoint(seedHeight);
  return {
    beacon,
    epoch: { number: parent.epoch.number + 1, firstHeight: height + 1, startMs: timeMs, seed },
  };
};

/** b_h of a block with this reveal; an empty one is of a proposer whose keys do not cover the height. */
const beaconAfter = (hasher: Hasher, before: Hash, height: number, reveal: Uint8Array): Hash =>
  reveal.length === 0
    ? nextBeaconUncovered(hasher, before, height)
    : nextBeacon(hasher, before, height, reveal.subarray(0, 32));

export const encodePoint = ({ beacon, epoch }: ChainPoint): Uint8Array =>
  new Writer(88)
    .hash(beacon)
    .u64(epoch.number)
    .u64(epoch.firstHeight)
    .u64(epoch.startMs)
    .hash(epoch.seed)
    .finish();

/** Undefined for bytes that are no point. */
export const decodePoint = (bytes: Uint8Array): ChainPoint | undefined => {
  try {
    const reader = new Reader(bytes);
    const beacon = reader.hash();
    const epoch = {
      number: reader.u64(),
      firstHeight: reader.u64(),
      startMs: reader.u64(),
      seed: reader.hash(),
    };
    reader.end();
    return { beacon, epoch };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
};

export const pointOp = (height: number, point: ChainPoint): StoreOp => ({
  type: "put",
  key: pointKey(height),
  value: encodePoint(point),
});

/** What the leaders of an epoch are drawn from: its seed, or the genesis hash where there is no beacon. */
export const leaderSource = (
  { proofs }: Pick<Genesis, "proofs">,
  genesisHash: Hash,
  pointBefore: () => ChainPoint | undefined,
): Hash => {
  if (proofs.beacon === null) return genesisHash;
  const point = pointBefore();
  if (point === undefined)
    throw new TetradError("store.corrupt", "the point of an epoch's start is missing");
  return point.epoch.seed;
};

/** The point of a final height; undefined where it is not final here. Throws "store.corrupt". */
export const readPoint = (read: ReadStore, height: number): ChainPoint | undefined => {
  const bytes = read(pointKey(height));
  if (bytes === undefined) return undefined;
  const point = decodePoint(bytes);
  if (point !== undefined) return point;
  throw new TetradError("store.corrupt", `the point of height ${height} does not decode`, {
    height,
  });
};

export const missingPoint = (height: number): TetradError =>
  new TetradError("store.corrupt", `the point of height ${height} is missing`, { height });

/** The points of a run of blocks that follows a final height, oldest first. Throws "store.corrupt". */
export const pointsOfRun = (
  hasher: Hasher,
  proofs: GenesisProofs,
  read: ReadStore,
  run: readonly Pick<Block, "header" | "proofs">[],
): ChainPoint[] => {
  const points: ChainPoint[] = [];
  const first = run[0]?.header.height ?? 1;
  const beaconAt = (height: number): Hash | undefined =>
    points[height - first]?.beacon ?? readPoint(read, height)?.beacon;
  for (const block of run) {
    const parent = points.at(-1) ?? readPoint(read, first - 1);
    if (parent === undefined) throw missingPoint(first - 1);
    points.push(pointAfter(hasher, proofs, parent, block, beaconAt));
  }
  return points;
};
