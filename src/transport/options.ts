/** What the QUIC transport is made from, and the protocol name and close codes that it puts on the wire. */
import type {
  Clock,
  Logger,
  Metrics,
  PeerClose,
  PeerId,
  Random,
  Timers,
  TrafficClass,
} from "../ledger/ports.ts";
import { LIMITS } from "../limits.ts";
import { DRIVER_LIMITS, type DriverLimits } from "../limits-driver.ts";
import type { NameLookup } from "./address.ts";
import type { LoopTime } from "./bulk-budget.ts";
import type { NodeSecurity } from "./secure-channel.ts";

/** ALPN of a session between nodes (RFC 7301). */
export const ALPN = "tetrad/1";

export type TransportPeer = {
  readonly id: PeerId;
  /** "[ipv6]:port" or "name:port". */
  readonly address: string;
  /** SHA-256 of the SubjectPublicKeyInfo of the peer's certificate. */
  readonly tlsPin: Uint8Array;
};

/** A peer that the operator names: its pin is told where no list of members has it. */
export type NamedPeer = Omit<TransportPeer, "tlsPin"> & {
  readonly tlsPin: Uint8Array | undefined;
};

/** The part of LIMITS that the transport enforces; tests shorten the times. */
export type TransportLimits = {
  readonly frameBytesMax: Readonly<Record<TrafficClass, number>>;
  readonly sendQueueBytesMax: Readonly<Record<TrafficClass, number>>;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly handshakesPerSecond: number;
  readonly handshakeTimeoutMs: number;
  readonly sessionHandshakeTimeoutMs: number;
  readonly sessionHandshakesPerSecond: number;
  readonly sessionHandshakesPerPeerPerSecond: number;
  readonly sessionHandshakesPerPeerBurst: number;
  readonly sessionCheckMs: number;
  readonly idleTimeoutMs: number;
  readonly frameTimeoutMs: number;
  readonly redialMsMin: number;
  readonly redialMsMax: number;
  readonly relay: RelayLimits;
  readonly paths: PathsLimits;
  readonly driver: DriverLimits;
};

/** What a relay bounds, and what a node bounds of what comes through relays. */
export type RelayLimits = Readonly<Record<keyof typeof LIMITS.relay, number>>;

export type PathsLimits = Readonly<Record<keyof typeof LIMITS.paths, number>>;

export const TRANSPORT_LIMITS: TransportLimits = {
  frameBytesMax: LIMITS.frameBytesMax,
  sendQueueBytesMax: LIMITS.sendQueueBytesMax,
  connectionsMax: LIMITS.connectionsMax,
  connectionsPerAddressMax: LIMITS.connectionsPerAddressMax,
  handshakesPerSecond: LIMITS.handshakesPerSecond,
  handshakeTimeoutMs: LIMITS.handshakeTimeoutMs,
  sessionHandshakeTimeoutMs: LIMITS.sessionHandshakeTimeoutMs,
  sessionHandshakesPerSecond: LIMITS.sessionHandshakesPerSecond,
  sessionHandshakesPerPeerPerSecond: LIMITS.sessionHandshakesPerPeerPerSecond,
  sessionHandshakesPerPeerBurst: LIMITS.sessionHandshakesPerPeerBurst,
  sessionCheckMs: LIMITS.sessionCheckMs,
  idleTimeoutMs: LIMITS.idleTimeoutMs,
  frameTimeoutMs: LIMITS.frameTimeoutMs,
  redialMsMin: LIMITS.redialMsMin,
  redialMsMax: LIMITS.redialMsMax,
  relay: LIMITS.relay,
  paths: LIMITS.paths,
  driver: DRIVER_LIMITS,
};

/** Ports that the transport itself stands on. */
export type TransportPorts = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

export type QuicTransportOptions = TransportPorts & {
  /** "[ipv6]:port" to bind; port 0 takes a free one. */
  readonly listen: string;
  readonly identity: { readonly certPem: string; readonly keyPem: string };
  readonly self: PeerId;
  /** Keys and chain of the post-quantum handshake that every session makes. */
  readonly security: NodeSecurity;
  /** Every other member; an entry for `self` is left out. */
  readonly peers: readonly TransportPeer[];
  /** Whom the operator names besides, and where: see `withNamed`. */
  readonly named?: readonly NamedPeer[];
  /**
   * The reactor takes the sessions over when quiche fails again and again, where it loads (endpoint-keeper.ts). The
   * folder is one that nobody else has: the library puts the TLS key there in the moment of a dial.
   */
  readonly reserve?: { readonly folder: string };
  readonly limits?: Partial<TransportLimits>;
  readonly names?: NameLookup;
  /** Passes packets between other members, and says so to those that it has sessions with. */
  readonly relay?: boolean;
  /** False: nobody can dial this node, and its peers are told. */
  readonly reachable?: boolean;
  /** Part of the event loop's time above which the class bulk slows down (bulk-budget.ts); 1: without bound. */
  readonly bulkLoopShare?: number;
  /** This thread's where it is left out. */
  readonly loopTime?: () => LoopTime;
};

/**
 * Application error codes of CONNECTION_CLOSE. `replaced` is said when two sessions of one pair met and
 * this one gave way; `identity` before a session is up, when the certificate is refused.
 */
export const CLOSE_CODES = {
  closed: 0,
  unreachable: 1,
  protocol: 2,
  rate: 3,
  identity: 4,
  shutdown: 5,
  idle: 6,
  replaced: 7,
} as const;

export type CloseCode = keyof typeof CLOSE_CODES;

/** What a peer's code means here; an unknown one is a plain close. */
export const closeCodeOf = (wire: number): CloseCode => {
  for (const [name, value] of Object.entries(CLOSE_CODES)) {
    if (value === wire) return name as CloseCode;
  }
  return "closed";
};

/** The port knows no `replaced`: to the replica the session was closed. */
export const toPeerClose = (code: CloseCode, detail: string): PeerClose => ({
  code: code === "replaced" ? "closed" : code,
  detail,
});
