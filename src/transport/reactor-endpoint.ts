/**
 * The reactor driver of the QuicEndpoint port: raw QUIC of `@currentspace/http3`, which reads and writes
 * packets on threads of its own, many at a time. It does less than the quiche driver (`REACTOR_FEATURES`):
 * above all a client does not see the server's certificate, so both ends trust authorities and nothing else. A client
 * may be told to dial "unauthenticated": then it lets in whoever answers, which only fits a user that learns who it
 * is in another way (reserve-endpoint.ts).
 *
 * A listener is bound to an explicit IPv6 address, because on `::` the library also takes mapped IPv4; a
 * session with such an address is refused all the same.
 */
import { isIPv6 } from "node:net";
import { type Failure, fail, TetradError } from "../errors.ts";
import { isMappedIpv4 } from "./address.ts";
import type {
  HostPort,
  QuicDial,
  QuicEndpoint,
  QuicEndpointOptions,
  QuicEndpointStats,
  QuicFeatures,
  QuicSession,
  QuicSessionEnd,
} from "./quic-endpoint.ts";
import {
  loadReactor,
  type Reactor,
  type ReactorClientSession,
  type ReactorConnectOptions,
  type ReactorServer,
  type ReactorServerSession,
} from "./reactor-binding.ts";
import { discard, ReactorSession, type ReactorSessionOptions } from "./reactor-session.ts";
import { TokenBucket } from "./token-bucket.ts";

export const REACTOR_FEATURES: QuicFeatures = {
  seesServerCertificate: false,
  opensUni: false,
  urgencies: false,
  readBackPressure: false,
};

/** "portable": poll, recvmmsg and segmentation offload. "fast": io_uring, which was slower wherever measured. */
export type ReactorMode = "portable" | "fast";

export class ReactorEndpoint implements QuicEndpoint {
  readonly driver = "reactor";
  readonly features = REACTOR_FEATURES;
  readonly local: HostPort;
  readonly #options: QuicEndpointOptions;
  readonly #reactor: Reactor;
  readonly #mode: ReactorMode;
  readonly #server: ReactorServer | undefined;
  readonly #sessions = new Set<ReactorSession>();
  readonly #acceptedByHost = new Map<string, number>();
  readonly #handshakes: TokenBucket;
  readonly #counts = { dropped: 0, packetsIn: 0, packetsOut: 0 };
  #refusal: Failure | undefined;
  #accepting = false;
  #closed = false;

