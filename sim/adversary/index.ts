/** Puts an adversary between a replica and its transport for the time that the scenario says. */
import type { Hasher } from "../../src/crypto/hash.ts";
import type { Genesis } from "../../src/ledger/genesis.ts";
import type { PeerId, Transport, TransportHandler } from "../../src/ledger/ports.ts";
import { statementBytes } from "../../src/ledger/statement.ts";
import type { Hash, ValidatorSet } from "../../src/ledger/types.ts";
import {
  type Cosignature,
  classOf,
  decodeMessage,
  encodeMessage,
  type Message,
} from "../../src/ledger/wire.ts";
import type { Host } from "../host.ts";
import type { AdversarySpec, StrategyName } from "../scenario.ts";
import type { KeyPair, SignatureScheme, SignTap } from "../signer.ts";
import { WALL_START_MS } from "../world.ts";
import { falseCosignatures, forgedCosignatures } from "./cosigner.ts";
import { bendCertificates, impersonate, lyingSnapshot } from "./forgeries.ts";
import { lastWord } from "./last-word.ts";
import { censor, grind, timestampEdge } from "./leaders.ts";
import { earlyAnswers, lowReceipts } from "./places.ts";
import { otherParent, outOfTurn } from "./proposers.ts";
import { skipLed } from "./puppet.ts";
import { forgeReveals, withholdReveals } from "./reveals.ts";
import { forgeCertificates, futureFlood, lyingSync, stale, withholdPayload } from "./traffic.ts";
import { twoFaced } from "./two-faced.ts";
import type { Powers, StrategyFactory } from "./types.ts";
import {
  equivocateProposal,
  equivocateVote,
  lieToOne,
  nullifyOnly,
  silent,
  skipAndFinalize,
  subsetVotes,
  twins,
  votesToSome,
  voteToOne,
  withholdFinalize,
  wrongRoots,
} from "./votes.ts";
import { falseWork } from "./work.ts";

/** Its replica is honest in everything: what it claims once an epoch is not (claims.ts). */
const falseClaims: StrategyFactory = () => ({});
/** What it does wrong it does where it reads its sectors (space.ts), not on the network. */
const atItsSectors: StrategyFactory = () => ({});

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
  "false-cosignatures": falseCosignatures,
  censor,
  "timestamp-edge": timestampEdge,
  grind,
  twins,
  "votes-to-some": votesToSome,
  "bend-certificates": bendCertificates,
  impersonate,
  "lying-snapshot": lyingSnapshot,
  "two-faced": twoFaced,
  "out-of-turn": outOfTurn,
  "other-parent": otherParent,
  "forged-cosignatures": forgedCosignatures,
  "false-work": falseWork,
  "forge-reveals": forgeReveals,
  "withhold-reveals": withholdReveals,
  "false-claims": falseClaims,
  "delete-space": atItsSectors,
  "borrow-space": atItsSectors,
  "replay-space": atItsSectors,
  "false-labels": atItsSectors,
  "delay-space": atItsSectors,
  "grind-space": atItsSectors,
  "low-receipts": lowReceipts,
  "early-answers": earlyAnswers,
};

const TICK_MS = 100;
/** More peers than this are not flooded at once. */
const FLOODED_MAX = 12;
/** Later than any run lasts. */
const FAR_MS = 1_000_000_000;

export type AdversaryWiring = {
  readonly host: Host;
  readonly self: number;
  /** Its long-lived key. */
  readonly identity: KeyPair;
  /** What it signs statements with now: on a chain with keys of epochs, that of its replica's newest one. */
  key(): KeyPair;
  /** Whether it has the number in the set that its replica signs with: only where sets are known to change. */
  readonly followsSets: boolean;
  readonly scheme: SignatureScheme;
  readonly signTap: SignTap;
  readonly hasher: Hasher;
  readonly set: ValidatorSet;
  readonly genesis: Genesis;
  /** By slot: under which name the transport knows it. */
  readonly ids: readonly PeerId[];
  leaderOf(view: number): number;
  readonly healMs: number;
  beaconAt(height: number): Hash | undefined;
  mark(name: string): void;
  /** Whether a statement was signed by the replica that this adversary stands before. */
  signedByReplica(message: Uint8Array): boolean;
  redial(): void;
  isVictim(bytes: Uint8Array): boolean;
  cosign(claim: Pick<Cosignature, "size" | "root" | "timeS">): Cosignature;
};

/** What frames say that several adversaries get, or that one sends to many: nobody writes into a frame. */
const readings = new WeakMap<Uint8Array, { readonly message: Message | undefined }>();

const reader = (bytes: Uint8Array) => (): Message | undefined => {
  let reading = readings.get(bytes);
  if (reading === undefined) {
    const decoded = decodeMessage(bytes.slice());
    reading = { message: decoded.ok ? decoded.value : undefined };
    readings.set(bytes, reading);
  }
  return reading.message;
};

/**
 * What the adversary's own replica must not see: statements that were signed past it. It would take them for
 * those of another process with its key, and stop itself.
 */
const givesAway = (
  wiring: AdversaryWiring,
  self: number,
  message: Message | undefined,
): boolean => {
  const { hasher } = wiring;
  switch (message?.type) {
    case "vote":
      return (
        message.vote.signer === self &&
        !wiring.signedByReplica(statementBytes(hasher, message.vote.statement))
      );
    case "sync-response":
    case "certificate": {
      const { signers, statement } = message.certificate;
      return signers.includes(self) && !wiring.signedByReplica(statementBytes(hasher, statement));
    }
    default:
      return false;
  }
};

