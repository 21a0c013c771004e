/**
 * The only importer of this QUIC library: the native binding of quiche and BoringSSL that `@matrixai/quic`
 * ships. The library's own client, server and stream classes are not used; the event loop around the
 * binding is ours (quiche-machine.ts, quiche-endpoint.ts).
 *
 * With trust "any" BoringSSL checks that the peer holds the key of the certificate that it shows, and
 * accepts any certificate, but never none; whose it is, the user decides after the handshake and before the
 * first byte (tls.ts).
 */
import quiche from "@matrixai/quic/native/quiche.js";
import type { Config, Connection, Header } from "@matrixai/quic/native/types.js";
import { LIMITS } from "../limits.ts";
import type { HostPort, QuicIdentity, QuicServerTrust, QuicWindows } from "./quic-endpoint.ts";

export type QuicheConnection = Connection;
export type QuicheConfig = Config;
export type QuicheHeader = Header;

/** Length of every connection id that we issue: routing reads it at a fixed place in a short header. */
export const CONNECTION_ID_BYTES = 16;

/** A client's Initial must fill a datagram of this size (RFC 9000, 14.1). */
export const INITIAL_DATAGRAM_BYTES_MIN = quiche.MIN_CLIENT_INITIAL_LEN;

/** Largest datagram that we say we receive: the largest UDP payload that IPv6 carries without jumbograms. */
const RECV_DATAGRAM_BYTES_MAX = 65_527;

const SIGNATURE_ALGORITHMS = "ecdsa_secp256r1_sha256:ed25519";

export type { HostPort } from "./quic-endpoint.ts";

export type QuicheConfigOptions = {
  readonly alpn: readonly string[];
  readonly identity: QuicIdentity | undefined;
  /** "none" asks the other end for no certificate, as a server that anybody may dial does. */
  readonly trust: QuicServerTrust | "none";
  readonly idleTimeoutMs: number;
  /** Largest datagram that we send, bytes. */
  readonly sendDatagramBytesMax: number;
  readonly windows: QuicWindows;
  readonly datagrams: boolean;
};

/**
 * TLS and transport parameters that connections share. Throws the binding's error when the certificate or
 * the key cannot be read.
 */
export const createQuicheConfig = (options: QuicheConfigOptions): QuicheConfig => {
  const encoder = new TextEncoder();
  const { trust, identity, windows } = options;
  const authority = typeof trust === "object" ? encoder.encode(trust.authorityPem) : null;
  const config = quiche.Config.withBoringSslCtx(
    trust !== "none",
    authority === null,
    authority,
    identity === undefined ? null : [encoder.encode(identity.keyPem)],
    identity === undefined ? null : [encoder.encode(identity.certPem)],
    SIGNATURE_ALGORITHMS,
  );
  config.setApplicationProtos([...options.alpn]);
  config.setMaxIdleTimeout(options.idleTimeoutMs);
  config.setMaxRecvUdpPayloadSize(RECV_DATAGRAM_BYTES_MAX);
  config.setMaxSendUdpPayloadSize(options.sendDatagramBytesMax);
  config.setInitialMaxData(windows.connectionBytes);
  config.setMaxConnectionWindow(windows.connectionBytesMax);
  config.setInitialMaxStreamDataUni(windows.streamsUni === 0 ? 0 : windows.streamBytes);
  config.setInitialMaxStreamDataBidiLocal(windows.streamsBidi === 0 ? 0 : windows.streamBytes);
  config.setInitialMaxStreamDataBidiRemote(windows.streamsBidi === 0 ? 0 : windows.streamBytes);
  config.setMaxStreamWindow(windows.streamBytesMax);
  config.setInitialMaxStreamsUni(windows.streamsUni);
  config.setInitialMaxStreamsBidi(windows.streamsBidi);
  config.setDisableActiveMigration(true);
  config.enableDgram(options.datagrams, LIMITS.datagramQueueMax, LIMITS.datagramQueueMax);
  return config;
};

/** `serverName` is what the server's certificate has to be made out to, where an authority is trusted. */
export const connectQuiche = (
  serverName: string | null,
  sourceId: Uint8Array,
  local: HostPort,
  remote: HostPort,
  config: QuicheConfig,
): QuicheConnection => quiche.Connection.connect(serverName, sourceId, local, remote, config);

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
