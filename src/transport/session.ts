/**
 * One session with one member: four unidirectional streams in each direction, one for each traffic class,
 * on one QUIC connection. Nothing is sent or read before the peer's certificate is identified, and nothing
 * but the hello before both ends have said it: a dialler learns in this way that its own certificate was
 * accepted, and both learn which run of the peer they talk to (mesh.ts).
 *
 * Stream ids follow from the class (RFC 9000, 2.1). A peer that opens another, ends or resets one, or stops
 * reading one, breaks the protocol: sessions end as a whole.
 */
import { Reader, Writer } from "../crypto/codec.ts";
import { type ErrorCode, type Failure, fail, type Result } from "../errors.ts";
import {
  type PeerId,
  type SessionFigures,
  TRAFFIC_CLASSES,
  type TrafficClass,
} from "../ledger/ports.ts";
import type { ConnectionEnd, QuicConnection } from "./connection.ts";
import { FrameParser } from "./framing.ts";
import {
  CLOSE_CODES,
  type CloseCode,
  closeCodeOf,
  type TransportLimits,
  type TransportPorts,
} from "./options.ts";
import { ALPN, ERROR_CERTIFICATE_REQUIRED } from "./quiche-binding.ts";
import { SendQueue } from "./send-queue.ts";

const HELLO_VERSION = 1;
const RUN_ID_BYTES = 8;

/** Lower is sent first (quiche's urgency). Votes before everything, bulk last. */
const URGENCY: Readonly<Record<TrafficClass, number>> = {
  consensus: 0,
  control: 1,
  mempool: 3,
  sync: 5,
};

/** Place of a class among the four streams of its direction: part of the wire format. */
const STREAM_PLACE: Readonly<Record<TrafficClass, number>> = {
  consensus: 0,
  mempool: 1,
  sync: 2,
  control: 3,
};

/** Service order within a turn. */
const BY_URGENCY: readonly TrafficClass[] = [...TRAFFIC_CLASSES].sort(
  (a, b) => URGENCY[a] - URGENCY[b],
);

/**
 * Room in the congestion window that bulk classes leave free, so that a vote goes out in this turn and
 * not after the next acknowledgement.
 */
const RESERVED_BYTES = 32 * 1024;
const isBulk = (trafficClass: TrafficClass): boolean => URGENCY[trafficClass] >= 3;

/** Streams are moved through these buffers in slices of this size; all sessions share them. */
const SLICE_BYTES = 256 * 1024;
const sendSlice = new Uint8Array(SLICE_BYTES);
const recvSlice = new Uint8Array(SLICE_BYTES);

/** Bytes of one class that a turn reads before it lets other classes and connections go on. */
const READ_BYTES_PER_TURN = 4 * 1024 * 1024;

export type SessionEvents = {
  /** Whose certificate is this? Called once, before any stream is touched. */
  identify(session: Session): Result<PeerId>;
  /** The peer's hello is here: `peer` and `peerRun` are known. The session is up when this returns. */
  ready(session: Session): void;
  frame(session: Session, trafficClass: TrafficClass, bytes: Uint8Array): void;
  /** Called once. `failure` is set when the peer was turned away or broke a rule of the table. */
  ended(session: Session, code: CloseCode, detail: string, failure: Failure | undefined): void;
};

export type SessionOptions = {
  readonly connection: QuicConnection;
  /** The member that was dialled; undefined for an accepted connection. */
  readonly dialled: PeerId | undefined;
  readonly selfRun: Uint8Array;
  readonly limits: TransportLimits;
  readonly ports: TransportPorts;
  readonly events: SessionEvents;
};

type Lane = {
  readonly trafficClass: TrafficClass;
  readonly sendId: number;
  readonly recvId: number;
  readonly queue: SendQueue;
  readonly parser: FrameParser;
  /** When the frame in progress began, and how many were complete then. */
  partialSinceMs: number;
  partialAfter: number;
  bytesSent: number;
  bytesReceived: number;
};

export class Session {
  readonly dialled: PeerId | undefined;
  peer: PeerId | undefined;
  /** Random bytes that the peer's process drew at its start. */
  peerRun: Uint8Array = new Uint8Array(0);
  upSinceMs = 0;
  readonly #connection: QuicConnection;
  readonly #options: SessionOptions;
  readonly #lanes: readonly Lane[];
  readonly #byClass: ReadonlyMap<TrafficClass, Lane>;
  readonly #control: Lane;
  #state: "handshake" | "hello" | "up" | "ended" = "handshake";
  #cancelHandshake: (() => void) | undefined;
  #cancelFrameTimer: (() => void) | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#connection = options.connection;
    this.dialled = options.dialled;
    this.#lanes = BY_URGENCY.map((name) => createLane(name, options));
    this.#byClass = new Map(this.#lanes.map((lane) => [lane.trafficClass, lane]));
    const control = this.#byClass.get("control");
    if (control === undefined) throw new RangeError("no control class");
    this.#control = control;
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

