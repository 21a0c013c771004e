/** Who stands behind each statement, and with which weight: counted once, for all checkers of a run. */
import { ByHonesty, type Place } from "./by-honesty.ts";
import type { Statement } from "./decode.ts";
import { isQuorum } from "./oracle.ts";
import { perRun } from "./per-run.ts";
import { setsOf } from "./sets.ts";
import type { CheckContext } from "./types.ts";

/** Three statements of a view, and now and then a second block in one. */
const STATEMENTS_MAX = 24_576;

type Behind = Place & {
  readonly signers: Set<number>;
  /** Of the signers; undefined where the set of the epoch was not known when the newest one came. */
  weight: bigint | undefined;
};

export type Backings = {
  /**
   * Takes in a signature that counts, by the slot of the process that made it. Every checker that asks calls it; the
   * first call does it. Whether a quorum of the epoch's set stands behind the statement now.
   */
  note(slot: number, statement: Statement): boolean;
  /** Whether a quorum does. */
  isBacked(statement: Statement): boolean;
  /** Statements of this view may be forgotten: who finds no quorum there knows nothing. */
  hasForgotten(place: Place): boolean;
};

const keyOf = ({ epoch, view, kind, hash }: Statement): string =>
  `${epoch}/${view}/${kind}/${hash}`;

const create = (context: CheckContext): Backings => {
  const sets = setsOf(context);
  const kept = new ByHonesty<Behind>(STATEMENTS_MAX);
  let newest:
    | { readonly slot: number; readonly statement: Statement; readonly behind: Behind }
    | undefined;

  const isQuorumBehind = (behind: Behind | undefined): boolean => {
    const set = behind === undefined ? undefined : sets.at(behind.epoch);
    if (behind === undefined || set === undefined) return false;
    if (behind.weight === undefined) {
      behind.weight = 0n;
      for (const signer of behind.signers) behind.weight += set.weightOf(signer);
    }
    return isQuorum(behind.weight, set.total);
  };

  const count = (slot: number, statement: Statement): Behind | undefined => {
    const member = context.memberOf(slot);
    if (member === undefined) return undefined;
    const { epoch, view } = statement;
    const fresh = (): Behind => ({ epoch, view, signers: new Set(), weight: 0n });
    const behind = kept.signed(keyOf(statement), statement, context.honest(slot), fresh);
    newest = { slot, statement, behind };
    if (behind.signers.has(member.slot)) return behind;
    behind.signers.add(member.slot);
    const weight = sets.at(epoch)?.weightOf(member.slot);
    behind.weight =
      weight === undefined || behind.weight === undefined ? undefined : behind.weight + weight;
    return behind;
  };

  return {
    note: (slot, statement) => {
      const isSame = newest?.slot === slot && newest.statement === statement;
      return isQuorumBehind(isSame ? newest?.behind : count(slot, statement));
    },
    isBacked: (statement) => isQuorumBehind(kept.get(keyOf(statement))),
    hasForgotten: (place) => kept.hasForgotten(place),
  };
};

/** One account for all checkers of a run. */
export const backingsOf = perRun(create);
