/**
 * The Transport port over QUIC: one live session with each member of a list, which `know` replaces.
 *
 * Both ends of a pair dial, so that a node that comes back is reached at once from its own side. Two
 * sessions of one pair are told apart by the run id in the hello: a new run of the peer replaces the
 * session with its dead predecessor; within one run the session that the lower id dialled stays, and a
 * later one of the same dialler replaces the earlier, which that dialler has given up. Both ends apply the
 * same rule to the same facts, so they keep the same session. One fact only one end has: a process that was
 * stopped for longer than the idle timeout still holds a session that its peer has given up. Who dials has
 * no session, so a session older than any handshake gives way to one that the peer dials.
 */
import { compareBytes } from "../crypto/bytes.ts";
import { type Failure, fail, type Result, TetradError } from "../errors.ts";
import {
  type PeerClose,
  type PeerFigures,
  type PeerId,
  TRAFFIC_CLASSES,
  type TrafficClass,
  type Transport,
  type TransportHandler,
  type TransportMember,
} from "../ledger/ports.ts";
import {
  formatAddress,
  type NameLookup,
  parseAddress,
  resolveAddress,
  systemLookup,
} from "./address.ts";
import type { BulkPort, BulkUser } from "./bulk.ts";
import { Dialler } from "./dialler.ts";
import {
  ALPN,
  CLOSE_CODES,
  type CloseCode,
  type QuicTransportOptions,
  TRANSPORT_LIMITS,
  type TransportLimits,
  type TransportPorts,
  toPeerClose,
} from "./options.ts";
import { type KnownPeer, type KnownPeers, readPeers } from "./peers.ts";
import type { HostPort, QuicEndpoint, QuicSession, QuicWindows } from "./quic-endpoint.ts";
import { QuicheEndpoint } from "./quiche-endpoint.ts";
import { Refusals } from "./refusals.ts";
import { newRunId } from "./secrets.ts";
import { type IdentifiedPeer, SESSION_STREAMS, Session, type SessionEvents } from "./session.ts";
import { SessionGate } from "./session-gate.ts";
import { FEATURES } from "./stoq/hello.ts";
import type { Role } from "./stoq/transcript.ts";
import { checkIdentity, hashOfCertificate, identifyPeer } from "./tls.ts";

/** What nodes have besides the port: where they listen, and figures for status and tests. */
export type QuicTransport = Transport & {
  /** "[ipv6]:port" as bound. */
  address(): string;
  figures(): TransportFigures;
  /** Of every member, by id. */
  peerFigures(): readonly PeerFigures[];
  /** Shuts these nodes out from now on, whoever the members are: sessions end, no others begin. */
  quarantine(ids: ReadonlySet<PeerId>): void;
  /** Takes the class bulk from the handler of `start` and gives it to this user, the only one. */
  bulk(user: BulkUser): BulkPort;
};

export type TransportFigures = {
  readonly connections: number;
  readonly sessions: number;
  readonly queuedBytes: number;
  readonly datagramsIn: number;
  readonly datagramsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly dropped: number;
  /** Peers and datagrams turned away, by code. */
  readonly refused: Readonly<Record<string, number>>;
};

type Member = {
  readonly known: KnownPeer;
  readonly dialler: Dialler;
  /** The session that is up. */
  session: Session | undefined;
  /** Our attempt that is on its way; "resolving" while the name is looked up. */
  attempt: Session | "resolving" | undefined;
  /** Hosts that its address resolved to last. */
  host: string | undefined;
};

const takesNotes = (session: Session | undefined): boolean =>
  ((session?.peerFeatures ?? 0) & FEATURES.bulkNotes) !== 0;

const roleIn = (session: Session): Role =>
  session.dialled === undefined ? "responder" : "initiator";

/** What a peer that is turned away for it waits for before it may dial again. */
const isPenalised = (code: CloseCode): boolean =>
  code === "protocol" || code === "rate" || code === "identity";

const KEEP_ALIVES_PER_IDLE_TIMEOUT = 3;

