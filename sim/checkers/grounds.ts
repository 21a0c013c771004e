/**
 * I22: an honest validator votes N for a new block only where its proposer leads that view and its parent is
 * what a quorum notarized in the parent's view, and for an old one only where that was notarized before. The
 * schedule of leaders is the oracle's own (leaders.ts).
 */
import { backingsOf } from "./backing.ts";
import { decodeStatement, NOTARIZE, type Statement } from "./decode.ts";
import { headersOf } from "./headers.ts";
import { Recent } from "./recent.ts";
import { setsOf } from "./sets.ts";
import type { CheckContext, Checker } from "./types.ts";

export const votesGrounded = (context: CheckContext): Checker => {
  const headers = headersOf(context);
  const backings = backingsOf(context);
  /** What a quorum has signed N for in any view, by epoch and hash. */
  const ever = new Recent<string, true>();
  const sets = setsOf(context);

  /** Why this vote stands on nothing, or undefined. */
  const faultOf = ({ epoch, view, hash }: Statement): string | undefined => {
    const header = headers.get(hash);
    if (header === undefined || header.epoch !== epoch) return undefined;
    if (header.view !== view) {
      return ever.has(`${epoch}/${hash}`) || backings.hasForgotten(header)
        ? undefined
        : "an old block that no quorum has notarized";
    }
    const leader = sets.leaderOf(epoch, view);
    if (leader !== undefined && leader !== header.proposer) {
      return `a block by ${header.proposer}, where ${leader} leads`;
    }
    // The parent of an epoch's first block is final by the epoch before.
    if (header.parentView === 0) return undefined;
    const parent = { epoch, view: header.parentView, kind: NOTARIZE, hash: header.parentHash };
    return backings.isBacked(parent) || backings.hasForgotten(parent)
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
      if (backings.note(slot, statement)) ever.set(`${statement.epoch}/${statement.hash}`, true);
    },
  };
};
