/**
 * Checks proofs of elapsed time: pure, synchronous, in the time of as many leaves as are opened. The format is
 * that of open.ts. Everything comes from strangers: the size is checked before anything is hashed, each byte
 * is part of what hashes to phi, and there is one encoding of a proof.
 */
import { equalBytes, isZero } from "../../crypto/bytes.ts";
import { DecodeError, Reader } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { type Failure, fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { ABSORBED_PATH_MAX, type Absorbed, isAbsorbed } from "./absorbed.ts";
import { createLabels, depthOf, LABEL_BYTES, type Labels, NOTHING } from "./labels.ts";
import { lowerBound, TIME_PROOF_VERSION } from "./open.ts";
import { checkTimeParameters, type TimeParameters } from "./parameters.ts";
import {
  type AbsorbedRoot,
  type Challenges,
  challengedLeaves,
  type TimeCommitment,
  type TimeStatement,
  timeChi,
  timePhi,
} from "./statement.ts";

export type TimeProofInput = {
  readonly hasher: Hasher;
  readonly parameters: TimeParameters;
  readonly statement: TimeStatement;
  readonly commitment: TimeCommitment;
};

const HEAD_BYTES = 2 + 4 + 32;
const BLOCK_BYTES = 8 + 8 + 32 + 4 + 1 + 32 * ABSORBED_PATH_MAX;
const LEAF_BYTES = 1 + 32;

/** The most bytes that so many openings can take: none shares anything. */
const openingsBytesMax = (leaves: number, challenges: number): number =>
  challenges * (LEAF_BYTES + LABEL_BYTES * depthOf(leaves));

/** Thrown within this file for bytes that are no proof. */
const malformed = (offset: number, detail: string): DecodeError =>
  new DecodeError("tag", offset, detail);

/**
 * The root that the openings lead to: the walk of open.ts, with the opened leaves computed. What each of them
 * took in goes to `taken`.
 */
const rootOf = (
  reader: Reader,
  labels: Labels,
  total: number,
  leaves: readonly number[],
  taken: Uint8Array[],
): Uint8Array => {
  const takenIn = (): Uint8Array => {
    const at = reader.offset;
    const flag = reader.u8();
    if (flag > 1) throw malformed(at, "not 0 or 1");
    if (flag === 0) return NOTHING;
    const hash = reader.hash();
    if (isZero(hash)) throw malformed(at, "zeros in place of a block hash");
    return hash;
  };
  const visit = (level: number, index: number, low: number, high: number): Uint8Array => {
    const first = index * 2 ** level;
    if (first >= total) return NOTHING;
    if (low === high) return reader.hash();
    if (level === 0) {
      const hash = takenIn();
      taken.push(hash);
      return labels.leaf(index, hash);
    }
    const middle = lowerBound(leaves, first + 2 ** (level - 1), { low, high });
    const left = visit(level - 1, 2 * index, low, middle);
    labels.stack.push(left);
    const right = visit(level - 1, 2 * index + 1, middle, high);
    labels.stack.pop();
    return labels.node(level, index, left, right);
  };
  return visit(depthOf(total), 0, 0, leaves.length);
};

/** Codes: time.parameters, time.commitment, time.proof-malformed (too long). */
const checkInput = (
  { parameters, commitment }: TimeProofInput,
  bytes: Uint8Array,
  bytesMax: number,
): Failure | undefined => {
  const checked = checkTimeParameters(parameters);
  if (!checked.ok) return checked;
  const { leaves, phi } = commitment;
  const most = 2 ** parameters.leavesLog2Max;
  if (!Number.isSafeInteger(leaves) || leaves < 1 || leaves > most || phi.length !== LABEL_BYTES) {
    return fail("time.commitment", `a run has 1 to ${most} leaves and a commitment of 32 bytes`);
  }
  return bytes.length <= bytesMax
    ? undefined
    : fail("time.proof-malformed", `${bytes.length} bytes are more than ${bytesMax}`);
};

/** Runs a decoder, and makes what is wrong with the bytes an error of the table. */
const decoded = <T>(decode: () => Result<T>): Result<T> => {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeError) return fail("time.proof-malformed", error.message);
    throw error;
  }
};

