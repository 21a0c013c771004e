/**
 * The simulated network: a Transport for every slot (a process; two slots with one id are twins), with
 * sessions that come and go as QUIC's do, and with every fault that a scenario may ask for.
 *
 * Within a session frames of one class stay in order and arrive at most once, as the port promises,
 * unless a fault says otherwise. A blocked link holds frames back, as a reliable stream would re-send
 * them, until the path heals or the session dies of idleness; `blockedDrops` loses them instead. So it does
 * with the news that a process at its end has died or hung up. A clogged one holds back whatever would arrive,
 * also what was under way before and what a block has let go.
 */
import type { PeerClose, PeerId, TrafficClass, Transport } from "../src/ledger/ports.ts";
import { LIMITS } from "../src/limits.ts";
import { FairShare } from "./bandwidth.ts";
import { HeldNews } from "./held-news.ts";
import type { Host } from "./host.ts";
import { type Fate, type Hit, Links, type NetKnobs } from "./links.ts";
import { Overrides } from "./overrides.ts";
import {
  createEnd,
  createEndpoint,
  type End,
  type Endpoint,
  type HeldFrame,
  perClass,
  type Session,
} from "./sessions.ts";
import { World } from "./world.ts";

export type NetTap = {
  sent(from: number, to: number, trafficClass: TrafficClass, bytes: Uint8Array): void;
  delivered(from: number, to: number, trafficClass: TrafficClass, bytes: Uint8Array): void;
  /** A process is about to be told that its session with another is up. */
  raising?(slot: number, other: number): void;
  /** The send queue had no room for it. */
  refused?(from: number, to: number, trafficClass: TrafficClass, bytes: Uint8Array): void;
  /** Something of the network's own happened that is worth having seen. */
  happened?(what: string): void;
};

/** What a fault looks at while it lasts. */
export type NetWatch = {
  sent?(from: number, to: number, trafficClass: TrafficClass, bytes: Uint8Array): void;
  delivered?(from: number, to: number, trafficClass: TrafficClass, bytes: Uint8Array): void;
  /** A frame has met a blocked link. */
  stopped?(from: number, to: number, bytes: Uint8Array): void;
  /** A slot's end of a session with another is up. */
  raised?(slot: number, other: number): void;
};

/** When a frame is to arrive, and what is told of it once it has, where jitter makes it later. */
type Flight = { readonly atUs: number; readonly jittered: Hit | undefined };

const IDLE: PeerClose = { code: "idle", detail: "nothing heard" };

export class SimNet {
  readonly links: Links;
  readonly share: FairShare;
  readonly #world: World;
  readonly #endpoints: Endpoint[] = [];
  readonly #dialling = new Set<number>();
  readonly #tap: NetTap | undefined;
  readonly #watches = new Set<NetWatch>();
  readonly #news: HeldNews;
  #serial = 0;
  readonly #queueBytes: Overrides<number | undefined>[];
  #newest: { readonly bytes: Uint8Array; readonly copy: Uint8Array } | undefined;
  /** Frames and bytes handed to the network, for reports. */
  readonly sent = { frames: 0, bytes: 0 };

