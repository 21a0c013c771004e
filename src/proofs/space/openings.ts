/**
 * Openings: nodes of sectors as they are stored, with their paths. A proof is the openings one after another,
 * each 32·(1 + lgNodes) bytes, and nothing else: which nodes they are follows from the challenge, so there
 * is one encoding of a right answer and every byte of it is hashed.
 */
import { fail, ok, type Result } from "../../errors.ts";
import type { Challenge } from "./challenges.ts";
import { NODE_BYTES, openingBytes } from "./parameters.ts";
import type { SectorStatement } from "./statement.ts";
import {
  isUnderRoot,
  type OpenedLeaf,
  openLeaf,
  type SpaceHashes,
  type TreeReader,
} from "./tree.ts";

/** Answers the challenges from sectors that are there. */
export const makeOpenings = (
  hashes: SpaceHashes,
  sectors: readonly TreeReader[],
  challenges: readonly Challenge[],
): Uint8Array => {
  const lgNodes = sectors[0]?.lgNodes ?? 0;
  const length = openingBytes(lgNodes);
  const proof = new Uint8Array(challenges.length * length);
  challenges.forEach(({ sector, node }, i) => {
    const reader = sectors[sector];
    if (reader === undefined) throw new RangeError(`no sector ${sector}`);
    const { leaf, path } = openLeaf(hashes, reader, node);
    proof.set(leaf, i * length);
    proof.set(path, i * length + NODE_BYTES);
  });
  return proof;
};

/** A leaf and its path as they stand in a proof; views. */
export const leafAt = (bytes: Uint8Array, at: number, lgNodes: number): OpenedLeaf => ({
  leaf: bytes.subarray(at, at + NODE_BYTES),
  path: bytes.subarray(at + NODE_BYTES, at + openingBytes(lgNodes)),
});

/** Checks openings against the stored roots of the sectors. Codes: space.proof-shape, space.proof-path. */
export const verifyOpenings = (
  hashes: SpaceHashes,
  lgNodes: number,
  sectors: readonly (Pick<SectorStatement, "commRl"> | undefined)[],
  challenges: readonly Challenge[],
  proof: Uint8Array,
): Result<number> => {
  const length = openingBytes(lgNodes);
  if (proof.length !== challenges.length * length) {
    return fail(
      "space.proof-shape",
      `${proof.length} bytes for ${challenges.length} openings of ${length}`,
    );
  }
  for (const [i, { sector, node }] of challenges.entries()) {
    const root = sectors[sector]?.commRl;
    if (root === undefined) return fail("space.proof-shape", `no sector ${sector}`);
    if (!isUnderRoot(hashes, lgNodes, node, leafAt(proof, i * length, lgNodes), root)) {
      return fail("space.proof-path", `opening ${i}: node ${node} is not in the sector`);
    }
  }
  return ok(challenges.length);
};
