/**
 * A relay's part: passes packets between two members who both have a session with it, and bounds what that
 * costs. It keeps for each pair when a packet went last and how much went in all, and reads nothing of the
 * packets. Both ends of a pair pay for what they send out of a budget of their own, and all together out of
 * one, so that relaying never takes from the relay's own votes more than its operator gives. Pure; the caller
 * brings the time.
 */
import type { PeerId } from "../../ledger/ports.ts";
import type { RelayLimits } from "../options.ts";
import { TokenBucket } from "../token-bucket.ts";
import type { RelayRefusal } from "./frame.ts";

export type ForwarderOptions = {
  /** Whether this node relays at all. */
  readonly offers: boolean;
  readonly limits: RelayLimits;
  readonly nowMs: number;
  /** True for who may have sessions on this chain: members that are not in quarantine. */
  isMember(peer: PeerId): boolean;
  /** "absent" where there is no direct and complete session with the addressee; false where its queue is full. */
  send(to: PeerId, from: PeerId, packet: Uint8Array): boolean | "absent";
};

export type ForwarderFigures = {
  /** Pairs between whom packets went lately. */
  readonly pairs: number;
  readonly packets: number;
  readonly bytes: number;
  /** Packets over a rate or a full queue, which are lost as packets are on any path. */
  readonly dropped: number;
};

type Pair = { readonly low: PeerId; readonly high: PeerId; lastMs: number };

type Budget = { readonly opens: TokenBucket; readonly bytes: TokenBucket };

/** A refusal is told to the sender; what is dropped is not, since a path may lose packets. */
export type Forwarded = "sent" | "dropped" | RelayRefusal;

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #pairs = new Map<string, Pair>();
  readonly #budgets = new Map<PeerId, Budget>();
  readonly #all: TokenBucket;
  #packets = 0;
  #bytes = 0;
  #dropped = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    const { bytesPerSecond } = options.limits;
    this.#all = new TokenBucket(bytesPerSecond, bytesPerSecond, options.nowMs);
  }

  /** `from` is who the session of the datagram is with. */
  forward(from: PeerId, to: PeerId, packet: Uint8Array, nowMs: number): Forwarded {
    const { offers, isMember, send } = this.#options;
    if (!offers) return "relay.not-offered";
    if (from === to || !isMember(from) || !isMember(to)) return "relay.not-member";
    const budget = this.#budgetOf(from, nowMs);
    const refused = this.#enter(from, to, budget, nowMs);
    if (refused !== undefined) return refused;
    if (!budget.bytes.take(nowMs, packet.length) || !this.#all.take(nowMs, packet.length)) {
      return this.#drop();
    }
    const sent = send(to, from, packet);
    if (sent === "absent") {
      this.#pairs.delete(keyOf(from, to));
      return "relay.not-here";
    }
    if (!sent) return this.#drop();
    this.#packets += 1;
    this.#bytes += packet.length;
    return "sent";
  }

  /** Forgets pairs that were silent for long enough, and the budgets of who has none. */
  expire(nowMs: number): void {
    const busy = new Set<PeerId>();
    for (const [key, pair] of this.#pairs) {
      if (nowMs - pair.lastMs >= this.#options.limits.pairIdleMs) this.#pairs.delete(key);
      else busy.add(pair.low).add(pair.high);
    }
    for (const peer of this.#budgets.keys()) {
      // A budget that is full again is as good as none; one that is not has to be remembered.
      if (!busy.has(peer) && !this.#options.isMember(peer)) this.#budgets.delete(peer);
    }
  }

  figures(): ForwarderFigures {
    return {
      pairs: this.#pairs.size,
      packets: this.#packets,
      bytes: this.#bytes,
      dropped: this.#dropped,
    };
  }

  /** Notes that the pair is alive; a pair that is not known costs its opener and has to find room. */
  #enter(from: PeerId, to: PeerId, budget: Budget, nowMs: number): RelayRefusal | undefined {
    const key = keyOf(from, to);
    const known = this.#pairs.get(key);
    if (known !== undefined) {
      known.lastMs = nowMs;
      return undefined;
    }
    if (!budget.opens.take(nowMs)) return "relay.rate";
    const { pairsMax, pairsPerPeerMax } = this.#options.limits;
    if (this.#pairs.size >= pairsMax) return "relay.full";
    if (this.#countOf(from) >= pairsPerPeerMax || this.#countOf(to) >= pairsPerPeerMax) {
      return "relay.full";
    }
    const [low, high] = from < to ? [from, to] : [to, from];
    this.#pairs.set(key, { low, high, lastMs: nowMs });
    return undefined;
  }

  #countOf(peer: PeerId): number {
    let count = 0;
    for (const { low, high } of this.#pairs.values()) {
      if (low === peer || high === peer) count += 1;
    }
    return count;
  }

  #budgetOf(peer: PeerId, nowMs: number): Budget {
    let budget = this.#budgets.get(peer);
    if (budget === undefined) {
      const { opensPerSecond, opensBurst, peerBytesPerSecond } = this.#options.limits;
      budget = {
        opens: new TokenBucket(opensPerSecond, opensBurst, nowMs),
        bytes: new TokenBucket(peerBytesPerSecond, peerBytesPerSecond, nowMs),
      };
      this.#budgets.set(peer, budget);
    }
    return budget;
  }

  #drop(): Forwarded {
    this.#dropped += 1;
    return "dropped";
  }
}

const keyOf = (a: PeerId, b: PeerId): string => (a < b ? `${a}${b}` : `${b}${a}`);
