/**
 * The only importer of the QUIC library: the native binding of quiche and BoringSSL that
 * `@matrixai/quic` ships. The library's own client, server and stream classes are not used; the event
 * loop around the binding is ours (endpoint.ts).
 *
 * Both ends of every session present a certificate and BoringSSL checks that the peer holds its key.
 * Whether the certificate is one of this chain is decided by us after the handshake and before the first
 * byte of a session (tls.ts), so the binding is told to accept any certificate, but never none.
 */
import quiche from "@matrixai/quic/native/quiche.js";
import type { Config, Connection, Header } from "@matrixai/quic/native/types.js";

export type QuicheConnection = Connection;
export type QuicheConfig = Config;
export type QuicheHeader = Header;

/** ALPN of a session between nodes (RFC 7301). */
export const ALPN = "tetrad/1";

/** Length of every connection id that we issue: routing reads it at a fixed place in a short header. */
export const CONNECTION_ID_BYTES = 16;

/** A client's Initial must fill a datagram of this size (RFC 9000, 14.1). */
export const INITIAL_DATAGRAM_BYTES_MIN = quiche.MIN_CLIENT_INITIAL_LEN;

/** Largest datagram that we say we receive: the largest UDP payload that IPv6 carries without jumbograms. */
const RECV_DATAGRAM_BYTES_MAX = 65_527;

const SIGNATURE_ALGORITHMS = "ecdsa_secp256r1_sha256:ed25519";

/** QUIC carries TLS alert n as transport error 0x100 + n (RFC 9001, 4.8). */
const CRYPTO_ERROR_BASE = quiche.CRYPTO_ERROR_START;

/** TLS alert certificate_required (RFC 8446, 6.2): the client showed no certificate. */
export const ERROR_CERTIFICATE_REQUIRED = CRYPTO_ERROR_BASE + 116;

export type HostPort = { readonly host: string; readonly port: number };

export type QuicheConfigOptions = {
  readonly certPem: string;
  readonly keyPem: string;
  readonly idleTimeoutMs: number;
  /** Largest datagram that we send, bytes. */
  readonly sendDatagramBytesMax: number;
  /** Unidirectional streams that the peer may open. */
  readonly streamsUni: number;
  /** Flow control at the start and at most, bytes. */
  readonly streamWindowBytes: number;
  readonly streamWindowBytesMax: number;
  readonly connectionWindowBytes: number;
  readonly connectionWindowBytesMax: number;
};

/**
 * TLS and transport parameters that connections share. Throws the binding's error when the certificate or
 * the key cannot be read.
 */
export const createQuicheConfig = (options: QuicheConfigOptions): QuicheConfig => {
  const encoder = new TextEncoder();
  const config = quiche.Config.withBoringSslCtx(
    true,
    true,
    null,
    [encoder.encode(options.keyPem)],
    [encoder.encode(options.certPem)],
    SIGNATURE_ALGORITHMS,
  );
  config.setApplicationProtos([ALPN]);
  config.setMaxIdleTimeout(options.idleTimeoutMs);
  config.setMaxRecvUdpPayloadSize(RECV_DATAGRAM_BYTES_MAX);
  config.setMaxSendUdpPayloadSize(options.sendDatagramBytesMax);
  config.setInitialMaxData(options.connectionWindowBytes);
  config.setMaxConnectionWindow(options.connectionWindowBytesMax);
  config.setInitialMaxStreamDataUni(options.streamWindowBytes);
  config.setInitialMaxStreamDataBidiLocal(0);
  config.setInitialMaxStreamDataBidiRemote(0);
  config.setMaxStreamWindow(options.streamWindowBytesMax);
  config.setInitialMaxStreamsUni(options.streamsUni);
  config.setInitialMaxStreamsBidi(0);
  config.setDisableActiveMigration(true);
  config.enableDgram(false, 0, 0);
  return config;
};

export const connectQuiche = (
  sourceId: Uint8Array,
  local: HostPort,
  remote: HostPort,
  config: QuicheConfig,
): QuicheConnection => quiche.Connection.connect(null, sourceId, local, remote, config);

/** `originalId` is the first destination id of the client, which its Retry token carries back. */
export const acceptQuiche = (
  sourceId: Uint8Array,
  originalId: Uint8Array,
  local: HostPort,
  remote: HostPort,
  config: QuicheConfig,
): QuicheConnection => quiche.Connection.accept(sourceId, originalId, local, remote, config);

/** The header of a client's Initial packet with its token; undefined for everything else. */
export const parseInitial = (datagram: Uint8Array): QuicheHeader | undefined => {
  try {
    const header = quiche.Header.fromSlice(datagram, CONNECTION_ID_BYTES);
    return header.ty === INITIAL ? header : undefined;
  } catch {
    return undefined;
  }
};

/** The binding's packet type for an Initial; its enum is not exported as values under these flags. */
const INITIAL = 0;

export const versionIsSupported = (version: number): boolean => quiche.versionIsSupported(version);

/** Writes a Version Negotiation packet in answer to the header; returns its length. */
export const writeVersionNegotiation = (header: QuicheHeader, out: Uint8Array): number =>
  quiche.negotiateVersion(header.scid, header.dcid, out);

/** Writes a Retry packet that gives the client `newId` to come back to with the token. */
export const writeRetry = (
  header: QuicheHeader,
  newId: Uint8Array,
  token: Uint8Array,
  out: Uint8Array,
): number => quiche.retry(header.scid, header.dcid, newId, token, header.version, out);