  get remote(): { readonly host: string; readonly port: number } {
    return this.#connection.remote;
  }

  /** The peer's certificates, leaf first; after the handshake. */
  peerCertificates(): readonly Uint8Array[] | null {
    return this.#connection.peerCertificates();
  }

  /** False when the session is not up or the class's queue is full. The bytes must not change any more. */
  send(trafficClass: TrafficClass, bytes: Uint8Array): boolean {
    if (this.#state !== "up") return false;
    if (!this.#byClass.get(trafficClass)?.queue.push(bytes)) return false;
    this.#connection.requestTurn();
    return true;
  }

  /** Makes the peer answer, so that neither side's idle timer ends a quiet session. */
  keepAlive(): void {
    if (this.#state !== "up") return;
    try {
      this.#connection.quic.sendAckEliciting();
    } catch {
      // Closing already: the end is on its way to us.
    }
    this.#connection.requestTurn();
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
    const entries = this.#lanes.map(({ trafficClass, bytesSent, bytesReceived }) => [
      trafficClass,
      { sent: bytesSent, received: bytesReceived },
    ]);
    return {
      rttMs: this.#connection.rttMs(),
      upMs: this.#options.ports.clock.monotonicMs() - this.upSinceMs,
      queuedBytes: this.queuedBytes,
      bytes: Object.fromEntries(entries) as SessionFigures["bytes"],
    };
  }

  #established(): void {
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
    this.peer = identified.value;
    this.#state = "hello";
    const { quic } = this.#connection;
    try {
      for (const lane of this.#lanes) {
        quic.streamPriority(lane.sendId, URGENCY[lane.trafficClass], true);
      }
    } catch {
      this.#violation("protocol", "the peer does not let us open our streams");
      return;
    }
    this.#control.queue.push(encodeHello(this.#options.selfRun));
  }

