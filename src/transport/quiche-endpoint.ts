/**
 * The quiche driver of the QuicEndpoint port: one UDP socket on IPv6 that feeds the state machine
 * (quiche-machine.ts) and takes its packets, and one timer. Turns run once after the socket is drained, and
 * at the end of the current task when the node itself sends, so that a vote leaves at once.
 */
import { createSocket, type RemoteInfo } from "node:dgram";
import { TetradError } from "../errors.ts";
import type { DriverFault } from "../ledger/ports.ts";
import { DRIVER_LIMITS } from "../limits-driver.ts";
import { DriverWatch } from "./driver-watch.ts";
import type {
  QuicDial,
  QuicEndpoint,
  QuicEndpointOptions,
  QuicEndpointStats,
  QuicFeatures,
  QuicIdentity,
  QuicServerTrust,
  QuicSession,
} from "./quic-endpoint.ts";
import { createQuicheConfig, type HostPort, type QuicheConfig } from "./quiche-binding.ts";
import { type HostAdmission, QuicheMachine } from "./quiche-machine.ts";
import { SendBuffers } from "./send-buffers.ts";
import { type PacketPort, udpPort } from "./udp-port.ts";

/** Buffers with the socket at once; beyond it connections wait for the kernel. */
const SEND_BUFFERS_MAX = 256;

/**
 * Asked of the kernel for the socket, which may give less: room for a burst while a turn runs. More would
 * only let bulk stand in line before votes: 4 MiB doubled the round trip under load.
 */
const SOCKET_BUFFER_BYTES = 1024 * 1024;

export const QUICHE_FEATURES: QuicFeatures = {
  seesServerCertificate: true,
  opensUni: true,
  urgencies: true,
  readBackPressure: true,
};

export class QuicheEndpoint implements QuicEndpoint {
  readonly driver = "quiche";
  readonly features = QUICHE_FEATURES;
  readonly local: HostPort;
  readonly #options: QuicEndpointOptions;
  readonly #port: PacketPort;
  readonly #buffers: SendBuffers;
  readonly #machine: QuicheMachine;
  readonly #configs = new Map<number, QuicheConfig>();
  #identity: QuicIdentity | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #microtask = false;
  #cancelTimer: (() => void) | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #cancelCheck: (() => void) | undefined;
  readonly #watch: DriverWatch;
  #fault: DriverFault | undefined;
  #rounds = 0;
  #returned = 0;
  #closed = false;

