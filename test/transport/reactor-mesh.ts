/**
 * Sessions between nodes on the reactor, for the Transport contract. No node has them with both ends on it (adr/0016):
 * the driver lacks two things that sessions need, and they are put in its place here, where both ends are of one test.
 *
 * A client does not see the server's certificate: here one authority has certified all nodes, so who answers is one of
 * them, and the certificate of the address that was dialled is handed in. And no one-way streams are opened: as on the
 * reserve driver (one-way-session.ts) each is a stream in two directions, of which one is used.
 */
import { X509Certificate } from "node:crypto";
import { createAuthority } from "../../src/transport/authority.ts";
import { OneWaySession } from "../../src/transport/one-way-session.ts";
import type {
  HostPort,
  QuicDial,
  QuicEndpoint,
  QuicEndpointOptions,
  QuicEndpointStats,
  QuicFeatures,
  QuicSession,
  SessionEndpoint,
} from "../../src/transport/quic-endpoint.ts";
import { ReactorEndpoint } from "../../src/transport/reactor-endpoint.ts";
import { pinOfCertificate } from "../../src/transport/tls.ts";
import { idOf, type NodeDriver, type TestIdentity } from "./support.ts";

const SERVER_NAME = "node.test.invalid";

/** A session whose dialler is told the certificate that it cannot see. */
class TestSession extends OneWaySession {
  readonly #dialledCertificate: Uint8Array | undefined;

  constructor(inner: QuicSession, dialledCertificate?: Uint8Array) {
    super(inner, false);
    this.#dialledCertificate = dialledCertificate;
  }

  override peerCertificates(): readonly Uint8Array[] | null {
    if (this.#dialledCertificate === undefined) return super.peerCertificates();
    return [this.#dialledCertificate];
  }
}

class ReactorSessions implements SessionEndpoint {
  readonly #inner: QuicEndpoint;
  readonly #certificateAt: (port: number) => Uint8Array | undefined;

  constructor(inner: QuicEndpoint, certificateAt: (port: number) => Uint8Array | undefined) {
    this.#inner = inner;
    this.#certificateAt = certificateAt;
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
  startAccepting(): void {
    this.#inner.startAccepting();
  }
  dial(remote: HostPort, how: QuicDial = {}): QuicSession | undefined {
    const session = this.#inner.dial(remote, { serverName: SERVER_NAME, ...how });
    return session && new TestSession(session, this.#certificateAt(remote.port));
  }
  close(code: number, reason: string, done: () => void): void {
    this.#inner.close(code, reason, done);
  }
  useIdentity(): void {
    throw new RangeError("the reactor shows no other certificate while it runs");
  }
}

/** What the nodes of one test network run on, instead of quiche. */
export const reactorDriver = (): NodeDriver => {
  const authority = createAuthority("authority of the nodes of a test", Date.now());
  const trust = { authorityPem: authority.certPem };
  const certificates = new Map<string, Uint8Array>();
  const ports = new Map<number, Uint8Array>();
  return {
    identityOf: (index): TestIdentity => {
      const id = idOf(index);
      const made = authority.identity({ subject: id, serverName: SERVER_NAME });
      certificates.set(id, new X509Certificate(made.certPem).raw);
      return { id, ...made, spkiPin: pinOfCertificate(made.certPem) };
    },
    placed: (id, port) => {
      const certificate = certificates.get(id);
      if (certificate !== undefined) ports.set(port, certificate);
    },
    bind: async (options: QuicEndpointOptions): Promise<SessionEndpoint> => {
      const { windows, accepted } = options;
      const inner = await ReactorEndpoint.bind({
        ...options,
        ...{ clients: trust, servers: trust },
        windows: { ...windows, streamsBidi: windows.streamsUni, streamsUni: 0 },
        accepted: (session) => accepted(new TestSession(session)),
      });
      return new ReactorSessions(inner, (port) => ports.get(port));
    },
  };
};
