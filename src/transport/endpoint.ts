/**
 * One UDP socket on IPv6 and the connections on it. Datagrams are routed by connection id; a turn hands
 * each connection what came in and lets it send what is due. Turns run once after the socket is drained,
 * and at the end of the current task when the node itself sends, so that a vote leaves at once.
 *
 * What a stranger can make us do is bounded before any TLS work: a first packet is only answered with a
 * stateless Retry (always: sessions are few and long, so its round trip costs little, and no state or
 * amplified answer ever goes to a spoofed address); an address that came back with our token meets the
 * caps on connections and the handshake rate. Hosts of configured peers have budgets of their own, so
 * strangers cannot use up what members need.
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { type ErrorCode, fail, ok, type Result, TetradError } from "../errors.ts";
import type { Clock, Timers } from "../ledger/ports.ts";
import { isMappedIpv4 } from "./address.ts";
import { type ConnectionHost, QuicConnection } from "./connection.ts";
import {
  acceptQuiche,
  CONNECTION_ID_BYTES,
  connectQuiche,
  type HostPort,
  INITIAL_DATAGRAM_BYTES_MIN,
  parseInitial,
  type QuicheConfig,
  type QuicheHeader,
  versionIsSupported,
  writeRetry,
  writeVersionNegotiation,
} from "./quiche-binding.ts";
import { newConnectionId, RetryTokens } from "./secrets.ts";
import { SendBuffers } from "./send-buffers.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Buffers with the socket at once; beyond it connections wait for the kernel. */
const SEND_BUFFERS_MAX = 256;

/**
 * Asked of the kernel for the socket, which may give less: room for a burst while a turn runs. More would
 * only let bulk stand in line before votes: 4 MiB doubled the round trip under load.
 */
const SOCKET_BUFFER_BYTES = 1024 * 1024;

/** A client that needs longer than this to come back with its token asks again. */
const RETRY_TOKEN_LIFETIME_MS = 10_000;

/** Stateless answers a second, as a multiple of the handshakes that are let in. */
const STATELESS_ANSWERS_FACTOR = 16;

/** Unidentified connections may use this part of all; the rest is kept for members. */
const STRANGERS_PART = 0.25;

/** The first byte of a long header (RFC 9000, 17.2) has this bit; the id's length then stands at byte 5. */
const LONG_HEADER_BIT = 0x80;

export type EndpointLimits = {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly handshakesPerSecond: number;
};

export type EndpointStats = {
  datagramsIn: number;
  datagramsOut: number;
  bytesIn: number;
  bytesOut: number;
  dropped: number;
  retries: number;
  sendErrors: number;
};

export type EndpointOptions = {
  readonly listen: HostPort;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: EndpointLimits;
  /** Parameters for connections with this host. */
  configFor(host: string): QuicheConfig;
  /** Largest datagram of any of those, bytes. */
  readonly sendDatagramBytesMax: number;
  /** True for hosts of configured peers. */
  isMemberHost(host: string): boolean;
  /** A connection that passed the caps; its handshake is about to begin. */
  accepted(connection: QuicConnection): void;
  /** Something was turned away before there was a connection. */
  refused(code: ErrorCode | "limit", detail: string): void;
};

export class Endpoint {
  readonly stats: EndpointStats = {
    datagramsIn: 0,
    datagramsOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    dropped: 0,
    retries: 0,
    sendErrors: 0,
  };
  readonly #options: EndpointOptions;
  readonly #socket: Socket;
  readonly #connections = new Map<string, QuicConnection>();
  readonly #acceptedByHost = new Map<string, number>();
  readonly #buffers: SendBuffers;
  readonly #tokens = new RetryTokens(RETRY_TOKEN_LIFETIME_MS);
  readonly #buckets: Readonly<Record<"member" | "stranger", HandshakeBuckets>>;
  readonly #host: ConnectionHost;
  #local: HostPort;
  readonly #due = new Set<QuicConnection>();
  readonly #later = new Set<QuicConnection>();
  #inTurn = false;
  #immediate: NodeJS.Immediate | undefined;
  #microtask = false;
  #closed = false;
  #accepting = false;