  private constructor(
    options: QuicEndpointOptions,
    reactor: Reactor,
    mode: ReactorMode,
    server: ReactorServer | undefined,
    local: HostPort,
  ) {
    this.#options = options;
    this.#reactor = reactor;
    this.#mode = mode;
    this.#server = server;
    this.local = local;
    const perSecond = options.limits.handshakesPerSecond;
    this.#handshakes = new TokenBucket(perSecond, perSecond, options.clock.monotonicMs());
    server?.on("session", (native) => this.#accept(native));
    server?.on("error", (error) => this.#fail(error.message));
  }

  /**
   * Loads the library and binds the listener, where there is an identity to listen with. Throws
   * config.invalid with the reason where the library does not load, the address cannot be bound, or
   * something is asked for that this driver has not. Without an identity it only dials, and binds nothing. A dial that
   * the library throws at gives undefined, and `refusal` the reason; the endpoint has failed, unless it carries
   * something. `folder`: see `loadReactor`.
   */
  static async bind(
    options: QuicEndpointOptions,
    mode: ReactorMode = "portable",
    folder?: string,
  ): Promise<ReactorEndpoint> {
    const { host, port } = options.listen;
    const listens = options.identity !== undefined;
    if (listens && (!isIPv6(host) || host === "::" || isMappedIpv4(host))) {
      throw new TetradError(
        "config.invalid",
        "the reactor listens on one IPv6 address, not on all",
      );
    }
    if (options.clients === "any" || options.servers === "any") {
      throw new TetradError("config.invalid", "the reactor trusts authorities only");
    }
    const reactor = await loadReactor(folder).catch((error: unknown) => {
      throw new TetradError("config.invalid", `the reactor does not load: ${String(error)}`);
    });
    if (options.identity === undefined) {
      return new ReactorEndpoint(options, reactor, mode, undefined, { host, port: 0 });
    }
    const server = makeServer(reactor, options, mode);
    try {
      const bound = await server.listen(port, host);
      const local = { host: bound.address, port: bound.port };
      return new ReactorEndpoint(options, reactor, mode, server, local);
    } catch (error) {
      throw new TetradError("config.invalid", `the reactor cannot listen: ${String(error)}`);
    }
  }

  /**
   * Datagrams of sessions that are alive; the library counts nothing before a session. After one that had to be waited
   * for long the others are not asked this time, or those waits would add up.
   */
  get stats(): QuicEndpointStats {
    let { packetsIn, packetsOut } = this.#counts;
    let isSlow = false;
    for (const session of this.#sessions) {
      const { packetsSent, packetsReceived } = isSlow ? session.lastFigures : session.figures();
      isSlow ||= session.isSlow;
      packetsIn += packetsReceived;
      packetsOut += packetsSent;
    }
    return {
      datagramsIn: packetsIn,
      datagramsOut: packetsOut,
      bytesIn: 0,
      bytesOut: 0,
      dropped: this.#counts.dropped,
      retries: 0,
      sendErrors: 0,
      faults: 0,
    };
  }

  get connectionCount(): number {
    return this.#sessions.size;
  }

  get refusal(): Failure | undefined {
    return this.#refusal;
  }

  startAccepting(): void {
    this.#accepting = true;
  }

  dial(remote: HostPort, how: QuicDial = {}): QuicSession | undefined {
    const { limits, alpn } = this.#options;
    // The reason for which it has failed is that of every dial after.
    if (this.#closed) return undefined;
    this.#refusal = undefined;
    if (this.#sessions.size >= limits.connectionsMax) return undefined;
    const trust = how.trust ?? this.#options.servers;
    const isUnauthenticated = trust === "unauthenticated";
    if (trust === "any" || (!isUnauthenticated && how.serverName === undefined)) {
      throw new TetradError("config.invalid", "the reactor needs an authority and a server name");
    }
    const identity = how.identity ?? this.#options.identity;
    const native = this.#connect(remote, {
      ...this.#common(this.#options.datagramBytesFor(remote.host)),
      ...(isUnauthenticated ? {} : { ca: trust.authorityPem }),
      ...(how.serverName === undefined ? {} : { servername: how.serverName }),
      rejectUnauthorized: !isUnauthenticated,
      connectTimeoutMs: limits.idleTimeoutMs,
      ...(identity === undefined ? {} : { cert: identity.certPem, key: identity.keyPem }),
    });
    if (native === undefined) return undefined;
    const facts = { remote, accepted: false, isUnauthenticated, alpn: alpn[0] ?? "" };
    return this.#add(native, { ...facts, certificates: () => null });
  }

  /**
   * Undefined where it is seen at once that the library cannot dial: its native part may be missing, or its folder
   * cannot be made anew. What it finds out later is told by the session.
   */
  #connect(remote: HostPort, how: ReactorConnectOptions): ReactorClientSession | undefined {
    try {
      return this.#reactor.connectQuic({ address: remote.host, port: remote.port }, how);
    } catch (error) {
      const reason = String(error);
      this.#refusal = fail("transport.driver-failed", undialledFor(reason));
      this.#undialled(reason);
      return undefined;
    }
  }

  close(code: number, reason: string, done: () => void): void {
    if (this.#closed) {
      done();
      return;
    }
    this.#closed = true;
    for (const session of [...this.#sessions]) session.close(code, reason);
    const server = this.#server;
    if (server === undefined) {
      done();
      return;
    }
    // The closes leave with the native thread's next turn; shutting it down at once would lose them.
    this.#options.timers.set(CLOSE_LINGER_MS, () => {
      void server.close().then(done, done);
    });
  }

  #common(datagramBytes: number) {
    return commonOptions(this.#options, this.#mode, datagramBytes);
  }

  #accept(native: ReactorServerSession): void {
    const remote = { host: native.remoteAddress, port: native.remotePort };
    const { limits, connectionsAtMost } = this.#options;
    const ofHostMax = connectionsAtMost?.(remote.host) ?? limits.connectionsPerAddressMax;
    const refuse = (code: "transport.ipv4" | "limit", detail: string): void => {
      this.#counts.dropped += 1;
      native.on("error", () => {});
      // Until the native thread has heard of the close, streams come, and their peer may reset them.
      native.on("stream", discard);
      native.close(0, "");
      this.#options.refused(code, detail);
    };
    if (isMappedIpv4(remote.host)) {
      refuse("transport.ipv4", "a session from an IPv4 address");
      return;
    }
    const byHost = this.#acceptedByHost.get(remote.host) ?? 0;
    if (!this.#accepting || this.#closed) refuse("limit", "not serving");
    else if (this.#sessions.size >= limits.connectionsMax) {
      refuse("limit", "connection cap reached");
    } else if (byHost >= ofHostMax) {
      refuse("limit", "connection cap of one address reached");
    } else if (!this.#handshakes.take(this.#options.clock.monotonicMs())) {
      refuse("limit", "handshake rate reached");
    } else {
      this.#acceptedByHost.set(remote.host, byHost + 1);
      const certificates = (): readonly Uint8Array[] | null =>
        native.peerCertificatePresented
          ? native.getPeerCertificateChain().map(({ raw }) => raw)
          : null;
      const alpn = this.#options.alpn[0] ?? "";
      const facts = { remote, accepted: true, isUnauthenticated: false, alpn };
      this.#options.accepted(this.#add(native, { ...facts, certificates }));
    }
  }

  #add(
    native: ReactorServerSession | ReactorClientSession,
    facts: Omit<ReactorSessionOptions, "native" | "timers" | "clock" | "forget" | "undialled">,
  ): ReactorSession {
    const forget = (session: ReactorSession): void => this.#forget(session);
    const undialled = (reason: string): void => this.#undialled(reason);
    const { timers, clock } = this.#options;
    const session = new ReactorSession({ ...facts, native, forget, undialled, timers, clock });
    this.#sessions.add(session);
    return session;
  }

