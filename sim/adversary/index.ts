/** Puts an adversary between a replica and its transport for the time that the scenario says. */
import type { Hasher } from "../../src/crypto/hash.ts";
import type { PeerId, Transport, TransportHandler } from "../../src/ledger/ports.ts";
import { statementBytes } from "../../src/ledger/statement.ts";
import type { ValidatorSet } from "../../src/ledger/types.ts";
import { classOf, decodeMessage, encodeMessage, type Message } from "../../src/ledger/wire.ts";
import type { Host } from "../host.ts";
import type { AdversarySpec, StrategyName } from "../scenario.ts";
import type { KeyPair, SignatureScheme, SignTap } from "../signer.ts";
import { lastWord } from "./last-word.ts";
import { skipLed } from "./puppet.ts";
import { forgeCertificates, futureFlood, lyingSync, stale, withholdPayload } from "./traffic.ts";
import type { Powers, Strategy, StrategyFactory } from "./types.ts";
import {
  equivocateProposal,
  equivocateVote,
  lieToOne,
  nullifyOnly,
  silent,
  skipAndFinalize,
  subsetVotes,
  voteToOne,
  withholdFinalize,
  wrongRoots,
} from "./votes.ts";

const FACTORIES: Readonly<Record<StrategyName, StrategyFactory>> = {
  silent,
  "equivocate-proposal": equivocateProposal,
  "equivocate-vote": equivocateVote,
  "skip-and-finalize": skipAndFinalize,
  "subset-votes": subsetVotes,
  "withhold-finalize": withholdFinalize,
  "withhold-payload": withholdPayload,
  "nullify-only": nullifyOnly,
  "vote-to-one": voteToOne,
  "lie-to-one": lieToOne,
  "skip-led": skipLed,
  "future-flood": futureFlood,
  "forge-certificates": forgeCertificates,
  "lying-sync": lyingSync,
  "wrong-roots": wrongRoots,
  stale,
  "last-word": lastWord,
};

const TICK_MS = 100;

export type AdversaryWiring = {
  readonly host: Host;
  readonly self: number;
  readonly key: KeyPair;
  readonly scheme: SignatureScheme;
  readonly signTap: SignTap;
  readonly hasher: Hasher;
  readonly set: ValidatorSet;
  /** By slot: under which name the transport knows it. */
  readonly ids: readonly PeerId[];
  leaderOf(view: number): number;
  readonly healMs: number;
  mark(name: string): void;
};

const reader = (bytes: Uint8Array): (() => Message | undefined) => {
  let read: Message | undefined;
  let tried = false;
  return () => {
    if (!tried) {
      const decoded = decodeMessage(bytes.slice());
      read = decoded.ok ? decoded.value : undefined;
      tried = true;
    }
    return read;
  };
};

/** The transport that an adversary's replica is given: honest outside the adversary's time. */
export const corruptTransport = (
  wiring: AdversaryWiring,
  specs: readonly AdversarySpec[],
  transport: Transport,
): Transport => {
  const { host, hasher, key } = wiring;
  const powers: Omit<Powers, "spec"> = {
    slot: host.slot,
    self: wiring.self,
    hasher,
    set: wiring.set,
    random: host.world.stream("byz"),
    peerOf: (slot) => wiring.ids[slot],
    leaderOf: (view) => wiring.leaderOf(view),
    healMs: wiring.healMs,
    mark: (name) => wiring.mark(name),
    nowMs: () => host.world.nowMs,
    vote: (statement) => {
      const message = statementBytes(hasher, statement);
      const signature = wiring.scheme.sign(key, message);
      wiring.signTap(host.slot, message, signature);
      return { statement, signer: wiring.self, signature };
    },
    peers: () => transport.peers(),
    send: (peer, message) => {
      transport.send(peer, classOf(message), encodeMessage(message));
    },
    sendBytes: (peer, trafficClass, bytes) => {
      transport.send(peer, trafficClass, bytes);
    },
  };
  const parts = specs.map((spec) => ({
    spec,
    strategy: FACTORIES[spec.strategy]({ ...powers, spec }),
  }));
  const active = (): Strategy[] => {
    const nowMs = host.world.nowMs;
    return parts
      .filter(({ spec }) => nowMs >= spec.fromMs && nowMs < spec.untilMs)
      .map(({ spec, strategy }) => {
        wiring.mark(`adversary ${spec.strategy}`);
        return strategy;
      });
  };
  const incarnation = host.incarnation;
  const tick = (): void => {
    for (const strategy of active()) strategy.tick?.();
    host.defer(incarnation, TICK_MS * 1000, tick);
  };
  const wrap = (handler: TransportHandler): TransportHandler => ({
    peerUp: (peer) => handler.peerUp(peer),
    peerDown: (peer, reason) => handler.peerDown(peer, reason),
    frame: (peer, trafficClass, bytes) => {
      const read = reader(bytes);
      for (const { strategy } of parts) strategy.watch?.(read());
      for (const strategy of active()) if (strategy.incoming?.(peer, bytes, read) === true) return;
      handler.frame(peer, trafficClass, bytes);
    },
  });
  return {
    start: (handler) => {
      transport.start(wrap(handler));
      tick();
    },
    send: (peer, trafficClass, bytes) => {
      const read = reader(bytes);
      for (const strategy of active()) {
        if (strategy.outgoing?.(peer, trafficClass, bytes, read) === true) return true;
      }
      return transport.send(peer, trafficClass, bytes);
    },
    disconnect: (peer, reason) => transport.disconnect(peer, reason),
    peers: () => transport.peers(),
    close: (done) => transport.close(done),
  };
};
