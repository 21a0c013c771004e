/** The UDP endpoint of sessions between nodes: sizes of its datagrams and windows, and whom it lets in. */

import { EndpointKeeper, type KeeperOptions } from "./endpoint-keeper.ts";
import { SESSION_STREAMS } from "./lane.ts";
import { OneWaySession } from "./one-way-session.ts";
import { ALPN, type QuicTransportOptions, type TransportLimits } from "./options.ts";
import type {
  HostPort,
  QuicEndpointOptions,
  QuicWindows,
  SessionEndpoint,
} from "./quic-endpoint.ts";
import { QuicheEndpoint } from "./quiche-endpoint.ts";
import { ReserveEndpoint } from "./reserve-endpoint.ts";

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

/** What the mesh does when something happens at its endpoint. */
export type MeshHooks = Pick<QuicEndpointOptions, "isMemberHost" | "accepted" | "refused"> &
  Pick<KeeperOptions, "leaving" | "reopened" | "reserveReaches">;

/**
 * Opens the endpoint of a node's sessions, and keeps one open: with quiche where no other driver is named, as in every
 * node (adr/0016), and with the reactor in reserve where the options say so. Throws config.invalid where the
 * address cannot be bound, key.invalid for keys that cannot be used.
 */
export const openMeshEndpoint = (
  options: QuicTransportOptions,
  limits: TransportLimits,
  listen: HostPort,
  { leaving, reopened, reserveReaches, ...hooks }: MeshHooks,
  driver: BindEndpoint | undefined,
): Promise<EndpointKeeper> => {
  const by =
    (bind: BindEndpoint): KeeperOptions["bind"] =>
    (address, failed) =>
      bind({ ...endpointOptions(options, limits, hooks), listen: address, failed });
  const folder = driver === undefined ? options.reserve?.folder : undefined;
  return EndpointKeeper.open({
    ...{ listen, ports: options, limits: limits.driver, leaving, reopened, reserveReaches },
    bind: by(driver ?? QuicheEndpoint.bind),
    ...(folder === undefined ? {} : { reserve: by((own) => ReserveEndpoint.bind(own, folder)) }),
  });
};

const endpointOptions = (
  options: QuicTransportOptions,
  limits: TransportLimits,
  { isMemberHost, accepted, refused }: Pick<MeshHooks, "isMemberHost" | "accepted" | "refused">,
): Omit<QuicEndpointOptions, "listen"> => ({
  clock: options.clock,
  timers: options.timers,
  alpn: [ALPN],
  identity: options.identity,
  clients: "any",
  servers: "any",
  limits,
  faults: limits.driver,
  // Who dials may be on its reserve, which opens streams in two directions.
  windows: { ...WINDOWS, streamsBidi: SESSION_STREAMS },
  // What goes to relays and comes from them.
  datagrams: true,
  datagramBytesFor: (host) =>
    host === LOOPBACK ? LOOPBACK_DATAGRAM_BYTES : NETWORK_DATAGRAM_BYTES,
  datagramBytesMax: LOOPBACK_DATAGRAM_BYTES,
  isMemberHost,
  accepted: (session) => accepted(new OneWaySession(session, true)),
  refused,
});
