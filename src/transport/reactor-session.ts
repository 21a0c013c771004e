/**
 * A session of the reactor driver. The library pushes events and its streams are Node's; the port polls, so
 * every event only asks for a turn, and in the turn the user reads and writes what it likes.
 *
 * The library reads on whether anybody takes what it has read or not, and Node's streams count only a part of what
 * waits in them. So bytes are taken from them as they come, into queues of our own, and a session whose user
 * leaves more lying than REACTOR_LIMITS has is ended.
 */
import type { Clock, Timers } from "../ledger/ports.ts";
import { REACTOR_LIMITS } from "../limits-driver.ts";
import { PartQueue, UnreadBudget } from "./part-queue.ts";
import type {
  HostPort,
  QuicSession,
  QuicSessionEnd,
  QuicSessionFigures,
  QuicSessionUser,
  QuicStreamPart,
} from "./quic-endpoint.ts";
import { readableReason } from "./quiche-connection.ts";
import type {
  ReactorClientSession,
  ReactorServerSession,
  ReactorStream,
} from "./reactor-binding.ts";

/** Bytes of one stream that wait for the native thread. */
const WRITE_WINDOW_BYTES = 1024 * 1024;

/** After a stream was given up until nothing more comes on it: the native thread has been told long before. */
const ABORT_LINGER_MS = 2_000;

/** After a stream was refused until the user is asked whether it still wants one. */
const LOOK_AGAIN_MS = 5;

/** For so long figures are kept: each question waits for the native thread, for milliseconds where that is busy. */
const FIGURES_MS = 1_000;

/** What anybody may leave lying who answers a dial that lets anybody answer. */
const UNPROVED_LIMITS = {
  ...REACTOR_LIMITS,
  unreadBytesMax: REACTOR_LIMITS.unprovedBytesMax,
} as const;

/** Datagrams that wait for their reader; more are dropped, as they may be. */
const DATAGRAMS_MAX = 256;

type Lane = {
  readonly stream: ReactorStream;
  readonly unread: PartQueue;
  ended: boolean;
  finGiven: boolean;
  failed: boolean;
};

export type ReactorSessionOptions = {
  readonly native: ReactorServerSession | ReactorClientSession;
  readonly remote: HostPort;
  readonly accepted: boolean;
  readonly isUnauthenticated: boolean;
  readonly alpn: string;
  readonly timers: Timers;
  readonly clock: Clock;
  certificates(): readonly Uint8Array[] | null;
  forget(session: ReactorSession): void;
  /**
   * The library could not begin to dial, for a reason that is of this end: its files, its threads. Not told where the
   * dial named an authority.
   */
  undialled(reason: string): void;
};

const EMPTY = new Uint8Array(0);

const NO_ANSWER = "the library's thread does not answer";

/** How the library says that nothing came; with code 0, since who closes has words of its own too. */
const TIMEOUT = /timed? ?out|idle/i;

/**
 * Codes of the library's errors at a dial that no peer and no network has part in: its native part threw, or BoringSSL
 * did not take our keys.
 */
const OWN_ERRORS: ReadonlySet<string> = new Set(["GenericFailure", "ERR_HTTP3_TLS_CONFIG_ERROR"]);

/** Of a stream's id (RFC 9000, 2.1): the server opened it, and it goes one way. */
const SERVER_BIT = 1;
const ONE_WAY_BIT = 2;

/** What comes goes nowhere, and neither does an error: one that nobody takes would end the process. */
export const discard = (stream: ReactorStream): void => {
  stream.on("error", () => {});
  stream.resume();
};

export class ReactorSession implements QuicSession {
  readonly remote: HostPort;
  readonly accepted: boolean;
  readonly isUnauthenticated: boolean;
  readonly #options: ReactorSessionOptions;
  readonly #lanes = new Map<number, Lane>();
  readonly #unread: UnreadBudget;
  /** Lanes that the peer opened. */
  #foreign = 0;
  /** Of each stream that was given up and takes what was on its way: ends it at once. */
  readonly #lingering = new Set<() => void>();
  readonly #datagrams: Uint8Array[] = [];
  #user: QuicSessionUser | undefined;
  #established = false;
  #known = false;
  #told = false;
  #ended: QuicSessionEnd | undefined;
  #endTold = false;
  #closedBy: { readonly code: number; readonly reason: string } | undefined;
  #scheduled = false;
  #cancelLook: (() => void) | undefined;
  #last: QuicSessionFigures = NO_FIGURES;
  /** When the library is asked for figures next. */
  #lookAtMs = Number.NEGATIVE_INFINITY;
  #isSlow = false;

