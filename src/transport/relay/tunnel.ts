/**
 * Sessions through relays: a QUIC endpoint whose packets are carried by relays instead of a socket. Everything
 * above it is as on any other endpoint: the same mutual TLS between the two ends, the same pins, the same
 * post-quantum handshake. So a relay has ciphertext and no key, and what it changes, leaves out, repeats or
 * brings out of order is to QUIC what a bad path does.
 *
 * QUIC names the other end of a path by an address. Each pair of a relay and the member behind it gets one here,
 * out of the block that is never routed (RFC 6666, 100::/64), which means nothing outside of this object.
 */
import type { PeerId } from "../../ledger/ports.ts";
import type {
  QuicEndpoint,
  QuicEndpointOptions,
  QuicIdentity,
  QuicSession,
} from "../quic-endpoint.ts";
import { QuicheEndpoint } from "../quiche-endpoint.ts";
import { RelayBudgets } from "./budgets.ts";
import { encodeRelayFrame } from "./frame.ts";

export type Route = { readonly relay: PeerId; readonly peer: PeerId };

/** Ports mean nothing here, and one has to be named. */
const PORT = 1;
const OWN_HOST = "100::";

export type TunnelOptions = Pick<
  QuicEndpointOptions,
  "clock" | "timers" | "alpn" | "identity" | "windows" | "refused"
> & {
  readonly limits: {
    readonly connectionsMax: number;
    readonly handshakesPerSecond: number;
    readonly connectionsPerRelayMax: number;
    readonly handshakesPerRelayPerSecond: number;
    readonly answersPerRelayPerSecond: number;
    readonly routesMax: number;
    readonly packetBytesMax: number;
  };
  readonly idleTimeoutMs: number;
  /** Hands a datagram to the session with the relay; false where there is none or its queue is full. */
  send(relay: PeerId, datagram: Uint8Array): boolean;
  accepted(session: QuicSession, route: Route): void;
};

/** Connections of one route: both ends may dial at once, and each may come back while the other still holds on. */
const CONNECTIONS_PER_ROUTE = 4;

export class Tunnel {
  readonly #options: TunnelOptions;
  readonly #endpoint: QuicheEndpoint;
  readonly #byHost = new Map<string, Route>();
  readonly #hosts = new Map<string, string>();
  readonly #budgets: RelayBudgets;
  /** Whose account the connections of a host are on, which outlast what is remembered of routes. */
  readonly #accounts = new Map<string, { readonly relay: PeerId; connections: number }>();
  #made = 0;

  /** Throws key.invalid. */
  constructor(options: TunnelOptions) {
    this.#options = options;
    const { clock, timers, alpn, identity, windows, refused, limits } = options;
    const { connectionsMax, handshakesPerSecond, packetBytesMax } = limits;
    this.#budgets = new RelayBudgets(limits);
    this.#endpoint = QuicheEndpoint.over(
      {
        local: { host: OWN_HOST, port: PORT },
        send: (buffer, length, remote, free) => {
          const route = this.#byHost.get(remote.host);
          if (route !== undefined) {
            const packet = buffer.subarray(0, length);
            const frame = encodeRelayFrame({ kind: "forward", peer: route.peer, packet });
            options.send(route.relay, frame);
          }
          free();
        },
        close: (done) => done(),
      },
      {
        ...{ clock, timers, alpn, windows, refused },
        ...(identity === undefined ? {} : { identity }),
        listen: { host: OWN_HOST, port: PORT },
        clients: "any",
        servers: "any",
        limits: {
          ...{ connectionsMax, handshakesPerSecond },
          connectionsPerAddressMax: CONNECTIONS_PER_ROUTE,
          idleTimeoutMs: options.idleTimeoutMs,
        },
        // Nothing of a relayed session is ever relayed: it carries no datagrams.
        datagrams: false,
        datagramBytesFor: () => packetBytesMax,
        datagramBytesMax: packetBytesMax,
        // Relays bring members only; each relay has a budget of its own besides.
        isMemberHost: () => true,
        accepted: (session) => {
          const route = this.#byHost.get(session.remote.host);
          if (route !== undefined) options.accepted(session, route);
        },
      },
      {
        mayAnswer: (host, nowMs) => this.#budgets.mayAnswer(this.#relayOf(host), nowMs),
        mayBegin: (host, nowMs) => this.#budgets.mayBegin(this.#relayOf(host), nowMs),
        count: (host, change) => this.#count(host, change),
      },
    );
  }

  get connectionCount(): number {
    return this.#endpoint.connectionCount;
  }

  get endpoint(): Pick<QuicEndpoint, "stats"> {
    return this.#endpoint;
  }

  useIdentity(identity: QuicIdentity): void {
    this.#endpoint.useIdentity(identity);
  }

  startAccepting(): void {
    this.#endpoint.startAccepting();
  }

  /** Begins a handshake through the relay; undefined where a cap is reached. */
  dial(route: Route): QuicSession | undefined {
    const host = this.#hostOf(route);
    return host === undefined ? undefined : this.#endpoint.dial({ host, port: PORT });
  }

  /** Takes a packet that this relay says is from that member. The bytes are overwritten. */
  receive(route: Route, packet: Uint8Array): void {
    const host = this.#hostOf(route);
    if (host === undefined) {
      this.#options.refused("limit", "no room for another route through relays");
      return;
    }
    this.#endpoint.receive(packet, { address: host, family: "IPv6", port: PORT });
  }

  /** The session with the relay is over: what it made us remember goes, its relayed sessions are the caller's. */
  forget(relay: PeerId): void {
    for (const [host, route] of this.#byHost) {
      if (route.relay !== relay) continue;
      this.#byHost.delete(host);
      this.#hosts.delete(keyOf(route));
    }
  }

  close(code: number, reason: string, done: () => void): void {
    this.#endpoint.close(code, reason, done);
  }

  /** Asked while a packet of the host is taken, for which there is a route. */
  #relayOf(host: string): PeerId {
    const route = this.#byHost.get(host);
    if (route === undefined) throw new RangeError("a packet without a route");
    return route.relay;
  }

  #count(host: string, change: 1 | -1): void {
    const account = this.#accounts.get(host) ?? { relay: this.#relayOf(host), connections: 0 };
    account.connections += change;
    if (account.connections > 0) this.#accounts.set(host, account);
    else this.#accounts.delete(host);
    this.#budgets.count(account.relay, change);
  }

  #hostOf(route: Route): string | undefined {
    const key = keyOf(route);
    const known = this.#hosts.get(key);
    if (known !== undefined) return known;
    if (this.#hosts.size >= this.#options.limits.routesMax) return undefined;
    this.#made += 1;
    const host = `${OWN_HOST}${hextets(this.#made)}`;
    this.#hosts.set(key, host);
    this.#byHost.set(host, { relay: route.relay, peer: route.peer });
    return host;
  }
}

const keyOf = ({ relay, peer }: Route): string => `${relay}${peer}`;

/** The number as the last 48 bits of an address, three groups; no group is empty or has leading zeros. */
const hextets = (number: number): string => {
  const groups = [number / 0x1_0000_0000, (number / 0x1_0000) % 0x1_0000, number % 0x1_0000];
  return groups.map((group) => Math.floor(group).toString(16)).join(":");
};