export class Mesh implements QuicTransport {
  readonly #self: PeerId;
  readonly #ports: TransportPorts;
  readonly #limits: TransportLimits;
  readonly #names: NameLookup;
  #known: KnownPeers;
  readonly #members = new Map<PeerId, Member>();
  readonly #memberHosts = new Set<string>();
  readonly #refusals: Refusals;
  readonly #gate: SessionGate;
  readonly #run = newRunId();
  readonly #certificateHash: Uint8Array;
  readonly #security: QuicTransportOptions["security"];
  readonly #events: SessionEvents;
  #endpoint: QuicEndpoint | undefined;
  #handler: TransportHandler | undefined;
  #bulk: BulkUser | undefined;
  #closing = false;
  #cancelTick: (() => void) | undefined;
  #cancelCheck: (() => void) | undefined;
  /** By class, since they were published last: a label is too dear for every frame. */
  readonly #frameBytes: Record<TrafficClass, { sent: number; received: number }> = {
    consensus: { sent: 0, received: 0 },
    mempool: { sent: 0, received: 0 },
    sync: { sent: 0, received: 0 },
    control: { sent: 0, received: 0 },
    bulk: { sent: 0, received: 0 },
  };
  #published = { datagramsIn: 0, datagramsOut: 0, bytesIn: 0, bytesOut: 0, dropped: 0 };

  private constructor(options: QuicTransportOptions) {
    this.#self = options.self;
    this.#ports = options;
    this.#limits = { ...TRANSPORT_LIMITS, ...options.limits };
    this.#names = options.names ?? systemLookup;
    this.#known = readPeers(options.peers, options.self);
    this.#refusals = new Refusals(options);
    this.#gate = new SessionGate(options.clock, options.metrics, this.#limits);
    this.#certificateHash = hashOfCertificate(options.identity.certPem);
    this.#security = options.security;
    this.#events = {
      identify: (session) => this.#identify(session),
      ready: (session) => this.#ready(session),
      frame: (session, trafficClass, bytes) => this.#frame(session, trafficClass, bytes),
      admit: (session) => this.#gate.admit(session.peer ?? ""),
      drained: (session, trafficClass) => this.#drained(session, trafficClass),
      note: (session, bytes) => this.#note(session, bytes),
      secured: (session, ms) => this.#secured(session, ms),
      ended: (session, code, detail, failure) => this.#ended(session, code, detail, failure),
    };
    for (const known of this.#known.byId.values()) this.#addMember(known);
  }

  static async create(options: QuicTransportOptions): Promise<Mesh> {
    const listen = parseAddress(options.listen);
    if (!listen.ok) throw TetradError.from(listen);
    if (listen.value.kind === "name") {
      throw new TetradError("transport.address", "listen takes an IPv6 literal, not a name");
    }
    const mesh = new Mesh(options);
    mesh.#endpoint = await mesh.#bind(options, listen.value);
    return mesh;
  }

  start(handler: TransportHandler): void {
    if (this.#handler !== undefined) throw new TetradError("internal", "started twice");
    if (this.#closing) return;
    this.#handler = handler;
    this.#endpoint?.startAccepting();
    for (const member of this.#members.values()) this.#beginDialling(member);
    this.#tick();
    this.#checkSessions();
  }

  send(peer: PeerId, trafficClass: TrafficClass, bytes: Uint8Array): boolean {
    const limit = this.#limits.frameBytesMax[trafficClass];
    if (bytes.length > limit) {
      this.#ports.logger.log("error", "a frame over its class's limit was not sent", {
        code: "transport.frame-too-large",
        class: trafficClass,
        bytes: bytes.length,
        limit,
      });
      return false;
    }
    const sent = this.#members.get(peer)?.session?.send(trafficClass, bytes) ?? false;
    if (sent) this.#frameBytes[trafficClass].sent += bytes.length;
    else {
      this.#ports.metrics.count("tetrad_transport_frames_dropped_total", 1, {
        class: trafficClass,
      });
    }
    return sent;
  }

  disconnect(peer: PeerId, reason: PeerClose): void {
    const member = this.#members.get(peer);
    if (member?.session === undefined) return;
    const code = reason.code;
    if (isPenalised(code)) member.dialler.penalise();
    member.session.close(code, reason.detail);
  }

  peers(): readonly PeerId[] {
    const up: PeerId[] = [];
    for (const member of this.#members.values()) {
      if (member.session !== undefined) up.push(member.known.id);
    }
    return up;
  }

  know(members: readonly TransportMember[]): void {
    if (this.#closing) return;
    this.#known = readPeers(members, this.#self);
    for (const [id, member] of this.#members) {
      if (this.#known.byId.get(id)?.tlsPinHex === member.known.tlsPinHex) continue;
      member.dialler.stop();
      this.#members.delete(id);
      if (typeof member.attempt === "object") member.attempt.close("closed", "no member any more");
      const { session } = member;
      session?.close("closed", "no member any more");
      if (session !== undefined) this.#down(member, "closed", "no member any more");
    }
    for (const [id, known] of this.#known.byId) {
      if (this.#members.has(id)) continue;
      const member = this.#addMember(known);
      if (this.#handler !== undefined) this.#beginDialling(member);
    }
  }

  quarantine(ids: ReadonlySet<PeerId>): void {
    if (this.#closing || !this.#gate.quarantine(ids)) return;
    for (const id of ids) {
      const member = this.#members.get(id);
      if (member === undefined) continue;
      member.dialler.stop();
      const failure = fail("transport.peer-quarantined", "the log has evidence against this peer");
      if (typeof member.attempt === "object") member.attempt.close("identity", failure.detail);
      member.session?.close("identity", failure.detail, failure);
    }
  }

  bulk(user: BulkUser): BulkPort {
    if (this.#bulk !== undefined) throw new TetradError("internal", "bulk has its user");
    this.#bulk = user;
    return {
      send: (peer, bytes) => this.send(peer, "bulk", bytes),
      peers: () => this.peers(),
      seal: (peer, note) => this.#members.get(peer)?.session?.sendNote(note) === true,
      takesNotes: (peer) => takesNotes(this.#members.get(peer)?.session),
      remoteHost: (peer) => this.#members.get(peer)?.session?.remote.host,
      breach: (peer, failure) => this.#breach(peer, failure),
    };
  }

  isSecured(peer: PeerId): boolean {
    return this.#members.get(peer)?.session?.isSecured === true;
  }

  peerFigures(): readonly PeerFigures[] {
    return [...this.#members.values()].map(({ known, session, attempt, dialler }) => ({
      id: known.id,
      address: known.addressText,
      state:
        session !== undefined
          ? "up"
          : dialler.isRefusing || this.#gate.isQuarantined(known.id)
            ? "refused"
            : attempt === undefined
              ? "waiting"
              : "dialling",
      remote: session === undefined ? undefined : formatAddress(session.remote),
      dialledBy: session === undefined ? undefined : session.dialled === undefined ? "peer" : "us",
      session: session?.figures(),
    }));
  }

  close(done: () => void): void {
    this.#closing = true;
    this.#cancelTick?.();
    this.#cancelCheck?.();
    for (const member of this.#members.values()) {
      member.dialler.stop();
      member.session = undefined;
      member.attempt = undefined;
    }
    const endpoint = this.#endpoint;
    if (endpoint === undefined) done();
    else endpoint.close(CLOSE_CODES.shutdown, "the node is stopping", done);
  }

  address(): string {
    return this.#endpoint === undefined ? "" : formatAddress(this.#endpoint.local);
  }

  figures(): TransportFigures {
    let queuedBytes = 0;
    for (const member of this.#members.values()) queuedBytes += member.session?.queuedBytes ?? 0;
    const stats = this.#endpoint?.stats;
    return {
      connections: this.#endpoint?.connectionCount ?? 0,
      sessions: this.peers().length,
      queuedBytes,
      datagramsIn: stats?.datagramsIn ?? 0,
      datagramsOut: stats?.datagramsOut ?? 0,
      bytesIn: stats?.bytesIn ?? 0,
      bytesOut: stats?.bytesOut ?? 0,
      dropped: stats?.dropped ?? 0,
      refused: this.#refusals.counts(),
    };
  }

  #addMember(known: KnownPeer): Member {
    const dialler = new Dialler({
      clock: this.#ports.clock,
      timers: this.#ports.timers,
      random: this.#ports.random,
      redialMsMin: this.#limits.redialMsMin,
      redialMsMax: this.#limits.redialMsMax,
      first: this.#self < known.id,
      dial: () => this.#dial(known.id),
    });
    const member: Member = {
      known,
      dialler,
      session: undefined,
      attempt: undefined,
      host: undefined,
    };
    this.#members.set(known.id, member);
    if (known.address.kind === "literal") this.#memberHosts.add(known.address.host);
    return member;
  }

  #beginDialling({ known, dialler }: Member): void {
    if (!this.#gate.isQuarantined(known.id)) dialler.begin();
  }

  #session(connection: QuicSession, dialled: PeerId | undefined): Session {
    return new Session({
      connection,
      dialled,
      self: this.#self,
      selfRun: this.#run,
      certificateHash: this.#certificateHash,
      security: this.#security,
      limits: this.#limits,
      ports: this.#ports,
      events: this.#events,
    });
  }

  #bind(options: QuicTransportOptions, listen: HostPort): Promise<QuicEndpoint> {
    checkIdentity(options.identity.certPem, options.identity.keyPem);
    return QuicheEndpoint.bind({
      listen: { host: listen.host, port: listen.port },
      clock: this.#ports.clock,
      timers: this.#ports.timers,
      alpn: [ALPN],
      identity: options.identity,
      clients: "any",
      servers: "any",
      limits: this.#limits,
      windows: WINDOWS,
      datagrams: false,
      datagramBytesFor: (host) =>
        host === LOOPBACK ? LOOPBACK_DATAGRAM_BYTES : NETWORK_DATAGRAM_BYTES,
      datagramBytesMax: LOOPBACK_DATAGRAM_BYTES,
      isMemberHost: (host) => this.#memberHosts.has(host),
      accepted: (connection) => {
        this.#session(connection, undefined);
      },
      refused: (code, detail) => this.#refusals.note(code, detail),
    });
  }

  #dial(id: PeerId): void {
    const member = this.#members.get(id);
    if (member === undefined || this.#closing || this.#gate.isQuarantined(id)) return;
    if (member.session !== undefined || member.attempt !== undefined) return;
    member.attempt = "resolving";
    const { address } = member.known;
    if (address.kind === "literal") {
      this.#dialHost(member, address);
      return;
    }
    void resolveAddress(address, this.#names).then((resolved) => {
      if (this.#closing || member.attempt !== "resolving") return;
      if (resolved.ok) this.#dialHost(member, resolved.value);
      else this.#dialFailed(member, resolved);
    });
  }

  #dialHost(member: Member, remote: HostPort): void {
    if (member.host !== remote.host) {
      member.host = remote.host;
      this.#memberHosts.add(remote.host);
    }
    const connection = this.#endpoint?.dial({ host: remote.host, port: remote.port });
    if (connection === undefined) {
      this.#dialFailed(member, fail("node.overloaded", "connection cap reached"));
      return;
    }
    member.attempt = this.#session(connection, member.known.id);
  }

  #dialFailed(member: Member, failure: Failure): void {
    member.attempt = undefined;
    this.#refusals.note(failure.code, `${member.known.addressText}: ${failure.detail}`);
    if (member.session === undefined) member.dialler.retry();
  }

  #identify(session: Session): Result<IdentifiedPeer> {
    const identified = identifyPeer(
      session.peerCertificates(),
      this.#known.pins,
      session.dialled,
      this.#ports.clock.wallMs(),
    );
    if (identified.ok && this.#gate.isQuarantined(identified.value.id)) {
      return fail("transport.peer-quarantined", "the log has evidence against this peer");
    }
    if (!identified.ok || session.dialled !== undefined) return identified;
    if (this.#members.get(identified.value.id)?.dialler.isRefusing === true) {
      return fail("node.overloaded", "the peer broke the protocol and is refused for a while");
    }
    return identified;
  }

  #ready(session: Session): void {
    const member = session.peer === undefined ? undefined : this.#members.get(session.peer);
    if (member === undefined || this.#closing) {
      session.close("shutdown", "not serving");
      return;
    }
    const live = member.session;
    if (live !== undefined && !this.#prefers(session, live)) {
      session.close("replaced", "another session of this pair stays");
      return;
    }
    if (live !== undefined) {
      member.session = undefined;
      live.close("replaced", "a newer session of this pair stays");
      this.#down(member, "replaced", "a newer session replaced this one");
    }
    if (member.attempt === session) member.attempt = undefined;
    member.session = session;
    member.dialler.stop();
    this.#ports.logger.log("info", "session up", {
      peer: member.known.id,
      address: formatAddress(session.remote),
      dialled: session.dialled !== undefined,
    });
    this.#handler?.peerUp(member.known.id);
    if (member.session === session) this.#bulk?.peerUp(member.known.id);
  }

  /** True when `candidate` stays and `live` goes; see the head of this file. */
  #prefers(candidate: Session, live: Session): boolean {
    if (compareBytes(candidate.peerRun, live.peerRun) !== 0) return true;
    const byUs = candidate.dialled !== undefined;
    if (byUs === (live.dialled !== undefined)) return true;
    const liveMs = this.#ports.clock.monotonicMs() - live.upSinceMs;
    if (!byUs && liveMs > this.#limits.handshakeTimeoutMs) return true;
    const lowerIsUs = this.#self < (candidate.peer ?? "");
    return byUs === lowerIsUs;
  }

  #frame(session: Session, trafficClass: TrafficClass, bytes: Uint8Array): void {
    if (this.#closing || session.peer === undefined) return;
    this.#frameBytes[trafficClass].received += bytes.length;
    if (trafficClass === "bulk" && this.#bulk !== undefined) this.#bulk.frame(session.peer, bytes);
    else this.#handler?.frame(session.peer, trafficClass, bytes);
  }

  #drained(session: Session, trafficClass: TrafficClass): void {
    if (this.#closing || session.peer === undefined || trafficClass !== "bulk") return;
    this.#bulk?.drained(session.peer);
  }

  #secured(session: Session, handshakeMs: number): void {
    const role = roleIn(session);
    this.#gate.secured(role, handshakeMs);
    this.#ports.logger.log("debug", "session secured", { peer: session.peer, role, handshakeMs });
    if (this.#isLive(session)) this.#bulk?.secured?.(session.peer ?? "");
  }

  /** The session that the pair has, and not one that is giving way to it. */
  #isLive(session: Session): boolean {
    return !this.#closing && this.#members.get(session.peer ?? "")?.session === session;
  }

  #note(session: Session, bytes: Uint8Array): void {
    if (this.#isLive(session)) this.#bulk?.note?.(session.peer ?? "", bytes);
  }

  #breach(peer: PeerId, failure: Failure): void {
    const member = this.#members.get(peer);
    if (member?.session === undefined) return;
    member.dialler.penalise();
    member.session.close("protocol", failure.detail, failure);
  }

  /** Certificates end while sessions last; wall time may also jump. */
  #checkSessions(): void {
    this.#cancelCheck = this.#ports.timers.set(this.#limits.sessionCheckMs, () => {
      const nowMs = this.#ports.clock.wallMs();
      for (const { session } of this.#members.values()) {
        if (session === undefined || nowMs <= session.certificateEndMs) continue;
        const failure = fail("transport.certificate-expired", "the peer's certificate has ended");
        session.close("identity", failure.detail, failure);
      }
      this.#checkSessions();
    });
  }

  #ended(session: Session, code: CloseCode, detail: string, failure: Failure | undefined): void {
    const id = session.peer ?? session.dialled;
    if (failure !== undefined) {
      this.#gate.failed(roleIn(session), failure.code);
      this.#refusals.note(failure.code, `${formatAddress(session.remote)}: ${failure.detail}`, id);
    }
    const member = id === undefined ? undefined : this.#members.get(id);
    if (member === undefined || this.#closing) return;
    const wasAttempt = member.attempt === session;
    if (wasAttempt) member.attempt = undefined;
    if (member.session === session) {
      member.session = undefined;
      member.dialler.lasted(this.#ports.clock.monotonicMs() - session.upSinceMs);
      // Who fails the post-quantum handshake has not shown that it is the member.
      const isMember = session.isSecured || failure?.code.startsWith("session.") !== true;
      if (isPenalised(code) && failure !== undefined && isMember) member.dialler.penalise();
      this.#down(member, code, detail);
    } else if (!wasAttempt) {
      return;
    }
    if (member.session !== undefined || member.attempt !== undefined) return;
    if (this.#gate.isQuarantined(member.known.id)) {
      member.dialler.stop();
      return;
    }
    if (wasAttempt) {
      // "identity" here is the peer's word about us, and nobody else can tell the operator.
      const level = code === "identity" ? "warn" : "debug";
      this.#ports.logger.log(level, "dial failed", { peer: member.known.id, code, detail });
    }
    member.dialler.retry();
  }

  #down(member: Member, code: CloseCode, detail: string): void {
    this.#ports.logger.log("info", "session down", { peer: member.known.id, code, detail });
    if (this.#closing) return;
    this.#handler?.peerDown(member.known.id, toPeerClose(code, detail));
    this.#bulk?.peerDown(member.known.id);
  }

  #tick(): void {
    const interval = this.#limits.idleTimeoutMs / KEEP_ALIVES_PER_IDLE_TIMEOUT;
    this.#cancelTick = this.#ports.timers.set(interval, () => {
      for (const member of this.#members.values()) member.session?.keepAlive();
      this.#publish();
      this.#tick();
    });
  }

  #publish(): void {
    const { metrics } = this.#ports;
    const figures = this.figures();
    const last = this.#published;
    metrics.gauge("tetrad_transport_sessions", figures.sessions);
    metrics.gauge("tetrad_transport_connections", figures.connections);
    metrics.gauge("tetrad_transport_queued_bytes", figures.queuedBytes);
    for (const [figure, name] of PUBLISHED) {
      metrics.count(name, figures[figure] - last[figure]);
      last[figure] = figures[figure];
    }
    for (const trafficClass of TRAFFIC_CLASSES) {
      const bytes = this.#frameBytes[trafficClass];
      const labels = { class: trafficClass };
      metrics.count("tetrad_transport_frame_bytes_sent_total", bytes.sent, labels);
      metrics.count("tetrad_transport_frame_bytes_received_total", bytes.received, labels);
      bytes.sent = 0;
      bytes.received = 0;
    }
  }
}