const readHead = (reader: Reader): AbsorbedRoot => {
  const version = reader.u16();
  if (version !== TIME_PROOF_VERSION) throw malformed(0, `version ${version}`);
  const at = reader.offset;
  const count = reader.u32();
  if (count > LIMITS.timeAbsorbedMax) throw malformed(at, `${count} blocks`);
  return { count, root: reader.hash() };
};

/** Reads the walk to the end of the bytes and compares where it leads with phi: what the leaves took in. */
const checkWalk = (
  input: TimeProofInput,
  reader: Reader,
  absorbed: AbsorbedRoot,
  leaves: readonly number[],
): Result<readonly Uint8Array[]> => {
  const { hasher, parameters, statement, commitment } = input;
  const labels = createLabels(hasher, timeChi(hasher, statement), parameters.tailBlocks);
  const taken: Uint8Array[] = [];
  const root = rootOf(reader, labels, commitment.leaves, leaves, taken);
  reader.end();
  return equalBytes(timePhi(hasher, root, commitment.leaves, absorbed), commitment.phi)
    ? ok(taken)
    : fail("time.proof-invalid", "the opened leaves do not lead to the commitment");
};

/**
 * Whether the proof answers the seed for that commitment: then, but for a chance of (1 - a)^(challenges answered), less
 * than a part a of the leaves was skipped, and the others were computed one after another, after the
 * statement's seed was known. Codes: time.parameters, time.commitment, time.proof-malformed,
 * time.proof-invalid. A proof of another chain, epoch, seed or timekeeper gives one of the last two: which leaves
 * are open, and so where a label must stand, follows from them too.
 */
export const verifyRun = (
  input: TimeProofInput,
  seed: Uint8Array,
  challenges: Challenges,
  bytes: Uint8Array,
): Result<{ readonly opened: number; readonly absorbed: number }> => {
  const { hasher, commitment } = input;
  const bytesMax =
    HEAD_BYTES + openingsBytesMax(commitment.leaves, challenges.to - challenges.from);
  const wrong = checkInput(input, bytes, bytesMax);
  if (wrong !== undefined) return wrong;
  return decoded(() => {
    const reader = new Reader(bytes);
    const absorbed = readHead(reader);
    const leaves = challengedLeaves(hasher, commitment, seed, challenges);
    const walked = checkWalk(input, reader, absorbed, leaves);
    return walked.ok ? ok({ opened: leaves.length, absorbed: absorbed.count }) : walked;
  });
};

/**
 * Whether the run of that commitment took in the block: then its hash was known when leaf `leaf` and all
 * behind it were yet to be computed. That holds for a run whose elapsed time is proven (verifyRun), and less
 * the part of the leaves that may have been skipped. Codes as verifyRun.
 */
export const verifyBlock = (input: TimeProofInput, bytes: Uint8Array): Result<Absorbed> => {
  const { hasher, commitment } = input;
  const bytesMax = HEAD_BYTES + BLOCK_BYTES + openingsBytesMax(commitment.leaves, 1);
  const wrong = checkInput(input, bytes, bytesMax);
  if (wrong !== undefined) return wrong;
  return decoded(() => {
    const reader = new Reader(bytes);
    const absorbed = readHead(reader);
    const entry = { height: reader.u64(), leaf: reader.u64(), hash: reader.hash().slice() };
    const index = reader.u32();
    const steps = reader.u8();
    if (steps > ABSORBED_PATH_MAX) throw malformed(reader.offset - 1, `a path of ${steps}`);
    const path = Array.from({ length: steps }, () => reader.hash());
    if (entry.leaf >= commitment.leaves) return fail("time.proof-invalid", "no such leaf");
    if (!isAbsorbed(hasher, entry, index, path, absorbed)) {
      return fail("time.proof-invalid", "the list of blocks does not have this one");
    }
    const walked = checkWalk(input, reader, absorbed, [entry.leaf]);
    if (!walked.ok) return walked;
    return equalBytes(walked.value[0] ?? NOTHING, entry.hash)
      ? ok(entry)
      : fail("time.proof-invalid", "the leaf took in something else than the list says");
  });
};
