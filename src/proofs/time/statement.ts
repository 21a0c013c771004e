/**
 * What a proof of elapsed time is about, what commits to a run, and which leaves a seed opens
 * (docs/proofs.md, section time). Integers are big-endian; every hash is tagged and so of one chain.
 */
import { Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";

/** Whose time since which seed. */
export type TimeStatement = {
  readonly epoch: number;
  /** The epoch's seed: nobody knew it before, so nothing of the run is older. 32 bytes. */
  readonly seed: Uint8Array;
  /** Who keeps the time, 32 bytes: somebody else's run proves nothing for it. */
  readonly timekeeper: Uint8Array;
  /** Merkle root of those who share the run, or 32 zero bytes. */
  readonly members: Uint8Array;
};

/** What is published when a run is over: it decides everything that is opened later. */
export type TimeCommitment = {
  readonly leaves: number;
  /** Ht("time/root", …), 32 bytes. */
  readonly phi: Uint8Array;
};

/** Merkle list of the block hashes that a run has absorbed. */
export type AbsorbedRoot = { readonly count: number; readonly root: Uint8Array };

/** chi = Ht("time/posw", u64 epoch || seed || timekeeper || members): part of every label. */
export const timeChi = (hasher: Hasher, statement: TimeStatement): Uint8Array =>
  hasher.ht(
    "time/posw",
    new Writer(104)
      .u64(statement.epoch)
      .hash(statement.seed)
      .hash(statement.timekeeper)
      .hash(statement.members)
      .finish(),
  );

/** phi = Ht("time/root", root || u64 leaves || u32 count || absorbed root). */
export const timePhi = (
  hasher: Hasher,
  root: Uint8Array,
  leaves: number,
  absorbed: AbsorbedRoot,
): Uint8Array =>
  hasher.ht(
    "time/root",
    new Writer(76).hash(root).u64(leaves).u32(absorbed.count).hash(absorbed.root).finish(),
  );

/** The seed of a proof that stands alone: Ht("time/self", chi || phi). Its maker can try again and again. */
export const selfSeed = (hasher: Hasher, chi: Uint8Array, phi: Uint8Array): Uint8Array =>
  hasher.ht("time/self", chi, phi);

const WORD = 2 ** 32;

/** The first eight bytes, read as a number, modulo `leaves` (at most 2^30): without arithmetic over 2^62. */
const leafOf = (digest: Uint8Array, leaves: number): number => {
  const view = new DataView(digest.buffer, digest.byteOffset, 8);
  const scale = WORD % leaves;
  const high = BigInt(view.getUint32(0) % leaves) * BigInt(scale);
  return Number((high + BigInt(view.getUint32(4))) % BigInt(leaves));
};

/** The challenges of a proof, or of one part of it: numbers from `from` up to, and without, `to`. */
export type Challenges = { readonly from: number; readonly to: number };

/** All challenges of a proof that has so many. */
export const upTo = (to: number): Challenges => ({ from: 0, to });

/**
 * The leaves that a seed opens, ascending, each once: gamma_j = u64(Ht("time/chal", seed || phi || u32 j))
 * mod leaves, for j of the challenges. Some may coincide, so there may be fewer.
 */
export const challengedLeaves = (
  hasher: Hasher,
  { leaves, phi }: TimeCommitment,
  seed: Uint8Array,
  { from, to }: Challenges,
): number[] => {
  const found = new Set<number>();
  for (let j = from; j < to; j++) {
    found.add(leafOf(hasher.ht("time/chal", seed, phi, new Writer(4).u32(j).finish()), leaves));
  }
  return [...found].sort((a, b) => a - b);
};
