/**
 * The second driver of sessions: what carries them when quiche has failed (endpoint-keeper.ts), on the reactor, in the
 * node's own process. It dials and does not listen: a server of the library lets in only clients of an authority, and
 * members have none (adr/0016). Who is dialled needs no more than quiche for it; two that are both on it do not meet.
 *
 * Here nothing below the session says who was dialled, for a client of the library sees no certificate of the server.
 * What does is the post-quantum handshake alone, so such a session is not read before (session.ts, mesh.ts):
 *
 *  1. The server asks for our certificate as always, and serves only the member whose key that is. So nobody who
 *     stands between and has not our TLS key can be us to the server, and what is signed there is signed for the one at
 *     the other end.
 *  2. The server's signature is over both names, our certificate and the pin of the server's own key. Who answers in
 *     its place, at an address that was turned away, cannot make it, and cannot have it made.
 *
 * What is lost by it: who has our TLS key, that alone, can stand between and read and forge what is not sealed. So what
 * is wrong in such a session is not held against the peer. The dates of the server's certificate are not seen, there
 * are no priorities among classes, and reading slowly ends the session in place of slowing the sender down. So it is
 * for a time.
 */
import { type Failure, TetradError } from "../errors.ts";
import { OneWaySession } from "./one-way-session.ts";
import type {
  HostPort,
  QuicEndpoint,
  QuicEndpointOptions,
  QuicEndpointStats,
  QuicFeatures,
  QuicIdentity,
  QuicSession,
  SessionEndpoint,
} from "./quic-endpoint.ts";
import { ReactorEndpoint } from "./reactor-endpoint.ts";

export class ReserveEndpoint implements SessionEndpoint {
  readonly #inner: QuicEndpoint;
  #identity: QuicIdentity;

  private constructor(inner: QuicEndpoint, identity: QuicIdentity) {
    this.#inner = inner;
    this.#identity = identity;
  }

  /**
   * Loads the library. Throws config.invalid with the reason where it does not load; that its native part is missing
   * is seen at the first dial, which fails the endpoint. `folder`: where the key lies in the moment of a dial.
   */
  static async bind(options: QuicEndpointOptions, folder: string): Promise<ReserveEndpoint> {
    const { identity, ...rest } = options;
    if (identity === undefined) throw new TetradError("internal", "a session needs an identity");
    const { windows } = options;
    const own = {
      ...rest,
      clients: "none",
      servers: "unauthenticated",
      windows: { ...windows, streamsBidi: windows.streamsUni },
    } as const;
    const inner = await ReactorEndpoint.bind(own, "portable", folder);
    return new ReserveEndpoint(inner, identity);
  }

  get driver(): QuicEndpoint["driver"] {
    return this.#inner.driver;
  }

  get features(): QuicFeatures {
    return this.#inner.features;
  }

  get local(): HostPort {
    return this.#inner.local;
  }

  get stats(): QuicEndpointStats {
    return this.#inner.stats;
  }

  get connectionCount(): number {
    return this.#inner.connectionCount;
  }

  get refusal(): Failure | undefined {
    return this.#inner.refusal;
  }

  /** Nobody comes: there is no port. */
  startAccepting(): void {}

  dial(remote: HostPort): QuicSession | undefined {
    const session = this.#inner.dial(remote, { identity: this.#identity });
    return session && new OneWaySession(session, this.#inner.features.opensUni);
  }

  useIdentity(identity: QuicIdentity): void {
    this.#identity = identity;
  }

  close(code: number, reason: string, done: () => void): void {
    this.#inner.close(code, reason, done);
  }
}
