/**
 * The port to QUIC: an endpoint on one UDP port, the sessions on it, their streams and datagrams. No other
 * folder imports a QUIC library, and nothing above this port knows which one it is (adr/0016). Two drivers
 * stand behind it: `quiche` (quiche-endpoint.ts) and `reactor` (reactor-endpoint.ts).
 *
 * Streams are polled: a driver says by `service` that something may have changed, and the user reads and
 * writes as much as it likes in that turn. Nothing is queued that the user did not ask for, so back-pressure
 * is a number that is read, `capacity`, and not a promise.
 */
import type { ErrorCode, Failure } from "../errors.ts";
import type { Clock, DriverFault, Timers } from "../ledger/ports.ts";
import type { DriverLimits } from "../limits-driver.ts";

export type HostPort = { readonly host: string; readonly port: number };

/** TLS alert certificate_required (RFC 8446, 6.2) as QUIC carries it (RFC 9001, 4.8): 0x100 + 116. */
export const ERROR_CERTIFICATE_REQUIRED = 0x174;

export type QuicDriverName = "quiche" | "reactor";

/** What a driver cannot do is said here, and the contract suite holds it to that. */
export type QuicFeatures = {
  /** Sees the certificate of a server that it dialled; without it trust needs an authority. */
  readonly seesServerCertificate: boolean;
  /** Opens unidirectional streams; every driver reads those that the peer opens. */
  readonly opensUni: boolean;
  /** Honours `setUrgency`. */
  readonly urgencies: boolean;
  /**
   * A stream's reader that does not read slows the sender of that stream down. Without it a session is ended that
   * leaves more lying than REACTOR_LIMITS has.
   */
  readonly readBackPressure: boolean;
};

export type QuicIdentity = { readonly certPem: string; readonly keyPem: string };

/**
 * Whom TLS lets in. "any": whoever holds the key of the certificate that it shows; the user looks at
 * `peerCertificates` before it touches a stream. An authority: whoever shows a certificate of it, and as a
 * server one that is made out to the name that was dialled.
 */
export type QuicTrust = "any" | { readonly authorityPem: string };

/**
 * Whom a server that is dialled has to be. "unauthenticated": TLS lets in whoever answers, on a driver that cannot see
 * its certificate either. The user has to learn who it is in another way before it believes anything.
 */
export type QuicServerTrust = QuicTrust | "unauthenticated";

export type QuicDial = {
  /** What the server's certificate has to be made out to; needed with an authority. */
  readonly serverName?: string;
  /** In place of the endpoint's own. */
  readonly identity?: QuicIdentity;
  readonly trust?: QuicServerTrust;
};

export type QuicEndpointLimits = {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly handshakesPerSecond: number;
  readonly idleTimeoutMs: number;
};

/** Flow control and streams that one peer may use, bytes and counts. */
export type QuicWindows = {
  readonly streamsBidi: number;
  readonly streamsUni: number;
  readonly streamBytes: number;
  readonly streamBytesMax: number;
  readonly connectionBytes: number;
  readonly connectionBytesMax: number;
};

export type QuicEndpointOptions = {
  readonly listen: HostPort;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Application protocols, the preferred one first (ALPN, RFC 7301). */
  readonly alpn: readonly string[];
  /** Absent: the endpoint only dials, without a certificate. */
  readonly identity?: QuicIdentity;
  /** Whether a client has to show a certificate, and of whom. "none": anybody may dial. */
  readonly clients: QuicTrust | "none";
  /** Whom the servers that are dialled have to be; a dial may say otherwise. */
  readonly servers: QuicServerTrust;
  readonly limits: QuicEndpointLimits;
  readonly windows: QuicWindows;
  /** When the driver gives the endpoint up; the node's limits where it is left out. */
  readonly faults?: DriverLimits;
  /** Unreliable datagrams (RFC 9221) may be sent and received. */
  readonly datagrams: boolean;
  /** Largest UDP payload that is sent to this host, bytes. */
  datagramBytesFor(host: string): number;
  /** Largest of those. */
  readonly datagramBytesMax: number;
  /** True for hosts of configured peers, whose budgets strangers cannot use up. */
  isMemberHost(host: string): boolean;
  /** Connections that may come from this host; left out: `connectionsPerAddressMax` of the limits from each. */
  connectionsAtMost?(host: string): number;
  /** A session that passed the caps; on some drivers its handshake is only about to begin. */
  accepted(session: QuicSession): void;
  /** Something was turned away before there was a session. */
  refused(code: ErrorCode | "limit", detail: string): void;
  /**
   * The driver itself has failed, once: every session has ended, nothing more will come, the port is free. Left out:
   * the quiche driver goes on with what still works.
   */
  failed?(detail: string, cause: DriverFault["cause"]): void;
};

export type QuicEndpointStats = {
  datagramsIn: number;
  datagramsOut: number;
  bytesIn: number;
  bytesOut: number;
  dropped: number;
  retries: number;
  sendErrors: number;
  /** Exceptions of the QUIC library, each of which cost a connection or a datagram. */
  faults: number;
};

