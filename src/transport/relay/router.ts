/**
 * Which way frames go to each member: measures paths and moves what is sent to the better one, opens sessions
 * through relays where the direct one does not come about or is poor, gives them up when they are not needed,
 * and is the relay's part for others (forwarder.ts) where this node volunteers. A session is moved to only when
 * it is up, and what is under way on the one before still arrives.
 */
import { type Failure, fail } from "../../errors.ts";
import type { PeerId } from "../../ledger/ports.ts";
import { type Member, type Members, sessionsOf } from "../member.ts";
import type { TransportLimits, TransportPorts } from "../options.ts";
import type { QuicIdentity, QuicSession } from "../quic-endpoint.ts";
import type { Session } from "../session.ts";
import { FEATURES } from "../stoq/hello.ts";
import type { PathChange } from "./choose.ts";
import { Forwarder } from "./forwarder.ts";
import { decodeRelayFrame, encodeRelayFrame, type RelayRefusal } from "./frame.ts";
import { type Route, Tunnel, type TunnelOptions } from "./tunnel.ts";

export type RouterOptions = {
  readonly self: PeerId;
  readonly members: Members;
  readonly limits: TransportLimits;
  readonly ports: TransportPorts;
  readonly tunnel: Pick<TunnelOptions, "alpn" | "identity" | "windows" | "refused">;
  /** Whether this node relays, and whether others can dial it. */
  readonly relay: boolean;
  readonly reachable: boolean;
  isQuarantined(peer: PeerId): boolean;
  /** Makes a session of a relayed connection. */
  session(connection: QuicSession, dialled: PeerId | undefined, route: Route): Session;
  /** What is sent to the member goes over this session from now on. */
  moved(member: Member, session: Session, change: PathChange): void;
  refused(failure: Failure, peer: PeerId): void;
};

/** A direct path that loses so many packets is held against those through relays. */
const POOR_LOSS = 0.05;
/** So is one whose round trip is so much longer than to a relay that the way over it may be shorter. */
const POOR_RTT_FACTOR = 3;
const POOR_RTT_MS = 50;

export class Router {
  readonly #options: RouterOptions;
  readonly #tunnel: Tunnel;
  readonly #forwarder: Forwarder;
  #cancel: (() => void) | undefined;
  #published = { packets: 0, bytes: 0, dropped: 0 };