  constructor(world: World, slots: number, knobs: NetKnobs, tap?: NetTap) {
    this.#world = world;
    this.links = new Links(world.stream("net"), slots, knobs, world.stream("net/jitter"));
    this.share = new FairShare(world, this.links.caps);
    this.#tap = tap;
    this.#news = new HeldNews(world, slots);
    this.#queueBytes = Array.from(
      { length: slots },
      () => new Overrides<number | undefined>(undefined),
    );
  }

  /** Slots must be added in order, before anything starts. */
  addSlot(host: Host, id: PeerId): void {
    this.#endpoints.push(createEndpoint(host, id));
  }

  transport(slot: number, incarnation: number): Transport {
    const live = (): Endpoint | undefined => {
      const endpoint = this.#endpoints[slot];
      if (endpoint === undefined || !endpoint.host.isLive(incarnation)) return undefined;
      return endpoint.incarnation === incarnation ? endpoint : undefined;
    };
    return {
      start: (handler) => {
        const endpoint = this.#endpoints[slot];
        if (endpoint === undefined || !endpoint.host.isLive(incarnation)) return;
        endpoint.incarnation = incarnation;
        endpoint.handler = handler;
        this.#dialAll(slot);
      },
      send: (peer, trafficClass, bytes) => {
        const endpoint = live();
        return endpoint !== undefined && this.#send(endpoint, peer, trafficClass, bytes);
      },
      disconnect: (peer, reason) => {
        const session = live()?.sessions.get(peer);
        if (session !== undefined) this.#end(session, slot, reason);
      },
      peers: () => {
        const out: PeerId[] = [];
        for (const [peer, session] of live()?.sessions ?? []) {
          if (this.#endOf(session, slot).up) out.push(peer);
        }
        return out;
      },
      know: (members) => {
        const endpoint = this.#endpoints[slot];
        if (endpoint === undefined || !endpoint.host.isLive(incarnation)) return;
        const ids = new Set(members.map(({ id }) => id));
        this.#know(endpoint, incarnation, ids);
      },
      close: (done) => {
        const endpoint = live();
        if (endpoint === undefined) return;
        for (const session of [...endpoint.sessions.values()]) {
          this.#end(session, slot, { code: "shutdown", detail: "closed" });
        }
        endpoint.handler = undefined;
        endpoint.host.defer(incarnation, 0, done);
      },
    };
  }

  /**
   * Sessions of a process with these end, and none begins again while it lives: what the mesh of production does
   * about whom the log has evidence against.
   */
  shutOut(slot: number, incarnation: number, ids: ReadonlySet<PeerId>): void {
    const endpoint = this.#endpoints[slot];
    if (endpoint === undefined || !endpoint.host.isLive(incarnation)) return;
    endpoint.shutOut = { incarnation, ids: new Set(ids) };
    for (const id of ids) {
      const session = endpoint.sessions.get(id);
      if (session === undefined || this.#endOf(session, slot).incarnation !== incarnation) continue;
      this.#tap?.happened?.("shut out");
      const detail = "the log has evidence against this peer";
      this.#end(session, slot, { code: "identity", detail });
    }
  }

  /** Shows a fault what goes on; what is returned ends that. */
  watch(watch: NetWatch): () => void {
    this.#watches.add(watch);
    return () => {
      this.#watches.delete(watch);
    };
  }

  /** Sessions with who is no member any more end; who has become one is dialled, once sessions have begun. */
  #know(endpoint: Endpoint, incarnation: number, ids: ReadonlySet<PeerId>): void {
    const { slot } = endpoint.host;
    const before = endpoint.members?.incarnation === incarnation ? endpoint.members.ids : undefined;
    endpoint.members = { incarnation, ids };
    for (const [id, session] of [...endpoint.sessions]) {
      if (ids.has(id) || this.#endOf(session, slot).incarnation !== incarnation) continue;
      this.#tap?.happened?.("session with no member ended");
      this.#end(session, slot, { code: "closed", detail: "no member any more" });
    }
    if (endpoint.handler === undefined || endpoint.incarnation !== incarnation) return;
    for (const [other, { id }] of this.#endpoints.entries()) {
      if (before?.has(id) === true || !ids.has(id)) continue;
      this.#scheduleDial(slot, other, this.links.random.below(20_000));
    }
  }

  // Faults. Blocks are counted, so that overlapping faults do not heal each other.

  block(from: number, to: number): void {
    if (!this.links.block(from, to)) return;
    const session = this.#sessionOf(from, to);
    if (session === undefined || session.blockedSinceUs >= 0) return;
    const sinceUs = this.#world.nowUs;
    session.blockedSinceUs = sinceUs;
    this.#world.after(this.links.knobs.idleTimeoutMs * 1000, () => {
      if (session.alive && session.blockedSinceUs === sinceUs) {
        this.#end(session, -1, IDLE);
      }
    });
  }

  unblock(from: number, to: number): void {
    if (!this.links.unblock(from, to)) return;
    // Of a process that has died only the other one knows the session.
    const session = this.#sessionOf(from, to) ?? this.#sessionOf(to, from);
    if (session !== undefined) {
      if (!this.links.blocked(to, from)) session.blockedSinceUs = -1;
      this.#resend(session, this.#endOf(session, from), to);
    }
    this.#news.opened(from, to);
    this.#scheduleDial(from, to, this.links.random.below(this.links.knobs.redialMs * 1000));
  }

  /** One flight later, each its own: a reliable stream sends again what was stopped, while its process lives. */
  #resend(session: Session, end: End, to: number): void {
    const { nowUs } = this.#world;
    if (end.diedUs <= nowUs) for (const frame of end.held.takeStopped()) this.#drop(end, to, frame);
    end.held.resend(nowUs, (frame) => {
      const { atUs, jittered } = this.#flight(nowUs, end.slot, to);
      return { frame: { ...frame, jittered }, flownUs: atUs };
    });
    this.#releaseNext(session, end, to);
  }

  /** What each send queue of a slot holds at most, where a fault has made it small. */
  queueBytes(slot: number): number | undefined {
    return this.#queueBytes[slot]?.value;
  }

  /**
   * By class: the most that one send queue of a slot has held since the last call of this, when something was put
   * into it. What the network has doubled and holds back is in no queue of a process.
   */
  takeQueued(slot: number): Readonly<Record<TrafficClass, number>> {
    const endpoint = this.#endpoints[slot];
    if (endpoint === undefined) return perClass();
    const most = endpoint.mostQueued;
    endpoint.mostQueued = perClass();
    return most;
  }

  /** From now on send queues of a slot hold no more; what is returned ends that. */
  shortenQueues(slot: number, bytes: number): () => void {
    return this.#queueBytes[slot]?.turn(bytes) ?? (() => undefined);
  }

  /** Breaks the session between two slots; both ends hear of it and dial again. False without one. */
  reset(a: number, b: number): boolean {
    const session = this.#sessionOf(a, b);
    if (session?.alive !== true) return false;
    this.#end(session, -1, { code: "closed", detail: "reset" });
    this.#tap?.happened?.("session reset");
    return true;
  }

  /** A process dials all peers anew: where a twin of it holds the session, it takes it over. */
  redial(slot: number): void {
    this.#dialAll(slot);
  }

  /** The process in this slot has died: its peers notice soon, or only by silence. */
  crashed(slot: number): void {
    const endpoint = this.#endpoints[slot];
    if (endpoint === undefined) return;
    endpoint.handler = undefined;
    endpoint.ending.clear();
    // What has not left yet never does; what is under way arrives.
    this.share.dropFrom(slot);
    for (const session of [...endpoint.sessions.values()]) {
      const soon = this.links.random.below(2) === 0;
      const noticeUs = soon ? this.links.latencyUs() : this.links.knobs.idleTimeoutMs * 1000;
      const own = this.#endOf(session, slot);
      own.up = false;
      own.diedUs = this.#world.nowUs;
      endpoint.sessions.delete(this.#idOf(this.#farSlot(session, slot)));
      // The news is behind all that has left, in whatever order that arrives.
      const newsUs = Math.max(this.#world.nowUs + noticeUs, own.lastUs + 1);
      this.#world.at(newsUs, () => this.#heardOf(session, own));
    }
  }

  /** The news that a process has died passes no clog and no block, nor what a link has held back and is to let go. */
  #heardOf(session: Session, dead: End): void {
    if (!session.alive) return;
    const far = this.#farSlot(session, dead.slot);
    const again = (): void => this.#heardOf(session, dead);
    const openUs = this.links.clogUntilUs(dead.slot, far);
    const atUs = Math.ceil(Math.max(openUs, dead.release?.atUs ?? 0));
    if (atUs >= this.#world.nowUs) this.#world.at(atUs + 1, again);
    else if (this.links.blocked(dead.slot, far)) {
      this.#news.hold(dead.slot, far, this.#silentUs(session, dead), (isOpen) => {
        if (isOpen) again();
        else this.#end(session, -1, IDLE);
      });
    } else this.#end(session, dead.slot, { code: "unreachable", detail: "peer is gone" });
  }

  /** When a session is idle of which nothing comes from an end any more: its process is gone, or has closed it. */
  #silentUs({ blockedSinceUs }: Session, { diedUs }: End): number {
    const { nowUs } = this.#world;
    const sinceUs = Math.min(nowUs, diedUs, blockedSinceUs < 0 ? nowUs : blockedSinceUs);
    return sinceUs + this.links.knobs.idleTimeoutMs * 1000;
  }

  // Sessions

  /** The name under which others know the process in a slot. */
  idOf(slot: number): PeerId {
    return this.#idOf(slot);
  }

  #idOf(slot: number): PeerId {
    return this.#endpoints[slot]?.id ?? "";
  }

  #endOf(session: Session, slot: number): End {
    return session.ends[0].slot === slot ? session.ends[0] : session.ends[1];
  }

  #farEnd(session: Session, slot: number): End {
    return session.ends[0].slot === slot ? session.ends[1] : session.ends[0];
  }

  #farSlot(session: Session, slot: number): number {
    return this.#farEnd(session, slot).slot;
  }

  #sessionOf(a: number, b: number): Session | undefined {
    const session = this.#endpoints[a]?.sessions.get(this.#idOf(b));
    return session !== undefined && this.#farSlot(session, a) === b ? session : undefined;
  }

  #dialAll(slot: number): void {
    for (let other = 0; other < this.#endpoints.length; other++) {
      const jitterUs = this.links.random.below(20_000);
      this.#scheduleDial(slot, other, jitterUs);
    }
  }

  #scheduleDial(a: number, b: number, delayUs: number): void {
    if (a === b || this.#idOf(a) === this.#idOf(b)) return;
    const pair = Math.min(a, b) * 4096 + Math.max(a, b);
    if (this.#dialling.has(pair)) return;
    this.#dialling.add(pair);
    const handshakeUs = this.links.latencyUs() + this.links.latencyUs();
    this.#world.after(delayUs + handshakeUs, () => {
      this.#dialling.delete(pair);
      this.#connect(Math.min(a, b), Math.max(a, b));
    });
  }

  #connect(a: number, b: number): void {
    const left = this.#endpoints[a];
    const right = this.#endpoints[b];
    if (left?.handler === undefined || right?.handler === undefined) return;
    if (!left.host.isLive(left.incarnation) || !right.host.isLive(right.incarnation)) return;
    if (this.links.blocked(a, b) || this.links.blocked(b, a)) return;
    const { nowUs } = this.#world;
    const openUs = Math.max(this.links.clogUntilUs(a, b), this.links.clogUntilUs(b, a));
    // A handshake arrives as little as anything else.
    if (openUs > nowUs) return this.#scheduleDial(a, b, openUs - nowUs);
    if (SimNet.#isStranger(left, right.id) || SimNet.#isStranger(right, left.id)) {
      this.#tap?.happened?.("dial of no member refused");
      return;
    }
    if (SimNet.#refuses(left, right.id) || SimNet.#refuses(right, left.id)) {
      this.#tap?.happened?.("dial of who is shut out refused");
      return;
    }
    if (this.#sessionOf(a, b)?.alive === true && this.#bothCurrent(a, b)) return;
    // At most one session a peer: a newer one replaces what an end still believes in.
    for (const [endpoint, peer] of [
      [left, right.id],
      [right, left.id],
    ] as const) {
      const old = endpoint.sessions.get(peer);
      if (old !== undefined) this.#end(old, -1, { code: "closed", detail: "replaced" });
    }
    this.#serial += 1;
    const session: Session = {
      serial: this.#serial,
      ends: [
        createEnd(left.host.slot, left.incarnation),
        createEnd(right.host.slot, right.incarnation),
      ],
      alive: true,
      blockedSinceUs: -1,
    };
    left.sessions.set(right.id, session);
    right.sessions.set(left.id, session);
    // The dialler (lower slot) has the session first, the other one flight later.
    this.#raise(left, right.id, session, 0);
    this.#raise(right, left.id, session, this.links.latencyUs());
  }

  static #refuses({ shutOut, incarnation }: Endpoint, id: PeerId): boolean {
    return shutOut.incarnation === incarnation && shutOut.ids.has(id);
  }

  static #isStranger({ members, incarnation }: Endpoint, id: PeerId): boolean {
    return members?.incarnation === incarnation && !members.ids.has(id);
  }

  #bothCurrent(a: number, b: number): boolean {
    const session = this.#sessionOf(a, b);
    return session !== undefined && this.#sessionOf(b, a) === session;
  }

  #raise(endpoint: Endpoint, peer: PeerId, session: Session, delayUs: number): void {
    const end = this.#endOf(session, endpoint.host.slot);
    const far = this.#farEnd(session, endpoint.host.slot);
    const upAtUs = this.#world.nowUs + delayUs;
    for (const trafficClass of ["consensus", "mempool", "sync", "control"] as const) {
      far.lastArrivalUs[trafficClass] = upAtUs;
    }
    endpoint.host.defer(end.incarnation, delayUs, () => {
      if (!session.alive || endpoint.sessions.get(peer) !== session) return;
      endpoint.ending.get(peer)?.();
      end.up = true;
      this.#world.trace.add(this.#world.nowUs, "peer-up", end.slot, far.slot);
      this.#tap?.raising?.(end.slot, far.slot);
      endpoint.handler?.peerUp(peer);
      for (const watch of this.#watches) watch.raised?.(end.slot, far.slot);
    });
  }

  /** `bySlot` is the end that closed (told at once), or -1 when the path did it. */
  #end(session: Session, bySlot: number, reason: PeerClose): void {
    if (!session.alive) return;
    session.alive = false;
    this.share.drop(session.ends[0].slot, session.ends[1].slot);
    const silentUs = bySlot < 0 ? 0 : this.#silentUs(session, this.#endOf(session, bySlot));
    for (const end of session.ends) {
      const endpoint = this.#endpoints[end.slot];
      const peer = this.#idOf(this.#farSlot(session, end.slot));
      if (endpoint === undefined) continue;
      const wasUp = end.up;
      end.up = false;
      if (endpoint.sessions.get(peer) === session) endpoint.sessions.delete(peer);
      if (!wasUp || endpoint.incarnation !== end.incarnation) continue;
      const delayUs = end.slot === bySlot || bySlot < 0 ? 0 : this.links.latencyUs();
      const tell = (why = reason): void => {
        if (endpoint.ending.get(peer) !== tell) return;
        endpoint.ending.delete(peer);
        const other = this.#farSlot(session, end.slot);
        this.#world.trace.add(this.#world.nowUs, "peer-down", end.slot, other);
        endpoint.handler?.peerDown(peer, why);
      };
      const defer = (afterUs: number, then: () => void): void =>
        endpoint.host.defer(end.incarnation, afterUs, then);
      // That the other end has closed is news like any other: a clog holds it, and after a block it is sent again.
      const hear = (): void => {
        const openUs = bySlot < 0 ? 0 : this.links.clogUntilUs(bySlot, end.slot);
        const waitUs = openUs - this.#world.nowUs;
        if (waitUs > 0) defer(waitUs, hear);
        else if (bySlot < 0 || !this.links.blocked(bySlot, end.slot)) tell();
        else {
          this.#news.hold(bySlot, end.slot, silentUs, (isOpen) =>
            isOpen ? defer(this.links.latencyUs(), hear) : defer(0, () => tell(IDLE)),
          );
        }
      };
      endpoint.ending.set(peer, tell);
      defer(delayUs, hear);
      this.#nothingOwed(endpoint.host, end, this.#farSlot(session, end.slot));
    }
    const [left, right] = session.ends;
    const backOffUs = this.links.knobs.redialMs * 1000 + this.links.random.below(100_000);
    this.#scheduleDial(left.slot, right.slot, backOffUs);
  }

  /** Not at once: of this the process may die. */
  #nothingOwed(host: Host, { incarnation }: End, far: number): void {
    if (!host.votes.isOwing) return;
    this.#world.after(0, () => {
      if (host.isLive(incarnation)) host.votes.gone(far);
    });
  }

  // Frames

  #send(endpoint: Endpoint, peer: PeerId, trafficClass: TrafficClass, bytes: Uint8Array): boolean {
    if (bytes.length > LIMITS.frameBytesMax[trafficClass]) return false;
    const session = endpoint.sessions.get(peer);
    const slot = endpoint.host.slot;
    if (session === undefined || !session.alive) return false;
    const end = this.#endOf(session, slot);
    if (!end.up) return false;
    const to = this.#farSlot(session, slot);
    endpoint.host.votes.begins(bytes, to, () => this.#upFrom(endpoint));
    const queued = end.queuedBytes[trafficClass] + bytes.length;
    const room = Math.min(
      LIMITS.sendQueueBytesMax[trafficClass],
      this.queueBytes(slot) ?? Infinity,
    );
    if (queued > room) {
      this.#tap?.happened?.("send queue overflow");
      this.#tap?.refused?.(slot, to, trafficClass, bytes);
      endpoint.host.votes.settled(bytes, to);
      return false;
    }
    if (endpoint.host.reached("send")) return false;
    const copy = this.#copyOf(bytes);
    this.sent.frames += 1;
    this.sent.bytes += copy.length;
    const { trace, nowUs } = this.#world;
    const digest = trace.digestOf(copy);
    trace.add(nowUs, "send", slot, to, copy, "", digest);
    this.#tap?.sent(slot, to, trafficClass, copy);
    for (const watch of this.#watches) watch.sent?.(slot, to, trafficClass, copy);
    this.#transmit(session, end, to, { trafficClass, bytes: copy, digest });
    return true;
  }

  /** With whom a process has sessions that are up. */
  #upFrom({ host: { slot }, sessions }: Endpoint): number[] {
    const up = [...sessions.values()].filter((session) => this.#endOf(session, slot).up);
    return up.map((session) => this.#farSlot(session, slot));
  }

  /** What goes to many is copied once, while the sender leaves it as it is: nobody writes into a frame. */
  #copyOf(bytes: Uint8Array): Uint8Array {
    const newest = this.#newest;
    if (newest?.bytes === bytes && Buffer.compare(newest.copy, bytes) === 0) return newest.copy;
    const copy = bytes.slice();
    this.#newest = { bytes, copy };
    return copy;
  }

  #transmit(session: Session, end: End, to: number, frame: HeldFrame): void {
    const { trafficClass, bytes } = frame;
    const fate = this.links.fate(end.slot, to, bytes);
    if (fate.lost !== undefined) {
      this.#show(fate.lost);
      this.#world.trace.add(this.#world.nowUs, "drop", end.slot, to, bytes);
      return this.#left(end, to, bytes);
    }
    end.queuedBytes[trafficClass] += bytes.length;
    this.#noteQueued(end, trafficClass);
    if (this.share.isFree(end.slot, to)) {
      this.#fly(session, end, to, frame, fate);
      return this.#left(end, to, bytes);
    }
    this.share.send(end.slot, to, trafficClass, bytes.length, () => {
      this.#tap?.happened?.("bandwidth shared");
      if (!session.alive) return;
      this.#fly(session, end, to, frame, fate);
      this.#left(end, to, bytes);
    });
  }

  #noteQueued({ slot, queuedBytes }: End, trafficClass: TrafficClass): void {
    const most = this.#endpoints[slot]?.mostQueued;
    if (most !== undefined)
      most[trafficClass] = Math.max(most[trafficClass], queuedBytes[trafficClass]);
  }

  /** What is under way already arrives, though the process may die of this. */
  #left(end: End, to: number, bytes: Uint8Array): void {
    const host = this.#endpoints[end.slot]?.host;
    if (host?.isLive(end.incarnation) === true) host.votes.settled(bytes, to);
  }

  /** The last byte has left. */
  #fly(session: Session, end: End, to: number, frame: HeldFrame, fate: Fate): void {
    const { trafficClass, bytes } = frame;
    const isLate = this.links.extraUs(end.slot, to) > 0;
    const behindUs = fate.reordered ? 0 : end.lastArrivalUs[trafficClass];
    const flight = this.#flight(this.#world.nowUs, end.slot, to, behindUs);
    const arriveUs = flight.atUs;
    if (!fate.reordered) end.lastArrivalUs[trafficClass] = arriveUs;
    const hits: Hit[] = isLate ? [{ mark: "frame delayed", felt: undefined }] : [];
    if (arriveUs < end.lastFrameUs[trafficClass]) {
      hits.push({ mark: "frame reordered", felt: this.links.feltOf("reorderPpm") });
    }
    if (fate.corrupted !== undefined) hits.push(fate.corrupted);
    const whole = fate.corrupted === undefined ? frame : this.#corrupted(frame);
    const { jittered } = flight;
    const isPlain = hits.length === 0 && jittered === undefined;
    const arriving = isPlain ? whole : { ...whole, hits, jittered };
    end.lastFrameUs[trafficClass] = Math.max(arriveUs, end.lastFrameUs[trafficClass]);
    end.lastUs = Math.max(arriveUs, end.lastUs);
    this.#world.at(arriveUs, () => {
      end.queuedBytes[trafficClass] -= bytes.length;
      this.#arrive(session, end, to, arriving);
    });
    if (fate.duplicated === undefined) return;
    const later = this.#flight(arriveUs, end.slot, to);
    end.lastUs = Math.max(later.atUs, end.lastUs);
    const copy = { ...whole, bytes: whole.bytes.slice() };
    const again = { ...copy, hits: [fate.duplicated], jittered: later.jittered };
    this.#world.at(later.atUs, () => this.#arrive(session, end, to, again));
  }

  #show({ mark, felt }: Hit): void {
    this.#tap?.happened?.(mark);
    felt?.();
  }

  /** When what leaves then, behind what is to arrive before, has gone over a link. */
  #flight(fromUs: number, from: number, to: number, behindUs = 0): Flight {
    const { addedUs, felt } = this.links.jitter(from, to);
    const [extraUs, takesUs] = [this.links.extraUs(from, to), this.links.latencyUs()];
    const calmUs = Math.max(behindUs, this.#world.endOf(fromUs, takesUs, extraUs));
    if (addedUs === 0) return { atUs: calmUs, jittered: undefined };
    const atUs = Math.max(behindUs, this.#world.endOf(fromUs, takesUs, extraUs + addedUs));
    return { atUs, jittered: atUs > calmUs ? { mark: "frame jittered", felt } : undefined };
  }

  #corrupted({ trafficClass, bytes }: HeldFrame): HeldFrame {
    const corrupt = this.links.corrupt(bytes);
    return { trafficClass, bytes: corrupt, digest: this.#world.trace.digestOf(corrupt) };
  }

  #arrive(session: Session, end: End, to: number, frame: HeldFrame): void {
    if (!session.alive) return;
    const { nowUs } = this.#world;
    const isClogged = this.links.clogUntilUs(end.slot, to) > nowUs;
    const isBlocked = !isClogged && this.links.blocked(end.slot, to);
    if (isClogged) this.#tap?.happened?.("frame clogged");
    else if (isBlocked) {
      this.#tap?.happened?.("frame blocked");
      this.#stopped(end, to, frame);
      if (this.links.knobs.blockedDrops) return this.#drop(end, to, frame);
    } else if (!end.held.has(frame.trafficClass)) {
      this.#deliver(session, end, to, frame);
      return;
    }
    // Also behind what is held and about to be let go: order.
    end.held.push(frame, nowUs, this.links.blocked(end.slot, to), isBlocked);
    end.queuedBytes[frame.trafficClass] += frame.bytes.length;
    if (!isBlocked) this.#releaseNext(session, end, to);
  }

  #stopped(end: End, to: number, { bytes }: HeldFrame): void {
    for (const watch of this.#watches) watch.stopped?.(end.slot, to, bytes);
  }

  #drop(end: End, to: number, { bytes }: HeldFrame): void {
    this.#world.trace.add(this.#world.nowUs, "drop", end.slot, to, bytes);
  }

  #deliver(session: Session, end: End, to: number, frame: HeldFrame): void {
    const target = this.#endpoints[to];
    const far = this.#endOf(session, to);
    if (target === undefined || target.incarnation !== far.incarnation) return;
    target.host.defer(far.incarnation, 0, () => {
      if (!session.alive || !far.up) return;
      if (target.host.reached("deliver")) return;
      const { trace, nowUs } = this.#world;
      trace.add(nowUs, "deliver", to, end.slot, frame.bytes, "", frame.digest);
      for (const hit of frame.hits ?? []) this.#show(hit);
      if (frame.jittered !== undefined) this.#show(frame.jittered);
      const { trafficClass, bytes } = frame;
      this.#tap?.delivered(end.slot, to, trafficClass, bytes);
      for (const watch of this.#watches) watch.delivered?.(end.slot, to, trafficClass, bytes);
      target.handler?.frame(this.#idOf(end.slot), trafficClass, bytes);
    });
  }

  /** Looks at what a link holds back when the next of it is due, and no clog holds it. */
  #releaseNext(session: Session, end: End, to: number): void {
    const nextUs = end.held.nextUs;
    if (nextUs === undefined) return;
    const openUs = Math.max(this.links.clogUntilUs(end.slot, to), this.#world.nowUs);
    // The world has whole microseconds only: then it is due, and the clog is over.
    const atUs = Math.ceil(Math.max(nextUs, openUs));
    if (end.release?.atUs === atUs) return;
    if (end.release !== undefined) World.cancel(end.release);
    end.release = this.#world.at(atUs, () => {
      end.release = undefined;
      this.#release(session, end, to);
    });
  }

  /** Lets go of what is due of that, unless the link is blocked or clogged now. */
  #release(session: Session, end: End, to: number): void {
    if (!session.alive) return;
    const { nowUs } = this.#world;
    if (this.links.clogUntilUs(end.slot, to) > nowUs) {
      this.#tap?.happened?.("frame clogged");
      this.#releaseNext(session, end, to);
      return;
    }
    const isBlocked = this.links.blocked(end.slot, to);
    if (isBlocked) {
      this.#tap?.happened?.("frame blocked");
      for (const frame of end.held.stop(nowUs)) this.#stopped(end, to, frame);
      // The end of the block goes on with it; what is still under way may meet the block as well.
      if (!this.links.knobs.blockedDrops) return this.#releaseNext(session, end, to);
    }
    for (;;) {
      const taken = end.held.takeDue(nowUs);
      if (taken === undefined) break;
      const { frame, hasWaited } = taken;
      end.queuedBytes[frame.trafficClass] -= frame.bytes.length;
      if (isBlocked) this.#drop(end, to, frame);
      else this.#deliver(session, end, to, hasWaited ? { ...frame, jittered: undefined } : frame);
    }
    this.#releaseNext(session, end, to);
  }
}
