/**
 * The opening of committed shares: 32 slots that a later beacon names, or all where there are no more. A
 * committer of whose slots a part e is empty passes with (1 - e)^32 at most.
 *
 *     u8 version = 1   u32be count   root(32)   u8 opened
 *     opened × (u64be nonce   u8 length   length × hash(32))     in the order in which the beacon names them
 *
 * The slots themselves follow from the beacon and are not in it. The check is pure and synchronous.
 */
import { DecodeError, Reader, Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { verifyMerklePath } from "../../crypto/merkle.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { ShareParameters } from "./parameters.ts";
import {
  commitmentOf,
  createShareTest,
  type ShareCommitment,
  type ShareSubject,
  shareLeaf,
  shareLevels,
  shareNode,
  workUnits,
} from "./shares.ts";

const VERSION = 1;

/** Longest path of a tree of the most shares there may be. */
const PATH_MAX = Math.ceil(Math.log2(LIMITS.workSharesMax));

export type OpenedShare = { readonly nonce: number; readonly path: readonly Uint8Array[] };

export type ShareOpening = {
  readonly commitment: ShareCommitment;
  readonly opened: readonly OpenedShare[];
};

const openingsOf = (count: number): number => Math.min(count, LIMITS.workShareOpenings);

/**
 * The slots that a seed asks for: different ones, drawn without returning (Fisher and Yates). The draw is
 * of 64 bits, whose remainder prefers no slot by more than 2^-46.
 */
export const challengedSlots = (
  hasher: Hasher,
  { count, root }: ShareCommitment,
  seed: Uint8Array,
): readonly number[] => {
  const moved = new Map<number, number>();
  return Array.from({ length: openingsOf(count) }, (_, k) => {
    const what = new Writer().hash(seed).hash(root).u32(count).u32(k).finish();
    const draw = new Reader(hasher.ht("work/share-open", what)).u64big();
    const at = k + Number(draw % BigInt(count - k));
    const slot = moved.get(at) ?? at;
    moved.set(at, moved.get(k) ?? k);
    return slot;
  });
};

/** What a validator that has filled these slots answers. Throws RangeError as `commitShares` does. */
export const openShares = (
  hasher: Hasher,
  nonces: readonly number[],
  seed: Uint8Array,
): ShareOpening => {
  const levels = shareLevels(hasher, nonces);
  const commitment = commitmentOf(levels);
  const opened = challengedSlots(hasher, commitment, seed).map((slot) => ({
    nonce: nonces[slot] ?? 0,
    path: pathIn(levels, slot),
  }));
  return { commitment, opened };
};

/** Siblings from the leaf upwards; the last node of an odd level has none, and stands one level higher. */
const pathIn = (levels: readonly (readonly Uint8Array[])[], slot: number): Uint8Array[] => {
  const path: Uint8Array[] = [];
  let at = slot;
  for (const level of levels) {
    const sibling = level[at % 2 === 0 ? at + 1 : at - 1];
    if (sibling !== undefined) path.push(sibling);
    at = Math.floor(at / 2);
  }
  return path;
};

export const encodeShareOpening = ({ commitment, opened }: ShareOpening): Uint8Array => {
  const writer = new Writer().u8(VERSION).u32(commitment.count).hash(commitment.root);
  writer.u8(opened.length);
  for (const one of opened) writeOpened(writer, one);
  return writer.finish();
};

const writeOpened = (writer: Writer, { nonce, path }: OpenedShare): void => {
  writer.u64(nonce).u8(path.length);
  for (const hash of path) writer.hash(hash);
};

/** Throws DecodeError. */
const readOpened = (reader: Reader): OpenedShare => {
  const nonce = reader.u64();
  const at = reader.offset;
  const hashes = reader.u8();
  if (hashes > PATH_MAX) throw new DecodeError("range", at, `a path of ${hashes} hashes`);
  return { nonce, path: Array.from({ length: hashes }, () => reader.hash().slice()) };
};

/** Reads the one encoding of an opening. Code: work.malformed. */
export const decodeShareOpening = (bytes: Uint8Array): Result<ShareOpening> => {
  try {
    return readOpening(new Reader(bytes));
  } catch (error) {
    if (error instanceof DecodeError) return fail("work.malformed", error.message);
    throw error;
  }
};

const readOpening = (reader: Reader): Result<ShareOpening> => {
  const version = reader.u8();
  if (version !== VERSION) return fail("work.malformed", `version ${version} of an opening`);
  const count = reader.u32();
  if (count < 1 || count > LIMITS.workSharesMax) {
    return fail("work.malformed", `${count} shares, limit ${LIMITS.workSharesMax}`);
  }
  const root = reader.hash().slice();
  const length = reader.u8();
  if (length !== openingsOf(count)) {
    return fail(
      "work.malformed",
      `${length} of ${count} shares are open, not ${openingsOf(count)}`,
    );
  }
  const opened = Array.from({ length }, () => readOpened(reader));
  reader.end();
  return ok({ commitment: { count, root }, opened });
};

/** How many opened shares one event shows: as many as its bounded cost allows. */
const perPart = ({ scryptN }: ShareParameters): number =>
  Math.max(1, Math.min(LIMITS.workShareOpenings, Math.floor(LIMITS.workPartScryptMax / scryptN)));

/** Events that the opening of so many shares comes in, at most LIMITS.proofPartsMax. */
export const shareParts = (parameters: ShareParameters, count: number): number =>
  Math.ceil(openingsOf(count) / perPart(parameters));

/** The openings of one part, numbered from 0, in their one encoding. */
export const encodeSharePart = (
  parameters: ShareParameters,
  { opened }: ShareOpening,
  part: number,
): Uint8Array => {
  const each = perPart(parameters);
  const writer = new Writer();
  for (const one of opened.slice(part * each, (part + 1) * each)) writeOpened(writer, one);
  return writer.finish();
};

/**
 * Whether a part opens the slots of a commitment that are its to open. Codes: work.malformed, work.shares.
 */
export const verifySharePart = (
  hasher: Hasher,
  parameters: ShareParameters,
  subject: ShareSubject,
  commitment: ShareCommitment,
  seed: Uint8Array,
  part: { readonly number: number; readonly bytes: Uint8Array },
): Result<undefined> => {
  const each = perPart(parameters);
  const slots = challengedSlots(hasher, commitment, seed).slice(
    part.number * each,
    (part.number + 1) * each,
  );
  const opened = decodePart(part.bytes, slots.length);
  if (!opened.ok) return opened;
  return checkOpened({ hasher, parameters, subject, commitment }, slots, opened.value);
};

const decodePart = (bytes: Uint8Array, count: number): Result<readonly OpenedShare[]> => {
  try {
    const reader = new Reader(bytes);
    const opened = Array.from({ length: count }, () => readOpened(reader));
    reader.end();
    return ok(opened);
  } catch (error) {
    if (error instanceof DecodeError) return fail("work.malformed", error.message);
    throw error;
  }
};

/**
 * Whether the opening shows the committed shares, as far as 32 samples do; the units that they are. All
 * paths before the first scrypt, of which there are at most 32. Code: work.shares.
 */
export const verifyShares = (
  hasher: Hasher,
  parameters: ShareParameters,
  subject: ShareSubject,
  opening: ShareOpening,
  seed: Uint8Array,
): Result<{ readonly units: number }> => {
  const { commitment, opened } = opening;
  const { count } = commitment;
  if (count < 1 || count > LIMITS.workSharesMax || opened.length !== openingsOf(count)) {
    return fail("work.shares", `${opened.length} of ${count} shares are open`);
  }
  const slots = challengedSlots(hasher, commitment, seed);
  const checked = checkOpened({ hasher, parameters, subject, commitment }, slots, opened);
  return checked.ok ? ok({ units: workUnits(parameters, count) }) : checked;
};

type Claim = {
  readonly hasher: Hasher;
  readonly parameters: ShareParameters;
  readonly subject: ShareSubject;
  readonly commitment: ShareCommitment;
};

const checkOpened = (
  { hasher, parameters, subject, commitment }: Claim,
  slots: readonly number[],
  opened: readonly OpenedShare[],
): Result<undefined> => {
  const { count, root } = commitment;
  const node = shareNode(hasher);
  for (const [i, { nonce, path }] of opened.entries()) {
    const slot = slots[i] ?? 0;
    const leaf = shareLeaf(hasher, slot, nonce);
    if (!verifyMerklePath(leaf, slot, count, path, root, node)) {
      return fail("work.shares", `slot ${slot} does not hash to the commitment`, { slot });
    }
  }
  const test = createShareTest(hasher, parameters, subject);
  for (const [i, { nonce }] of opened.entries()) {
    const slot = slots[i] ?? 0;
    // All paths have led to the root: it was committed to over this.
    if (!test(slot, nonce)) {
      return fail("work.shares", `slot ${slot} holds no share`, { slot, forged: true });
    }
  }
  return ok(undefined);
};
