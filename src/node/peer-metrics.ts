/**
 * What the sessions with peers carry, by peer and class: set anew whenever the page of metrics is read, so that it
 * holds the peers that there are and no others. Counters are of all sessions since the node started.
 */
import { type PeerFigures, TRAFFIC_CLASSES } from "../ledger/ports.ts";
import { LIMITS } from "../limits.ts";
import type { MetricsRegistry } from "./metrics.ts";

/** A peer's id as a label: as much of it as tells members apart. */
const LABEL_DIGITS = 16;

const MS = 1_000;

/** Those of the peers that have series: as many as the limit, by id. */
export const PEER_METRICS = [
  "tetrad_transport_driver",
  "tetrad_peer_session",
  "tetrad_peer_bytes_sent_total",
  "tetrad_peer_bytes_received_total",
  "tetrad_peer_queued_bytes",
  "tetrad_peer_rtt_seconds",
  "tetrad_peer_packets_sent_total",
  "tetrad_peer_packets_lost_total",
  "tetrad_peer_handshake_seconds",
] as const;

export const readPeers = (metrics: MetricsRegistry, peers: readonly PeerFigures[]): void => {
  for (const name of PEER_METRICS) metrics.forget(name);
  const shown = [...peers].sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, LIMITS.metricsPeersMax);
  for (const peer of shown) readPeer(metrics, peer);
};

const readPeer = (metrics: MetricsRegistry, { id, driver, session, bulk }: PeerFigures): void => {
  const peer = id.slice(0, LABEL_DIGITS);
  metrics.gauge("tetrad_peer_session", session === undefined ? 0 : 1, {
    peer,
    driver: driver ?? "none",
  });
  if (session === undefined) return;
  for (const name of TRAFFIC_CLASSES) {
    const labels = { peer, class: name };
    const ofBulk = name === "bulk" && bulk !== "session" ? bulk : undefined;
    metrics.gauge("tetrad_transport_driver", 1, { ...labels, driver: ofBulk ?? driver ?? "none" });
    const { sent, received, queued } = session.bytes[name];
    metrics.total("tetrad_peer_bytes_sent_total", sent, labels);
    metrics.total("tetrad_peer_bytes_received_total", received, labels);
    metrics.gauge("tetrad_peer_queued_bytes", queued, labels);
  }
  const { rttMs, packets, tlsMs, sealed } = session;
  if (rttMs !== undefined) metrics.gauge("tetrad_peer_rtt_seconds", rttMs / MS, { peer });
  metrics.total("tetrad_peer_packets_sent_total", packets.sent, { peer });
  if (packets.lost !== undefined) {
    metrics.total("tetrad_peer_packets_lost_total", packets.lost, { peer });
  }
  metrics.gauge("tetrad_peer_handshake_seconds", tlsMs / MS, { peer, kind: "tls" });
  if (sealed !== undefined) {
    metrics.gauge("tetrad_peer_handshake_seconds", sealed.handshakeMs / MS, { peer, kind: "pq" });
  }
};
