/** Adversaries that say different things to different peers, or say too little. */
import { ZERO_HASH } from "../../src/crypto/bytes.ts";
import { decodeBlock, encodeBlock, proofsHash } from "../../src/ledger/block.ts";
import { finalize, notarize, nullify } from "../../src/ledger/statement.ts";
import type { BlockProofs, Header } from "../../src/ledger/types.ts";
import type { Message } from "../../src/ledger/wire.ts";
import { createOnce, nameOf } from "./by-view.ts";
import { createContrast } from "./contrast.ts";
import type { Powers, StrategyFactory } from "./types.ts";

export type Proposal = Message & { readonly type: "proposal" };

/** The same proposal with a changed header, signed anew by its leader unless that is put off. */
export const altered = (
  powers: Powers,
  proposal: Proposal,
  change: (header: Header) => Partial<Header>,
  signed = true,
  section?: (proofs: BlockProofs) => BlockProofs,
): Proposal | undefined => {
  if (proposal.block === undefined) return undefined;
  const decoded = decodeBlock(powers.hasher, proposal.block);
  if (!decoded.ok) return undefined;
  const { header, batchDigests, proofs } = decoded.value;
  const shown = section?.(proofs) ?? proofs;
  const changed = { ...header, ...change(header), proofsHash: proofsHash(powers.hasher, shown) };
  const other = encodeBlock(powers.hasher, changed, batchDigests, shown);
  const { epoch, view } = proposal.vote.statement;
  const statement = notarize(epoch, view, other.hash);
  const vote = signed ? powers.vote(statement) : { ...proposal.vote, statement };
  return { ...proposal, block: other.bytes, vote };
};

const half = (powers: Powers, peer: string): boolean => powers.peers().indexOf(peer) % 2 === 0;

/** What a replica says of itself in a view: a vote, or the proposal that is one. */
export const isOwnSay = (
  message: Message | undefined,
): message is Message & { readonly type: "vote" | "proposal" } =>
  message?.type === "vote" || message?.type === "proposal";

/** Whatever it does not say would have been heard. */
export const silent: StrategyFactory = (powers) => ({
  outgoing: () => {
    powers.acted();
    return true;
  },
});

/** Two valid blocks in one view, each to half of the peers. */
export const equivocateProposal: StrategyFactory = (powers) => {
  const once = createOnce<Proposal>();
  const contrast = createContrast(powers);
  return {
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type !== "proposal") return false;
      if (half(powers, peer)) return false;
      const { statement } = message.vote;
      const other = once(statement, () =>
        altered(powers, message, (header) => ({ timeMs: header.timeMs + 1 })),
      );
      if (other === undefined) return false;
      if (powers.send(peer, other)) contrast(nameOf(statement), peer, "other");
      return true;
    },
    sent: (peer, read) => {
      const message = read();
      if (message?.type === "proposal") contrast(nameOf(message.vote.statement), peer, "real");
    },
  };
};

/** N for the real block to half of the peers, for a block that nobody has to the others. */
export const equivocateVote: StrategyFactory = (powers) => {
  const contrast = createContrast(powers);
  return {
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type !== "vote" || message.vote.statement.kind === "nullify") return false;
      if (half(powers, peer)) return false;
      const { epoch, view, kind } = message.vote.statement;
      const hash = powers.hasher.ht("adversary", message.vote.statement.hash);
      const statement =
        kind === "notarize" ? notarize(epoch, view, hash) : finalize(epoch, view, hash);
      const hasLeft = powers.send(peer, { type: "vote", vote: powers.vote(statement) });
      if (hasLeft) contrast(nameOf(message.vote.statement), peer, "other");
      return true;
    },
    sent: (peer, read) => {
      const message = read();
      if (message?.type !== "vote" || message.vote.statement.kind === "nullify") return;
      contrast(nameOf(message.vote.statement), peer, "real");
    },
  };
};

/** Says S to half of the peers and F to the others, in the same view. */
export const skipAndFinalize: StrategyFactory = (powers) => {
  const contrast = createContrast(powers);
  return {
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type !== "vote" || message.vote.statement.kind !== "finalize") return false;
      if (half(powers, peer)) return false;
      const { epoch, view } = message.vote.statement;
      const vote = powers.vote(nullify(epoch, view));
      if (powers.send(peer, { type: "vote", vote }))
        contrast(nameOf(message.vote.statement), peer, "S");
      return true;
    },
    sent: (peer, read) => {
      const message = read();
      if (message?.type !== "vote" || message.vote.statement.kind !== "finalize") return;
      contrast(nameOf(message.vote.statement), peer, "F");
    },
  };
};

/** Its votes reach one peer only; which one changes with the view. */
export const subsetVotes: StrategyFactory = (powers) => {
  const contrast = createContrast(powers);
  return {
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type !== "vote") return false;
      const { statement } = message.vote;
      const peers = powers.peers();
      const isTold = peers[statement.view % Math.max(1, peers.length)] === peer;
      if (!isTold) contrast(nameOf(statement), peer, "not told");
      return !isTold;
    },
    sent: (peer, read) => {
      const message = read();
      if (message?.type === "vote") contrast(nameOf(message.vote.statement), peer, "told");
    },
  };
};