/** A peer's answer about this key's latest vote without a vote that another process made. */
const shown = (
  wiring: AdversaryWiring,
  read: () => Message | undefined,
): Uint8Array | undefined => {
  const message = read();
  if (message?.type !== "watermark-response" || message.vote === undefined) return undefined;
  const signed = statementBytes(wiring.hasher, message.vote.statement);
  return wiring.signedByReplica(signed)
    ? undefined
    : encodeMessage({ ...message, vote: undefined });
};

const powersOf = (
  wiring: AdversaryWiring,
  transport: Transport,
  spec: AdversarySpec,
  signer: () => number,
): Powers => {
  const { host, hasher } = wiring;
  const { world } = host;
  const acted = (): void => wiring.mark(`adversary ${spec.strategy}`);
  const lieBytes: Powers["lieBytes"] = (peer, trafficClass, bytes) => {
    const hasLeft = transport.send(peer, trafficClass, bytes);
    if (hasLeft) acted();
    return hasLeft;
  };
  return {
    spec,
    slot: host.slot,
    self: wiring.self,
    hasher,
    set: wiring.set,
    genesis: wiring.genesis,
    random: world.stream("byz"),
    peerOf: (slot) => wiring.ids[slot],
    leaderOf: (view) => wiring.leaderOf(view),
    healMs: wiring.healMs,
    beaconAt: (height) => wiring.beaconAt(height),
    mark: (name) => wiring.mark(name),
    acted,
    nowMs: () => world.nowMs,
    wallMs: () => WALL_START_MS + world.nowMs,
    skewClock: (offsetMs) => {
      host.stepClock(offsetMs);
      world.at(Math.min(spec.untilMs, FAR_MS) * 1000, () => host.stepClock(0));
    },
    hasForeignClock: () => host.hasForeignClock,
    redial: () => wiring.redial(),
    isVictim: (bytes) => wiring.isVictim(bytes),
    vote: (statement) => {
      const message = statementBytes(hasher, statement);
      const signature = wiring.scheme.sign(wiring.key(), message);
      wiring.signTap(host.slot, message, signature);
      return { statement, signer: signer(), signature };
    },
    sign: (message) => wiring.scheme.sign(wiring.identity, message),
    cosign: (claim) => wiring.cosign(claim),
    peers: () => transport.peers(),
    flooded: () => {
      const peers = transport.peers();
      if (peers.length <= FLOODED_MAX) return peers;
      return world.stream("byz").shuffle(peers).slice(0, FLOODED_MAX);
    },
    send: (peer, message) => transport.send(peer, classOf(message), encodeMessage(message)),
    sendBytes: (peer, trafficClass, bytes) => transport.send(peer, trafficClass, bytes),
    lie: (peer, message) => lieBytes(peer, classOf(message), encodeMessage(message)),
    lieToAll: (peers, message) => {
      const bytes = encodeMessage(message);
      return peers.filter((peer) => lieBytes(peer, classOf(message), bytes)).length > 0;
    },
    lieBytes,
  };
};

/**
 * The transport that an adversary's replica is given: honest outside the adversary's time. Of each strategy
 * whose lie has left there is a mark, `adversary NAME`.
 */
export const corruptTransport = (
  wiring: AdversaryWiring,
  specs: readonly AdversarySpec[],
  transport: Transport,
): Transport => {
  const { host } = wiring;
  let signer = wiring.self;
  /** A replica sends nobody's votes but its own; in certificates others' are lists. */
  const follow = (message: Message | undefined): void => {
    if (message?.type === "vote" || message?.type === "proposal") signer = message.vote.signer;
  };
  const parts = specs.map((spec) => {
    const powers = powersOf(wiring, transport, spec, () => signer);
    return { spec, strategy: FACTORIES[spec.strategy](powers) };
  });
  const active = (): (typeof parts)[number][] => {
    const nowMs = host.world.nowMs;
    return parts.filter(({ spec }) => nowMs >= spec.fromMs && nowMs < spec.untilMs);
  };
  const incarnation = host.incarnation;
  const tick = (): void => {
    for (const { strategy } of active()) strategy.tick?.();
    host.defer(incarnation, TICK_MS * 1000, tick);
  };
  const isTaken = (peer: PeerId, bytes: Uint8Array, read: () => Message | undefined): boolean => {
    for (const { strategy } of parts) strategy.watch?.(read());
    for (const { strategy } of active()) {
      if (strategy.incoming?.(peer, bytes, read) === true) return true;
    }
    return givesAway(wiring, signer, read());
  };
  const wrap = (handler: TransportHandler): TransportHandler => ({
    peerUp: (peer) => handler.peerUp(peer),
    peerDown: (peer, reason) => handler.peerDown(peer, reason),
    frame: (peer, trafficClass, bytes) => {
      const read = reader(bytes);
      if (!isTaken(peer, bytes, read))
        handler.frame(peer, trafficClass, shown(wiring, read) ?? bytes);
    },
  });
  return {
    start: (handler) => {
      transport.start(wrap(handler));
      tick();
    },
    send: (peer, trafficClass, bytes) => {
      const read = reader(bytes);
      if (wiring.followsSets) follow(read());
      const acting = active();
      for (const { strategy } of acting) {
        if (strategy.outgoing?.(peer, trafficClass, bytes, read) === true) return true;
      }
      const hasLeft = transport.send(peer, trafficClass, bytes);
      if (hasLeft) for (const { strategy } of acting) strategy.sent?.(peer, read);
      return hasLeft;
    },
    disconnect: (peer, reason) => transport.disconnect(peer, reason),
    peers: () => transport.peers(),
    close: (done) => transport.close(done),
  };
};