  private constructor(options: EndpointOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    this.#local = options.listen;
    const now = options.clock.monotonicMs();
    this.#buckets = {
      member: handshakeBuckets(options.limits.handshakesPerSecond, now),
      stranger: handshakeBuckets(options.limits.handshakesPerSecond, now),
    };
    this.#buffers = new SendBuffers(options.sendDatagramBytesMax, SEND_BUFFERS_MAX, () =>
      this.#scheduleImmediate(),
    );
    this.#host = {
      clock: options.clock,
      timers: options.timers,
      takeBuffer: () => this.#buffers.take(),
      transmit: (buffer, length, remote) => this.#transmit(buffer, length, remote),
      wake: (connection, when) => this.#wake(connection, when),
      forget: (connection) => this.#forget(connection),
    };
  }

  /** Binds the socket. Throws config.invalid when the address cannot be bound. */
  static async bind(options: EndpointOptions): Promise<Endpoint> {
    const socket = createSocket({
      type: "udp6",
      ipv6Only: true,
      recvBufferSize: SOCKET_BUFFER_BYTES,
      sendBufferSize: SOCKET_BUFFER_BYTES,
      // Destinations are literals: with this, sending needs no turn of its own to "resolve" them.
      lookup: (host, _options, done) => done(null, host, 6),
    });
    const endpoint = new Endpoint(options, socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind({ address: options.listen.host, port: options.listen.port }, () => {
        socket.off("error", reject);
        resolve();
      });
    }).catch((error: NodeJS.ErrnoException) => {
      // The system's code goes along: whoever knows the setting has better words for it.
      const errno = error.code ?? "";
      throw new TetradError("config.invalid", `cannot listen: ${String(error)}`, { errno });
    });
    const bound = socket.address();
    endpoint.#local = { host: bound.address, port: bound.port };
    socket.on("error", () => {
      endpoint.stats.sendErrors += 1;
    });
    socket.on("message", (datagram, remote) => endpoint.receive(datagram, remote));
    return endpoint;
  }

  get local(): HostPort {
    return this.#local;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Until this is called first packets are dropped: nobody is there to answer. */
  startAccepting(): void {
    this.#accepting = true;
  }

  /** Begins a handshake with an address. Undefined when the connection cap is reached. */
  dial(remote: HostPort): QuicConnection | undefined {
    if (this.#closed || this.#connections.size >= this.#options.limits.connectionsMax) {
      return undefined;
    }
    const id = newConnectionId();
    const config = this.#options.configFor(remote.host);
    const quic = connectQuiche(id, this.#local, remote, config);
    return this.#add(quic, id, remote, false);
  }

  /** Takes one datagram from the socket. Public so that a test can show what each kind leads to. */
  receive(datagram: Uint8Array, remote: RemoteInfo): void {
    this.stats.datagramsIn += 1;
    this.stats.bytesIn += datagram.length;
    if (remote.family !== "IPv6" || isMappedIpv4(remote.address)) {
      this.#options.refused("transport.ipv4", "a datagram from an IPv4 address");
      return;
    }
    // Nothing can be sent to port 0 or, without knowing our zones, to a scoped address.
    if (remote.port === 0 || remote.address.includes("%")) {
      this.stats.dropped += 1;
      return;
    }
    const key = routingKey(datagram);
    const connection = key === undefined ? undefined : this.#connections.get(key);
    if (connection !== undefined) {
      // Nodes do not migrate: a packet from elsewhere is a replay or a forgery.
      if (connection.remote.port !== remote.port || connection.remote.host !== remote.address) {
        this.stats.dropped += 1;
        return;
      }
      connection.feed(datagram);
      this.#due.add(connection);
      this.#scheduleImmediate();
      return;
    }
    if (!this.#firstPacket(datagram, { host: remote.address, port: remote.port })) {
      this.stats.dropped += 1;
    }
  }

  /** Closes every connection with the code, lets that go out, closes the socket. */
  close(code: number, reason: string, done: () => void): void {
    if (this.#closed) {
      done();
      return;
    }
    if (this.#inTurn) {
      queueMicrotask(() => this.close(code, reason, done));
      return;
    }
    for (const connection of this.#connections.values()) connection.close(code, reason);
    this.#turn();
    this.#closed = true;
    for (const connection of [...this.#connections.values()]) connection.abandon();
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    this.#socket.close(done);
  }

  /** False when the datagram led to nothing. */
  #firstPacket(datagram: Uint8Array, remote: HostPort): boolean {
    const isLong = ((datagram[0] ?? 0) & LONG_HEADER_BIT) !== 0;
    if (!isLong || datagram.length < INITIAL_DATAGRAM_BYTES_MIN) return false;
    if (!this.#accepting || this.#closed) return false;
    const isMember = this.#options.isMemberHost(remote.host);
    const buckets = this.#buckets[isMember ? "member" : "stranger"];
    const now = this.#options.clock.monotonicMs();
    const header = parseInitial(datagram);
    if (header === undefined) return false;
    const token = header.token;
    if (token === undefined || token.length === 0 || !versionIsSupported(header.version)) {
      return buckets.answers.take(now) && this.#answerStateless(header, remote, now);
    }
    const originalId = this.#tokens.open(token, remote, header.dcid, now);
    if (originalId === undefined) return false;
    const admitted = this.#admit(remote, isMember, buckets, now);
    if (!admitted.ok) {
      this.#options.refused("limit", admitted.detail);
      return false;
    }
    const config = this.#options.configFor(remote.host);
    const quic = acceptQuiche(header.dcid, originalId, this.#local, remote, config);
    const connection = this.#add(quic, header.dcid, remote, true);
    this.#options.accepted(connection);
    connection.feed(datagram);
    this.#scheduleImmediate();
    return true;
  }

  #answerStateless(header: QuicheHeader, remote: HostPort, now: number): boolean {
    const buffer = this.#buffers.take();
    if (buffer === undefined) return false;
    let length: number;
    if (versionIsSupported(header.version)) {
      const newId = newConnectionId();
      const token = this.#tokens.mint(remote, header.dcid, newId, now);
      length = writeRetry(header, newId, token, buffer);
      this.stats.retries += 1;
    } else {
      length = writeVersionNegotiation(header, buffer);
    }
    this.#transmit(buffer, length, remote);
    return true;
  }

  #admit(
    remote: HostPort,
    isMember: boolean,
    buckets: HandshakeBuckets,
    now: number,
  ): Result<true> {
    const { connectionsMax, connectionsPerAddressMax } = this.#options.limits;
    const cap = isMember ? connectionsMax : connectionsMax * STRANGERS_PART;
    if (this.#connections.size >= cap) return fail("node.overloaded", "connection cap reached");
    if ((this.#acceptedByHost.get(remote.host) ?? 0) >= connectionsPerAddressMax) {
      return fail("node.overloaded", "connection cap of one address reached");
    }
    if (!buckets.handshakes.take(now)) return fail("node.overloaded", "handshake rate reached");
    return ok(true);
  }

  #add(
    quic: QuicConnection["quic"],
    id: Uint8Array,
    remote: HostPort,
    accepted: boolean,
  ): QuicConnection {
    const key = Buffer.from(id).toString("latin1");
    const connection = new QuicConnection({
      quic,
      host: this.#host,
      key,
      local: this.#local,
      remote,
      accepted,
    });
    this.#connections.set(key, connection);
    if (accepted) {
      this.#acceptedByHost.set(remote.host, (this.#acceptedByHost.get(remote.host) ?? 0) + 1);
    }
    this.#wake(connection, "now");
    return connection;
  }

  #forget(connection: QuicConnection): void {
    if (!this.#connections.delete(connection.key)) return;
    this.#due.delete(connection);
    this.#later.delete(connection);
    if (!connection.accepted) return;
    const left = (this.#acceptedByHost.get(connection.remote.host) ?? 1) - 1;
    if (left > 0) this.#acceptedByHost.set(connection.remote.host, left);
    else this.#acceptedByHost.delete(connection.remote.host);
  }

  #transmit(buffer: Uint8Array, length: number, remote: HostPort): void {
    if (length === 0 || this.#closed) {
      this.#buffers.give(buffer);
      return;
    }
    this.stats.datagramsOut += 1;
    this.stats.bytesOut += length;
    this.#socket.send(buffer, 0, length, remote.port, remote.host, (error) => {
      if (error !== null) this.stats.sendErrors += 1;
      this.#buffers.give(buffer);
    });
  }

  #wake(connection: QuicConnection, when: "now" | "later"): void {
    if (this.#closed) return;
    if (when === "later") {
      this.#later.add(connection);
      if (!this.#inTurn) this.#scheduleImmediate();
      return;
    }
    this.#due.add(connection);
    if (this.#inTurn || this.#microtask) return;
    this.#microtask = true;
    queueMicrotask(() => {
      this.#microtask = false;
      this.#turn();
    });
  }

  #scheduleImmediate(): void {
    if (this.#immediate !== undefined || this.#closed) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      for (const connection of this.#later) this.#due.add(connection);
      this.#later.clear();
      this.#turn();
    });
  }

  #turn(): void {
    if (this.#inTurn || this.#closed) return;
    this.#inTurn = true;
    try {
      // Connections woken by this loop are visited by it: a Set iterates over what is added meanwhile.
      for (const connection of this.#due) {
        this.#due.delete(connection);
        connection.turn();
      }
    } finally {
      this.#inTurn = false;
    }
    // A connection that waits for buffers is woken by their return, others after the next look.
    if (this.#later.size > 0 && this.#buffers.outstanding < SEND_BUFFERS_MAX) {
      this.#scheduleImmediate();
    }
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
  let from = 1;
  if ((first & LONG_HEADER_BIT) !== 0) {
    if (datagram[5] !== CONNECTION_ID_BYTES) return undefined;
    from = 6;
  }
  if (datagram.length < from + CONNECTION_ID_BYTES) return undefined;
  return Buffer.from(datagram.buffer, datagram.byteOffset + from, CONNECTION_ID_BYTES).toString(
    "latin1",
  );
};