/** Each of its votes and proposals reaches a random part of its peers. */
export const votesToSome: StrategyFactory = (powers) => {
  const contrast = createContrast(powers);
  return {
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (!isOwnSay(message)) return false;
      const isTold = powers.random.below(2) !== 0;
      if (!isTold) contrast(nameOf(message.vote.statement), peer, "not told");
      return !isTold;
    },
    sent: (peer, read) => {
      const message = read();
      if (isOwnSay(message)) contrast(nameOf(message.vote.statement), peer, "told");
    },
  };
};

/** How many ticks a twin keeps its sessions, about. */
const TICKS_A_TURN = 8;

/**
 * Two processes sign with this key, each an honest replica that does not know of the other (network.ts
 * starts the second one). They hold sessions with the same peers in turns.
 */
export const twins: StrategyFactory = (powers) => ({
  tick: () => {
    if (powers.random.below(TICKS_A_TURN) === 0) powers.redial();
  },
  sent: (_peer, read) => {
    const isSecond = powers.slot >= powers.set.validators.length;
    if (isSecond && isOwnSay(read())) powers.acted();
  },
});

/** A message by which others could learn that something is final. */
const tellsOfFinality = (message: Message | undefined): boolean => {
  switch (message?.type) {
    case "vote":
      return message.vote.statement.kind === "finalize";
    case "certificate":
      return message.certificate.statement.kind === "finalize";
    case "status":
    case "sync-response":
    case "sync-none":
      return true;
    default:
      return false;
  }
};

/**
 * Votes N and never F (scenario S1). Its replica signs F as an honest one does, so what could be made of
 * that F is withheld too: certificates, answers to those who catch up, and its status.
 */
export const withholdFinalize: StrategyFactory = (powers) => ({
  outgoing: (_peer, _class, _bytes, read) => {
    const message = read();
    if (message?.type === "vote" && message.vote.statement.kind === "finalize") {
      powers.mark("finalize withheld");
      powers.acted();
    }
    return tellsOfFinality(message);
  },
});

/** Gives its N of one view to one slot, once, and says nothing else of that view or a later one (S2). */
export const voteToOne: StrategyFactory = (powers) => {
  const { view: chosen = 0, to = 0 } = powers.spec;
  let given = false;
  const contrast = createContrast(powers);
  return {
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message === undefined) return false;
      if (message.type === "certificate") return message.certificate.statement.view >= chosen;
      if (message.type === "status") return message.status.view >= chosen;
      if (!isOwnSay(message)) return false;
      const { view, kind } = message.vote.statement;
      if (view < chosen) return false;
      if (view > chosen || kind !== "notarize") return true;
      const isGiven = peer === powers.peerOf(to);
      if (!isGiven) contrast(nameOf(message.vote.statement), peer, "not given");
      return !isGiven || given;
    },
    sent: (peer, read) => {
      const message = read();
      if (!isOwnSay(message) || message.vote.statement.view !== chosen) return;
      given = true;
      contrast(nameOf(message.vote.statement), peer, "given");
      powers.mark("vote given to one");
    },
  };
};

/** Skips whenever it would have agreed. */
export const nullifyOnly: StrategyFactory = (powers) => ({
  outgoing: (peer, _class, _bytes, read) => {
    const message = read();
    if (message?.type === "proposal") return true;
    if (message?.type !== "vote") return false;
    const { epoch, view, kind } = message.vote.statement;
    if (kind === "finalize") return true;
    const vote = powers.vote(nullify(epoch, view));
    // A view that its replica would have skipped too is no lie.
    if (powers.send(peer, { type: "vote", vote }) && kind === "notarize") powers.acted();
    return true;
  },
});

/** Proposes blocks whose roots nobody gets by executing (scenario S5). */
export const wrongRoots: StrategyFactory = (powers) => {
  const once = createOnce<Proposal>();
  return {
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type !== "proposal") return false;
      const other = once(message.vote.statement, () =>
        altered(powers, message, (header) => ({
          stateRoot: powers.hasher.ht("adversary", header.stateRoot, ZERO_HASH),
        })),
      );
      if (other === undefined) return false;
      powers.lie(peer, other);
      return true;
    },
  };
};

/** Signs two N of one view, early, and shows both to one slot only: nobody else can prove anything. */
export const lieToOne: StrategyFactory = (powers) => {
  const { view: chosen = 1, to = 0 } = powers.spec;
  let told = false;
  return {
    outgoing: (_peer, _class, _bytes, read) => {
      const message = read();
      if (told || !isOwnSay(message)) return false;
      const { epoch, view } = message.vote.statement;
      const victim = powers.peerOf(to);
      if (view < chosen - 1 || victim === undefined || !powers.peers().includes(victim))
        return false;
      told = true;
      const left = [1, 2].map((tag) => {
        const hash = powers.hasher.ht("adversary", Uint8Array.of(tag));
        const vote = powers.vote(notarize(epoch, view + 1, hash));
        return powers.send(victim, { type: "vote", vote });
      });
      if (!left.includes(false)) powers.acted();
      return false;
    },
  };
};
