/** Adversaries of the beacon: they reveal what is not the value of the height, or only what suits them. */

import { decodeBlock } from "../../src/ledger/block.ts";
import { encodeBlockProofs } from "../../src/ledger/block-proofs.ts";
import type { Block } from "../../src/ledger/types.ts";
import { createOnce } from "./by-view.ts";
import type { Powers, StrategyFactory } from "./types.ts";
import { altered, type Proposal } from "./votes.ts";

const NOTHING = new Uint8Array(0);

const blockOf = (powers: Powers, proposal: Proposal): Block | undefined => {
  if (proposal.block === undefined) return undefined;
  const block = decodeBlock(powers.hasher, proposal.block);
  return block.ok ? block.value : undefined;
};

/** A value of its own, a path that does not fit, none at all, one of another height, one of another validator. */
const forged = (
  kind: number,
  reveal: Uint8Array,
  seen: { readonly own: Uint8Array; readonly others: Uint8Array },
): Uint8Array => {
  const bent = reveal.slice();
  switch (kind) {
    case 0:
      bent[5] = (bent[5] ?? 0) ^ 1;
      return bent;
    case 1:
      bent[bent.length - 1] = (bent[bent.length - 1] ?? 0) ^ 0x80;
      return bent;
    case 2:
      return NOTHING;
    case 3:
      return seen.own;
    default:
      return seen.others;
  }
};
const KINDS = 5;

/** Where it leads it reveals something else each time; all of it must be refused. */
export const forgeReveals: StrategyFactory = (powers) => {
  const once = createOnce<Proposal>();
  let made = 0;
  let own: Uint8Array = NOTHING;
  let others: Uint8Array = NOTHING;
  return {
    watch: (message) => {
      if (message?.type !== "proposal") return;
      const reveal = blockOf(powers, message)?.proofs.reveal ?? NOTHING;
      if (reveal.length > 0) others = reveal;
    },
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type !== "proposal") return false;
      const block = blockOf(powers, message);
      if (block === undefined || block.proofs.reveal.length === 0) return false;
      const { reveal, openings } = block.proofs;
      const other = once(block.header, () => {
        const kind = made % KINDS;
        const shown = forged(kind, reveal, { own, others });
        const section = encodeBlockProofs(powers.genesis.proofs, { reveal: shown, openings });
        const bent = altered(
          powers,
          message,
          () => ({}),
          true,
          () => section,
        );
        if (bent === undefined) return undefined;
        powers.mark(`reveal forged ${kind}`);
        made += 1;
        own = reveal;
        return bent;
      });
      if (other === undefined) return false;
      powers.lie(peer, other);
      return true;
    },
  };
};

/** Where it leads it proposes only if it likes the value that it would reveal: half of the time. */
export const withholdReveals: StrategyFactory = (powers) => ({
  outgoing: (_peer, _class, _bytes, read) => {
    const message = read();
    if (message?.type !== "proposal") return false;
    const reveal = blockOf(powers, message)?.proofs.reveal ?? NOTHING;
    const isUnkind = ((reveal[0] ?? 0) & 1) === 1;
    if (isUnkind) {
      powers.mark("reveal withheld");
      powers.acted();
    }
    return isUnkind;
  },
});
