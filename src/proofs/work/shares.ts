/**
 * Shares: what a validator shows of its work in an epoch. Slot j holds a nonce for which
 *
 *     Ht("work/share", scrypt(chi || u64be j || u64be nonce, chi, N, 1, 1))   meets the effort rule for d,
 *     chi = Ht("work/epoch", epochSeed || validatorId),
 *
 * which takes d tries on average. At the end of the epoch the validator commits to a Merkle tree over its
 * slots 0 … count-1; a later beacon says which of them it has to open (share-opening.ts).
 *
 * The slot is part of what is hashed, so a find fills one slot and no other. Sorted nonces with their
 * neighbours opened, the rule this stands in for, let the same list be committed several times over: the
 * places where it does not ascend are one in a list's length, and samples miss them.
 */
import { ZERO_HASH } from "../../crypto/bytes.ts";
import { Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { scrypt32 } from "../../crypto/memory-hard.ts";
import type { NodeHash } from "../../crypto/merkle.ts";
import { LIMITS } from "../../limits.ts";
import { meetsEffort } from "./effort.ts";
import type { ShareParameters } from "./parameters.ts";

export type ShareSubject = {
  /** The beacon's output that begins the epoch. */
  readonly epochSeed: Uint8Array;
  readonly validator: Uint8Array;
};

export type ShareCommitment = { readonly count: number; readonly root: Uint8Array };

/** Whether a nonce fills a slot: one evaluation of scrypt. */
export type ShareTest = (slot: number, nonce: number) => boolean;

export const createShareTest = (
  hasher: Hasher,
  parameters: ShareParameters,
  subject: ShareSubject,
): ShareTest => {
  const seed = new Writer().hash(subject.epochSeed).hash(subject.validator).finish();
  const chi = hasher.ht("work/epoch", seed);
  return (slot, nonce) => {
    const password = new Writer().hash(chi).u64(slot).u64(nonce).finish();
    const hash = hasher.ht("work/share", scrypt32(password, chi, parameters.scryptN));
    return meetsEffort(hash, parameters.difficulty);
  };
};

/** Leaf of a slot: its place is in it, beside where it stands. */
export const shareLeaf = (hasher: Hasher, slot: number, nonce: number): Uint8Array =>
  hasher.ht("work/share-leaf", new Writer().u64(slot).u64(nonce).finish());

export const shareNode =
  (hasher: Hasher): NodeHash =>
  (left, right) =>
    hasher.ht("work/share-node", left, right);

/**
 * The tree over the nonces of slots 0, 1, 2 …, level by level from the leaves to the root, in the shape of
 * RFC 6962: of an odd level the last node stands in the next one as it is. Throws RangeError for no
 * nonces or too many.
 */
export const shareLevels = (hasher: Hasher, nonces: readonly number[]): readonly Level[] => {
  const count = nonces.length;
  if (count < 1 || count > LIMITS.workSharesMax) throw new RangeError(`${count} shares`);
  const node = shareNode(hasher);
  let level: Level = nonces.map((nonce, slot) => shareLeaf(hasher, slot, nonce));
  const levels = [level];
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i] ?? ZERO_HASH;
      const right = level[i + 1];
      above.push(right === undefined ? left : node(left, right));
    }
    levels.push(above);
    level = above;
  }
  return levels;
};

type Level = readonly Uint8Array[];

export const commitmentOf = (levels: readonly Level[]): ShareCommitment => ({
  count: levels[0]?.length ?? 0,
  root: levels.at(-1)?.[0] ?? ZERO_HASH,
});

/** The commitment to the nonces of slots 0, 1, 2 …. Throws RangeError for none or too many. */
export const commitShares = (hasher: Hasher, nonces: readonly number[]): ShareCommitment =>
  commitmentOf(shareLevels(hasher, nonces));

/** Units of work that so many shares are: whole ones. */
export const workUnits = (parameters: ShareParameters, count: number): number =>
  Number((BigInt(count) * BigInt(parameters.difficulty)) / BigInt(parameters.triesPerUnit));
