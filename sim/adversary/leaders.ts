/** Adversaries that abuse their turn to lead: what they leave out, what time they state, which hash they like. */
import { compareBytes, toHex } from "../../src/crypto/bytes.ts";
import { decodeBatch } from "../../src/ledger/batch.ts";
import { decodeBlock } from "../../src/ledger/block.ts";
import type { Header } from "../../src/ledger/types.ts";
import { isExpired } from "../../src/ledger/validity.ts";
import type { Message } from "../../src/ledger/wire.ts";
import { Recent } from "../checkers/recent.ts";
import { type At, createOnce, isAfter, isSameView } from "./by-view.ts";
import type { Powers, StrategyFactory } from "./types.ts";
import { altered, type Proposal } from "./votes.ts";

const LEFT_KEPT = 256;

/** The blocks that a message carries. */
const blocksIn = (message: Message | undefined): readonly Uint8Array[] => {
  switch (message?.type) {
    case "proposal":
      return message.block === undefined ? [] : [message.block];
    case "block":
      return [message.block];
    case "sync-response":
      return message.blocks.map(({ block }) => block);
    default:
      return [];
  }
};

/** Whether a batch with this reference may surely stand in a block, by its age. */
const mayStandIn = ({ height, timeMs }: Header, refHeight: number): boolean =>
  refHeight < height && isExpired(refHeight, { height, timeMs, timeAt: () => undefined }) === false;

/**
 * Leaves out the batches of one client: they are neither taken from the client (network.ts) nor from
 * gossip. What others propose it answers for, as it would give itself away else. It has left something out where a
 * client is not answered, and where it proposes without what it had been given and no block has named yet.
 */
export const censor: StrategyFactory = (powers) => {
  /** What the batches refer to that it has turned away and that it has seen in no block, by digest. */
  const left = new Recent<string, number>(LEFT_KEPT);
  /** Digests that blocks have named: gossip may bring a batch after the block that holds it. */
  const named = new Recent<string, true>();
  /** Its newest proposal, and that one where it leaves something out and nobody has got it yet. */
  let newest: At | undefined;
  let without: At | undefined;
  const note = (message: Message | undefined): void => {
    for (const bytes of blocksIn(message)) {
      const block = decodeBlock(powers.hasher, bytes);
      if (!block.ok) continue;
      for (const digest of block.value.batchDigests) {
        named.set(toHex(digest), true);
        left.delete(toHex(digest));
      }
    }
  };
  /** A block is judged when it is first to go out: what comes later could not stand in it. */
  const judge = (message: Proposal): void => {
    const block = message.block && decodeBlock(powers.hasher, message.block);
    if (block?.ok !== true || !isAfter(block.value.header, newest)) return;
    const { header } = block.value;
    newest = header;
    if ([...left.values()].some((refHeight) => mayStandIn(header, refHeight))) without = header;
  };
  return {
    watch: note,
    incoming: (_peer, bytes, read) => {
      const message = read();
      if (message?.type !== "batch" || !powers.isVictim(bytes)) return false;
      const batch = decodeBatch(powers.hasher, message.batch.slice());
      const digest = batch.ok ? toHex(batch.value.digest) : undefined;
      if (batch.ok && digest !== undefined && !named.has(digest))
        left.set(digest, batch.value.refHeight);
      return true;
    },
    outgoing: (_peer, _class, bytes, read) => {
      const message = read();
      note(message);
      if (message?.type === "proposal") judge(message);
      return message?.type === "batch" && powers.isVictim(bytes);
    },
    sent: (_peer, read) => {
      const message = read();
      if (message?.type !== "proposal" || !isSameView(message.vote.statement, without)) return;
      without = undefined;
      powers.acted();
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
  /** Its newest proposal, and that one where its time shows the clock and nobody has got it yet. */
  let newest: At | undefined;
  let shown: At | undefined;
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
      const { header } = block.value;
      // One that is sent again later is old without a lie, and one that a slow disk has held up is no fast clock's.
      if (!isAfter(header, newest)) return false;
      newest = header;
      if (powers.hasForeignClock()) return false;
      const offMs = header.timeMs - powers.wallMs();
      if (Math.abs(offMs) > VISIBLE_MS && Math.sign(offMs) === Math.sign(skewMs)) shown = header;
      return false;
    },
    sent: (_peer, read) => {
      const message = read();
      if (message?.type !== "proposal" || !isSameView(message.vote.statement, shown)) return;
      shown = undefined;
      powers.acted();
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
  const once = createOnce<Proposal>();
  return {
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type !== "proposal" || message.block === undefined) return false;
      const best = once(message.vote.statement, () => ground(powers, message));
      if (best === undefined) return false;
      powers.lie(peer, best);
      return true;
    },
  };
};
