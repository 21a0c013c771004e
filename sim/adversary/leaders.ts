/** Adversaries that abuse their turn to lead: what they leave out, what time they state, which hash they like. */
import { compareBytes, toHex } from "../../src/crypto/bytes.ts";
import { decodeBatch } from "../../src/ledger/batch.ts";
import { decodeBlock } from "../../src/ledger/block.ts";
import type { Message } from "../../src/ledger/wire.ts";
import { Recent } from "../checkers/recent.ts";
import type { Powers, StrategyFactory } from "./types.ts";
import { altered, type Proposal } from "./votes.ts";

const LEFT_KEPT = 256;

/**
 * Leaves out the batches of one client: they are neither taken from the client (network.ts) nor from
 * gossip. What others propose it answers for, as it would give itself away else. It has left something out where a
 * client is not answered, and where it proposes without what it had been given.
 */
export const censor: StrategyFactory = (powers) => {
  /** Digests of batches that it has turned away and that nobody has proposed since. */
  const left = new Recent<string, true>(LEFT_KEPT);
  const proposed = (message: Message | undefined): boolean => {
    if (message?.type !== "proposal" || message.block === undefined) return false;
    const block = decodeBlock(powers.hasher, message.block);
    if (block.ok) for (const digest of block.value.batchDigests) left.delete(toHex(digest));
    return block.ok;
  };
  return {
    watch: (message) => void proposed(message),
    incoming: (_peer, bytes, read) => {
      const message = read();
      if (message?.type !== "batch" || !powers.isVictim(bytes)) return false;
      const batch = decodeBatch(powers.hasher, message.batch.slice());
      if (batch.ok) left.set(toHex(batch.value.digest), true);
      return true;
    },
    outgoing: (_peer, _class, bytes, read) => {
      const message = read();
      if (proposed(message) && left.size > 0) powers.acted();
      return message?.type === "batch" && powers.isVictim(bytes);
    },
  };
};

/** Just inside and just outside of what is timely: precision 500 ms, message delay 2 s (genesis.ts). */
const EDGES_MS = [499, 501, -1_990, -2_600, 450, 60_000] as const;
/** A block whose time is this far from the true one was made by a clock at an edge. */
const VISIBLE_MS = 400;
const EDGE_MS = 700;

/** States times at the edges of what others take for timely, by a clock that is set from edge to edge. */
export const timestampEdge: StrategyFactory = (powers) => {
  let nextMs = 0;
  let skewMs = 0;
  let proposedView = -1;
  return {
    tick: () => {
      const nowMs = powers.nowMs();
      if (nowMs < nextMs) return;
      nextMs = nowMs + EDGE_MS;
      skewMs = powers.random.pick(EDGES_MS);
      powers.skewClock(skewMs);
    },
    outgoing: (_peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type !== "proposal" || message.block === undefined) return false;
      const block = decodeBlock(powers.hasher, message.block);
      if (!block.ok) return false;
      const { timeMs, view } = block.value.header;
      // One that is sent again later is old without a lie, and one that a slow disk has held up is no fast clock's.
      if (view <= proposedView) return false;
      proposedView = view;
      const offMs = timeMs - powers.wallMs();
      if (Math.abs(offMs) > VISIBLE_MS && Math.sign(offMs) === Math.sign(skewMs)) powers.acted();
      return false;
    },
  };
};

const CANDIDATES = 64;

/** The candidate with the lowest hash: what follows from a block's hash (the order of lanes) is its choice. */
const ground = (powers: Powers, proposal: Proposal): Proposal | undefined => {
  let best: Proposal | undefined;
  for (let i = 1; i <= CANDIDATES; i++) {
    const other = altered(powers, proposal, (header) => ({ timeMs: header.timeMs + i }), false);
    const hash = other?.vote.statement.hash;
    if (hash === undefined) return undefined;
    if (best === undefined || compareBytes(hash, best.vote.statement.hash) < 0) best = other;
  }
  return best === undefined ? undefined : { ...best, vote: powers.vote(best.vote.statement) };
};

/** Makes many blocks for each view that it leads, and proposes the one whose hash it likes best. */
export const grind: StrategyFactory = (powers) => {
  const chosen = new Map<number, Proposal>();
  return {
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type !== "proposal" || message.block === undefined) return false;
      const { view } = message.vote.statement;
      const best = chosen.get(view) ?? ground(powers, message);
      if (best === undefined) return false;
      chosen.set(view, best);
      powers.lie(peer, best);
      return true;
    },
  };
};
