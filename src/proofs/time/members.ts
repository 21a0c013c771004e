/**
 * Who shares a run besides its timekeeper: a list of ids whose root is part of every label, so that nobody is
 * added once the run has begun.
 *
 *     members = 0^32 for none, else the Merkle root over Ht("time/member", id), nodes Ht("time/members", l || r)
 */
import { compareBytes, ZERO_HASH } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { merkleRoot } from "../../crypto/merkle.ts";

/** The part of the statement of a run that names who shares it. */
export const membersRoot = (hasher: Hasher, ids: readonly Uint8Array[]): Uint8Array =>
  ids.length === 0
    ? ZERO_HASH
    : merkleRoot(
        ids.map((id) => hasher.ht("time/member", id)),
        (left, right) => hasher.ht("time/members", left, right),
      );

/** Whether the ids ascend without repeats: one set of members has one root. */
export const areMembers = (ids: readonly Uint8Array[]): boolean =>
  ids.every((id, i) => {
    const before = ids[i - 1];
    return before === undefined || compareBytes(before, id) < 0;
  });
