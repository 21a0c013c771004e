/** Bulk of a node, from its configuration and ports. */
import { join } from "node:path";
import type { Clock, Logger, Metrics, PeerFigures, PeerId, Timers } from "../../ledger/ports.ts";
import { BulkChannel } from "../../transport/bulk/channel.ts";
import type { QuicTransport } from "../../transport/quic-transport.ts";
import type { NodeConfig } from "../config.ts";
import { startBulkWorker } from "./process.ts";

export type OpenBulkOptions = {
  readonly config: Pick<
    NodeConfig,
    "driver" | "listen" | "bulkListen" | "bulkConnections" | "folder"
  >;
  readonly self: PeerId;
  readonly transport: Pick<QuicTransport, "bulk">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

/** Where the bulk worker of a node listens: what is set, else any port where sessions are. */
export const bulkListenOf = ({
  bulkListen,
  listen,
}: Pick<NodeConfig, "bulkListen" | "listen">): NodeConfig["listen"] =>
  bulkListen ?? { host: listen.host, port: 0 };

/** Figures of members, with the way on which each would be asked for bulk now. */
export const withBulk = (
  figures: readonly PeerFigures[],
  bulk: Pick<BulkChannel, "pathTo">,
): readonly PeerFigures[] =>
  figures.map((peer) => ({
    ...peer,
    bulk: peer.session?.sealed === undefined ? undefined : bulk.pathTo(peer.id),
  }));

/** `start` of what it gives has the driver tried, so that the log says which one it is. */
export const openBulk = (options: OpenBulkOptions): BulkChannel => {
  const { config, self, transport, clock, timers, logger, metrics } = options;
  return new BulkChannel({
    ...{ self, clock, timers, logger, metrics },
    setting: config.driver,
    listen: bulkListenOf(config),
    connections: config.bulkConnections,
    // What is served are objects, and nothing else of the folder can be.
    folder: join(config.folder, "objects"),
    attach: (user) => transport.bulk(user),
    startWorker: startBulkWorker,
  });
};
