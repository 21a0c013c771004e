/**
 * The Transport port over QUIC: one live session with each member of a list, which `know` replaces.
 *
 * Both ends of a pair dial, so that a node that comes back is reached at once from its own side. Two
 * sessions of one pair are told apart by the run id in the hello: a new run of the peer replaces the
 * session with its dead predecessor; within one run the session that the lower id dialled stays, and a
 * later one of the same dialler replaces the earlier, which that dialler has given up. Both ends apply the
 * same rule to the same facts, so they keep the same session. One fact only one end has: a process that was
 * stopped for longer than the idle timeout still holds a session that its peer has given up. Who dials has
 * no session, so a session older than any handshake gives way to a later one.
 *
 * A session takes the place of another, or a place beside it, when the peer has shown its FALCON key in it and not
 * before (session-rules.ts). Until then it waits, unread, while the others carry: a certificate alone, which a later
 * quantum computer forges, throws nobody out. Only where there is no session at all one that is not proved
 * carries public frames, and the member is dialled beside it if the proof takes long.
 */
import { type Failure, fail, type Result, TetradError } from "../errors.ts";
import type {
  DriverFigures,
  PeerClose,
  PeerFigures,
  PeerId,
  TrafficClass,
  TransportHandler,
  TransportMember,
} from "../ledger/ports.ts";
import {
  formatAddress,
  type NameLookup,
  parseAddress,
  resolveAddress,
  systemLookup,
} from "./address.ts";
import type { BulkPort, BulkUser } from "./bulk.ts";
import { BulkBudget } from "./bulk-budget.ts";
import { Dialler } from "./dialler.ts";
import { type EndpointKeeper, NO_DRIVER } from "./endpoint-keeper.ts";
import {
  figuresOf,
  isHostOf,
  isPenalised,
  type Member,
  newMember,
  othersThan,
  placeOf,
  reserveHooks,
  roleIn,
  sessionsOf,
  takesNotes,
  upWith,
} from "./member.ts";
import { type BindEndpoint, type MeshHooks, openMeshEndpoint, WINDOWS } from "./mesh-endpoint.ts";
import { MeshMeter, meshFigures } from "./mesh-meter.ts";
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
import { type KnownPeer, type KnownPeers, readPeers, withNamed } from "./peers.ts";
import type { HostPort, QuicIdentity, QuicSession } from "./quic-endpoint.ts";
import type { QuicTransport, TransportFigures } from "./quic-transport.ts";
import { Refusals } from "./refusals.ts";
import type { PathChange } from "./relay/choose.ts";
import { Router } from "./relay/router.ts";
import type { Route } from "./relay/tunnel.ts";
import { newRunId } from "./secrets.ts";
import { type IdentifiedPeer, Session, type SessionEvents } from "./session.ts";
import { SessionGate } from "./session-gate.ts";
import {
  DOUBT_HANDSHAKES,
  identifySession,
  judgeProved,
  mayContend,
  nextOf,
  type PairFacts,
  roomToWait,
} from "./session-rules.ts";
import { SigningLine } from "./signing-line.ts";
import { FEATURES } from "./stoq/hello.ts";
import { checkIdentity, hashOfCertificate, pinOfCertificate } from "./tls.ts";
import { Upkeep } from "./upkeep.ts";

export class Mesh implements QuicTransport {
  readonly #self: PeerId;
  readonly #ports: TransportPorts;
  readonly #limits: TransportLimits;
  readonly #names: NameLookup;
  readonly #read: (members: readonly TransportMember[]) => KnownPeers;
  #known: KnownPeers;
  readonly #members = new Map<PeerId, Member>();
  readonly #refusals: Refusals;
  readonly #gate: SessionGate;
  readonly #run = newRunId();
  readonly #pin: Uint8Array;
  #certificateHash: Uint8Array;
  readonly #security: QuicTransportOptions["security"];
  readonly #signing: SigningLine;
  readonly #events: SessionEvents;
  readonly #router: Router;
  readonly #budget: BulkBudget;
  #endpoint: EndpointKeeper | undefined;
  #handler: TransportHandler | undefined;
  #bulk: BulkUser | undefined;
  #closing = false;
  readonly #meter: MeshMeter;
  readonly #upkeep: Upkeep;

