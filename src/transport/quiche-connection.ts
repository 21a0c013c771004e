/**
 * One QUIC connection of the quiche driver: quiche's state machine and the order of work in a turn. It has
 * no socket, no timer and no clock: packets and time come in through the machine (quiche-machine.ts), and
 * packets leave through its sink. What is on the streams is the user's matter.
 */

import type {
  QuicSession,
  QuicSessionEnd,
  QuicSessionFigures,
  QuicSessionUser,
  QuicStreamPart,
} from "./quic-endpoint.ts";
import type { HostPort, QuicheConnection } from "./quiche-binding.ts";

/** Where packets go. A sink that has no buffer asks the machine for a turn when it has one again. */
export type PacketSink = {
  take(): Uint8Array | undefined;
  /** Takes the buffer back with a packet of this length in it; 0 for none. */
  put(buffer: Uint8Array, length: number, remote: HostPort): void;
};

/** What a connection needs of the machine that it belongs to. */
export type ConnectionHost = {
  readonly sink: PacketSink;
  /** Asks for a turn: "now" within this one, "later" after the next look at the socket. */
  wake(connection: QuicheSession, when: "now" | "later"): void;
  /** The library threw where it should not: the connection will end in its next turn. */
  faulted(connection: QuicheSession, detail: string): void;
  known(connection: QuicheSession): void;
  forget(connection: QuicheSession): void;
};

/** Packets that one connection sends before others and the socket have their turn. */
const PACKETS_PER_TURN = 32;

/** A close reason is the peer's text: only this much of it, printable ASCII, reaches logs. */
const REASON_CHARACTERS_MAX = 128;

/** The first byte of a long header has this bit (RFC 9000, 17.2); in a short one the id follows that byte. */
export const LONG_HEADER_BIT = 0x80;
export const SHORT_HEADER_ID_AT = 1;

/** Streams are read into this; all connections share it. */
const READ_SLICE_BYTES = 256 * 1024;
const readSlice = new Uint8Array(READ_SLICE_BYTES);

/** What the library gives a stream of which nothing else was said. */
const URGENCY_DEFAULT = 127;

/** The binding's directions of a shutdown; its enum is not exported as values under these flags. */
const SHUTDOWN_READ = 0;
const SHUTDOWN_WRITE = 1;

export const readableReason = (bytes: Uint8Array): string =>
  Buffer.from(bytes.slice(0, REASON_CHARACTERS_MAX))
    .toString("latin1")
    .replace(/[^\x20-\x7e]/g, "?");

const NO_BYTES = new Uint8Array(0);
const NO_STATS = { sent: 0, recv: 0, lost: 0 };

export type ConnectionOptions = {
  readonly quic: QuicheConnection;
  readonly host: ConnectionHost;
  /** Our connection id, and the same as the routing key. */
  readonly id: Uint8Array;
  readonly key: string;
  readonly local: HostPort;
  readonly remote: HostPort;
  readonly accepted: boolean;
};

export class QuicheSession implements QuicSession {
  readonly key: string;
  readonly remote: HostPort;
  readonly accepted: boolean;
  /** When `timeOut` is due, in the machine's time. */
  deadlineMs = Number.POSITIVE_INFINITY;
  readonly #quic: QuicheConnection;
  readonly #id: Uint8Array;
  readonly #host: ConnectionHost;
  readonly #path: { readonly from: HostPort; readonly to: HostPort };
  #user: QuicSessionUser | undefined;
  #established = false;
  #told = false;
  #closing = false;
  #ended = false;
  #forgotten = false;
  /** The library has thrown where it should not: nothing of this connection is to be relied on. */
  #broken = false;
  #nextBidi: number;
  #nextUni: number;
  /** Why the last received packet ended the connection, in the library's words. */
  #fault = "";

  constructor(options: ConnectionOptions) {
    this.#quic = options.quic;
    this.key = options.key;
    this.#id = options.id;
    this.remote = options.remote;
    this.accepted = options.accepted;
    this.#host = options.host;
    this.#path = { from: options.remote, to: options.local };
    this.#nextBidi = options.accepted ? 1 : 0;
    this.#nextUni = options.accepted ? 3 : 2;
  }

  attach(user: QuicSessionUser): void {
    this.#user = user;
    this.requestTurn();
  }

  get isEstablished(): boolean {
    return this.#established;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  peerCertificates(): readonly Uint8Array[] | null {
    return this.#ask(() => this.#quic.peerCertChain(), null);
  }