  private constructor(options: QuicEndpointOptions, port: PacketPort, admission?: HostAdmission) {
    this.#options = options;
    this.#identity = options.identity;
    this.#port = port;
    this.#watch = new DriverWatch(options.faults ?? DRIVER_LIMITS);
    this.local = port.local;
    this.#buffers = new SendBuffers(options.datagramBytesMax, SEND_BUFFERS_MAX, () =>
      this.#scheduleImmediate(),
    );
    // Made now, so that a key that cannot be used is told at the start and not by the first session.
    this.#acceptConfig(options.datagramBytesMax);
    this.#machine = new QuicheMachine({
      local: this.local,
      nowMs: options.clock.monotonicMs(),
      limits: options.limits,
      sink: {
        take: () => this.#buffers.take(),
        put: (buffer, length, remote) => this.#put(buffer, length, remote),
      },
      admission,
      configFor: (host) => this.#acceptConfig(options.datagramBytesFor(host)),
      isMemberHost: (host) => options.isMemberHost(host),
      connectionsAtMost: options.connectionsAtMost,
      accepted: (session) => options.accepted(session),
      refused: (code, detail) => options.refused(code, detail),
      faulted: (detail) => this.#judge(this.#watch.exception(detail, options.clock.monotonicMs())),
      worked: () => this.#watch.worked(),
      wanted: (when) => this.#wanted(when),
    });
    if (options.failed !== undefined) this.#check();
  }

  /**
   * Binds the socket. Throws config.invalid when the address cannot be bound, key.invalid when the TLS
   * identity cannot be used.
   */
  static async bind(options: QuicEndpointOptions): Promise<QuicheEndpoint> {
    const socket = createSocket({
      type: "udp6",
      ipv6Only: true,
      recvBufferSize: SOCKET_BUFFER_BYTES,
      sendBufferSize: SOCKET_BUFFER_BYTES,
      // Destinations are literals: with this, sending needs no turn of its own to "resolve" them.
      lookup: (host, _options, done) => done(null, host, 6),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind({ address: options.listen.host, port: options.listen.port }, () => {
        socket.off("error", reject);
        resolve();
      });
    }).catch((error: NodeJS.ErrnoException) => {
      // Its descriptor is open all the same.
      socket.close();
      // The system's code goes along: whoever knows the setting has better words for it.
      const errno = error.code ?? "";
      throw new TetradError("config.invalid", `cannot listen: ${String(error)}`, { errno });
    });
    try {
      const told = (error: Error | null): void => {
        if (error === null) endpoint.#watch.sent();
        else endpoint.#socketError(error);
      };
      const port = udpPort(socket, options.timers, told, () => {
        endpoint.#returned += 1;
      });
      const endpoint = new QuicheEndpoint(options, port);
      socket.on("error", (error) => endpoint.#socketError(error));
      socket.on("message", (datagram, remote) => endpoint.receive(datagram, remote));
      return endpoint;
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /**
   * An endpoint whose packets something else carries than a socket of its own; what comes in is given to
   * `receive`. Of the options `listen` is not looked at. Throws key.invalid.
   */
  static over(
    port: PacketPort,
    options: QuicEndpointOptions,
    admission: HostAdmission,
  ): QuicheEndpoint {
    return new QuicheEndpoint(options, port, admission);
  }

  get stats(): QuicEndpointStats {
    return this.#machine.stats;
  }

  get connectionCount(): number {
    return this.#machine.connectionCount;
  }

  startAccepting(): void {
    this.#machine.startAccepting();
  }

  /**
   * Handshakes that begin from now on show this certificate; connections that are there go on as they are. Throws
   * key.invalid, and then nothing has changed.
   */
  useIdentity(identity: QuicIdentity): void {
    const { clients, datagramBytesMax } = this.#options;
    const config = makeConfig(this.#options, clients, identity, datagramBytesMax);
    this.#identity = identity;
    this.#configs.clear();
    this.#configs.set(datagramBytesMax, config);
  }

  dial(remote: HostPort, how: QuicDial = {}): QuicSession | undefined {
    const trust = how.trust ?? this.#options.servers;
    const identity = how.identity ?? this.#identity;
    const bytes = this.#options.datagramBytesFor(remote.host);
    const config =
      how.trust === undefined && how.identity === undefined && this.#isSymmetric()
        ? this.#acceptConfig(bytes)
        : makeConfig(this.#options, trust, identity, bytes);
    return this.#machine.dial(remote, config, how.serverName ?? null);
  }

  /** Takes one datagram, whose bytes are overwritten: the socket's, or of what carries packets in its place. */
  receive(datagram: Uint8Array, remote: Pick<RemoteInfo, "address" | "family" | "port">): void {
    // A socket that is only of IPv6 gives no other: whoever passes one has to be told all the same.
    const host = remote.family === "IPv6" ? remote.address : `::ffff:${remote.address}`;
    this.#machine.receive(datagram, host, remote.port, this.#options.clock.monotonicMs());
  }

  close(code: number, reason: string, done: () => void): void {
    if (this.#closed) {
      done();
      return;
    }
    if (this.#machine.isInTurn) {
      queueMicrotask(() => this.close(code, reason, done));
      return;
    }
    this.#machine.close(code, reason, this.#options.clock.monotonicMs());
    this.#stop(done);
  }

  #stop(done: () => void): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#cancelCheck?.();
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    try {
      this.#port.close(done);
    } catch {
      // A socket that is closed already.
      done();
    }
  }

  #socketError(error: Error): void {
    this.stats.sendErrors += 1;
    const code = "code" in error ? String(error.code) : "";
    const nowMs = this.#options.clock.monotonicMs();
    this.#judge(this.#watch.socketError(code, error.message, nowMs));
  }

  /** The first fault that is one ends the endpoint, after what runs now. */
  #judge(fault: DriverFault | undefined): void {
    if (fault === undefined || this.#fault !== undefined || this.#closed) return;
    if (this.#options.failed === undefined) return;
    this.#fault = fault;
    queueMicrotask(() => this.#fail(fault));
  }

  #fail({ detail, cause }: DriverFault): void {
    if (this.#closed) return;
    // Sessions end first, so that nobody sends any more; the port is free when the user is told.
    this.#machine.fail(detail);
    this.#stop(() => this.#options.failed?.(detail, cause));
  }

  /** Looks at the loop from outside of it: by a timer of its own. */
  #check(): void {
    const { clock, timers, faults } = this.#options;
    const { checkMs } = faults ?? DRIVER_LIMITS;
    this.#cancelCheck = timers.set(checkMs, () => {
      const facts = {
        isWaiting: this.#machine.isWaiting,
        rounds: this.#rounds,
        isOverdue: this.#machine.deadlineMs + checkMs < clock.monotonicMs(),
        isStarved: this.#buffers.outstanding >= SEND_BUFFERS_MAX,
        returned: this.#returned,
      };
      this.#judge(this.#watch.look(facts));
      if (!this.#closed) this.#check();
    });
  }

  /** True when dialling and accepting ask the same of the peer, so that one set of parameters does. */
  #isSymmetric(): boolean {
    return this.#options.clients === this.#options.servers;
  }

  #acceptConfig(datagramBytes: number): QuicheConfig {
    let config = this.#configs.get(datagramBytes);
    if (config === undefined) {
      config = makeConfig(this.#options, this.#options.clients, this.#identity, datagramBytes);
      this.#configs.set(datagramBytes, config);
    }
    return config;
  }

  #put(buffer: Uint8Array, length: number, remote: HostPort): void {
    if (length === 0) {
      this.#buffers.give(buffer);
      return;
    }
    this.#port.send(buffer, length, remote, () => {
      this.#returned += 1;
      this.#buffers.give(buffer);
    });
  }

  #wanted(when: "now" | "later"): void {
    if (this.#closed) return;
    if (when === "later") {
      this.#scheduleImmediate();
      return;
    }
    if (this.#microtask) return;
    this.#microtask = true;
    queueMicrotask(() => {
      this.#microtask = false;
      this.#turn();
    });
  }

  #scheduleImmediate(): void {
    if (this.#immediate !== undefined || this.#closed) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#rounds += 1;
      this.#machine.collectLater();
      this.#turn();
    });
  }

  #turn(): void {
    if (this.#closed || this.#machine.isInTurn) return;
    this.#machine.turn(this.#options.clock.monotonicMs());
    this.#armTimer();
    // A connection that waits for buffers is woken by their return, others after the next look.
    if (this.#machine.hasLater && this.#buffers.outstanding < SEND_BUFFERS_MAX) {
      this.#scheduleImmediate();
    }
  }

  #armTimer(): void {
    const atMs = this.#machine.deadlineMs;
    // A timer that fires early only looks again.
    if (atMs >= this.#timerAtMs || this.#closed) return;
    this.#cancelTimer?.();
    this.#timerAtMs = atMs;
    const delayMs = Math.max(0, atMs - this.#options.clock.monotonicMs());
    this.#cancelTimer = this.#options.timers.set(delayMs, () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      this.#cancelTimer = undefined;
      this.#machine.advance(this.#options.clock.monotonicMs());
      this.#turn();
    });
  }
}

const makeConfig = (
  options: QuicEndpointOptions,
  trust: QuicServerTrust | "none",
  identity: QuicIdentity | undefined,
  sendDatagramBytesMax: number,
): QuicheConfig => {
  try {
    return createQuicheConfig({
      alpn: options.alpn,
      identity,
      trust,
      idleTimeoutMs: options.limits.idleTimeoutMs,
      sendDatagramBytesMax,
      windows: options.windows,
      datagrams: options.datagrams,
    });
  } catch (error) {
    throw new TetradError("key.invalid", `the TLS identity cannot be used: ${String(error)}`);
  }
};
