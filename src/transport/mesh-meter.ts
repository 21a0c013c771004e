/** Counts what goes through the mesh by class, and publishes its figures as metrics now and then. */
import { type Metrics, TRAFFIC_CLASSES, type TrafficClass } from "../ledger/ports.ts";
import type { EndpointKeeper } from "./endpoint-keeper.ts";
import type { Members } from "./member.ts";
import { NOTHING_PUBLISHED, TOTALS } from "./published.ts";
import type { TransportFigures } from "./quic-transport.ts";

/** The figures of a mesh; `relayed` are its connections through relays. */
export const meshFigures = (
  endpoint: Pick<EndpointKeeper, "connectionCount" | "stats"> | undefined,
  relayed: number,
  members: Members,
  refused: TransportFigures["refused"],
): TransportFigures => {
  const up = [...members.values()].flatMap(({ session }) => session ?? []);
  const stats = endpoint?.stats;
  return {
    connections: (endpoint?.connectionCount ?? 0) + relayed,
    sessions: up.length,
    queuedBytes: [...members.values()]
      .flatMap(({ paths }) => paths.sessions())
      .reduce((bytes, { queuedBytes }) => bytes + queuedBytes, 0),
    datagramsIn: stats?.datagramsIn ?? 0,
    datagramsOut: stats?.datagramsOut ?? 0,
    bytesIn: stats?.bytesIn ?? 0,
    bytesOut: stats?.bytesOut ?? 0,
    dropped: stats?.dropped ?? 0,
    faults: stats?.faults ?? 0,
    refused,
  };
};

export class MeshMeter {
  readonly #metrics: Metrics;
  /** By class, since they were published last: a label is too dear for every frame. */
  readonly #frameBytes: Record<TrafficClass, { sent: number; received: number }> = {
    consensus: { sent: 0, received: 0 },
    mempool: { sent: 0, received: 0 },
    sync: { sent: 0, received: 0 },
    control: { sent: 0, received: 0 },
    bulk: { sent: 0, received: 0 },
  };
  readonly #published: Record<keyof typeof NOTHING_PUBLISHED, number> = { ...NOTHING_PUBLISHED };

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  sent(trafficClass: TrafficClass, bytes: number): void {
    this.#frameBytes[trafficClass].sent += bytes;
  }

  received(trafficClass: TrafficClass, bytes: number): void {
    this.#frameBytes[trafficClass].received += bytes;
  }

  /** A frame that found no session or no room. */
  dropped(trafficClass: TrafficClass): void {
    this.#metrics.count("tetrad_transport_frames_dropped_total", 1, { class: trafficClass });
  }

  publish(figures: TransportFigures): void {
    const last = this.#published;
    this.#metrics.gauge("tetrad_transport_sessions", figures.sessions);
    this.#metrics.gauge("tetrad_transport_connections", figures.connections);
    this.#metrics.gauge("tetrad_transport_queued_bytes", figures.queuedBytes);
    for (const [figure, name] of TOTALS) {
      this.#metrics.count(name, figures[figure] - last[figure]);
      last[figure] = figures[figure];
    }
    for (const trafficClass of TRAFFIC_CLASSES) {
      const bytes = this.#frameBytes[trafficClass];
      const labels = { class: trafficClass };
      this.#metrics.count("tetrad_transport_frame_bytes_sent_total", bytes.sent, labels);
      this.#metrics.count("tetrad_transport_frame_bytes_received_total", bytes.received, labels);
      bytes.sent = 0;
      bytes.received = 0;
    }
  }
}
