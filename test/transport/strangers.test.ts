/** How many connections strangers may have, of more networks than one machine has: no sockets. */
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import type { QuicSession } from "../../src/transport/quic-endpoint.ts";
import {
  connectQuiche,
  createQuicheConfig,
  type HostPort,
  type QuicheConnection,
} from "../../src/transport/quiche-binding.ts";
import { QuicheMachine } from "../../src/transport/quiche-machine.ts";
import { newConnectionId } from "../../src/transport/secrets.ts";
import { WINDOWS } from "./quic-support.ts";
import { idOf, makeIdentity } from "./support.ts";

const SERVER: HostPort = { host: "2001:db8:ffff::1", port: 4_440 };
const MEMBER = "2001:db8:aaaa::1";
const DATAGRAM_BYTES = 1_350;
const PART = LIMITS.connectionsMax / 4;
const PER_NETWORK = LIMITS.strangersPerNetworkMax;

const makeConfig = () =>
  createQuicheConfig({
    ...{ alpn: ["test/1"], identity: makeIdentity(idOf(0)), trust: "any" },
    ...{ idleTimeoutMs: 60_000, sendDatagramBytesMax: DATAGRAM_BYTES },
    ...{ windows: WINDOWS, datagrams: false },
  });

/** A machine that listens, and whoever begins a handshake with it from wherever. */
class Bench {
  readonly accepted: QuicSession[] = [];
  readonly refused: string[] = [];
  readonly machine: QuicheMachine;
  readonly #config = makeConfig();
  readonly #clients = new Map<string, QuicheConnection>();
  #port = 1_024;

  constructor(connectionsAtMost?: (host: string) => number) {
    this.machine = new QuicheMachine({
      ...{ local: SERVER, nowMs: 0, connectionsAtMost },
      limits: {
        connectionsMax: LIMITS.connectionsMax,
        connectionsPerAddressMax: LIMITS.connectionsPerAddressMax,
        handshakesPerSecond: 10_000,
        idleTimeoutMs: 60_000,
      },
      sink: {
        take: () => new Uint8Array(DATAGRAM_BYTES),
        put: (buffer, length, remote) => {
          const client = this.#clients.get(`${remote.host} ${remote.port}`);
          if (length === 0 || client === undefined) return;
          client.recv(buffer.slice(0, length), { from: SERVER, to: remote });
        },
      },
      configFor: () => this.#config,
      isMemberHost: (host) => host === MEMBER,
      accepted: (session) => this.accepted.push(session),
      refused: (_code, detail) => this.refused.push(detail),
      faulted: (detail) => {
        throw new Error(detail);
      },
      ...{ worked: () => {}, wanted: () => {} },
    });
    this.machine.startAccepting();
  }

  /** Its first packet, and that with the token of our Retry: true where the handshake has begun. */
  knock(host: string): boolean {
    const remote = { host, port: this.#port++ };
    const client = connectQuiche(null, newConnectionId(), remote, SERVER, this.#config);
    this.#clients.set(`${host} ${remote.port}`, client);
    const before = this.accepted.length;
    for (let packet = 0; packet < 2; packet++) {
      const buffer = new Uint8Array(DATAGRAM_BYTES);
      const sent = client.send(buffer);
      if (sent === null) throw new RangeError("nothing to send");
      this.machine.receive(buffer.subarray(0, sent[0]), host, remote.port, 0);
    }
    return this.accepted.length > before;
  }
}

const hostIn = (network: number, host: number): string =>
  `2001:db8:${network.toString(16)}::${(host + 1).toString(16)}`;

describe("strangers", () => {
  it("of one network have so many connections, from whatever addresses of it", () => {
    const bench = new Bench();
    for (let i = 0; i < PER_NETWORK; i++) expect(bench.knock(hostIn(1, i))).toBe(true);
    expect(bench.knock(hostIn(1, PER_NETWORK))).toBe(false);
    expect(bench.knock("2001:db8:1:0:ffff:ffff:ffff:ffff")).toBe(false);
    expect(bench.refused).toEqual(
      Array(2).fill("connection cap of one network's strangers reached"),
    );
    expect(bench.knock("2001:db8:1:1::1")).toBe(true);
  });

  it("of all networks have a quarter of all connections, and members the rest", () => {
    const bench = new Bench(() => LIMITS.connectionsMax);
    for (let i = 0; i < PART; i++) {
      expect(bench.knock(hostIn(Math.floor(i / PER_NETWORK) + 1, i % PER_NETWORK))).toBe(true);
    }
    expect(bench.knock(hostIn(0xffff, 0))).toBe(false);
    expect(bench.refused).toEqual(["connection cap of strangers reached"]);
    for (let i = PART; i < LIMITS.connectionsMax; i++) expect(bench.knock(MEMBER)).toBe(true);
    expect(bench.knock(MEMBER)).toBe(false);
    expect(bench.refused.at(-1)).toBe("connection cap reached");
  });

  it("that are known or gone leave their places to others", () => {
    const bench = new Bench();
    for (let i = 0; i < PER_NETWORK; i++) bench.knock(hostIn(1, i));
    expect(bench.knock(hostIn(1, 0))).toBe(false);
    const [first] = bench.accepted;
    for (let twice = 0; twice < 2; twice++) first?.known?.();
    expect(bench.knock(hostIn(1, 0))).toBe(true);
    expect(bench.knock(hostIn(1, 0))).toBe(false);
    bench.machine.close(0, "done", 0);
    expect(bench.machine.connectionCount).toBe(0);
  });

  it("draw nothing from members, whose hosts count exactly", () => {
    const bench = new Bench();
    for (let i = 0; i < PER_NETWORK; i++) bench.knock(`2001:db8:aaaa::${(i + 2).toString(16)}`);
    expect(bench.knock("2001:db8:aaaa::ffff")).toBe(false);
    const { connectionsPerAddressMax } = LIMITS;
    for (let i = 0; i < connectionsPerAddressMax; i++) expect(bench.knock(MEMBER)).toBe(true);
    expect(bench.knock(MEMBER)).toBe(false);
    expect(bench.refused.at(-1)).toBe("connection cap of one address reached");
  });
});
