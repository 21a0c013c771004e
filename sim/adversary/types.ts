/**
 * Byzantine validators. Each runs an honest replica, so that it keeps up with the protocol, and stands
 * between that replica and the network: it may change, drop, invent and replay anything, and sign what
 * it likes, but only with its own key.
 */
import type { Hasher } from "../../src/crypto/hash.ts";
import type { Genesis } from "../../src/ledger/genesis.ts";
import type { PeerId, TrafficClass } from "../../src/ledger/ports.ts";
import type { Hash, Statement, ValidatorSet, Vote } from "../../src/ledger/types.ts";
import type { Cosignature, Message } from "../../src/ledger/wire.ts";
import type { Prng } from "../prng.ts";
import type { AdversarySpec } from "../scenario.ts";

export type Powers = {
  readonly slot: number;
  /** Index in the validator set. */
  readonly self: number;
  readonly hasher: Hasher;
  readonly set: ValidatorSet;
  readonly genesis: Genesis;
  readonly random: Prng;
  /** What the scenario says of this adversary. */
  readonly spec: AdversarySpec;
  /** The peer that runs the validator of a slot. */
  peerOf(slot: number): PeerId | undefined;
  /** Index in the set of the leader of a view, in the first epoch. */
  leaderOf(view: number): number;
  readonly healMs: number;
  /** The beacon of a height that its replica has executed. */
  beaconAt(height: number): Hash | undefined;
  /** Says that the scenario has got somewhere. */
  mark(name: string): void;
  /**
   * Says that the lie itself has left, or that what is withheld would have gone out now: the mark `adversary NAME`.
   * Nothing else says so, as what only comes before a lie shows nothing of how others bear it.
   */
  acted(): void;
  nowMs(): number;
  /** The true wall time. */
  wallMs(): number;
  /** Sets the clock of its own computer off by so much until the adversary's time is over. */
  skewClock(offsetMs: number): void;
  /** Whether a fault has put that clock off meanwhile: then what is skewed has no effect. */
  hasForeignClock(): boolean;
  /** Dials all peers anew, and so takes their sessions from a twin. */
  redial(): void;
  /** Whether a frame is a batch of the client that a censor leaves out. */
  isVictim(bytes: Uint8Array): boolean;
  /** A vote with its own key; the oracle sees the signature. */
  vote(statement: Statement): Vote;
  /** Any other message, with its own key. */
  sign(message: Uint8Array): Uint8Array;
  /** A checkpoint with all three of its own signatures. */
  cosign(claim: Pick<Cosignature, "size" | "root" | "timeS">): Cosignature;
  peers(): readonly PeerId[];
  /**
   * Whom a flood goes to this time: everybody in a small network, a random dozen in a larger one. There a third
   * are adversaries, and what one node is sent by all of them together stays what it is in a small network.
   */
  flooded(): readonly PeerId[];
  /** Sends past the strategy what is no lie in itself. False where it has not left. */
  send(peer: PeerId, message: Message): boolean;
  sendBytes(peer: PeerId, trafficClass: TrafficClass, bytes: Uint8Array): boolean;
  /** Sends past the strategy what is one: where it leaves, the strategy has acted. */
  lie(peer: PeerId, message: Message): boolean;
  /** The same to each of them; false where it has left for nobody. */
  lieToAll(peers: readonly PeerId[], message: Message): boolean;
  lieBytes(peer: PeerId, trafficClass: TrafficClass, bytes: Uint8Array): boolean;
};

export type Strategy = {
  /** What the replica underneath wants to send. True when the strategy has dealt with it. */
  outgoing?(
    peer: PeerId,
    trafficClass: TrafficClass,
    bytes: Uint8Array,
    message: () => Message | undefined,
  ): boolean;
  /** What the replica underneath has sent, where no strategy has dealt with it: it has left as it was. */
  sent?(peer: PeerId, message: () => Message | undefined): void;
  /** What came for the replica underneath. True when it shall not see it. */
  incoming?(peer: PeerId, bytes: Uint8Array, message: () => Message | undefined): boolean;
  /** Everything that comes, also while the adversary is not active yet. */
  watch?(message: Message | undefined): void;
  /** Called every 100 ms of virtual time while the adversary is active. */
  tick?(): void;
};

export type StrategyFactory = (powers: Powers) => Strategy;
