/**
 * I22: an honest validator votes N for a new block only where its proposer leads that view and its parent is
 * what a quorum notarized in the parent's view, and for an old one only where that was notarized before. The
 * schedule of leaders is the oracle's own (leaders.ts).
 */
import { decodeStatement, NOTARIZE, type Statement } from "./decode.ts";
import { headersOf } from "./headers.ts";
import { isQuorum } from "./oracle.ts";
import { Recent } from "./recent.ts";
import { setsOf } from "./sets.ts";
import type { CheckContext, Checker } from "./types.ts";

export const votesGrounded = (context: CheckContext): Checker => {
  const headers = headersOf(context);
  const behind = new Recent<string, { readonly signers: Set<number>; weight: bigint }>();
  /** What a quorum has signed N for: by epoch, view and hash, and by epoch and hash. */
  const notarized = new Recent<string, true>();
  const ever = new Recent<string, true>();
  const sets = setsOf(context);

  const count = ({ epoch, view, hash }: Statement, slot: number): void => {
    const set = sets.at(epoch);
    if (set === undefined) return;
    const key = `${epoch}/${view}/${hash}`;
    const found = behind.get(key) ?? { signers: new Set(), weight: 0n };
    if (found.signers.has(slot)) return;
    found.signers.add(slot);
    found.weight += set.weightOf(slot);
    behind.set(key, found);
    if (!isQuorum(found.weight, set.total)) return;
    notarized.set(key, true);
    ever.set(`${epoch}/${hash}`, true);
  };

  /** Why this vote stands on nothing, or undefined. */
  const faultOf = ({ epoch, view, hash }: Statement): string | undefined => {
    const header = headers.get(hash);
    if (header === undefined || header.epoch !== epoch) return undefined;
    if (header.view !== view) {
      return ever.has(`${epoch}/${hash}`) ? undefined : "an old block that no quorum has notarized";
    }
    const leader = sets.leaderOf(epoch, view);
    if (leader !== undefined && leader !== header.proposer) {
      return `a block by ${header.proposer}, where ${leader} leads`;
    }
    // The parent of an epoch's first block is final by the epoch before.
    if (header.parentView === 0) return undefined;
    return notarized.has(`${epoch}/${header.parentView}/${header.parentHash}`)
      ? undefined
      : `a block on what no quorum has notarized in view ${header.parentView}`;
  };

  return {
    id: "I22",
    title: "honest validators vote for blocks of the view's leader, on what a quorum notarized",
    sent: (_from, _to, _class, bytes) => headers.note(bytes),
    released: (slot, message) => {
      const statement = decodeStatement(message);
      const member = context.memberOf(slot);
      if (statement?.kind !== NOTARIZE || member === undefined) return;
      const fault = context.honest(slot) ? faultOf(statement) : undefined;
      if (fault !== undefined) {
        const { epoch, view } = statement;
        context.report("I22", `n${member.slot} voted in view ${epoch}/${view} for ${fault}`);
      }
      count(statement, member.slot);
    },
  };
};
