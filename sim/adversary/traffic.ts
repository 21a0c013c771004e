/** Adversaries that withhold payload, flood, forge, lie about the past, or repeat it. */

import type { PeerId } from "../../src/ledger/ports.ts";
import { finalize, notarize, nullify } from "../../src/ledger/statement.ts";
import type { Certificate, Statement } from "../../src/ledger/types.ts";
import { decodeMessage, type Message } from "../../src/ledger/wire.ts";
import { LIMITS } from "../../src/limits.ts";
import { type At, isAfter } from "./by-view.ts";
import type { Powers, StrategyFactory } from "./types.ts";

const isPayload = (type: string | undefined): boolean =>
  type === "block" || type === "batches" || type === "batch";

/** Proposes and votes, but never serves a block or a batch to anybody. */
export const withholdPayload: StrategyFactory = (powers) => ({
  outgoing: (_peer, _class, _bytes, read) => {
    const type = read()?.type;
    // Somebody has asked for these; a batch that is passed on may be known to whoever does not get it.
    if (type === "block" || type === "batches") powers.acted();
    return isPayload(type);
  },
});

/** Votes and proposals for views far ahead, as fast as it may. */
export const futureFlood: StrategyFactory = (powers) => {
  let view = 1;
  let epoch = 0;
  return {
    incoming: (_peer, _bytes, read) => {
      const message = read();
      if (message?.type === "vote") {
        view = Math.max(view, message.vote.statement.view);
        epoch = Math.max(epoch, message.vote.statement.epoch);
      }
      return false;
    },
    tick: () => {
      const hash = powers.hasher.ht("adversary", new Uint8Array(32));
      for (const peer of powers.flooded()) {
        for (let i = 0; i < 20; i++) {
          const ahead = view + 1 + powers.random.below(1_000_000);
          const statement = powers.random.pick([
            notarize(epoch, ahead, hash),
            nullify(epoch, ahead),
            finalize(epoch + powers.random.below(3), ahead, hash),
          ]);
          powers.lie(peer, { type: "vote", vote: powers.vote(statement) });
        }
      }
    },
  };
};

/** Its own signature alone, its own under every name, or noise under every name. */
export const FORGED_WAYS = ["one signer", "one signature", "noise"] as const;
type ForgedWay = (typeof FORGED_WAYS)[number];

/** A certificate that must not count, as nobody else has signed anything of it. */
const forged = (powers: Powers, statement: Statement, way: ForgedWay): Certificate => {
  const n = powers.set.validators.length;
  const own = powers.vote(statement).signature;
  const noise = powers.random.bytes(LIMITS.falconSignatureBytes);
  if (way === "one signer") return { statement, signers: [powers.self], signatures: [own] };
  const signers = Array.from({ length: n }, (_, i) => i);
  const shown = way === "one signature" ? own : noise;
  return { statement, signers, signatures: signers.map(() => shown) };
};

export const forgeCertificates: StrategyFactory = (powers) => {
  let view = 1;
  let epoch = 0;
  return {
    incoming: (_peer, _bytes, read) => {
      const message = read();
      if (message?.type === "vote") {
        view = Math.max(view, message.vote.statement.view);
        epoch = Math.max(epoch, message.vote.statement.epoch);
      }
      return false;
    },
    tick: () => {
      const hash = powers.hasher.ht("adversary", new Uint8Array(32));
      const statement = powers.random.pick([
        nullify(epoch, view),
        notarize(epoch, view, hash),
        finalize(epoch, view + powers.random.below(50), hash),
        finalize(epoch + 1, view, hash),
      ]);
      const way = powers.random.pick(FORGED_WAYS);
      const certificate = {
        ...forged(powers, statement, way),
        setSize: powers.set.validators.length,
      };
      const hasLeft = powers.lieToAll(powers.flooded(), { type: "certificate", certificate });
      if (hasLeft) powers.mark(`forged certificate ${way}`);
    },
  };
};

/** So many heights more than it has it claims to have final. */
const CLAIMED = 20;

/** Its status with a claim that makes peers ask it for blocks: the bait, and not the lie that they are told then. */
export const claimMore = (
  powers: Powers,
  peer: PeerId,
  { status }: Message & { readonly type: "status" },
): boolean => {
  const finalHeight = status.finalHeight + CLAIMED;
  powers.send(peer, { type: "status", status: { ...status, finalHeight } });
  return true;
};

/**
 * Claims more than it has, and answers those who ask for it with damaged blocks or not at all. The lie is about what
 * it has: that it has nothing beyond is true, and only late where it does not say so.
 */
export const lyingSync: StrategyFactory = (powers) => ({
  outgoing: (peer, trafficClass, bytes, read) => {
    const message = read();
    if (message?.type === "status") return claimMore(powers, peer, message);
    if (message?.type === "sync-none") return powers.random.below(2) === 0;
    if (message?.type !== "sync-response") return false;
    if (powers.random.below(3) === 0) {
      powers.lie(peer, { type: "sync-none", from: message.from });
      return true;
    }
    const copy = bytes.slice();
    const at = powers.random.below(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << powers.random.below(8));
    powers.lieBytes(peer, trafficClass, copy);
    return true;
  },
});

const STALE_KEPT = 200;

/** The view that its sender speaks of; undefined of requests and payload. */
const viewOf = (message: Message | undefined): At | undefined => {
  switch (message?.type) {
    case "vote":
    case "proposal":
      return message.vote.statement;
    case "certificate":
      return message.certificate.statement;
    case "status":
      return message.status;
    default:
      return undefined;
  }
};

/** Sends everything as usual and then again, much later and to anybody. */
export const stale: StrategyFactory = (powers) => {
  const kept: Uint8Array[] = [];
  let newest: At | undefined;
  return {
    outgoing: (_peer, trafficClass, bytes, read) => {
      if (trafficClass === "consensus" && kept.length < STALE_KEPT) kept.push(bytes.slice());
      const at = viewOf(read());
      if (at !== undefined && isAfter(at, newest)) newest = at;
      return false;
    },
    tick: () => {
      if (kept.length === 0) return;
      for (const peer of powers.flooded()) {
        const bytes = powers.random.pick(kept);
        const decoded = decodeMessage(bytes.slice());
        if (!decoded.ok || !powers.sendBytes(peer, "consensus", bytes)) continue;
        // What it has just said, it says again as anybody does.
        const at = viewOf(decoded.value);
        if (at !== undefined && newest !== undefined && isAfter(newest, at)) powers.acted();
      }
      if (powers.random.below(10) === 0) kept.shift();
    },
  };
};