  applicationProtocol(): string {
    const name = this.#ask(() => this.#quic.applicationProto(), NO_BYTES);
    return Buffer.from(name).toString("latin1");
  }

  figures(): QuicSessionFigures {
    const paths = this.#ask(() => this.#quic.pathStats(), []);
    const path = paths.find(({ active }) => active);
    const { sent, recv, lost } = this.#ask(() => this.#quic.stats(), NO_STATS);
    return {
      rttMs: path?.rtt,
      packetsSent: sent,
      packetsReceived: recv,
      packetsLost: lost,
      congestionWindowBytes: path?.cwnd,
    };
  }

  /** Whether a datagram with a short header is of this connection, from the place where its peer is. */
  isFor(datagram: Uint8Array, host: string, port: number): boolean {
    if (((datagram[0] ?? LONG_HEADER_BIT) & LONG_HEADER_BIT) !== 0) return false;
    for (let i = 0; i < this.#id.length; i++) {
      if (datagram[SHORT_HEADER_ID_AT + i] !== this.#id[i]) return false;
    }
    return port === this.remote.port && host === this.remote.host;
  }

  /** Feeds one datagram, whose bytes are overwritten by decryption. The machine wakes us afterwards. */
  feed(datagram: Uint8Array): void {
    try {
      this.#quic.recv(datagram, this.#path);
    } catch (error) {
      this.#fault = error instanceof Error ? error.message : String(error);
    }
  }

  close(code: number, reason: string): void {
    this.#closing = true;
    try {
      this.#quic.close(true, code, new TextEncoder().encode(reason));
    } catch {
      // The connection is already closing: what it said first stands.
    }
    this.#host.wake(this, "now");
  }

  requestTurn(): void {
    this.#host.wake(this, "now");
  }

  requestLaterTurn(): void {
    this.#host.wake(this, "later");
  }

  known(): void {
    this.#host.known(this);
  }

  keepAlive(): void {
    try {
      this.#quic.sendAckEliciting();
    } catch {
      // Closing already: the end is on its way to the user.
    }
    this.requestTurn();
  }

  openStream(kind: "bi" | "uni"): number {
    const id = kind === "bi" ? this.#nextBidi : this.#nextUni;
    // This opens it in the library, which throws where the peer allows no more. An id that was given out and is not
    // opened would be lost with its place among the peer's streams: nothing could complete it.
    this.#quic.streamPriority(id, URGENCY_DEFAULT, true);
    if (kind === "bi") this.#nextBidi += 4;
    else this.#nextUni += 4;
    return id;
  }

  setUrgency(streamId: number, urgency: number): void {
    this.#quic.streamPriority(streamId, urgency, true);
  }

  readableStreams(): readonly number[] {
    return this.#ask(() => [...this.#quic.readable()], []);
  }

  readable(streamId: number): boolean {
    return this.#ask(() => this.#quic.streamReadable(streamId), false);
  }

  read(streamId: number): QuicStreamPart | undefined {
    const part = this.#quic.streamRecv(streamId, readSlice);
    return part === null ? undefined : { bytes: readSlice.subarray(0, part[0]), fin: part[1] };
  }

  capacity(streamId: number): number {
    return this.#quic.streamCapacity(streamId);
  }

  write(streamId: number, bytes: Uint8Array, fin: boolean): number {
    const count = this.#quic.streamSend(streamId, bytes, fin);
    // "Nothing now" is also said of a stream that the library has forgotten since the peer gave it up: this throws then.
    if (count === null) this.#quic.streamCapacity(streamId);
    return count ?? 0;
  }

  abortStream(streamId: number, code: number): void {
    for (const direction of [SHUTDOWN_READ, SHUTDOWN_WRITE]) {
      try {
        this.#quic.streamShutdown(streamId, direction, code);
      } catch {
        // Not a direction of this stream, or already over.
      }
    }
    this.requestTurn();
  }

  sendDatagram(bytes: Uint8Array): boolean {
    try {
      // Null, and not an error, is the answer of a queue that is full.
      if (this.#quic.dgramSend(bytes) === null) return false;
    } catch {
      return false;
    }
    this.requestTurn();
    return true;
  }

  readDatagram(): Uint8Array | undefined {
    return this.#quic.dgramRecvVec() ?? undefined;
  }

  /** The deadline has passed. The machine wakes us afterwards. */
  timeOut(): void {
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.#ask(() => this.#quic.onTimeout(), undefined);
  }

  /** One turn: hand over what arrived, send what is due, say when to wake. */
  turn(nowMs: number): void {
    if (this.#forgotten) return;
    if (!this.#broken) this.#turn(nowMs);
    if (this.#broken) this.abandon();
  }

  #turn(nowMs: number): void {
    this.#closing ||= this.#isClosing();
    if (!this.#established && !this.#closing) {
      this.#established = this.#ask(() => this.#quic.isEstablished(), false);
    }
    if (this.#established && !this.#told && !this.#closing && this.#user !== undefined) {
      this.#told = true;
      this.#user.established();
    }
    if (this.#told && !this.#ended && !this.#closing) this.#user?.service();
    this.#sendPackets();
    if (this.#broken) return;
    if (this.#closing) {
      this.#end();
      if (this.#ask(() => this.#quic.isClosed(), true)) {
        this.#forget();
        return;
      }
    }
    // One millisecond more: quiche rounds down, and a timer that fires early only fires again.
    const timeoutMs = this.#ask(() => this.#quic.timeout(), null);
    this.deadlineMs = timeoutMs === null ? Number.POSITIVE_INFINITY : nowMs + timeoutMs + 1;
  }

  /** Stops at once: no more packets, no deadline. */
  abandon(): void {
    this.#end();
    this.#forget();
  }

  /** As `abandon`, because the endpoint has failed: whatever the library says of it, that is why. */
  fail(detail: string): void {
    this.#broken = true;
    this.#closing = true;
    this.#fault = detail;
    this.abandon();
  }

  #isClosing(): boolean {
    const quic = this.#quic;
    return this.#ask(
      () => quic.isDraining() || quic.isClosed() || quic.localError() !== null,
      true,
    );
  }

  /** What the library answers. Where it throws although it should not, the connection is given up. */
  #ask<T>(call: () => T, otherwise: T): T {
    if (this.#broken) return otherwise;
    try {
      return call();
    } catch (error) {
      this.#giveUp(error);
      return otherwise;
    }
  }

  #giveUp(error: unknown): void {
    this.#broken = true;
    this.#closing = true;
    const reason = error instanceof Error ? error.message : String(error);
    this.#fault = `the QUIC library threw: ${reason}`;
    this.#host.faulted(this, this.#fault);
  }

  #sendPackets(): void {
    const { sink } = this.#host;
    for (let sent = 0; sent < PACKETS_PER_TURN; sent++) {
      const buffer = sink.take();
      if (buffer === undefined) break;
      const length = this.#nextPacket(buffer);
      sink.put(buffer, length, this.remote);
      if (length === 0) return;
    }
    this.#host.wake(this, "later");
  }

  /** Length of the next packet; 0 when there is none. */
  #nextPacket(buffer: Uint8Array): number {
    try {
      const packet = this.#quic.send(buffer);
      return packet === null ? 0 : packet[0];
    } catch (error) {
      this.#fault = error instanceof Error ? error.message : String(error);
      this.#closing ||= this.#isClosing();
      // A connection that is not over has packets or none, and no reason to throw.
      if (!this.#closing) this.#giveUp(error);
      return 0;
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#user?.ended(this.#describeEnd());
  }

  #describeEnd(): QuicSessionEnd {
    if (!this.#broken) return this.#ask(() => this.#readEnd(), this.#driverEnd());
    return this.#driverEnd();
  }

  #driverEnd(): QuicSessionEnd {
    return { by: "driver", isApp: false, code: 0, reason: this.#fault || "the driver failed" };
  }

  #readEnd(): QuicSessionEnd {
    const peerError = this.#quic.peerError();
    if (peerError !== null) {
      const reason = readableReason(peerError.reason);
      return { by: "peer", isApp: peerError.isApp, code: peerError.errorCode, reason };
    }
    const localError = this.#quic.localError();
    if (localError !== null) {
      const reason = readableReason(localError.reason) || this.#fault;
      return { by: "local", isApp: localError.isApp, code: localError.errorCode, reason };
    }
    if (this.#quic.isTimedOut()) return { by: "timeout", isApp: false, code: 0, reason: "silence" };
    return { by: "local", isApp: false, code: 0, reason: this.#fault || "stopped" };
  }

  #forget(): void {
    if (this.#forgotten) return;
    this.#forgotten = true;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.#end();
    this.#user = undefined;
    this.#host.forget(this);
  }
}
