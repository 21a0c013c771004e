/**
 * One QUIC connection: quiche's state machine, its timer, and the order of work in a turn. It knows
 * datagrams and streams; what is on the streams is the session's matter (session.ts).
 */
import type { Clock, Timers } from "../ledger/ports.ts";
import type { HostPort, QuicheConnection } from "./quiche-binding.ts";

/** Who uses the connection. All calls come from within a turn of the endpoint. */
export type ConnectionUser = {
  /** The handshake is complete: the peer holds the key of the certificate that it showed. */
  established(): void;
  /** Packets came in or went out: streams may be readable or have room. */
  service(): void;
  /** Called once: the connection can carry nothing more. */
  ended(end: ConnectionEnd): void;
};

export type ConnectionEnd = {
  readonly by: "local" | "peer" | "timeout";
  /** True when `code` is one of ours, false when it is QUIC's own. */
  readonly isApp: boolean;
  readonly code: number;
  readonly reason: string;
};

/** What a connection needs of the endpoint that it belongs to. */
export type ConnectionHost = {
  readonly clock: Clock;
  readonly timers: Timers;
  takeBuffer(): Uint8Array | undefined;
  transmit(buffer: Uint8Array, length: number, remote: HostPort): void;
  /** Asks for a turn: "now" within this one, "later" after the next look at the socket. */
  wake(connection: QuicConnection, when: "now" | "later"): void;
  forget(connection: QuicConnection): void;
};

/** Packets that one connection sends before others and the socket have their turn. */
const PACKETS_PER_TURN = 32;

/** A close reason is the peer's text: only this much of it, printable ASCII, reaches logs. */
const REASON_CHARACTERS_MAX = 128;

const readableReason = (bytes: Uint8Array): string =>
  Buffer.from(bytes.slice(0, REASON_CHARACTERS_MAX))
    .toString("latin1")
    .replace(/[^\x20-\x7e]/g, "?");

export type ConnectionOptions = {
  readonly quic: QuicheConnection;
  readonly host: ConnectionHost;
  /** Our connection id as the routing key. */
  readonly key: string;
  readonly local: HostPort;
  readonly remote: HostPort;
  readonly accepted: boolean;
};

export class QuicConnection {
  readonly quic: QuicheConnection;
  readonly key: string;
  readonly remote: HostPort;
  readonly accepted: boolean;
  readonly #host: ConnectionHost;
  readonly #path: { readonly from: HostPort; readonly to: HostPort };
  #user: ConnectionUser | undefined;
  #established = false;
  #ended = false;
  #forgotten = false;
  #cancelTimer: (() => void) | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  /** Why the last received packet ended the connection, in the library's words. */
  #fault = "";

  constructor(options: ConnectionOptions) {
    this.quic = options.quic;
    this.key = options.key;
    this.remote = options.remote;
    this.accepted = options.accepted;
    this.#host = options.host;
    this.#path = { from: options.remote, to: options.local };
  }

  attach(user: ConnectionUser): void {
    this.#user = user;
  }

  get isEstablished(): boolean {
    return this.#established;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** The peer's certificates, leaf first, DER. */
  peerCertificates(): readonly Uint8Array[] | null {
    return this.quic.peerCertChain();
  }

  /** The protocol that both ends agreed on, or an empty string. */
  applicationProtocol(): string {
    return Buffer.from(this.quic.applicationProto()).toString("latin1");
  }

  /** The smoothed round trip of the path in use, milliseconds; undefined when there is none. */
  rttMs(): number | undefined {
    return this.quic.pathStats().find(({ active }) => active)?.rtt;
  }

  /** Feeds one datagram, whose bytes are overwritten by decryption. The endpoint wakes us afterwards. */
  feed(datagram: Uint8Array): void {
    try {
      this.quic.recv(datagram, this.#path);
    } catch (error) {
      this.#fault = error instanceof Error ? error.message : String(error);
    }
  }

  /** Begins an orderly close: one CONNECTION_CLOSE with our code; later packets get the same answer. */
  close(code: number, reason: string): void {
    try {
      this.quic.close(true, code, new TextEncoder().encode(reason));
    } catch {
      // The connection is already closing: what it said first stands.
    }
    this.#host.wake(this, "now");
  }

  /** Asks for a turn at the end of the current task. */
  requestTurn(): void {
    this.#host.wake(this, "now");
  }

  /** Asks for a turn after the next look at the socket. */
  requestLaterTurn(): void {
    this.#host.wake(this, "later");
  }

  /** One turn: hand over what arrived, send what is due, set the timer. */
  turn(): void {
    if (this.#forgotten) return;
    if (!this.#established && this.quic.isEstablished() && !this.#isClosing()) {
      this.#established = true;
      this.#user?.established();
    }
    if (this.#established && !this.#ended && !this.#isClosing()) this.#user?.service();
    this.#sendPackets();
    if (this.#isClosing()) this.#end();
    if (this.quic.isClosed()) this.#forget();
    else this.#armTimer();
  }

  /** Stops at once: no more packets, no timer. */
  abandon(): void {
    this.#end();
    this.#forget();
  }

  #isClosing(): boolean {
    return this.quic.isDraining() || this.quic.isClosed() || this.quic.localError() !== null;
  }

  #sendPackets(): void {
    for (let sent = 0; sent < PACKETS_PER_TURN; sent++) {
      const buffer = this.#host.takeBuffer();
      if (buffer === undefined) {
        this.#host.wake(this, "later");
        return;
      }
      const length = this.#nextPacket(buffer);
      this.#host.transmit(buffer, length, this.remote);
      if (length === 0) return;
    }
    this.#host.wake(this, "later");
  }

  /** Length of the next packet; 0 when there is none. */
  #nextPacket(buffer: Uint8Array): number {
    try {
      const packet = this.quic.send(buffer);
      return packet === null ? 0 : packet[0];
    } catch (error) {
      this.#fault = error instanceof Error ? error.message : String(error);
      return 0;
    }
  }

  #armTimer(): void {
    const timeoutMs = this.quic.timeout();
    if (timeoutMs === null) {
      this.#disarm();
      return;
    }
    // One millisecond more: quiche rounds down, and a timer that fires early only fires again.
    const atMs = this.#host.clock.monotonicMs() + timeoutMs + 1;
    if (atMs >= this.#timerAtMs) return;
    this.#disarm();
    this.#timerAtMs = atMs;
    this.#cancelTimer = this.#host.timers.set(timeoutMs + 1, () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      this.#cancelTimer = undefined;
      this.quic.onTimeout();
      this.#host.wake(this, "now");
    });
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#user?.ended(this.#describeEnd());
  }

  #describeEnd(): ConnectionEnd {
    const peerError = this.quic.peerError();
    if (peerError !== null) {
      const reason = readableReason(peerError.reason);
      return { by: "peer", isApp: peerError.isApp, code: peerError.errorCode, reason };
    }
    const localError = this.quic.localError();
    if (localError !== null) {
      const reason = readableReason(localError.reason) || this.#fault;
      return { by: "local", isApp: localError.isApp, code: localError.errorCode, reason };
    }
    if (this.quic.isTimedOut()) return { by: "timeout", isApp: false, code: 0, reason: "silence" };
    return { by: "local", isApp: false, code: 0, reason: this.#fault || "stopped" };
  }

  #forget(): void {
    if (this.#forgotten) return;
    this.#forgotten = true;
    this.#disarm();
    this.#end();
    this.#user = undefined;
    this.#host.forget(this);
  }
}