  constructor(options: ReactorSessionOptions) {
    this.#options = options;
    this.remote = options.remote;
    this.accepted = options.accepted;
    this.isUnauthenticated = options.isUnauthenticated;
    this.#unread = new UnreadBudget(this.isUnauthenticated ? UNPROVED_LIMITS : REACTOR_LIMITS);
    const { native } = options;
    native.on("stream", (stream: ReactorStream) => this.#adopt(stream));
    native.on("datagram", (bytes: Buffer) => {
      if (this.#datagrams.length < DATAGRAMS_MAX) this.#datagrams.push(bytes);
      this.requestTurn();
    });
    native.on("close", (info) => this.#nativeClosed(info.errorCode, info.reason));
    native.on("error", (error: NodeJS.ErrnoException) => this.#failed(error));
    if (options.accepted) this.#established = true;
    else {
      native.on("connect", () => {
        this.#established = true;
        // It was given up before, and not closed then.
        if (this.#ended !== undefined) this.#closeNative(0, "");
        this.requestTurn();
      });
    }
  }

  attach(user: QuicSessionUser): void {
    this.#user = user;
    this.requestTurn();
  }

  get isEstablished(): boolean {
    return this.#established;
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  peerCertificates(): readonly Uint8Array[] | null {
    return this.#options.certificates();
  }

  /** The library refuses a peer that shares no protocol, and with one offered there is one to agree on. */
  applicationProtocol(): string {
    return this.#options.alpn;
  }

  figures(): QuicSessionFigures {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#ended !== undefined || nowMs < this.#lookAtMs) return this.#last;
    this.#lookAtMs = nowMs + FIGURES_MS;
    this.#ask(() => {
      const metrics = this.#options.native.getMetrics();
      // Before the session may end for how long that took: what is counted of it then are these.
      if (metrics !== null) this.#last = figuresOf(metrics);
      return metrics;
    });
    return this.#last;
  }

  /** What is known of them without asking. */
  get lastFigures(): QuicSessionFigures {
    return this.#last;
  }

  /** The last call that waited for the native thread took too long. */
  get isSlow(): boolean {
    return this.#isSlow;
  }

  /** The peer has shown who it is. */
  get isKnown(): boolean {
    return this.#known;
  }

  close(code: number, reason: string): void {
    if (this.#ended !== undefined || this.#closedBy !== undefined) return;
    this.#closedBy = { code, reason };
    this.#closeNative(code, reason);
    // The library does not always say that it closed what it was told to close.
    this.#nativeClosed(code, reason);
  }

  /** A call that waits for the native thread, and this thread with it. */
  #ask<T>(ask: () => T): T {
    const { clock } = this.#options;
    const sinceMs = clock.monotonicMs();
    let answer: T | undefined;
    try {
      answer = ask();
      return answer;
    } finally {
      this.#answered(clock.monotonicMs() - sinceMs, Boolean(answer));
    }
  }

  /**
   * One call without an answer ends the session, or two in a row that had to wait long, so that it does not come to
   * that again and again. Sooner than the library gives up it has heard something, be it a refusal.
   */
  #answered(afterMs: number, hasAnswer: boolean): void {
    const isAlive = hasAnswer || afterMs < REACTOR_LIMITS.unansweredMs;
    const wasSlow = this.#isSlow;
    this.#isSlow = afterMs > REACTOR_LIMITS.answerMsMax;
    if (!this.#isSlow || (isAlive && !wasSlow)) return;
    const reason = isAlive ? "the library's thread is too slow" : NO_ANSWER;
    this.#finish({ by: "driver", isApp: false, code: 0, reason });
    // Closing waits for that thread to end, which one that does not answer may never do.
    if (isAlive) this.#closeNative(0, "");
  }

  /** A handle that nobody closes keeps its thread, and its connection answers what the peer asks. */
  #closeNative(code: number, reason: string): void {
    const { native } = this.#options;
    // Where it is gone already the library throws, at once or later.
    void (async () => native.close(code, reason))().catch(() => {});
  }

  requestTurn(): void {
    if (this.#scheduled || this.#endTold) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#turn());
  }

  requestLaterTurn(): void {
    if (this.#scheduled || this.#endTold) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  keepAlive(): void {
    if (this.#ended !== undefined) return;
    try {
      this.#ask(() => this.#options.native.ping());
    } catch {
      // The native thread is gone already, and its word of that is on the way.
    }
  }

  known(): void {
    this.#known = true;
    this.#unread.widen(REACTOR_LIMITS);
  }

  openStream(kind: "bi" | "uni"): number {
    if (kind === "uni") throw new RangeError("the reactor opens no unidirectional streams");
    try {
      const stream = this.#ask(() => this.#options.native.openStream());
      this.#adopt(stream);
      return stream.id;
    } catch (error) {
      this.#lookAgain();
      throw error;
    }
  }

  /** The library does not say when the peer allows more streams, so whoever wants one looks again in a while. */
  #lookAgain(): void {
    if (this.#ended !== undefined) return;
    this.#cancelLook ??= this.#options.timers.set(LOOK_AGAIN_MS, () => {
      this.#cancelLook = undefined;
      this.requestTurn();
    });
  }

  setUrgency(): void {
    // Known to the features: the library has no call for it.
  }

  readableStreams(): readonly number[] {
    const ids: number[] = [];
    for (const id of this.#lanes.keys()) if (this.readable(id)) ids.push(id);
    return ids;
  }

  readable(streamId: number): boolean {
    const lane = this.#lanes.get(streamId);
    if (lane === undefined) return false;
    return !lane.unread.isEmpty || lane.failed || (lane.ended && !lane.finGiven);
  }

  read(streamId: number): QuicStreamPart | undefined {
    const lane = this.#lanes.get(streamId);
    if (lane === undefined) return undefined;
    const bytes = lane.unread.shift();
    if (bytes !== undefined) return { bytes, fin: false };
    // Before the end: what was thrown away must not look like a stream that is whole.
    if (lane.failed) {
      this.#remove(streamId, lane);
      throw new Error("the peer reset the stream");
    }
    if (lane.ended && !lane.finGiven) {
      lane.finGiven = true;
      this.#drop(streamId, lane);
      return { bytes: EMPTY, fin: true };
    }
    return undefined;
  }

  capacity(streamId: number): number {
    if (this.#ended !== undefined) return 0;
    const lane = this.#lanes.get(streamId);
    if (lane === undefined || lane.failed || !lane.stream.writable) {
      throw new Error("the stream takes nothing more");
    }
    return Math.max(0, WRITE_WINDOW_BYTES - lane.stream.writableLength);
  }

  write(streamId: number, bytes: Uint8Array, fin: boolean): number {
    const room = this.capacity(streamId);
    const lane = this.#lanes.get(streamId);
    if (lane === undefined) return 0;
    const count = Math.min(room, bytes.length);
    // Node's stream keeps what it is given until the native thread takes it, and the caller's bytes are its own.
    if (count > 0) lane.stream.write(Buffer.from(bytes.subarray(0, count)));
    if (fin && count === bytes.length) lane.stream.end();
    return count;
  }

  abortStream(streamId: number, code: number): void {
    const lane = this.#lanes.get(streamId);
    if (lane === undefined) return;
    this.#remove(streamId, lane);
    const { stream } = lane;
    // The library forgets a stream that is destroyed, and of what was on its way makes another one of the same id,
    // which nobody is told of. So the stream stays for a while, and what comes on it goes nowhere. It counts meanwhile.
    const destroy = stream.destroy.bind(stream);
    stream.destroy = () => stream;
    stream.close(code);
    const isForeign = this.#isForeign(streamId);
    if (isForeign) this.#foreign += 1;
    const cancel = this.#options.timers.set(ABORT_LINGER_MS, () => end());
    const end = (): void => {
      if (!this.#lingering.delete(end)) return;
      cancel();
      if (isForeign) this.#foreign -= 1;
      destroy();
    };
    this.#lingering.add(end);
  }

  sendDatagram(bytes: Uint8Array): boolean {
    try {
      return this.#ended === undefined && this.#options.native.sendDatagram(bytes);
    } catch {
      return false;
    }
  }

  readDatagram(): Uint8Array | undefined {
    return this.#datagrams.shift();
  }

  /**
   * The endpoint has failed: what the library says of the session from now on is of no use. One that is not up yet ends
   * by the library's own timeout, or when it is up: closing would wait for a thread that has answered nothing so far.
   */
  abandon(end: QuicSessionEnd): void {
    this.#finish(end);
    if (this.#established) this.#closeNative(0, "");
  }

  #adopt(stream: ReactorStream): void {
    if (this.#ended !== undefined) {
      // What still comes until the library has heard of the end is of no use to anybody.
      discard(stream);
      return;
    }
    const known = this.#lanes.get(stream.id);
    if (known !== undefined) {
      if (known.stream !== stream) discard(stream);
      return;
    }
    const lane: Lane = {
      ...{ stream, unread: new PartQueue(this.#unread) },
      ...{ ended: false, finGiven: false, failed: false },
    };
    this.#lanes.set(stream.id, lane);
    if (this.#isForeign(stream.id)) this.#foreign += 1;
    stream.on("data", (bytes: Buffer) => this.#arrived(lane, bytes));
    stream.on("end", () => {
      lane.ended = true;
      this.requestTurn();
    });
    stream.on("drain", () => this.requestTurn());
    stream.on("error", () => {
      // With a session the library destroys its streams, and tells of the session first: that resets nothing.
      lane.failed = this.#ended === undefined;
      if (lane.failed) lane.unread.clear();
      this.requestTurn();
    });
    if (this.#foreign > REACTOR_LIMITS.streamsMax) this.close(0, "too many streams are not read");
    this.requestTurn();
  }

  #arrived(lane: Lane, bytes: Uint8Array): void {
    if (this.#ended !== undefined || this.#lanes.get(lane.stream.id) !== lane) return;
    if (!lane.unread.push(bytes)) this.close(0, "the reader is too slow");
    this.requestTurn();
  }

  #isForeign(id: number): boolean {
    return ((id & SERVER_BIT) === 0) === this.accepted;
  }

  #remove(id: number, lane: Lane): void {
    if (!this.#lanes.delete(id)) return;
    lane.unread.clear();
    if (this.#isForeign(id)) this.#foreign -= 1;
  }

  /** A stream that is read to its end stays while it can be written. */
  #drop(id: number, lane: Lane): void {
    const { stream } = lane;
    const isOver = stream.writableFinished || stream.destroyed;
    if (!isOver && (id & ONE_WAY_BIT) === 0) {
      stream.once("close", () => this.#remove(id, lane));
      return;
    }
    this.#remove(id, lane);
    stream.destroy();
  }

  /** An error where nobody has answered yet is of this end: its folder, its threads. */
  #failed({ message, code }: NodeJS.ErrnoException): void {
    if (this.#ended !== undefined) return;
    const isOwn = !this.#established && !TIMEOUT.test(message);
    if (!isOwn) this.#nativeClosed(0, message, true);
    else {
      const reason = readableReason(Buffer.from(message));
      this.#finish({ by: "driver", isApp: false, code: 0, reason });
      // With an authority it may be that, or what it certified, and whoever made them is no part of this end.
      const isOurs = this.isUnauthenticated && OWN_ERRORS.has(code ?? "");
      if (isOurs) this.#options.undialled(reason);
    }
    this.#closeNative(0, "");
  }

  /** The library does not say whose code it is, nor whose words, unless they are those of an error of its own. */
  #nativeClosed(code: number, reason: string, isError = false): void {
    const ours = this.#closedBy;
    const text = readableReason(Buffer.from(reason));
    const isTimeout = code === 0 && TIMEOUT.test(text);
    if (ours !== undefined) {
      this.#finish({ by: "local", isApp: true, code: ours.code, reason: ours.reason });
    } else if (this.isUnauthenticated && !this.#known && !(isError && isTimeout)) {
      // Who has not shown who it is has no code and no words that mean anything.
      this.#finish({ by: "peer", isApp: true, code: 0, reason: text });
    } else if (isTimeout) {
      this.#finish({ by: "timeout", isApp: false, code: 0, reason: text || "silence" });
    } else {
      // TLS alerts are QUIC's own from 0x100 on, and what is below may be an error of QUIC.
      this.#finish({
        ...{ by: "peer", isApp: this.#established && code < 0x100 },
        ...{ code, reason: text },
      });
    }
  }

  #finish(end: QuicSessionEnd): void {
    if (this.#ended !== undefined) return;
    this.#ended = end;
    this.#cancelLook?.();
    for (const lane of this.#lanes.values()) {
      // What is thrown away here must not look like a stream that is whole.
      if (!lane.unread.isEmpty) lane.ended = false;
      lane.unread.clear();
    }
    for (const endOne of [...this.#lingering]) endOne();
    this.#options.forget(this);
    this.requestTurn();
  }

  #turn(): void {
    this.#scheduled = false;
    const user = this.#user;
    if (user === undefined) return;
    if (this.#established && !this.#told && this.#closedBy === undefined) {
      this.#told = true;
      user.established();
    }
    if (this.#told && this.#closedBy === undefined && !this.#endTold) user.service();
    if (this.#ended !== undefined && !this.#endTold) {
      this.#endTold = true;
      user.ended(this.#ended);
    }
  }
}

type Metrics = NonNullable<ReturnType<ReactorClientSession["getMetrics"]>>;

const figuresOf = ({ rttMs, packetsOut, packetsIn, cwnd }: Metrics): QuicSessionFigures => ({
  rttMs: rttMs === 0 ? undefined : rttMs,
  packetsSent: packetsOut,
  packetsReceived: packetsIn,
  packetsLost: undefined,
  congestionWindowBytes: cwnd,
});

const NO_FIGURES: QuicSessionFigures = {
  rttMs: undefined,
  packetsSent: 0,
  packetsReceived: 0,
  packetsLost: undefined,
  congestionWindowBytes: undefined,
};
