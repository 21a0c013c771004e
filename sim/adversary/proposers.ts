/** Adversaries that propose what may not be proposed: where another leads, or on what nobody notarized. */
import { toHex } from "../../src/crypto/bytes.ts";
import { batchesRoot, decodeBlock, encodeBlock } from "../../src/ledger/block.ts";
import { notarize } from "../../src/ledger/statement.ts";
import type { Block, Header, Statement } from "../../src/ledger/types.ts";
import { Recent } from "../checkers/recent.ts";
import { type At, createOnce, isAfter, isSameView } from "./by-view.ts";
import type { Powers, StrategyFactory } from "./types.ts";
import { altered, isOwnSay, type Proposal } from "./votes.ts";

/**
 * Proposes in one view that another leads what it was shown there, as its own block, and says nothing else for
 * a block in that view: nothing that it signs conflicts, so only the rule about leaders stands against it. It is the
 * first such view from the one that it is told on.
 */
export const outOfTurn: StrategyFactory = (powers) => {
  const first: At = { epoch: 0, view: powers.spec.view ?? 0 };
  let chosen: At | undefined;
  /** The newest view in which its replica has said something for a block. */
  let voted: At | undefined;
  const isOwnTurn = ({ epoch, view }: Statement): boolean =>
    epoch === 0 && powers.leaderOf(view) === powers.self;
  return {
    incoming: (_peer, _bytes, read) => {
      const message = read();
      if (chosen !== undefined || message?.type !== "proposal") return false;
      const { signer, statement } = message.vote;
      if (isAfter(first, statement) || !isAfter(statement, voted)) return false;
      if (signer === powers.self || isOwnTurn(statement)) return false;
      const own = altered(powers, message, (header) => ({
        timeMs: header.timeMs + 1,
        proposer: powers.self,
      }));
      if (own !== undefined && powers.lieToAll(powers.peers(), own)) chosen = statement;
      return false;
    },
    outgoing: (_peer, _class, _bytes, read) => {
      const message = read();
      if (!isOwnSay(message) || message.vote.statement.kind === "nullify") return false;
      const { statement, signer } = message.vote;
      if (isSameView(statement, chosen)) return signer === powers.self;
      if (isAfter(statement, voted)) voted = statement;
      return false;
    },
  };
};

/** An empty block beside the parent of the one that was to be proposed, said to stand in the parent's view. */
const beside = (
  powers: Powers,
  proposal: Proposal,
  { header, proofs }: Block,
  parent: Header,
): Proposal | undefined => {
  const { height, parentHash } = parent;
  if (header.executedHeight >= height) return undefined;
  const empty = { batchCount: 0, batchesRoot: batchesRoot(powers.hasher, []) };
  const other = { ...header, ...empty, height, parentHash };
  const block = encodeBlock(powers.hasher, other, [], proofs);
  const vote = powers.vote(notarize(header.epoch, header.view, block.hash));
  return { ...proposal, block: block.bytes, vote };
};

/** Where it leads it proposes a block beside the notarized one of the view before, instead of on top. */
export const otherParent: StrategyFactory = (powers) => {
  const seen = new Recent<string, Header>();
  const once = createOnce<Proposal>();
  return {
    watch: (message) => {
      if (message?.type !== "proposal" || message.block === undefined) return;
      const block = decodeBlock(powers.hasher, message.block);
      if (block.ok) seen.set(toHex(block.value.hash), block.value.header);
    },
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type !== "proposal" || message.block === undefined) return false;
      const block = decodeBlock(powers.hasher, message.block);
      if (!block.ok) return false;
      const { header } = block.value;
      const parent = seen.get(toHex(header.parentHash));
      if (parent === undefined) return false;
      const other = once(header, () => beside(powers, message, block.value, parent));
      if (other === undefined) return false;
      powers.lie(peer, other);
      return true;
    },
  };
};