  #forget(session: ReactorSession): void {
    if (!this.#sessions.delete(session)) return;
    const { packetsReceived, packetsSent } = session.lastFigures;
    this.#counts.packetsIn += packetsReceived;
    this.#counts.packetsOut += packetsSent;
    if (!session.accepted) return;
    const { host } = session.remote;
    const left = (this.#acceptedByHost.get(host) ?? 1) - 1;
    if (left > 0) this.#acceptedByHost.set(host, left);
    else this.#acceptedByHost.delete(host);
  }

  /**
   * The library cannot dial, seen at once or told by a session. What carries something is not given up for one dial: it
   * may be the last. What is up with somebody who has not shown a key carries nothing, or anybody could keep the
   * endpoint from failing.
   */
  #undialled(reason: string): void {
    for (const { isKnown } of this.#sessions) if (isKnown) return;
    this.#fail(undialledFor(reason));
  }

  #fail(detail: string): void {
    if (this.#closed) return;
    this.#closed = true;
    const end: QuicSessionEnd = { by: "driver", isApp: false, code: 0, reason: detail };
    for (const session of [...this.#sessions]) session.abandon(end);
    void this.#server?.close().catch(() => {});
    this.#options.failed?.(detail, "library");
  }
}

const CLOSE_LINGER_MS = 20;

const undialledFor = (reason: string): string => `the reactor cannot dial: ${reason}`;

const commonOptions = (options: QuicEndpointOptions, mode: ReactorMode, datagramBytes: number) => ({
  runtimeMode: mode,
  fallbackPolicy: "error" as const,
  alpn: [...options.alpn],
  maxIdleTimeoutMs: options.limits.idleTimeoutMs,
  maxUdpPayloadSize: datagramBytes,
  initialMaxData: options.windows.connectionBytesMax,
  initialMaxStreamDataBidiLocal: options.windows.streamBytes,
  initialMaxStreamsBidi: options.windows.streamsBidi,
  enableDatagrams: options.datagrams,
});

const makeServer = (
  reactor: Reactor,
  options: QuicEndpointOptions,
  mode: ReactorMode,
): ReactorServer => {
  const { identity, clients, limits } = options;
  if (identity === undefined) throw new RangeError("no identity to listen with");
  try {
    return reactor.createQuicServer({
      ...commonOptions(options, mode, options.datagramBytesMax),
      key: identity.keyPem,
      cert: identity.certPem,
      ...(typeof clients === "object"
        ? { ca: clients.authorityPem, clientAuth: "require" as const }
        : { clientAuth: "none" as const }),
      // Whom the library turns away is told nothing; up to twice the cap we do it ourselves, with a close. Of
      // handshakes that have begun it tells nothing: their number, of all hosts together, is all that can be set.
      maxConnections: 2 * limits.connectionsMax,
      disableRetry: false,
      disableActiveMigration: true,
    });
  } catch (error) {
    throw new TetradError("key.invalid", `the TLS identity cannot be used: ${String(error)}`);
  }
};