  /** Throws key.invalid. */
  constructor(options: RouterOptions) {
    this.#options = options;
    const { ports, limits, members } = options;
    this.#tunnel = new Tunnel({
      ...options.tunnel,
      clock: ports.clock,
      timers: ports.timers,
      limits: limits.relay,
      idleTimeoutMs: limits.idleTimeoutMs,
      send: (relay, datagram) => directOf(members.get(relay))?.sendDatagram(datagram) ?? false,
      accepted: (connection, route) => {
        options.session(connection, undefined, route);
      },
    });
    this.#forwarder = new Forwarder({
      offers: options.relay,
      limits: limits.relay,
      nowMs: ports.clock.monotonicMs(),
      isMember: (id) => members.has(id) && !options.isQuarantined(id),
      send: (to, from, packet) => {
        const session = directOf(members.get(to));
        if (session === undefined) return "absent";
        return session.sendDatagram(encodeRelayFrame({ kind: "forwarded", peer: from, packet }));
      },
    });
  }

  /** What this node tells of itself in its hellos. */
  get features(): number {
    const { relay, reachable } = this.#options;
    return (relay ? FEATURES.relay : 0) | (reachable ? 0 : FEATURES.undialable);
  }

  get connectionCount(): number {
    return this.#tunnel.connectionCount;
  }

  start(): void {
    this.#tunnel.startAccepting();
    this.#plan();
  }

  useIdentity(identity: QuicIdentity): void {
    this.#tunnel.useIdentity(identity);
  }

  close(code: number, reason: string, done: () => void): void {
    this.#cancel?.();
    this.#tunnel.close(code, reason, done);
  }

  /** A datagram of a direct session. A peer that sends what is none of ours is turned away. */
  datagram(session: Session, bytes: Uint8Array): void {
    const { peer } = session;
    if (peer === undefined || session.via !== undefined) return;
    const frame = decodeRelayFrame(bytes);
    if (!frame.ok) {
      session.close("protocol", frame.detail, frame);
      return;
    }
    // Who has not shown its FALCON key yet is not known well enough to cost others anything.
    if (!session.isSecured) return;
    const said = frame.value;
    if (said.kind === "forward") this.#forward(session, peer, said.peer, said.packet);
    else if (said.kind === "forwarded") this.#receive(session, peer, said.peer, said.packet);
    else this.#wasRefused(peer, said.peer, said.refusal);
  }

  /** The direct session with this member is over: what went through it as a relay has no way any more. */
  directEnded(relay: PeerId): void {
    this.#tunnel.forget(relay);
    for (const member of this.#options.members.values()) {
      for (const session of throughRelay(member, relay)) {
        session.close("unreachable", "the session with the relay is over");
      }
    }
  }

  /** An attempt or a path through a relay is over. */
  relayedEnded(member: Member, session: Session, wasUp: boolean): void {
    const { via } = session;
    if (via === undefined) return;
    const wasAttempt = member.relayed.ended(session);
    if (wasAttempt && !wasUp) member.relayed.failed(via, this.#options.ports.clock.monotonicMs());
  }

  #plan(): void {
    const { timers } = this.#options.ports;
    this.#cancel = timers.set(this.#options.limits.paths.checkMs, () => {
      this.#look();
      this.#plan();
    });
  }

  #look(): void {
    const nowMs = this.#options.ports.clock.monotonicMs();
    const relays = this.#relays();
    // A copy: a session that is closed here may take its member along.
    for (const member of [...this.#options.members.values()]) {
      member.paths.measure(nowMs);
      this.#choose(member, nowMs);
      const wanted = this.#wantedRelayed(member, relays, nowMs);
      if (wanted === 0) this.#retire(member, nowMs);
      else this.#dialRelays(member, relays, wanted, nowMs);
    }
    this.#forwarder.expire(nowMs);
    this.#publish();
  }

  #choose(member: Member, nowMs: number): void {
    if (member.session === undefined) return;
    const { session, change } = member.paths.choose(nowMs);
    if (session === undefined || session === member.session) return;
    this.#options.moved(member, session, change ?? "lost");
  }

  /** Members that relay and that this node has a direct and complete session with, the nearest first. */
  #relays(): readonly Relay[] {
    const relays: Relay[] = [];
    for (const member of this.#options.members.values()) {
      const session = directOf(member);
      if (session === undefined || (session.peerFeatures & FEATURES.relay) === 0) continue;
      relays.push({ id: member.known.id, rttMs: session.pathFigures().rttMs ?? 0 });
    }
    return relays.sort((a, b) => a.rttMs - b.rttMs || (a.id < b.id ? -1 : 1));
  }

  /** How many paths through relays there are to be to the member. */
  #wantedRelayed(member: Member, relays: readonly Relay[], nowMs: number): number {
    const { isQuarantined, limits, self, reachable } = this.#options;
    const { relayedMax, relayAfterMs } = limits.paths;
    if (isQuarantined(member.known.id) || member.dialler.isRefusing) return 0;
    if (member.paths.hasDirect) return this.#isPoor(member, relays) ? relayedMax : 0;
    member.relayed.wake();
    // The end with the lower id is first, so that seldom both open a session through the same relay.
    const patienceMs = self < member.known.id ? relayAfterMs : 2 * relayAfterMs;
    const isHopeless = member.undialable && !reachable;
    return isHopeless || nowMs - member.indirectSinceMs >= patienceMs ? relayedMax : 0;
  }

  #isPoor({ paths, known }: Member, relays: readonly Relay[]): boolean {
    if ((paths.directLoss ?? 0) >= POOR_LOSS) return true;
    const rttMs = paths.directRttMs ?? 0;
    const nearest = relays.find(({ id }) => id !== known.id);
    return (
      nearest !== undefined && rttMs >= POOR_RTT_MS && rttMs >= POOR_RTT_FACTOR * nearest.rttMs
    );
  }

  #retire(member: Member, nowMs: number): void {
    for (const session of member.paths.idleRelayed(nowMs)) {
      session.close("replaced", "the direct path serves");
    }
  }

  #dialRelays(member: Member, relays: readonly Relay[], wanted: number, nowMs: number): void {
    const { paths, relayed, known } = member;
    const ids = relays.map(({ id }) => id).filter((id) => id !== known.id);
    if (paths.hasDirect && this.#hasCompared(member, nowMs)) return;
    for (const relay of relayed.due(ids, paths.relays(), wanted, nowMs)) {
      const route = { relay, peer: known.id };
      const connection = this.#tunnel.dial(route);
      if (connection === undefined) {
        relayed.failed(relay, nowMs);
        continue;
      }
      relayed.began(relay, this.#options.session(connection, known.id, route));
    }
  }

  /** Where a poor direct path still carries after it could be held against others, those are given up. */
  #hasCompared(member: Member, nowMs: number): boolean {
    const { paths, relayed } = member;
    const idle = paths.idleRelayed(nowMs);
    if (idle.length === 0 || member.session?.via !== undefined) return false;
    relayed.restUntil(nowMs + this.#options.limits.paths.compareAgainMs);
    for (const session of idle) session.close("replaced", "the direct path serves better");
    return true;
  }

  #forward(session: Session, from: PeerId, to: PeerId, packet: Uint8Array): void {
    const nowMs = this.#options.ports.clock.monotonicMs();
    const outcome = this.#forwarder.forward(from, to, packet, nowMs);
    if (outcome === "sent" || outcome === "dropped") return;
    this.#options.refused(fail(outcome, `for ${to.slice(0, 12)}`), from);
    session.sendDatagram(encodeRelayFrame({ kind: "refused", peer: to, refusal: outcome }));
  }

  #receive(session: Session, relay: PeerId, source: PeerId, packet: Uint8Array): void {
    const { members, isQuarantined, refused } = this.#options;
    if ((session.peerFeatures & FEATURES.relay) === 0) {
      refused(fail("relay.not-offered", "packets of others from who said to be no relay"), relay);
    } else if (!members.has(source) || isQuarantined(source) || source === relay) {
      refused(fail("relay.not-member", `from ${source.slice(0, 12)}`), relay);
    } else {
      this.#tunnel.receive({ relay, peer: source }, packet);
    }
  }

  /** The relay's word that this path leads nowhere; it could as well have dropped our packets. */
  #wasRefused(relay: PeerId, peer: PeerId, refusal: RelayRefusal): void {
    const member = this.#options.members.get(peer);
    if (member === undefined) return;
    const detail = `refused by the relay: ${refusal}`;
    for (const session of throughRelay(member, relay)) session.close("unreachable", detail);
  }

  #publish(): void {
    const { metrics } = this.#options.ports;
    const { pairs, packets, bytes, dropped } = this.#forwarder.figures();
    const last = this.#published;
    metrics.gauge("tetrad_transport_relayed_pairs", pairs);
    metrics.count("tetrad_transport_relayed_packets_total", packets - last.packets);
    metrics.count("tetrad_transport_relayed_bytes_total", bytes - last.bytes);
    metrics.count("tetrad_transport_relayed_dropped_total", dropped - last.dropped);
    this.#published = { packets, bytes, dropped };
    // So that they are there before the first change.
    for (const change of ["better", "silent"]) {
      metrics.count("tetrad_transport_path_changes_total", 0, { change });
    }
    let relayed = 0;
    for (const { session } of this.#options.members.values()) {
      if (session?.via !== undefined) relayed += 1;
    }
    metrics.gauge("tetrad_transport_relayed_sessions", relayed);
  }
}

type Relay = { readonly id: PeerId; readonly rttMs: number };

const directOf = (member: Member | undefined): Session | undefined => {
  const session = member?.paths.direct;
  return session?.isSecured === true ? session : undefined;
};

/** What is up or on its way with the member over this relay. */
const throughRelay = (member: Member, relay: PeerId): readonly Session[] =>
  sessionsOf(member).filter(({ via }) => via === relay);