const PUBLISHED = [
  ["datagramsIn", "tetrad_transport_datagrams_received_total"],
  ["datagramsOut", "tetrad_transport_datagrams_sent_total"],
  ["bytesIn", "tetrad_transport_bytes_received_total"],
  ["bytesOut", "tetrad_transport_bytes_sent_total"],
  ["dropped", "tetrad_transport_datagrams_dropped_total"],
] as const;

/** Peers on this machine: loopback carries 64 KiB, and the cost of a packet hardly depends on its size. */
const LOOPBACK = "::1";
const LOOPBACK_DATAGRAM_BYTES = 16_000;

/** Fits every path that carries IPv6 over Ethernet, tunnels included. */
const NETWORK_DATAGRAM_BYTES = 1_350;

const WINDOWS: QuicWindows = {
  streamsBidi: 0,
  streamsUni: SESSION_STREAMS,
  streamBytes: 1024 * 1024,
  streamBytesMax: 8 * 1024 * 1024,
  connectionBytes: 4 * 1024 * 1024,
  connectionBytesMax: 16 * 1024 * 1024,
};

/**
 * Binds the socket and gives the transport; dialling and accepting begin with `start`.
 * Throws transport.ipv4, transport.address, config.invalid or key.invalid.
 */
export const createQuicTransport = (options: QuicTransportOptions): Promise<QuicTransport> =>
  Mesh.create(options);
