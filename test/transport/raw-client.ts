/**
 * A QUIC client with any bad parameter that a test wants, straight on the binding: what an attacker would
 * bring. It shares no code with src/transport.
 */

import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import quiche from "@matrixai/quic/native/quiche.js";
import type { Connection } from "@matrixai/quic/native/types.js";

export type RawClientOptions = {
  readonly port: number;
  readonly identity?: { readonly certPem: string; readonly keyPem: string };
  readonly alpn?: string;
  /** Unidirectional streams that the server may open. */
  readonly streams?: number;
  /** File for the secrets of TLS, for packets of the test's own making. */
  readonly keyLog?: string;
  /** The handshake is complete here, and the packet that completes it at the server has not been sent. */
  readonly established?: (client: RawClient) => void;
};

/** First half byte of a Retry (RFC 9000, 17.2.5). */
const RETRY = 0xf0;

export class RawClient {
  readonly quic: Connection;
  readonly #socket: Socket;
  readonly #port: number;
  readonly #local: { readonly host: string; readonly port: number };
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #muted = false;
  #established: RawClientOptions["established"];
  /** What was sent last. */
  last: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket, quic: Connection, { port, established }: RawClientOptions) {
    this.#socket = socket;
    this.quic = quic;
    this.#port = port;
    this.#established = established;
    this.#local = { host: "::1", port: socket.address().port };
    socket.on("message", (datagram) => {
      if (this.#muted && ((datagram[0] ?? 0) & 0xf0) !== RETRY) return;
      try {
        quic.recv(datagram, { from: { host: "::1", port }, to: this.#local });
      } catch {
        // What the peer refused shows in peerError and localError.
      }
      if (this.#established !== undefined && quic.isEstablished()) {
        this.#established(this);
        this.#established = undefined;
      }
      this.pump();
    });
  }

  static async connect(options: RawClientOptions): Promise<RawClient> {
    const encoder = new TextEncoder();
    const identity = options.identity;
    const config = quiche.Config.withBoringSslCtx(
      false,
      true,
      null,
      identity === undefined ? null : [encoder.encode(identity.keyPem)],
      identity === undefined ? null : [encoder.encode(identity.certPem)],
      "ecdsa_secp256r1_sha256:ed25519",
    );
    if (options.keyLog !== undefined) config.logKeys();
    config.setApplicationProtos([options.alpn ?? "tetrad/1"]);
    config.setMaxIdleTimeout(10_000);
    config.setInitialMaxData(1_000_000);
    config.setInitialMaxStreamDataUni(1_000_000);
    config.setInitialMaxStreamsUni(options.streams ?? 8);
    config.setInitialMaxStreamsBidi(8);
    config.setInitialMaxStreamDataBidiLocal(1_000_000);
    config.setInitialMaxStreamDataBidiRemote(1_000_000);
    const socket = createSocket({ type: "udp6", ipv6Only: true });
    await new Promise<void>((resolve) => {
      socket.bind({ address: "::1", port: 0 }, resolve);
    });
    const quic = quiche.Connection.connect(
      null,
      randomBytes(16),
      { host: "::1", port: socket.address().port },
      { host: "::1", port: options.port },
      config,
    );
    if (options.keyLog !== undefined) quic.setKeylog(options.keyLog);
    const client = new RawClient(socket, quic, options);
    client.pump();
    return client;
  }

  /** True when the server has ended the connection, in whatever way. */
  get isRefused(): boolean {
    return this.quic.peerError() !== null || this.quic.isClosed();
  }

  get peerErrorCode(): number | undefined {
    return this.quic.peerError()?.errorCode;
  }

  send(streamId: number, bytes: Uint8Array, fin = false): void {
    this.quic.streamSend(streamId, bytes, fin);
    this.pump();
  }

  /** Our hello, so that the server reads on. */
  hello(version = 3, features = 1): void {
    const frame = new Uint8Array(17);
    frame[3] = 13;
    frame[4] = version;
    frame.set(randomBytes(8), 5);
    frame[16] = features;
    this.send(CONTROL, frame);
  }

  /** Takes a Retry from now on and nothing else: the handshake is begun and left lying. */
  mute(): void {
    this.#muted = true;
  }

  /** Sends a datagram that the library did not make. */
  sendForged(datagram: Uint8Array): void {
    this.#socket.send(datagram, this.#port, "::1");
  }

  pump(): void {
    if (this.#closed) return;
    const buffer = Buffer.alloc(1350);
    for (;;) {
      const packet = this.quic.send(buffer);
      if (packet === null) break;
      this.last = Buffer.from(buffer.subarray(0, packet[0]));
      this.#socket.send(this.last, this.#port, "::1");
    }
    clearTimeout(this.#timer);
    const timeout = this.quic.timeout();
    if (timeout === null) return;
    this.#timer = setTimeout(() => {
      this.quic.onTimeout();
      this.pump();
    }, timeout + 1);
  }

  dispose(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }
}

/** The dialler's streams by class. */
export const CONSENSUS = 2;
export const MEMPOOL = 6;
export const SYNC = 10;
export const CONTROL = 14;
export const SEALED = 18;
export const BULK = 22;
