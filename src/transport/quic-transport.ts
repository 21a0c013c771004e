/** The transport of a node: the port, and what else a node has of it. */
import type { DriverFigures, PeerFigures, PeerId, Transport } from "../ledger/ports.ts";
import type { BulkPort, BulkUser } from "./bulk.ts";
import type { QuicIdentity } from "./quic-endpoint.ts";

/** What nodes have besides the port: where they listen, and figures for status and tests. */
export type QuicTransport = Transport & {
  /** "[ipv6]:port" as bound. */
  address(): string;
  figures(): TransportFigures;
  /** The driver of sessions, and its faults. */
  driver(): DriverFigures;
  /** Of every member, by id. */
  peerFigures(): readonly PeerFigures[];
  /**
   * Handshakes that begin from now on show this certificate, of the key that members know. Sessions that are up stay,
   * with all that is on their streams. Throws key.invalid, and then nothing has changed.
   */
  useIdentity(identity: QuicIdentity): void;
  /** Shuts these nodes out from now on, whoever the members are: sessions end, no others begin. */
  quarantine(ids: ReadonlySet<PeerId>): void;
  /** Takes the class bulk from the handler of `start` and gives it to this user, the only one. */
  bulk(user: BulkUser): BulkPort;
};

export type TransportFigures = {
  readonly connections: number;
  readonly sessions: number;
  readonly queuedBytes: number;
  readonly datagramsIn: number;
  readonly datagramsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly dropped: number;
  /** Exceptions of the QUIC library. */
  readonly faults: number;
  /** Peers and datagrams turned away, by code. */
  readonly refused: Readonly<Record<string, number>>;
};