  private constructor(options: QuicTransportOptions) {
    this.#self = options.self;
    this.#ports = options;
    this.#limits = { ...TRANSPORT_LIMITS, ...options.limits };
    this.#names = options.names ?? systemLookup;
    this.#read = (all) => readPeers(withNamed(all, options.named ?? []), options.self);
    this.#known = this.#read(options.peers);
    this.#refusals = new Refusals(options);
    this.#meter = new MeshMeter(options.metrics);
    this.#upkeep = new Upkeep({
      ...{ members: this.#members, limits: this.#limits, ports: options },
      publish: () => this.#meter.publish(this.figures()),
    });
    this.#gate = new SessionGate(options.clock, options.metrics, this.#limits);
    this.#pin = pinOfCertificate(options.identity.certPem);
    this.#certificateHash = hashOfCertificate(options.identity.certPem);
    this.#security = options.security;
    this.#signing = new SigningLine(options.security.signer);
    this.#events = {
      identify: (session) => this.#identify(session),
      ready: (session) => this.#ready(session),
      frame: (session, trafficClass, bytes) => this.#frame(session, trafficClass, bytes),
      datagram: (session, bytes) => this.#router.datagram(session, bytes),
      admit: (session) => this.#gate.admit(session.peer ?? ""),
      drained: (session, trafficClass) => this.#drained(session, trafficClass),
      note: (session, bytes) => this.#note(session, bytes),
      secured: (session, ms) => this.#secured(session, ms),
      ended: (session, code, detail, failure) => this.#ended(session, code, detail, failure),
    };
    this.#router = this.#makeRouter(options);
    this.#budget = BulkBudget.ofThread(options, options.bulkLoopShare, options.loopTime);
    for (const known of this.#known.byId.values()) this.#addMember(known);
  }

  #makeRouter(options: QuicTransportOptions): Router {
    checkIdentity(options.identity.certPem, options.identity.keyPem);
    return new Router({
      ...{ self: this.#self, members: this.#members, limits: this.#limits, ports: this.#ports },
      tunnel: {
        alpn: [ALPN],
        identity: options.identity,
        windows: WINDOWS,
        refused: (code, detail) => this.#refusals.note(code, detail),
      },
      relay: options.relay ?? false,
      reachable: options.reachable ?? true,
      isQuarantined: (id) => this.#gate.isQuarantined(id),
      session: (connection, dialled, route) => this.#session(connection, dialled, route),
      moved: (member, session, change) => this.#moved(member, session, change),
      refused: ({ code, detail }, peer) => this.#refusals.note(code, detail, peer),
    });
  }

  static async create(options: QuicTransportOptions, driver?: BindEndpoint): Promise<Mesh> {
    const listen = parseAddress(options.listen);
    if (!listen.ok) throw TetradError.from(listen);
    if (listen.value.kind === "name") {
      throw new TetradError("transport.address", "listen takes an IPv6 literal, not a name");
    }
    const mesh = new Mesh(options);
    const hooks = mesh.#endpointHooks();
    mesh.#endpoint = await openMeshEndpoint(options, mesh.#limits, listen.value, hooks, driver);
    return mesh;
  }

  start(handler: TransportHandler): void {
    if (this.#handler !== undefined) throw new TetradError("internal", "started twice");
    if (this.#closing) return;
    this.#handler = handler;
    this.#endpoint?.startAccepting();
    for (const member of this.#members.values()) this.#beginDialling(member);
    this.#router.start();
    this.#upkeep.start();
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
    if (sent) this.#meter.sent(trafficClass, bytes.length);
    else this.#meter.dropped(trafficClass);
    return sent;
  }

  disconnect(peer: PeerId, reason: PeerClose): void {
    const member = this.#members.get(peer);
    if (member?.session === undefined) return;
    const isPenal = isPenalised(reason.code) && !member.unproved.isLate(member.session);
    this.#dropAll(member, reason.code, reason.detail, isPenal);
  }

  peers(): readonly PeerId[] {
    const up = [...this.#members.values()].filter(({ session }) => session !== undefined);
    return up.map(({ known }) => known.id);
  }

  know(members: readonly TransportMember[]): void {
    if (this.#closing) return;
    this.#known = this.#read(members);
    for (const [id, member] of this.#members) {
      if (this.#known.byId.get(id)?.tlsPinHex === member.known.tlsPinHex) continue;
      member.dialler.stop();
      this.#members.delete(id);
      const wasUp = member.session !== undefined;
      for (const session of sessionsOf(member)) session.close("closed", "no member any more");
      if (wasUp) this.#down(member, "closed", "no member any more");
      this.#router.directEnded(id);
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
      for (const session of sessionsOf(member)) {
        session.close("identity", failure.detail, session.isUp ? failure : undefined);
      }
    }
  }

  useIdentity(identity: QuicIdentity): void {
    checkIdentity(identity.certPem, identity.keyPem);
    // The router always has an endpoint, which checks it: the keeper has none while the socket is gone.
    this.#router.useIdentity(identity);
    this.#endpoint?.useIdentity(identity);
    this.#certificateHash = hashOfCertificate(identity.certPem);
  }

  bulk(user: BulkUser): BulkPort {
    if (this.#bulk !== undefined) throw new TetradError("internal", "bulk has its user");
    this.#bulk = user;
    return {
      send: (peer, bytes) => this.send(peer, "bulk", bytes),
      peers: () => this.peers(),
      seal: (peer, note) => this.#members.get(peer)?.session?.sendNote(note) === true,
      takesNotes: (peer) => takesNotes(this.#members.get(peer)?.session),
      remoteHost: (peer) => this.#members.get(peer)?.paths.direct?.remote.host,
      breach: (peer, failure) => this.#breach(peer, failure),
    };
  }

  isSecured(peer: PeerId): boolean {
    return this.#members.get(peer)?.session?.isSecured === true;
  }

  peerFigures(): readonly PeerFigures[] {
    return [...this.#members.values()].map((member) =>
      figuresOf(member, this.#gate.isQuarantined(member.known.id)),
    );
  }

  close(done: () => void): void {
    this.#closing = true;
    this.#upkeep.close();
    this.#budget.close();
    for (const member of this.#members.values()) {
      member.dialler.stop();
      member.session = undefined;
      member.attempt = undefined;
    }
    const endpoint = this.#endpoint;
    endpoint?.stopWatching();
    // Relayed sessions say so first, through sessions that are still there.
    this.#router.close(CLOSE_CODES.shutdown, "the node is stopping", () => {
      if (endpoint === undefined) done();
      else endpoint.close(CLOSE_CODES.shutdown, "the node is stopping", done);
    });
  }

  address(): string {
    return this.#endpoint === undefined ? "" : formatAddress(this.#endpoint.local);
  }

  driver(): DriverFigures {
    return this.#endpoint?.figures() ?? NO_DRIVER;
  }

  figures(): TransportFigures {
    const relayed = this.#router.connectionCount;
    return meshFigures(this.#endpoint, relayed, this.#members, this.#refusals.counts());
  }

  #addMember(known: KnownPeer): Member {
    const dialler = new Dialler({
      clock: this.#ports.clock,
      timers: this.#ports.timers,
      random: this.#ports.random,
      redialMsMin: this.#limits.redialMsMin,
      redialMsMax: this.#limits.redialMsMax,
      doubtMs: DOUBT_HANDSHAKES * this.#limits.handshakeTimeoutMs,
      first: this.#self < known.id,
      dial: () => this.#dial(known.id),
    });
    const member = newMember(known, dialler, this.#limits.paths, this.#ports.clock);
    this.#members.set(known.id, member);
    return member;
  }

  #beginDialling({ known, dialler }: Member): void {
    if (!this.#gate.isQuarantined(known.id)) dialler.begin();
  }

  #session(connection: QuicSession, dialled: PeerId | undefined, route?: Route): Session {
    return new Session({
      connection,
      dialled,
      route,
      features: this.#router.features,
      self: this.#self,
      selfRun: this.#run,
      ...{ certificateHash: this.#certificateHash, pin: this.#pin },
      pinOf: (id) => this.#known.byId.get(id)?.tlsPin,
      ...{ security: this.#security, signing: this.#signing },
      limits: this.#limits,
      ports: this.#ports,
      ...{ events: this.#events, bulk: this.#budget },
    });
  }

  #endpointHooks(): MeshHooks {
    return {
      isMemberHost: (host) =>
        isHostOf(host, this.#members.values(), (id) => this.#gate.isQuarantined(id)),
      accepted: (connection) => void this.#session(connection, undefined),
      refused: (code, detail) => this.#refusals.note(code, detail),
      ...reserveHooks(this.#members, (id) => this.#gate.isQuarantined(id)),
      reopened: () => this.#dialAll(),
    };
  }

  /** At once: what kept the members from being reached was here. */
  #dialAll(): void {
    if (this.#closing || this.#handler === undefined) return;
    for (const member of this.#members.values()) {
      if (member.paths.hasDirect || member.dialler.isRefusing) continue;
      member.dialler.stop();
      this.#beginDialling(member);
    }
  }

  #dial(id: PeerId): void {
    const member = this.#members.get(id);
    if (member === undefined || this.#closing || this.#gate.isQuarantined(id)) return;
    if (member.paths.hasDirect || member.attempt !== undefined) return;
    if (member.undialable) return;
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
    member.host = remote.host;
    const connection = this.#endpoint?.dial({ host: remote.host, port: remote.port });
    if (connection === undefined) {
      this.#dialFailed(member, this.#endpoint?.refusal ?? fail("node.overloaded", "cap"));
      return;
    }
    member.attempt = this.#session(connection, member.known.id);
  }

  #dialFailed(member: Member, failure: Failure): void {
    member.attempt = undefined;
    this.#refusals.note(failure.code, `${member.known.addressText}: ${failure.detail}`);
    if (!member.paths.hasDirect) member.dialler.retry();
  }

  #identify(session: Session): Result<IdentifiedPeer> {
    const identified = identifySession(session, this.#known.pins, this.#ports.clock.wallMs());
    if (identified.ok && this.#gate.isQuarantined(identified.value.id)) {
      return fail("transport.peer-quarantined", "the log has evidence against this peer");
    }
    if (!identified.ok || session.dialled !== undefined) return identified;
    if (this.#members.get(identified.value.id)?.dialler.isRefusing === true) {
      return fail("node.overloaded", "the peer broke the protocol and is refused for a while");
    }
    return identified;
  }

  /** Between TLS and the hello a session is on no list: who may have one is another question by then. */
  #identifyAgain(session: Session): Result<IdentifiedPeer> {
    const identified = this.#identify(session);
    return identified.ok && identified.value.id !== session.peer
      ? fail("transport.peer-unknown", "the certificate is another member's by now")
      : identified;
  }

  #ready(session: Session): void {
    const member = this.#members.get(session.peer ?? "");
    const known = this.#identifyAgain(session);
    if (this.#closing) {
      session.close("shutdown", "not serving");
    } else if (member === undefined || !known.ok) {
      session.close("identity", known.ok ? "no member" : known.code, known.ok ? undefined : known);
    } else if (member.session === undefined && !session.waitsForProof) {
      this.#join(member, session);
      this.#take(member);
    } else if (!mayContend(session, othersThan(session, member), this.#facts)) {
      session.close("replaced", "another session of this pair stays");
    } else {
      this.#wait(member, session);
    }
  }

  get #facts(): PairFacts {
    return { self: this.#self, handshakeTimeoutMs: this.#limits.handshakeTimeoutMs };
  }

  /** Beside a session that carries, or on a reserve driver: the peer has to show its key first. */
  #wait(member: Member, session: Session): void {
    const { waiting, host } = member;
    const room = roomToWait(session, waiting, this.#limits.paths.unprovedMax, host);
    if (room === "full") {
      const failure = fail("session.rate", "too many sessions wait for the proof of their peer");
      session.close("rate", failure.detail, failure);
      return;
    }
    if (room !== "free") room.close("rate", "one from the member's address waits in its place");
    session.hold();
    waiting.add(session);
    this.#upkeep.added();
  }

  /** The session is a path from now on. */
  #join(member: Member, session: Session): void {
    if (member.attempt === session) member.attempt = undefined;
    if (session.via === undefined) {
      if (session.isSecured) member.dialler.proved();
      else member.dialler.doubt();
    } else {
      member.relayed.ended(session);
      member.relayed.succeeded(session.via);
      // It may have become possible to dial it since it last said that it was not.
      if (!member.paths.hasDirect && member.attempt === undefined) member.dialler.retry();
    }
    member.totals.add(session, member.paths.sessions());
    member.paths.add(session, this.#ports.clock.monotonicMs());
    this.#upkeep.added();
    this.#ports.logger.log("info", member.session === undefined ? "session up" : "path up", {
      ...{ peer: member.known.id, ...placeOf(session) },
      dialled: session.dialled !== undefined,
    });
    session.release();
  }

  /** The peer has shown its key in this session: it is a path, and others end or wait by that. */
  #proved(member: Member, session: Session): void {
    const { paths, waiting } = member;
    const verdict = judgeProved(session, othersThan(session, member), this.#facts);
    if (verdict === undefined) {
      session.close("replaced", "another session of this pair stays");
      return;
    }
    member.undialable = (session.peerFeatures & FEATURES.undialable) !== 0;
    const { ends, waits } = verdict;
    const carrying = member.session;
    let mayLose = false;
    for (const old of [...ends, ...waits]) {
      mayLose = paths.remove(old)?.mayLose === true || mayLose;
      if (old === carrying) member.session = undefined;
      waiting.delete(old);
    }
    for (const old of waits) {
      old.hold();
      waiting.add(old);
    }
    const isNew = paths.onSamePath(session) !== session;
    waiting.delete(session);
    if (isNew) this.#join(member, session);
    else if (session.via === undefined) member.dialler.proved();
    for (const old of ends) old.close("replaced", "a newer session of this pair stays");
    const detail = "a newer session replaced this one";
    if (carrying !== undefined && member.session === undefined) {
      this.#down(member, "replaced", detail);
    } else if (mayLose) this.#renew(member, "replaced", detail);
    if (ends.some(({ via }) => via === undefined)) this.#directGone(member);
    if (member.session === undefined) this.#take(member);
  }

  /** Frames to the member go over the best of its paths from now on; where it has none, over one that waits. */
  #take(member: Member): void {
    const { session } = member.paths.choose(this.#ports.clock.monotonicMs());
    member.session = session;
    if (session !== undefined) this.#up(member);
    else this.#promote(member);
  }

  /** No session is left: one that waits carries, unless it is of the run of the peer that is about to end. */
  #promote(member: Member, stopping?: Session): void {
    const { waiting, known, dialler } = member;
    if (this.#closing || member.session !== undefined || member.paths.size > 0) return;
    if (dialler.isRefusing || this.#gate.isQuarantined(known.id)) return;
    const next = nextOf(waiting, stopping);
    if (next === undefined) return;
    waiting.delete(next);
    this.#join(member, next);
    this.#take(member);
  }

  #up(member: Member): void {
    const { session } = member;
    this.#handler?.peerUp(member.known.id);
    // The handler may have closed it.
    if (session === undefined || member.session !== session) return;
    this.#bulk?.peerUp(member.known.id);
    if (session.isSecured) this.#bulk?.secured?.(member.known.id);
  }

  /** Another path carries from now on. What is under way on the one before arrives, unless that is silent. */
  #moved(member: Member, session: Session, change: PathChange): void {
    const before = member.session;
    member.session = session;
    const { id } = member.known;
    this.#ports.metrics.count("tetrad_transport_path_changes_total", 1, { change });
    this.#ports.logger.log("info", "path changed", { peer: id, change, ...placeOf(session) });
    if (before?.isSecured === false && session.isSecured) this.#bulk?.secured?.(id);
    if (change === "better" || before === undefined) return;
    member.paths.settle(before);
    this.#renew(member, "closed", "the path that carried frames is silent");
  }

  /** What was sent may be lost although the peer is there: the replica sends again what it has to. */
  #renew(member: Member, code: CloseCode, detail: string): void {
    this.#down(member, code, detail);
    if (member.session !== undefined) this.#up(member);
  }

  #frame(session: Session, trafficClass: TrafficClass, bytes: Uint8Array): void {
    if (this.#closing || session.peer === undefined) return;
    this.#meter.received(trafficClass, bytes.length);
    if (!session.isSecured) this.#members.get(session.peer)?.unproved.heard(session);
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
    const member = this.#closing ? undefined : this.#members.get(session.peer ?? "");
    if (member === undefined) return;
    const wasCarrying = member.session === session;
    this.#proved(member, session);
    // Where it carries since now, the user of bulk has heard of it.
    if (wasCarrying && member.session === session) this.#bulk?.secured?.(member.known.id);
  }

  /** The peer sends over the path that it has chosen, which need not be ours. */
  #note(session: Session, bytes: Uint8Array): void {
    const member = this.#closing ? undefined : this.#members.get(session.peer ?? "");
    if (member?.paths.onSamePath(session) !== session) return;
    this.#bulk?.note?.(member.known.id, bytes);
  }

  #breach(peer: PeerId, failure: Failure): void {
    this.#members.get(peer)?.session?.close("protocol", failure.detail, failure);
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
    member.waiting.delete(session);
    const path = member.paths.remove(session);
    if (path !== undefined) this.#pathEnded(member, session, path.mayLose, code, detail, failure);
    if (session.via !== undefined) {
      this.#router.relayedEnded(member, session, path !== undefined);
      return;
    }
    if (path === undefined && !wasAttempt) return;
    if (path === undefined) this.#logFailedDial(member, code, detail);
    this.#directGone(member);
  }

  /** There is no direct session, or an attempt came to nothing: what went through the member as a relay ends. */
  #directGone(member: Member): void {
    const { paths, dialler, attempt, known } = member;
    if (paths.hasDirect) return;
    this.#router.directEnded(known.id);
    if (attempt !== undefined) return;
    if (this.#gate.isQuarantined(known.id)) dialler.stop();
    else dialler.retry();
  }

  #logFailedDial({ known }: Member, code: CloseCode, detail: string): void {
    // "identity" here is the peer's word about us, and nobody else can tell the operator.
    const level = code === "identity" ? "warn" : "debug";
    this.#ports.logger.log(level, "dial failed", { peer: known.id, code, detail });
  }

  /** A path is gone: the peer with it, or another path takes over. */
  #pathEnded(
    member: Member,
    session: Session,
    mayLose: boolean,
    code: CloseCode,
    detail: string,
    failure: Failure | undefined,
  ): void {
    const nowMs = this.#ports.clock.monotonicMs();
    if (session.via === undefined) {
      member.dialler.lasted(nowMs - session.upSinceMs);
      if (session.isSecured) member.indirectSinceMs = nowMs;
    }
    const isPenal = failure !== undefined && isPenalised(code, failure.code) && session.isBelieved;
    if (isPenal || code === "shutdown") {
      this.#dropAll(member, code, detail, isPenal, session);
    } else if (member.session === session) {
      member.session = undefined;
      this.#down(member, code, detail);
      this.#take(member);
    } else if (member.session !== undefined) {
      const peer = member.known.id;
      this.#ports.logger.log("info", "path down", { peer, ...placeOf(session), code, detail });
      if (mayLose) this.#renew(member, code, detail);
    }
  }

  /**
   * Who stops or is turned away is so on every path: none takes over. Who has not shown its key has not shown that
   * it is the member, which is not turned away for it.
   */
  #dropAll(
    member: Member,
    code: CloseCode,
    detail: string,
    isPenal: boolean,
    ended?: Session,
  ): void {
    const { session: carrying, paths, dialler } = member;
    member.session = undefined;
    // A path that has ended is no path any more, and was one that carried when it is penal.
    const isTurnedAway = isPenal && (carrying?.isBelieved ?? true);
    if (isTurnedAway) dialler.penalise();
    if (carrying !== undefined) this.#down(member, code, detail);
    const all = isTurnedAway ? upWith(member) : paths.sessions();
    for (const session of all) session.close(code, detail);
    this.#promote(member, code === "shutdown" ? ended : undefined);
  }

  #down(member: Member, code: CloseCode, detail: string): void {
    this.#ports.logger.log("info", "session down", { peer: member.known.id, code, detail });
    if (this.#closing) return;
    this.#handler?.peerDown(member.known.id, toPeerClose(code, detail));
    this.#bulk?.peerDown(member.known.id);
  }
}

/**
 * Binds the socket and gives the transport; dialling and accepting begin with `start`.
 * Throws transport.ipv4, transport.address, config.invalid or key.invalid.
 */
export const createQuicTransport = (options: QuicTransportOptions): Promise<QuicTransport> =>
  Mesh.create(options);
