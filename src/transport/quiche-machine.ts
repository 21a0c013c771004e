/**
 * The quiche driver without a socket: a state machine over (datagrams in, time) -> (datagrams out, events).
 * Datagrams are routed by connection id; a turn hands each connection what came in and lets it send what is
 * due. It draws connection ids and keys of its tokens at random, and quiche reads the system's monotonic
 * clock on its own account, so who drives this over a simulated network has to let real time pass.
 *
 * What a stranger can make us do is bounded before any TLS work: a first packet is only answered with a
 * stateless Retry (always: sessions are few and long, so its round trip costs little, and no state or
 * amplified answer ever goes to a spoofed address); an address that came back with our token meets the
 * caps on connections and the handshake rate. Hosts of configured peers have budgets of their own, so
 * strangers cannot use up what members need. A member may come from elsewhere, as a stranger until it is known
 * (`known`): so that one host cannot take what strangers have, they are counted by network as well.
 */
import { type ErrorCode, fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { isMappedIpv4 } from "./address.ts";
import {
  NO_STATS,
  type QuicEndpointLimits,
  type QuicEndpointStats,
  type QuicSession,
} from "./quic-endpoint.ts";
import {
  acceptQuiche,
  CONNECTION_ID_BYTES,
  connectQuiche,
  type HostPort,
  INITIAL_DATAGRAM_BYTES_MIN,
  parseInitial,
  type QuicheConfig,
  type QuicheConnection,
  type QuicheHeader,
  versionIsSupported,
  writeRetry,
  writeVersionNegotiation,
} from "./quiche-binding.ts";
import {
  type ConnectionHost,
  LONG_HEADER_BIT,
  type PacketSink,
  QuicheSession,
  SHORT_HEADER_ID_AT,
} from "./quiche-connection.ts";
import { newConnectionId, RetryTokens } from "./secrets.ts";
import { Strangers } from "./strangers.ts";
import { TokenBucket } from "./token-bucket.ts";

/** A client that needs longer than this to come back with its token asks again. */
const RETRY_TOKEN_LIFETIME_MS = 10_000;

/** Stateless answers a second, as a multiple of the handshakes that are let in. */
const STATELESS_ANSWERS_FACTOR = 16;

/** Connections of strangers may be this part of all; the rest is kept for members. */
const STRANGERS_PART = 0.25;

/** Budgets that several hosts have in common, beside those of the endpoint. */
export type HostAdmission = {
  /** May a first packet from there have an answer that keeps nothing? */
  mayAnswer(host: string, nowMs: number): boolean;
  /** May a handshake from there begin? */
  mayBegin(host: string, nowMs: number): Result<true>;
  /** A connection from there has begun (1) or ended (-1). */
  count(host: string, change: 1 | -1): void;
};

export type QuicheMachineOptions = {
  readonly local: HostPort;
  readonly nowMs: number;
  readonly limits: QuicEndpointLimits;
  readonly sink: PacketSink;
  /** Undefined where every host is on its own. */
  readonly admission?: HostAdmission | undefined;
  /** Parameters for connections that this host dials. */
  configFor(host: string): QuicheConfig;
  isMemberHost(host: string): boolean;
  /** As in QuicEndpointOptions. */
  connectionsAtMost?: ((host: string) => number) | undefined;
  accepted(session: QuicSession): void;
  refused(code: ErrorCode | "limit", detail: string): void;
  /** The library threw where it should not; a connection or a datagram has paid for it. */
  faulted(detail: string): void;
  /** An established connection had its turn, and the library did not throw. */
  worked(): void;
  /** A turn is wanted: "now" at the end of the current task, "later" after the next look at the socket. */
  wanted(when: "now" | "later"): void;
};

export class QuicheMachine {
  readonly stats: QuicEndpointStats = { ...NO_STATS };
  readonly #options: QuicheMachineOptions;
  readonly #connections = new Map<string, QuicheSession>();
  readonly #acceptedByHost = new Map<string, number>();
  readonly #strangers = new Strangers<QuicheSession>();
  readonly #tokens = new RetryTokens(RETRY_TOKEN_LIFETIME_MS);
  readonly #buckets: Readonly<Record<"member" | "stranger", HandshakeBuckets>>;
  readonly #host: ConnectionHost;
  readonly #due = new Set<QuicheSession>();
  readonly #later = new Set<QuicheSession>();
  /** Whose the last datagram was: the next is mostly of the same, which is found out without its key. */
  #last: QuicheSession | undefined;
  #inTurn = false;
  #closed = false;
  #accepting = false;

  constructor(options: QuicheMachineOptions) {
    this.#options = options;
    const perSecond = options.limits.handshakesPerSecond;
    this.#buckets = {
      member: handshakeBuckets(perSecond, options.nowMs),
      stranger: handshakeBuckets(perSecond, options.nowMs),
    };
    this.#host = {
      sink: {
        take: () => options.sink.take(),
        put: (buffer, length, remote) => this.#put(buffer, length, remote),
      },
      wake: (connection, when) => this.#wake(connection, when),
      faulted: (connection, detail) => {
        this.#faulted(detail, connection);
        this.#wake(connection, "now");
      },
      known: (connection) => this.#strangers.remove(connection),
      forget: (connection) => this.#forget(connection),
    };
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get isInTurn(): boolean {
    return this.#inTurn;
  }

  /** True when connections wait for the turn after the next look at the socket. */
  get hasLater(): boolean {
    return this.#later.size > 0;
  }

  /** True when connections wait for a turn. */
  get isWaiting(): boolean {
    return this.#due.size > 0 || this.#later.size > 0;
  }

  /** When `advance` is needed next; infinity when nothing waits. */
  get deadlineMs(): number {
    let deadlineMs = Number.POSITIVE_INFINITY;
    for (const connection of this.#connections.values()) {
      if (connection.deadlineMs < deadlineMs) deadlineMs = connection.deadlineMs;
    }
    return deadlineMs;
  }

  startAccepting(): void {
    this.#accepting = true;
  }

  dial(remote: HostPort, config: QuicheConfig, serverName: string | null): QuicSession | undefined {
    if (this.#closed || this.#connections.size >= this.#options.limits.connectionsMax) {
      return undefined;
    }
    const id = newConnectionId();
    const { local } = this.#options;
    const quic = this.#guard(() => connectQuiche(serverName, id, local, remote, config));
    return quic === undefined ? undefined : this.#add(quic, id, remote, false);
  }

  /** Takes one datagram, whose bytes are overwritten. */
  receive(datagram: Uint8Array, host: string, port: number, nowMs: number): void {
    this.stats.datagramsIn += 1;
    this.stats.bytesIn += datagram.length;
    const last = this.#last;
    if (last?.isFor(datagram, host, port) === true) {
      this.#feed(last, datagram);
      return;
    }
    if (isMappedIpv4(host)) {
      this.#options.refused("transport.ipv4", "a datagram from an IPv4 address");
      return;
    }
    // Nothing can be sent to port 0 or, without knowing our zones, to a scoped address.
    if (port === 0 || host.includes("%")) {
      this.stats.dropped += 1;
      return;
    }
    const key = routingKey(datagram);
    const connection = key === undefined ? undefined : this.#connections.get(key);
    if (connection === undefined) {
      if (!this.#firstPacket(datagram, { host, port }, nowMs)) this.stats.dropped += 1;
      return;
    }
    // Nodes do not migrate: a packet from elsewhere is a replay or a forgery.
    if (connection.remote.port !== port || connection.remote.host !== host) {
      this.stats.dropped += 1;
      return;
    }
    this.#last = connection;
    this.#feed(connection, datagram);
  }

  #feed(connection: QuicheSession, datagram: Uint8Array): void {
    connection.feed(datagram);
    this.#due.add(connection);
    this.#options.wanted("later");
  }

  /** Lets deadlines that have passed take effect; a turn is due afterwards. */
  advance(nowMs: number): void {
    for (const connection of this.#connections.values()) {
      if (connection.deadlineMs > nowMs) continue;
      connection.timeOut();
      this.#due.add(connection);
    }
  }

  /** Whatever waited for the next look at the socket has its turn with the rest. */
  collectLater(): void {
    for (const connection of this.#later) this.#due.add(connection);
    this.#later.clear();
  }

  turn(nowMs: number): void {
    if (this.#inTurn || this.#closed) return;
    this.#inTurn = true;
    try {
      // Connections woken by this loop are visited by it: a Set iterates over what is added meanwhile.
      for (const connection of this.#due) {
        this.#due.delete(connection);
        connection.turn(nowMs);
        if (connection.isEstablished && !connection.hasEnded) this.#options.worked();
      }
    } finally {
      this.#inTurn = false;
    }
  }

  /** Ends every connection with the code, in one last turn. */
  close(code: number, reason: string, nowMs: number): void {
    if (this.#closed) return;
    for (const connection of this.#connections.values()) connection.close(code, reason);
    this.turn(nowMs);
    this.#closed = true;
    for (const connection of [...this.#connections.values()]) connection.abandon();
  }

  /** Ends every connection at once, without a word to the peers: the endpoint has failed. Not within a turn. */
  fail(detail: string): void {
    this.#closed = true;
    for (const connection of [...this.#connections.values()]) connection.fail(detail);
  }

  #faulted(detail: string, connection?: QuicheSession): void {
    this.stats.faults += 1;
    this.#options.faulted(detail);
    // Whether the library still works is seen by a turn of another, which may have nothing to do for long.
    for (const other of this.#connections.values()) {
      if (other === connection || !other.isEstablished || other.hasEnded) continue;
      this.#wake(other, "now");
      return;
    }
  }

  /** Undefined where the library throws. */
  #guard<T>(call: () => T): T | undefined {
    try {
      return call();
    } catch (error) {
      this.#faulted(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  /** False when the datagram led to nothing. */
  #firstPacket(datagram: Uint8Array, remote: HostPort, nowMs: number): boolean {
    const isLong = ((datagram[0] ?? 0) & LONG_HEADER_BIT) !== 0;
    if (!isLong || datagram.length < INITIAL_DATAGRAM_BYTES_MIN) return false;
    if (!this.#accepting || this.#closed) return false;
    const header = parseInitial(datagram);
    if (header === undefined) return false;
    const isMember = this.#options.isMemberHost(remote.host);
    const buckets = this.#buckets[isMember ? "member" : "stranger"];
    const token = header.token;
    if (token === undefined || token.length === 0 || !versionIsSupported(header.version)) {
      // Who shares a budget is asked first, so that what it has not leaves the others' alone.
      if (this.#options.admission?.mayAnswer(remote.host, nowMs) === false) return false;
      return buckets.answers.take(nowMs) && this.#answerStateless(header, remote, nowMs);
    }
    const originalId = this.#tokens.open(token, remote, header.dcid, nowMs);
    if (originalId === undefined) return false;
    const admitted = this.#admit(remote, isMember, buckets, nowMs);
    if (!admitted.ok) {
      this.#options.refused("limit", admitted.detail);
      return false;
    }
    const { local } = this.#options;
    const quic = this.#guard(() => {
      const config = this.#options.configFor(remote.host);
      return acceptQuiche(header.dcid, originalId, local, remote, config);
    });
    if (quic === undefined) return false;
    const connection = this.#add(quic, header.dcid, remote, true);
    if (!isMember) this.#strangers.add(connection, remote.host);
    this.#options.accepted(connection);
    connection.feed(datagram);
    this.#options.wanted("later");
    return true;
  }

  #answerStateless(header: QuicheHeader, remote: HostPort, nowMs: number): boolean {
    const buffer = this.#options.sink.take();
    if (buffer === undefined) return false;
    const length = this.#guard(() => {
      if (!versionIsSupported(header.version)) return writeVersionNegotiation(header, buffer);
      const newId = newConnectionId();
      const token = this.#tokens.mint(remote, header.dcid, newId, nowMs);
      return writeRetry(header, newId, token, buffer);
    });
    if (length !== undefined && versionIsSupported(header.version)) this.stats.retries += 1;
    this.#put(buffer, length ?? 0, remote);
    return length !== undefined;
  }

  #admit(
    remote: HostPort,
    isMember: boolean,
    buckets: HandshakeBuckets,
    nowMs: number,
  ): Result<true> {
    const { limits, connectionsAtMost } = this.#options;
    const { connectionsMax } = limits;
    const ofHostMax = connectionsAtMost?.(remote.host) ?? limits.connectionsPerAddressMax;
    if (this.#connections.size >= connectionsMax) {
      return fail("node.overloaded", "connection cap reached");
    }
    if (!isMember && this.#strangers.size >= connectionsMax * STRANGERS_PART) {
      return fail("node.overloaded", "connection cap of strangers reached");
    }
    if (!isMember && this.#strangers.ofNetwork(remote.host) >= LIMITS.strangersPerNetworkMax) {
      return fail("node.overloaded", "connection cap of one network's strangers reached");
    }
    if ((this.#acceptedByHost.get(remote.host) ?? 0) >= ofHostMax) {
      return fail("node.overloaded", "connection cap of one address reached");
    }
    const shared = this.#options.admission?.mayBegin(remote.host, nowMs);
    if (shared?.ok === false) return shared;
    if (!buckets.handshakes.take(nowMs)) return fail("node.overloaded", "handshake rate reached");
    return ok(true);
  }

  #add(quic: QuicheConnection, id: Uint8Array, remote: HostPort, accepted: boolean): QuicheSession {
    const key = Buffer.from(id).toString("latin1");
    const { local } = this.#options;
    const connection = new QuicheSession({
      quic,
      host: this.#host,
      id,
      key,
      local,
      remote,
      accepted,
    });
    this.#connections.set(key, connection);
    if (accepted) {
      this.#acceptedByHost.set(remote.host, (this.#acceptedByHost.get(remote.host) ?? 0) + 1);
      this.#options.admission?.count(remote.host, 1);
    }
    this.#wake(connection, "now");
    return connection;
  }

  #forget(connection: QuicheSession): void {
    if (!this.#connections.delete(connection.key)) return;
    if (this.#last === connection) this.#last = undefined;
    this.#due.delete(connection);
    this.#later.delete(connection);
    this.#strangers.remove(connection);
    if (!connection.accepted) return;
    this.#options.admission?.count(connection.remote.host, -1);
    const left = (this.#acceptedByHost.get(connection.remote.host) ?? 1) - 1;
    if (left > 0) this.#acceptedByHost.set(connection.remote.host, left);
    else this.#acceptedByHost.delete(connection.remote.host);
  }

  #put(buffer: Uint8Array, length: number, remote: HostPort): void {
    const isSent = length > 0 && !this.#closed;
    if (isSent) {
      this.stats.datagramsOut += 1;
      this.stats.bytesOut += length;
    }
    this.#options.sink.put(buffer, isSent ? length : 0, remote);
  }

  #wake(connection: QuicheSession, when: "now" | "later"): void {
    if (this.#closed) return;
    (when === "now" ? this.#due : this.#later).add(connection);
    if (!this.#inTurn) this.#options.wanted(when);
  }
}

type HandshakeBuckets = { readonly answers: TokenBucket; readonly handshakes: TokenBucket };

const handshakeBuckets = (perSecond: number, nowMs: number): HandshakeBuckets => ({
  answers: new TokenBucket(
    perSecond * STATELESS_ANSWERS_FACTOR,
    perSecond * STATELESS_ANSWERS_FACTOR,
    nowMs,
  ),
  handshakes: new TokenBucket(perSecond, perSecond, nowMs),
});

/** The destination connection id as a map key; undefined when it cannot be one of ours. */
const routingKey = (datagram: Uint8Array): string | undefined => {
  const first = datagram[0] ?? 0;
  let from = SHORT_HEADER_ID_AT;
  if ((first & LONG_HEADER_BIT) !== 0) {
    // The id's length stands at byte 5 of a long header.
    if (datagram[5] !== CONNECTION_ID_BYTES) return undefined;
    from = 6;
  }
  if (datagram.length < from + CONNECTION_ID_BYTES) return undefined;
  return Buffer.from(datagram.buffer, datagram.byteOffset + from, CONNECTION_ID_BYTES).toString(
    "latin1",
  );
};
