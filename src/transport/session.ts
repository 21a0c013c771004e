/**
 * One session with one member: six unidirectional streams in each direction on one QUIC connection, one for
 * each traffic class and one for the post-quantum handshake and what is sealed after it. Nothing is sent or read
 * before the peer's certificate is identified, and nothing but the hello before both ends have said it: a
 * dialler learns in this way that its own certificate was accepted, and both learn which run of the peer they
 * talk to (mesh.ts). The post-quantum handshake follows at once
 * (secure-channel.ts). Frames of the classes do not wait for it: everything in them is public and is believed by
 * its own signatures. Only bulk, where who asks is who is believed to be at the other end, is not read before, and
 * nothing at all of a session that waits beside another one of its peer (`hold`). A session in which it does not
 * succeed in time ends.
 *
 * Stream ids follow from the class (RFC 9000, 2.1). A peer that ends or resets one, or stops reading one, breaks the
 * protocol: sessions end as a whole. It can open no more of a kind than there are places; what it opens of the kind
 * that is not in use is never read (one-way-session.ts).
 */
import { sha256 } from "../crypto/hash.ts";
import { type ErrorCode, type Failure, fail, type Result } from "../errors.ts";
import {
  type ClassBytes,
  type PeerId,
  type SessionFigures,
  TRAFFIC_CLASSES,
  type TrafficClass,
} from "../ledger/ports.ts";
import { LIMITS } from "../limits.ts";
import type { BulkBudget } from "./bulk-budget.ts";
import {
  BEFORE_HELLO,
  BY_URGENCY,
  createLane,
  type Lane,
  type LaneName,
  noteProgress,
  URGENCY,
} from "./lane.ts";
import {
  ALPN,
  CLOSE_CODES,
  type CloseCode,
  closeCodeOf,
  type TransportLimits,
  type TransportPorts,
} from "./options.ts";
import {
  ERROR_CERTIFICATE_REQUIRED,
  type QuicSession,
  type QuicSessionEnd,
  type QuicSessionFigures,
  type QuicStreamPart,
} from "./quic-endpoint.ts";
import type { Route } from "./relay/tunnel.ts";
import { type NodeSecurity, SecureChannel } from "./secure-channel.ts";
import type { SigningLine } from "./signing-line.ts";
import { decodeHello, encodeHello, FEATURES, OUR_FEATURES } from "./stoq/hello.ts";
import type { Channel, Party } from "./stoq/transcript.ts";

/** Frames are written through this buffer in slices of its size; all sessions share it. */
const SLICE_BYTES = 256 * 1024;
const sendSlice = new Uint8Array(SLICE_BYTES);

/** Datagrams that a turn reads, of a few that wait. */
const DATAGRAMS_PER_TURN = 64;

/**
 * Room that classes which yield leave in a turn, so that a vote goes out in the next one and not after an
 * acknowledgement. Of less than twice that they take half: a stream's own window, whose end the peer sees only
 * when it is nearly reached, has to be used up in the end.
 */
const RESERVED_BYTES = 32 * 1024;

export type IdentifiedPeer = { readonly id: PeerId; readonly certificateEndMs: number };

export type SessionEvents = {
  /** Whose certificate is this? Called once, before any stream is touched. */
  identify(session: Session): Result<IdentifiedPeer>;
  /** The peer's hello is here: `peer` and `peerRun` are known. The session is up when this returns, or is held. */
  ready(session: Session): void;
  frame(session: Session, trafficClass: TrafficClass, bytes: Uint8Array): void;
  /** A datagram of a direct session: relayed ones have none. The bytes are the callee's. */
  datagram(session: Session, bytes: Uint8Array): void;
  /** May the peer's handshake cost us something? Asked once a session, where the peer begins. */
  admit(session: Session): boolean;
  /** A class that `send` found full has half of its queue free again. */
  drained(session: Session, trafficClass: TrafficClass): void;
  /** A sealed note of the peer about bulk. */
  note(session: Session, bytes: Uint8Array): void;
  /** The post-quantum handshake is complete at both ends; milliseconds that it took. */
  secured(session: Session, handshakeMs: number): void;
  /** Called once. `failure` is set when the peer was turned away or broke a rule of the table. */
  ended(session: Session, code: CloseCode, detail: string, failure: Failure | undefined): void;
};

