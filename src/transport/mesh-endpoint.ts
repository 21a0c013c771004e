/** The UDP endpoint of sessions between nodes: sizes of its datagrams and windows, and whom it lets in. */

import { SESSION_STREAMS } from "./lane.ts";
import { ALPN, type QuicTransportOptions, type TransportLimits } from "./options.ts";
import type {
  HostPort,
  QuicEndpointOptions,
  QuicWindows,
  SessionEndpoint,
} from "./quic-endpoint.ts";
import { QuicheEndpoint } from "./quiche-endpoint.ts";

/** Peers on this machine: loopback carries 64 KiB, and the cost of a packet hardly depends on its size. */
const LOOPBACK = "::1";
const LOOPBACK_DATAGRAM_BYTES = 16_000;

/** Fits every path that carries IPv6 over Ethernet, tunnels included. */
const NETWORK_DATAGRAM_BYTES = 1_350;

export const WINDOWS: QuicWindows = {
  streamsBidi: 0,
  streamsUni: SESSION_STREAMS,
  streamBytes: 1024 * 1024,
  streamBytesMax: 8 * 1024 * 1024,
  connectionBytes: 4 * 1024 * 1024,
  connectionBytesMax: 16 * 1024 * 1024,
};

/** A driver of sessions. */
export type BindEndpoint = (options: QuicEndpointOptions) => Promise<SessionEndpoint>;

/**
 * How a node binds: with quiche where no other driver is named, as in every node (adr/0016). What it returns throws
 * config.invalid where the address cannot be bound, key.invalid for keys that cannot be used.
 */
export const meshBinder =
  (
    options: QuicTransportOptions,
    limits: TransportLimits,
    bind: BindEndpoint = QuicheEndpoint.bind,
  ) =>
  (
    listen: HostPort,
    hooks: Pick<QuicEndpointOptions, "isMemberHost" | "accepted" | "refused" | "failed">,
  ): Promise<SessionEndpoint> =>
    bind({
      listen: { host: listen.host, port: listen.port },
      clock: options.clock,
      timers: options.timers,
      alpn: [ALPN],
      identity: options.identity,
      clients: "any",
      servers: "any",
      limits,
      faults: limits.driver,
      windows: WINDOWS,
      // What goes to relays and comes from them.
      datagrams: true,
      datagramBytesFor: (host) =>
        host === LOOPBACK ? LOOPBACK_DATAGRAM_BYTES : NETWORK_DATAGRAM_BYTES,
      datagramBytesMax: LOOPBACK_DATAGRAM_BYTES,
      ...hooks,
    });