  #service(): void {
    if (this.#state === "hello") this.#readLane(this.#control);
    for (const lane of this.#lanes) {
      if (this.#state !== "up") break;
      this.#readLane(lane);
    }
    if (this.#state === "up" || this.#state === "hello") {
      for (const lane of this.#lanes) this.#writeLane(lane);
      this.#armFrameTimer();
    }
  }

  #readLane(lane: Lane): void {
    const { quic } = this.#connection;
    for (let total = 0; quic.streamReadable(lane.recvId); ) {
      if (total >= READ_BYTES_PER_TURN) {
        this.#connection.requestLaterTurn();
        return;
      }
      let length: number;
      let fin: boolean;
      try {
        const part = quic.streamRecv(lane.recvId, recvSlice);
        if (part === null) return;
        [length, fin] = part;
      } catch {
        this.#violation("protocol", `the ${lane.trafficClass} stream was reset`);
        return;
      }
      total += length;
      lane.bytesReceived += length;
      if (!this.#takeBytes(lane, recvSlice.subarray(0, length))) return;
      if (fin) {
        this.#violation("protocol", `the ${lane.trafficClass} stream was ended`);
        return;
      }
    }
  }

  /** False when the session ended meanwhile. */
  #takeBytes(lane: Lane, bytes: Uint8Array): boolean {
    const failure = lane.parser.push(bytes, (payload) => {
      if (this.#state === "hello") this.#hello(payload);
      else this.#options.events.frame(this, lane.trafficClass, payload);
      return this.#state === "up";
    });
    if (this.#state === "ended") return false;
    if (failure !== undefined) {
      this.close("protocol", failure.detail, failure);
      return false;
    }
    if (!lane.parser.partial) {
      lane.partialSinceMs = Number.POSITIVE_INFINITY;
    } else if (
      lane.partialSinceMs === Number.POSITIVE_INFINITY ||
      lane.partialAfter !== lane.parser.frames
    ) {
      lane.partialSinceMs = this.#options.ports.clock.monotonicMs();
      lane.partialAfter = lane.parser.frames;
    }
    return true;
  }

  #hello(payload: Uint8Array): void {
    const run = decodeHello(payload);
    if (run === undefined) {
      this.#violation("protocol", "the first frame is no hello of this version");
      return;
    }
    this.peerRun = run;
    this.#state = "up";
    this.upSinceMs = this.#options.ports.clock.monotonicMs();
    this.#cancelHandshake?.();
    this.#cancelHandshake = undefined;
    this.#options.events.ready(this);
  }

  #writeLane(lane: Lane): void {
    const { quic } = this.#connection;
    const { queue } = lane;
    try {
      while (!queue.isEmpty) {
        const capacity = quic.streamCapacity(lane.sendId);
        const room = isBulk(lane.trafficClass)
          ? Math.max(capacity - RESERVED_BYTES, capacity >> 1)
          : capacity;
        if (room <= 0) return;
        const count = queue.peek(sendSlice.subarray(0, Math.min(room, SLICE_BYTES)));
        const written = quic.streamSend(lane.sendId, sendSlice.subarray(0, count), false);
        if (written === null) return;
        queue.consume(written);
        lane.bytesSent += written;
        if (written < count) return;
      }
    } catch {
      this.#violation("protocol", `the peer stopped the ${lane.trafficClass} stream`);
    }
  }

  #armFrameTimer(): void {
    if (this.#cancelFrameTimer !== undefined) return;
    let since = Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes) since = Math.min(since, lane.partialSinceMs);
    if (since === Number.POSITIVE_INFINITY) return;
    const { clock, timers } = this.#options.ports;
    const { frameTimeoutMs } = this.#options.limits;
    const delay = Math.max(1, since + frameTimeoutMs - clock.monotonicMs());
    this.#cancelFrameTimer = timers.set(delay, () => {
      this.#cancelFrameTimer = undefined;
      const now = clock.monotonicMs();
      const late = this.#lanes.find((lane) => now - lane.partialSinceMs >= frameTimeoutMs);
      if (late === undefined) {
        this.#armFrameTimer();
        return;
      }
      const detail = `a ${late.trafficClass} frame was not complete in ${frameTimeoutMs} ms`;
      this.close("protocol", detail, fail("transport.frame-timeout", detail));
    });
  }

  #violation(code: "protocol", detail: string): void {
    this.close(code, detail);
  }

  #connectionEnded(end: ConnectionEnd): void {
    if (this.#state === "ended") return;
    if (end.by === "timeout") {
      this.#end(this.#state === "up" ? "idle" : "unreachable", end.reason, undefined);
      return;
    }
    if (end.by === "peer" && end.isApp) {
      const code = closeCodeOf(end.code);
      this.#end(code, `closed by the peer: ${code} ${end.reason}`, undefined);
      return;
    }
    const code = end.code === ERROR_CERTIFICATE_REQUIRED ? NO_CERTIFICATE : undefined;
    const detail = `QUIC error ${end.code} seen by ${end.by}: ${end.reason}`;
    this.#end("protocol", detail, code === undefined ? undefined : fail(code, detail));
  }

  #end(code: CloseCode, detail: string, failure: Failure | undefined): void {
    this.#state = "ended";
    this.#cancelHandshake?.();
    this.#cancelHandshake = undefined;
    this.#cancelFrameTimer?.();
    this.#cancelFrameTimer = undefined;
    for (const lane of this.#lanes) lane.queue.clear();
    this.#options.events.ended(this, code, detail, failure);
  }
}

const NO_CERTIFICATE: ErrorCode = "transport.no-certificate";

const createLane = (trafficClass: TrafficClass, options: SessionOptions): Lane => {
  // Unidirectional streams: type bits 0b10 by the client, 0b11 by the server.
  const place = STREAM_PLACE[trafficClass] * 4;
  const byDialler = place + 2;
  const byAccepter = place + 3;
  const isDialler = options.dialled !== undefined;
  return {
    trafficClass,
    sendId: isDialler ? byDialler : byAccepter,
    recvId: isDialler ? byAccepter : byDialler,
    queue: new SendQueue(options.limits.sendQueueBytesMax[trafficClass]),
    parser: new FrameParser(options.limits.frameBytesMax[trafficClass]),
    partialSinceMs: Number.POSITIVE_INFINITY,
    partialAfter: 0,
    bytesSent: 0,
    bytesReceived: 0,
  };
};

const encodeHello = (run: Uint8Array): Uint8Array =>
  new Writer().u8(HELLO_VERSION).fixed(run, RUN_ID_BYTES).finish();

const decodeHello = (payload: Uint8Array): Uint8Array | undefined => {
  if (payload.length !== 1 + RUN_ID_BYTES) return undefined;
  const reader = new Reader(payload);
  return reader.u8() === HELLO_VERSION ? reader.fixed(RUN_ID_BYTES).slice() : undefined;
};