export type SessionOptions = {
  readonly connection: QuicSession;
  /** The member that was dialled; undefined for an accepted connection. */
  readonly dialled: PeerId | undefined;
  /** The relay that the connection goes through, and who it says is at the other end. */
  readonly route: Route | undefined;
  readonly self: PeerId;
  readonly selfRun: Uint8Array;
  /** What the hello says of this node besides what every session has (stoq/hello.ts). */
  readonly features: number;
  /** SHA-256 of our certificate, DER, and the pin of its key, which outlives it. */
  readonly certificateHash: Uint8Array;
  readonly pin: Uint8Array;
  /** The pin of a member's key; undefined for who is none. */
  pinOf(peer: PeerId): Uint8Array | undefined;
  readonly security: NodeSecurity;
  readonly signing: SigningLine;
  readonly limits: TransportLimits;
  readonly ports: TransportPorts;
  readonly events: SessionEvents;
  readonly bulk: BulkBudget;
};

export class Session {
  readonly dialled: PeerId | undefined;
  peer: PeerId | undefined;
  /** What the peer's hello says that it can do. */
  peerFeatures = 0;
  /** Random bytes that the peer's process drew at its start. */
  peerRun: Uint8Array = new Uint8Array(0);
  upSinceMs = 0;
  /** When the peer's certificate ends, wall time. */
  certificateEndMs: number = Number.POSITIVE_INFINITY;
  readonly #connection: QuicSession;
  readonly #options: SessionOptions;
  readonly #lanes: readonly Lane[];
  readonly #byClass: ReadonlyMap<LaneName, Lane>;
  readonly #control: Lane;
  readonly #hello: Uint8Array;
  #secure: SecureChannel | undefined;
  #state: "handshake" | "hello" | "up" | "ended" = "handshake";
  #isHeld = false;
  /** What came in one piece with the hello of a session that is held: control frames. */
  #held: Uint8Array[] = [];
  #cancelHandshake: (() => void) | undefined;
  #cancelFrameTimer: (() => void) | undefined;
  readonly #beganMs: number;
  #tlsMs = 0;
  readonly #wake = (): void => this.#connection.requestTurn();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#beganMs = options.ports.clock.monotonicMs();
    this.#connection = options.connection;
    this.dialled = options.dialled;
    this.#lanes = BY_URGENCY.map((name) =>
      createLane(name, options.dialled !== undefined, options.limits),
    );
    this.#byClass = new Map(this.#lanes.map((lane) => [lane.name, lane]));
    const control = this.#byClass.get("control");
    if (control === undefined) throw new RangeError("no control class");
    this.#control = control;
    this.#hello = encodeHello({
      run: options.selfRun,
      features: OUR_FEATURES | options.features | this.#ownFeatures(),
    });
    this.#cancelHandshake = options.ports.timers.set(options.limits.handshakeTimeoutMs, () => {
      this.#cancelHandshake = undefined;
      this.close("unreachable", "no handshake in time");
    });
    this.#connection.attach({
      established: () => this.#established(),
      service: () => this.#service(),
      ended: (end) => this.#connectionEnded(end),
    });
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  /** The peer has shown the FALCON key of its node. Stays true when the session ends. */
  get isSecured(): boolean {
    return this.#secure?.isSecured === true;
  }

  /** One end is on its reserve driver, and reads nothing before the proof: neither end has any use of it before. */
  get waitsForProof(): boolean {
    const isPeerOnReserve = (this.peerFeatures & FEATURES.seesNoCertificate) !== 0;
    return this.isUnauthenticated || (this.dialled === undefined && isPeerOnReserve);
  }

  /** What is wrong in it was done by the peer, as far as anybody can know: reserve-endpoint.ts says where not. */
  get isBelieved(): boolean {
    return this.isSecured && !this.isUnauthenticated;
  }

  get remote(): { readonly host: string; readonly port: number } {
    return this.#connection.remote;
  }

  /** The relay that the session goes through; undefined for a direct one. */
  get via(): PeerId | undefined {
    return this.#options.route?.relay;
  }

  /** Who the relay says is at the other end; the certificate has the last word. */
  get announced(): PeerId | undefined {
    return this.#options.route?.peer;
  }

  /** Nothing below says who was dialled: the peer is nobody before it has shown its key. */
  get isUnauthenticated(): boolean {
    return this.#connection.isUnauthenticated === true;
  }

  /** False where it cannot go now, or never: a relayed session has no datagrams. */
  sendDatagram(bytes: Uint8Array): boolean {
    return this.#state === "up" && this.via === undefined && this.#connection.sendDatagram(bytes);
  }

  /** Bytes of the traffic classes so far, in both directions. */
  get classBytes(): number {
    let bytes = 0;
    for (const lane of this.#lanes) {
      if (lane.name !== "sealed") bytes += lane.bytesSent + lane.bytesReceived;
    }
    return bytes;
  }

  pathFigures(): QuicSessionFigures {
    return this.#connection.figures();
  }

  /** The peer's certificates, leaf first; after the handshake. */
  peerCertificates(): readonly Uint8Array[] | null {
    return this.#connection.peerCertificates();
  }

  /** False when the session is not up or the class's queue is full. The bytes must not change any more. */
  send(trafficClass: TrafficClass, bytes: Uint8Array): boolean {
    const lane = this.#byClass.get(trafficClass);
    if (this.#state !== "up" || lane === undefined) return false;
    if (!lane.queue.push(bytes)) {
      lane.refused = true;
      return false;
    }
    // What is bulk may wait until the node has looked at its socket and done what is due.
    if (lane.name === "bulk") this.#connection.requestLaterTurn();
    else this.#connection.requestTurn();
    return true;
  }

  /**
   * From now on nothing is read but the post-quantum handshake: what comes waits in QUIC's windows, which hold the
   * sender back. So nothing that the peer says in this session can have an effect before it has shown its key.
   */
  hold(): void {
    this.#isHeld = true;
  }

  /** Reads on after `hold`, from the next turn on. */
  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    // It is we who did not read: a frame in progress is not late by that.
    const nowMs = this.#options.ports.clock.monotonicMs();
    for (const lane of this.#lanes) if (lane.parser.partial) lane.partialSinceMs = nowMs;
    if (this.#state === "up") this.#connection.requestTurn();
  }

  /** Seals a note about bulk. False where the session is not complete. */
  sendNote(bytes: Uint8Array): boolean {
    return this.#state === "up" && this.#secure?.sendNote(bytes) === true;
  }

  /** Makes the peer answer, so that neither side's idle timer ends a quiet session. */
  keepAlive(): void {
    if (this.#state !== "up") return;
    this.#secure?.probe();
    this.#connection.keepAlive();
  }

  close(code: CloseCode, detail: string, failure?: Failure): void {
    if (this.#state === "ended") return;
    this.#connection.close(CLOSE_CODES[code], detail);
    this.#end(code, detail, failure);
  }

  /** Bytes waiting in all queues. */
  get queuedBytes(): number {
    let bytes = 0;
    for (const lane of this.#lanes) bytes += lane.queue.bytes;
    return bytes;
  }

  figures(): SessionFigures {
    const entries = TRAFFIC_CLASSES.map((name): [TrafficClass, ClassBytes] => {
      const lane = this.#byClass.get(name);
      const [sent, received] = [lane?.bytesSent ?? 0, lane?.bytesReceived ?? 0];
      return [name, { sent, received, queued: lane?.queue.bytes ?? 0 }];
    });
    const { rttMs, packetsSent, packetsReceived, packetsLost } = this.#connection.figures();
    return {
      rttMs,
      packets: { sent: packetsSent, received: packetsReceived, lost: packetsLost },
      tlsMs: this.#tlsMs,
      sealed: this.#secure?.figures(),
      upMs: this.#options.ports.clock.monotonicMs() - this.upSinceMs,
      queuedBytes: this.queuedBytes,
      bytes: Object.fromEntries(entries) as SessionFigures["bytes"],
    };
  }

  #established(): void {
    this.#tlsMs = this.#options.ports.clock.monotonicMs() - this.#beganMs;
    if (this.#connection.applicationProtocol() !== ALPN) {
      const failure = fail("transport.peer-unknown", `the peer does not speak ${ALPN}`);
      this.close("identity", failure.detail, failure);
      return;
    }
    const identified = this.#options.events.identify(this);
    if (!identified.ok) {
      this.close("identity", identified.code, identified);
      return;
    }
    this.peer = identified.value.id;
    this.certificateEndMs = identified.value.certificateEndMs;
    this.#state = "hello";
    if (this.#openStreams(BEFORE_HELLO)) this.#control.queue.push(this.#hello);
  }

  /** False when the session ended, or its connection did. */
  #openStreams(names: readonly LaneName[]): boolean {
    try {
      for (const name of names) {
        const id = this.#connection.openStream("uni");
        if (this.#byClass.get(name)?.sendId !== id) throw new RangeError("stream ids differ");
        this.#connection.setUrgency(id, URGENCY[name]);
      }
      return true;
    } catch {
      // Where the connection has ended meanwhile it is told how, and that is no word of the peer's.
      if (this.#connection.hasEnded) return false;
      this.#violation("protocol", "the peer does not let us open our streams");
      return false;
    }
  }

  #service(): void {
    if (this.#state === "hello") this.#readLane(this.#control);
    this.#deliverHeld();
    for (const lane of this.#lanes) {
      if (this.#state !== "up") break;
      if (!this.#isRead(lane)) continue;
      // Bulk waits in QUIC's windows for the key of the peer's node: it may overtake the end of the handshake.
      if (lane.name === "bulk" && !this.isSecured) continue;
      this.#readLane(lane);
    }
    if (this.#state === "up" && this.via === undefined && !this.#isHeld) this.#readDatagrams();
    if (this.#state === "up" || this.#state === "hello") {
      for (const lane of this.#lanes) this.#writeLane(lane);
      this.#armFrameTimer();
    }
  }

  #isRead(lane: Lane): boolean {
    return !this.#isHeld || lane.name === "sealed";
  }

  #deliverHeld(): void {
    while (this.#state === "up" && !this.#isHeld) {
      const payload = this.#held.shift();
      if (payload === undefined) return;
      this.#options.events.frame(this, "control", payload);
    }
  }

  /** As many as an honest peer says at once: small frames cost far more memory than they have bytes. */
  #keep(payload: Uint8Array): void {
    if (this.#held.length < LIMITS.heldFramesMax) this.#held.push(payload);
    else this.#violation("protocol", "too many frames in one piece with the hello");
  }

  #readDatagrams(): void {
    for (let count = 0; count < DATAGRAMS_PER_TURN; count++) {
      const bytes = this.#connection.readDatagram();
      if (bytes === undefined) return;
      this.#options.events.datagram(this, bytes);
      if (this.#state !== "up") return;
    }
    this.#connection.requestLaterTurn();
  }

  #readLane(lane: Lane): void {
    const connection = this.#connection;
    for (let total = 0; connection.readable(lane.recvId); ) {
      // Its own hello, or what followed that, may have been what the session is held for.
      if (!this.#isRead(lane)) return;
      if (lane.name === "bulk" && !this.#options.bulk.hasRoom()) {
        // It is we who do not read on: the frame in progress is not late by that.
        if (lane.parser.partial) lane.partialSinceMs = this.#options.ports.clock.monotonicMs();
        this.#options.bulk.wait(this.#wake);
        return;
      }
      if (total >= lane.bytesPerTurn) {
        connection.requestLaterTurn();
        return;
      }
      const bytes = this.#readPart(lane);
      if (bytes === undefined) return;
      total += bytes;
    }
  }

  /** How many bytes were read; undefined when there were none or the session has ended. */
  #readPart(lane: Lane): number | undefined {
    let part: QuicStreamPart | undefined;
    try {
      part = this.#connection.read(lane.recvId);
    } catch {
      this.#violation("protocol", `the ${lane.name} stream was reset`);
      return undefined;
    }
    if (part === undefined) return undefined;
    const { bytes, fin } = part;
    lane.bytesReceived += bytes.length;
    const before = lane.parser.frames;
    const goesOn = this.#takeBytes(lane, bytes);
    if (lane.name === "bulk") this.#options.bulk.spend(bytes.length, lane.parser.frames - before);
    if (!goesOn) return undefined;
    if (!fin) return bytes.length;
    this.#violation("protocol", `the ${lane.name} stream was ended`);
    return undefined;
  }

  /** False when the session ended meanwhile. */
  #takeBytes(lane: Lane, bytes: Uint8Array): boolean {
    const failure = lane.parser.push(bytes, (payload) => {
      if (this.#state === "hello") this.#helloFrame(payload);
      else if (lane.name === "sealed") this.#secure?.receive(payload);
      else if (this.#isHeld) this.#keep(payload);
      else this.#options.events.frame(this, lane.name, payload);
      return this.#state === "up";
    });
    if (this.#state === "ended") return false;
    if (failure !== undefined) {
      this.close("protocol", failure.detail, failure);
      return false;
    }
    noteProgress(lane, this.#options.ports.clock.monotonicMs());
    return true;
  }

  #helloFrame(payload: Uint8Array): void {
    const hello = decodeHello(payload);
    if (!hello.ok) {
      this.close("protocol", hello.detail, hello);
      return;
    }
    if (!this.#openStreams(["bulk"])) return;
    this.peerRun = hello.value.run;
    this.peerFeatures = hello.value.features;
    this.#state = "up";
    this.upSinceMs = this.#options.ports.clock.monotonicMs();
    this.#cancelHandshake?.();
    this.#cancelHandshake = undefined;
    this.#options.events.ready(this);
    if (this.#state === "up") this.#beginHandshake(payload);
  }

  /** The post-quantum handshake, now that this session stays. */
  #beginHandshake(peerHello: Uint8Array): void {
    const { security, signing, limits, ports, events } = this.#options;
    const channel = this.#channel(peerHello);
    if (channel === undefined) {
      this.#violation("protocol", "the peer's certificate is gone");
      return;
    }
    const queue = this.#byClass.get("sealed")?.queue;
    this.#cancelHandshake = ports.timers.set(limits.sessionHandshakeTimeoutMs, () => {
      this.#cancelHandshake = undefined;
      const detail = `no post-quantum handshake in ${limits.sessionHandshakeTimeoutMs} ms`;
      this.close("unreachable", detail, fail("session.timeout", detail));
    });
    this.#secure = new SecureChannel({
      role: this.dialled === undefined ? "responder" : "initiator",
      channel,
      ...{ security, signing },
      clock: ports.clock,
      admit: () => events.admit(this),
      send: (frame) => {
        this.#connection.requestTurn();
        return queue?.push(frame) ?? false;
      },
      note: (bytes) => events.note(this, bytes),
      secured: (handshakeMs) => {
        this.#cancelHandshake?.();
        this.#cancelHandshake = undefined;
        this.#connection.known?.();
        this.#connection.requestTurn();
        events.secured(this, handshakeMs);
      },
      failed: (failure) => this.close(closeCodeFor(failure.code), failure.detail, failure),
    });
    this.#secure.begin();
  }

  #ownFeatures(): number {
    return this.isUnauthenticated ? FEATURES.seesNoCertificate : 0;
  }

  /** What the transcript has of the peer's certificate; undefined where that is gone, or the peer no member any more. */
  #peerHash(): Uint8Array | undefined {
    const { peer } = this;
    if (this.isUnauthenticated) return peer === undefined ? undefined : this.#options.pinOf(peer);
    const leaf = this.peerCertificates()?.[0];
    return leaf && sha256(leaf);
  }

  #channel(peerHello: Uint8Array): Channel | undefined {
    const { self, certificateHash, pin, security } = this.#options;
    const peerHash = this.#peerHash();
    if (peerHash === undefined || this.peer === undefined) return undefined;
    const isDialler = this.dialled !== undefined;
    const isUnseen = !isDialler && (this.peerFeatures & FEATURES.seesNoCertificate) !== 0;
    const ownHash = isUnseen ? pin : certificateHash;
    const us: Party = { id: self, certificateHash: ownHash, hello: this.#hello };
    const them: Party = { id: this.peer, certificateHash: peerHash, hello: peerHello };
    return {
      chainId: security.chainId,
      genesisHash: security.genesisHash,
      initiator: isDialler ? us : them,
      responder: isDialler ? them : us,
      // Neither QUIC library gives keying material of TLS (RFC 8446, 7.5) out.
      tlsExporter: NO_EXPORTER,
    };
  }

  #writeLane(lane: Lane): void {
    const connection = this.#connection;
    const { queue } = lane;
    if (queue.isEmpty) return;
    try {
      const whole = connection.capacity(lane.sendId);
      let room = lane.yields ? Math.max(whole - RESERVED_BYTES, whole >> 1) : whole;
      while (!queue.isEmpty && room > 0) {
        if (lane.name === "bulk" && !this.#options.bulk.hasRoom()) {
          this.#options.bulk.wait(this.#wake);
          return;
        }
        const count = queue.peek(sendSlice.subarray(0, Math.min(room, SLICE_BYTES)));
        const written = connection.write(lane.sendId, sendSlice.subarray(0, count), false);
        queue.consume(written);
        room -= written;
        lane.bytesSent += written;
        if (lane.name === "bulk") this.#options.bulk.spend(written);
        if (lane.refused && queue.bytes <= queue.limitBytes / 2) this.#tellDrained(lane);
        if (written < count) return;
      }
    } catch {
      this.#violation("protocol", `the peer stopped the ${lane.name} stream`);
    }
  }

  #tellDrained(lane: Lane): void {
    lane.refused = false;
    if (lane.name !== "sealed") this.#options.events.drained(this, lane.name);
  }

  #armFrameTimer(): void {
    if (this.#cancelFrameTimer !== undefined) return;
    let since = Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes) {
      if (this.#isRead(lane)) since = Math.min(since, lane.partialSinceMs);
    }
    if (since === Number.POSITIVE_INFINITY) return;
    const { clock, timers } = this.#options.ports;
    const { frameTimeoutMs } = this.#options.limits;
    const delay = Math.max(1, since + frameTimeoutMs - clock.monotonicMs());
    this.#cancelFrameTimer = timers.set(delay, () => {
      this.#cancelFrameTimer = undefined;
      const now = clock.monotonicMs();
      const late = this.#lanes.find(
        (lane) => this.#isRead(lane) && now - lane.partialSinceMs >= frameTimeoutMs,
      );
      if (late === undefined) {
        this.#armFrameTimer();
        return;
      }
      const detail = `a ${late.name} frame did not come on in ${frameTimeoutMs} ms`;
      // A relay can let half of a frame through: on its path that is its work, and nobody is charged with it.
      if (this.via !== undefined) this.close("unreachable", detail);
      else this.close("protocol", detail, fail("transport.frame-timeout", detail));
    });
  }

  #violation(code: "protocol", detail: string): void {
    this.close(code, detail, fail("transport.protocol", detail));
  }

  #connectionEnded(end: QuicSessionEnd): void {
    if (this.#state === "ended") return;
    if (end.by === "timeout") {
      this.#end(this.#state === "up" ? "idle" : "unreachable", end.reason, undefined);
      return;
    }
    if (end.by === "driver") {
      this.#end("unreachable", end.reason, undefined);
      return;
    }
    if (end.by === "peer" && end.isApp) {
      const code = closeCodeOf(end.code);
      this.#end(code, `closed by the peer: ${code} ${end.reason}`, undefined);
      return;
    }
    const detail = `QUIC error ${end.code} seen by ${end.by}: ${end.reason}`;
    this.#end("protocol", detail, failureOf(end, detail));
  }

  #end(code: CloseCode, detail: string, failure: Failure | undefined): void {
    this.#state = "ended";
    this.#cancelHandshake?.();
    this.#cancelHandshake = undefined;
    this.#cancelFrameTimer?.();
    this.#cancelFrameTimer = undefined;
    this.#secure?.end();
    this.#options.bulk.leave(this.#wake);
    for (const lane of this.#lanes) lane.queue.clear();
    this.#held = [];
    this.#options.events.ended(this, code, detail, failure);
  }
}

/** What the peer broke by our own account; what it says of us is no failure of its. */
const failureOf = (end: QuicSessionEnd, detail: string): Failure | undefined => {
  if (end.code === ERROR_CERTIFICATE_REQUIRED) return fail("transport.no-certificate", detail);
  const isTheirs = end.by === "local" && !end.isApp && end.code !== 0;
  return isTheirs ? fail("transport.protocol", detail) : undefined;
};

const NO_EXPORTER = new Uint8Array(0);

/** What the peer is told when its part of the post-quantum session fails. */
const closeCodeFor = (code: ErrorCode): CloseCode => CLOSE_CODE_OF.get(code) ?? "identity";

const CLOSE_CODE_OF: ReadonlyMap<ErrorCode, CloseCode> = new Map([
  ["session.rate", "rate"],
  ["session.exhausted", "closed"],
  ["node.overloaded", "closed"],
  ["session.malformed", "protocol"],
  ["session.version", "protocol"],
  ["session.unsealed", "protocol"],
]);