/** Of an endpoint that has done nothing yet. */
export const NO_STATS: QuicEndpointStats = {
  datagramsIn: 0,
  datagramsOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  dropped: 0,
  retries: 0,
  sendErrors: 0,
  faults: 0,
};

export type QuicEndpoint = {
  readonly driver: QuicDriverName;
  readonly features: QuicFeatures;
  readonly local: HostPort;
  readonly stats: QuicEndpointStats;
  readonly connectionCount: number;
  /** Why the last dial gave nobody, where that was neither the cap nor the end of the endpoint. Left out: never. */
  readonly refusal?: Failure | undefined;
  /** Until this is called first packets are dropped: nobody is there to answer. */
  startAccepting(): void;
  /** Begins a handshake. Undefined when the connection cap is reached or the endpoint is closed, or see `refusal`. */
  dial(remote: HostPort, how?: QuicDial): QuicSession | undefined;
  /** Ends every session with the code, lets that go out, frees the port. */
  close(code: number, reason: string, done: () => void): void;
};

/** What carries the sessions of a node: besides, it can show another certificate while it runs. */
export type SessionEndpoint = QuicEndpoint & {
  /** Handshakes that begin from now on show this. Throws key.invalid, and then nothing has changed. */
  useIdentity(identity: QuicIdentity): void;
};

/** Who uses a session. All calls come from within a turn of the endpoint. */
export type QuicSessionUser = {
  /** The handshake is complete: the peer holds the key of the certificate that it showed. */
  established(): void;
  /** Packets came in or went out: streams may be readable or have room. */
  service(): void;
  /** Called once: the session can carry nothing more. */
  ended(end: QuicSessionEnd): void;
};

export type QuicSessionEnd = {
  /** "driver": its library or its socket failed, and the peer was told nothing. */
  readonly by: "local" | "peer" | "timeout" | "driver";
  /** True when `code` is one of the application's, false when it is QUIC's own. */
  readonly isApp: boolean;
  readonly code: number;
  readonly reason: string;
};

/** Bytes of a stream, the driver's until the next call of `read` on any session. */
export type QuicStreamPart = { readonly bytes: Uint8Array; readonly fin: boolean };

export type QuicSessionFigures = {
  /** Smoothed round trip, milliseconds; the quiche driver knows whole ones. */
  readonly rttMs: number | undefined;
  /** Packets, counted by this end. */
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly packetsLost: number | undefined;
  readonly congestionWindowBytes: number | undefined;
};

export type QuicSession = {
  readonly remote: HostPort;
  readonly accepted: boolean;
  /** Nobody has checked who the server is, and its certificate cannot be seen. Left out: false. */
  readonly isUnauthenticated?: boolean;
  readonly isEstablished: boolean;
  readonly hasEnded: boolean;
  attach(user: QuicSessionUser): void;
  /** The peer's certificates, leaf first, DER; null where it showed none or the driver cannot tell. */
  peerCertificates(): readonly Uint8Array[] | null;
  /** The protocol that both ends agreed on, or an empty string. */
  applicationProtocol(): string;
  figures(): QuicSessionFigures;
  /** Begins an orderly close: one CONNECTION_CLOSE with our code. */
  close(code: number, reason: string): void;
  /** Asks for a turn at the end of the current task, or after the next look at the socket. */
  requestTurn(): void;
  requestLaterTurn(): void;
  /** The peer is known to be who may be here: its connection is no stranger's. Left out where those are not counted. */
  known?(): void;
  /** Makes the peer answer, so that neither side's idle timer ends a quiet session. */
  keepAlive(): void;
  /**
   * The id (RFC 9000, 2.1) of a new stream of ours. Throws where the driver has no such streams, and where the peer
   * allows no more of them now; that costs nothing, and `service` is called when it may allow more.
   */
  openStream(kind: "bi" | "uni"): number;
  /** Lower is sent first, 0 to 255; streams of one urgency take turns. Throws where the stream cannot be. */
  setUrgency(streamId: number, urgency: number): void;
  /** Streams that have something to read. */
  readableStreams(): readonly number[];
  readable(streamId: number): boolean;
  /** Undefined when there is nothing. Throws when the peer reset the stream. */
  read(streamId: number): QuicStreamPart | undefined;
  /** How many bytes `write` would take now. Throws when the peer stopped the stream. */
  capacity(streamId: number): number;
  /** Takes a copy of the first so many bytes and says how many; `fin` counts when it took all. */
  write(streamId: number, bytes: Uint8Array, fin: boolean): number;
  /** Gives a stream up in both directions. */
  abortStream(streamId: number, code: number): void;
  /** False when datagrams are off, the peer takes none, it is too long, or the queue is full. */
  sendDatagram(bytes: Uint8Array): boolean;
  readDatagram(): Uint8Array | undefined;
};
