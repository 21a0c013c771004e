/**
 * A hash-only verifiable random function by commitment (iVRF, eprint 2022/993): a Merkle tree over secret
 * values, one a height, is registered ahead; each is revealed once, with its path. There is exactly one value
 * that opens at each index, so the owner of a key chooses nothing.
 *
 *     x_j = Ht("ivrf/x", secret || u64 j)      leaf_j = Ht("ivrf/leaf", u64 j || x_j)
 *     node = Ht("ivrf/node", left || right)    root over 2^depth leaves
 *     reveal: x_j(32) || depth siblings from the leaf upwards, 32 bytes each
 */
import { equalBytes } from "../../crypto/bytes.ts";
import { Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";

export const IVRF_SECRET_BYTES = 32;

export type IvrfKey = {
  readonly depth: number;
  readonly root: Uint8Array;
  /** The reveal of index j. Throws RangeError beyond the tree. */
  reveal(index: number): Uint8Array;
};

/** What a validator registers: its root, when, and the first height whose value it gives. */
export type IvrfRegistration = {
  readonly root: Uint8Array;
  readonly depth: number;
  /** The epoch in which the registration was final. */
  readonly registeredEpoch: number;
  /** Height of index 0. */
  readonly firstHeight: number;
};

export const ivrfRevealBytes = (depth: number): number => 32 + 32 * depth;

const checkDepth = (depth: number): void => {
  const [min, max] = LIMITS.beaconDepth;
  if (!Number.isSafeInteger(depth) || depth < min || depth > max) {
    throw new RangeError(`depth must be ${min} to ${max}`);
  }
};

const u64 = (value: number): Uint8Array => new Writer(8).u64(value).finish();

const secretValue = (hasher: Hasher, secret: Uint8Array, index: number): Uint8Array =>
  hasher.ht("ivrf/x", secret, u64(index));

const leafOf = (hasher: Hasher, index: number, value: Uint8Array): Uint8Array =>
  hasher.ht("ivrf/leaf", u64(index), value);

/**
 * The secret of one key of many, from what a node keeps: a key is named by its first height. One master secret
 * of 32 random bytes is enough for all keys of all chains.
 */
export const ivrfKeySecret = (
  hasher: Hasher,
  master: Uint8Array,
  firstHeight: number,
): Uint8Array => {
  if (master.length !== IVRF_SECRET_BYTES) throw new RangeError("a secret of 32 bytes");
  return hasher.ht("ivrf/key", master, u64(firstHeight));
};

/**
 * Levels of the tree that are made anew when a value under them is revealed: 256 leaves, a millisecond once in
 * 256 heights. What is above them is kept, and is all that a node has to read when it starts.
 */
const SUBTREE_DEPTH = 8;

/** A heap: 1 is the root, 2^depth + j is leaf j, 32 bytes each. */
class Heap {
  readonly nodes: Uint8Array;
  readonly size: number;

  constructor(depth: number) {
    this.size = 2 ** depth;
    this.nodes = new Uint8Array(2 * this.size * 32);
  }

  at(place: number): Uint8Array {
    return this.nodes.subarray(place * 32, place * 32 + 32);
  }

  /** Makes all nodes of the leaves that are there. */
  fill(hasher: Hasher): this {
    for (let place = this.size - 1; place >= 1; place--) {
      const node = hasher.ht("ivrf/node", this.at(2 * place), this.at(2 * place + 1));
      this.nodes.set(node, place * 32);
    }
    return this;
  }
}

/** The subtree over the leaves from `first` on. */
const subtree = (hasher: Hasher, secret: Uint8Array, depth: number, first: number): Heap => {
  const heap = new Heap(depth);
  for (let i = 0; i < heap.size; i++) {
    const j = first + i;
    heap.nodes.set(leafOf(hasher, j, secretValue(hasher, secret, j)), (heap.size + i) * 32);
  }
  return heap.fill(hasher);
};

const lowerDepth = (depth: number): number => Math.min(depth, SUBTREE_DEPTH);

/** Bytes of what `ivrfCaps` gives for a depth. */
export const ivrfCapsBytes = (depth: number): number => 32 * 2 ** (depth - lowerDepth(depth));

/**
 * The roots of the subtrees of a secret, in order: what making a key costs, some 3 * 2^depth hashes, a tenth to
 * a fifth of a second of one core at depth 16. They tell nobody a value. Throws RangeError for a depth outside
 * the limits or a short secret.
 */
export const ivrfCaps = (hasher: Hasher, secret: Uint8Array, depth: number): Uint8Array => {
  checkDepth(depth);
  if (secret.length !== IVRF_SECRET_BYTES) throw new RangeError("a secret of 32 bytes");
  const lower = lowerDepth(depth);
  const caps = new Uint8Array(ivrfCapsBytes(depth));
  for (let at = 0; at < caps.length; at += 32) {
    caps.set(subtree(hasher, secret, lower, (at / 32) * 2 ** lower).at(1), at);
  }
  return caps;
};

/** The key of a secret and its caps, which are not checked. Throws RangeError for caps of another size. */
export const ivrfKeyOf = (
  hasher: Hasher,
  secret: Uint8Array,
  depth: number,
  caps: Uint8Array,
): IvrfKey => {
  checkDepth(depth);
  if (caps.length !== ivrfCapsBytes(depth)) throw new RangeError("not the caps of this depth");
  const kept = secret.slice();
  const lower = lowerDepth(depth);
  const upper = new Heap(depth - lower);
  upper.nodes.set(caps, upper.size * 32);
  upper.fill(hasher);
  let held: { readonly cap: number; readonly heap: Heap } | undefined;
  const lowerAt = (cap: number): Heap => {
    if (held?.cap !== cap) {
      held = { cap, heap: subtree(hasher, kept, lower, cap * 2 ** lower) };
    }
    return held.heap;
  };
  return {
    depth,
    root: upper.at(1).slice(),
    reveal(index) {
      if (!Number.isSafeInteger(index) || index < 0 || index >= 2 ** depth) {
        throw new RangeError(`no value ${index} of ${2 ** depth}`);
      }
      const out = new Writer(ivrfRevealBytes(depth)).hash(secretValue(hasher, kept, index));
      const cap = Math.floor(index / 2 ** lower);
      const siblings = (heap: Heap, leaf: number): void => {
        for (let place = heap.size + leaf; place > 1; place >>>= 1) out.hash(heap.at(place ^ 1));
      };
      siblings(lowerAt(cap), index % 2 ** lower);
      siblings(upper, cap);
      return out.finish();
    },
  };
};

/**
 * The key of a secret, with its tree made at once. The secret must be random and used for one key of one chain
 * only. Throws RangeError as `ivrfCaps`.
 */
export const createIvrfKey = (hasher: Hasher, secret: Uint8Array, depth: number): IvrfKey =>
  ivrfKeyOf(hasher, secret, depth, ivrfCaps(hasher, secret, depth));

/**
 * The index that a registration uses at a height, if it may be used there: registered two epochs ahead, so
 * that nobody chose the key knowing what it is mixed with. Code: beacon.not-usable.
 */
export const ivrfIndex = (
  registration: IvrfRegistration,
  at: { readonly height: number; readonly epoch: number },
): Result<number> => {
  const { depth, registeredEpoch, firstHeight } = registration;
  const usableFrom = registeredEpoch + LIMITS.beaconLeadEpochs;
  if (at.epoch < usableFrom) {
    return fail(
      "beacon.not-usable",
      `registered in epoch ${registeredEpoch}: from ${usableFrom} on`,
    );
  }
  const index = at.height - firstHeight;
  if (index < 0 || index >= 2 ** depth) {
    const last = firstHeight + 2 ** depth - 1;
    return fail("beacon.not-usable", `the key is of heights ${firstHeight} to ${last}`);
  }
  return ok(index);
};

/**
 * Whether caps that were kept are those of the secret, shown by a tag that was kept with them: who can change
 * the file has not the secret. A node with others would reveal what nobody takes.
 */
export const ivrfCapsTag = (hasher: Hasher, secret: Uint8Array, caps: Uint8Array): Uint8Array =>
  hasher.ht("ivrf/caps", secret, caps);

/**
 * The value that a reveal shows for an index under a root: the one there is. Codes:
 * beacon.reveal-malformed (length, depth or index), beacon.reveal-invalid.
 */
export const verifyReveal = (
  hasher: Hasher,
  key: { readonly root: Uint8Array; readonly depth: number },
  index: number,
  reveal: Uint8Array,
): Result<Uint8Array> => {
  const { root, depth } = key;
  const [min, max] = LIMITS.beaconDepth;
  const isShaped =
    Number.isSafeInteger(depth) &&
    depth >= min &&
    depth <= max &&
    Number.isSafeInteger(index) &&
    index >= 0 &&
    index < 2 ** depth &&
    reveal.length === ivrfRevealBytes(depth);
  if (!isShaped) return fail("beacon.reveal-malformed", `not a reveal of depth ${depth}`);
  const value = reveal.slice(0, 32);
  let hash = leafOf(hasher, index, value);
  let place = index;
  for (let at = 32; at < reveal.length; at += 32) {
    const sibling = reveal.subarray(at, at + 32);
    hash =
      place % 2 === 1
        ? hasher.ht("ivrf/node", sibling, hash)
        : hasher.ht("ivrf/node", hash, sibling);
    place >>>= 1;
  }
  return equalBytes(hash, root)
    ? ok(value)
    : fail("beacon.reveal-invalid", `not the value of index ${index}`);
};
