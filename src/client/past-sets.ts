/**
 * What a set of validators may still vouch for once it is over. Its keys may be anybody's by then, and its
 * signatures do
 * not age; but what it has honestly signed is no larger than the log was when it ended.
 */
import { equalBytes } from "../crypto/bytes.ts";
import { fail, ok, type Result } from "../errors.ts";
import type { Checkpoint } from "../ledger/verify/checkpoint.ts";
import type { ProvenHeader } from "../ledger/verify/proven.ts";
import type { PolicyOfEpoch } from "./validator-sets.ts";

/**
 * The first header after the end of a set whose log has all that the set may have signed. A header's log ends a few
 * heights before it. Where none is late enough the newest has to do, and what is larger waits for a later one.
 */
const boundOf = (
  policies: readonly PolicyOfEpoch[],
  at: number,
  { endHeight }: PolicyOfEpoch,
): ProvenHeader | undefined => {
  const later = policies.slice(0, at).map(({ header }) => header);
  const whole = later.findLast(({ executedHeight }) => executedHeight >= (endHeight ?? 0));
  return whole ?? later[0];
};

/**
 * Holds a checkpoint that the set of `epoch` has signed against the headers that were followed, the newest first: gives
 * the one that states the same log, if there is one. Codes: checkpoint.inconsistent where one has another root at its
 * size, checkpoint.quorum where the set was over before the log was so large.
 */
export const holdCheckpoint = (
  policies: readonly PolicyOfEpoch[],
  epoch: number,
  { size, root }: Pick<Checkpoint, "size" | "root">,
): Result<ProvenHeader | undefined> => {
  const same = policies.find(({ header }) => header.logSize === size)?.header;
  if (same !== undefined && !equalBytes(same.logRoot, root)) {
    const detail = `the header of height ${same.height} has another root of ${size} entries`;
    return fail("checkpoint.inconsistent", detail);
  }
  const at = policies.findIndex((one) => one.epoch === epoch);
  const signing = policies[at];
  const bound = signing === undefined ? undefined : boundOf(policies, at, signing);
  if (bound !== undefined && size > bound.logSize) {
    const detail = `the set of epoch ${epoch}, which has signed, was over by height ${bound.height}`;
    return fail(
      "checkpoint.quorum",
      `${detail}, where the log had ${bound.logSize} entries and not ${size}`,
    );
  }
  return ok(same);
};
