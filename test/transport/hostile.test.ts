/** Attackers on real sockets: who is refused, with which code, and that honest sessions go on. */
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { afterEach, describe, expect, it } from "vitest";
import type { TransportLimits } from "../../src/transport/options.ts";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";
import { QuicheEndpoint } from "../../src/transport/quiche-endpoint.ts";
import { endpointOptions } from "./quic-support.ts";
import {
  CONSENSUS,
  CONTROL,
  MEMPOOL,
  RawClient,
  type RawClientOptions,
  SYNC,
} from "./raw-client.ts";
import {
  DAY_MS,
  freePorts,
  idOf,
  type LogLine,
  makeIdentity,
  makeTransport,
  type Recorded,
  record,
  sleep,
  type TestIdentity,
  until,
} from "./support.ts";

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type Victim = {
  readonly transport: QuicTransport;
  readonly port: number;
  readonly member: TestIdentity;
  readonly recorded: Recorded;
  readonly logs: LogLine[];
  readonly counted: Map<string, number>;
};

/** A node that waits for one member, whose identity the test holds; nothing listens at its address. */
const makeVictim = async (
  limits?: Partial<TransportLimits>,
  member: TestIdentity = makeIdentity(idOf(1)),
): Promise<Victim> => {
  const identity = makeIdentity(idOf(0));
  const [nobody = 0] = await freePorts(1);
  const logs: LogLine[] = [];
  const counted = new Map<string, number>();
  const transport = await makeTransport({
    identity,
    peers: [{ id: member.id, address: `[::1]:${nobody}`, tlsPin: member.spkiPin }],
    logs,
    metrics: {
      count: (name, by = 1, labels = {}) => {
        const key = `${name} ${labels["code"] ?? ""}`;
        counted.set(key, (counted.get(key) ?? 0) + by);
      },
      gauge: () => {},
      observe: () => {},
    },
    ...(limits === undefined ? {} : { limits }),
  });
  const recorded = record(transport);
  cleanups.push(() => new Promise<void>((resolve) => transport.close(resolve)));
  const port = Number(/:(\d+)$/.exec(transport.address())?.[1]);
  return { transport, port, member, recorded, logs, counted };
};

const attack = async (options: RawClientOptions): Promise<RawClient> => {
  const client = await RawClient.connect(options);
  cleanups.push(() => client.dispose());
  return client;
};

/** A client that passes as the member and has said hello. */
const connectAsMember = async (victim: Victim): Promise<RawClient> => {
  const client = await attack({ port: victim.port, identity: victim.member });
  await until(() => client.quic.isEstablished(), "handshake");
  client.hello();
  await until(() => victim.transport.peers().length === 1, "session up");
  return client;
};

const frameHeader = (length: number): Uint8Array => {
  const header = new Uint8Array(4);
  new DataView(header.buffer).setUint32(0, length);
  return header;
};

const expectRefusal = async (victim: Victim, client: RawClient, code: string): Promise<void> => {
  await until(() => client.isRefused, "the client is turned away");
  await until(() => (victim.transport.figures().refused[code] ?? 0) > 0, `counted as ${code}`);
  expect(victim.logs.some((line) => line.fields["code"] === code)).toBe(true);
  expect(victim.counted.get(`tetrad_transport_refused_total ${code}`)).toBeGreaterThan(0);
  expect(victim.recorded.up).toEqual([]);
  expect(victim.recorded.frames).toEqual([]);
  await until(() => victim.transport.figures().sessions === 0, "no session");
};

/** A frame sent with the handshake, before the server can have judged the certificate. */
const sendEarly = async (client: RawClient): Promise<void> => {
  await until(() => client.quic.isEstablished() || client.isRefused, "handshake");
  if (client.isRefused) return;
  try {
    client.hello();
    client.send(CONSENSUS, Uint8Array.of(0, 0, 0, 1, 7));
  } catch {
    // Already closed: refused even earlier.
  }
};

describe("certificates", () => {
  it("refuses a peer with no certificate", async () => {
    const victim = await makeVictim();
    const client = await attack({ port: victim.port });
    await sendEarly(client);
    await expectRefusal(victim, client, "transport.no-certificate");
  });

  it("refuses a peer whose certificate has expired, although it is pinned", async () => {
    const expired = makeIdentity(idOf(1), Date.now() - 2 * DAY_MS, Date.now() - DAY_MS);
    const victim = await makeVictim({}, expired);
    const client = await attack({ port: victim.port, identity: expired });
    await sendEarly(client);
    await expectRefusal(victim, client, "transport.certificate-expired");
  });

  it("refuses a peer whose certificate is not valid yet", async () => {
    const early = makeIdentity(idOf(1), Date.now() + DAY_MS, Date.now() + 2 * DAY_MS);
    const victim = await makeVictim({}, early);
    const client = await attack({ port: victim.port, identity: early });
    await sendEarly(client);
    await expectRefusal(victim, client, "transport.certificate-expired");
  });

  it("refuses another chain's certificate, even for the same node id", async () => {
    const victim = await makeVictim();
    const client = await attack({ port: victim.port, identity: makeIdentity(idOf(1)) });
    await sendEarly(client);
    await expectRefusal(victim, client, "transport.peer-unknown");
  });

  it("refuses a member that speaks another protocol", async () => {
    const victim = await makeVictim();
    const client = await attack({ port: victim.port, identity: victim.member, alpn: "h3" });
    await sendEarly(client);
    await until(() => client.isRefused, "the client is turned away");
    expect(victim.recorded.up).toEqual([]);
  });

  it("does not take a server for the member that it dialled", async () => {
    // Two nodes that pin each other's ids to other keys than they have: both directions fail.
    const [portA = 0, portB = 0] = await freePorts(2);
    const [a, b, wrong] = [makeIdentity(idOf(0)), makeIdentity(idOf(1)), makeIdentity(idOf(1))];
    const node = await makeTransport({
      identity: a,
      listen: `[::1]:${portA}`,
      peers: [{ id: b.id, address: `[::1]:${portB}`, tlsPin: wrong.spkiPin }],
    });
    const impostor = await makeTransport({
      identity: b,
      listen: `[::1]:${portB}`,
      peers: [{ id: a.id, address: `[::1]:${portA}`, tlsPin: a.spkiPin }],
    });
    cleanups.push(() => new Promise<void>((resolve) => node.close(resolve)));
    cleanups.push(() => new Promise<void>((resolve) => impostor.close(resolve)));
    const [seenNode, seenImpostor] = [record(node), record(impostor)];
    await until(
      () => (node.figures().refused["transport.peer-unknown"] ?? 0) >= 2,
      "refused both as server and as client",
    );
    expect(seenNode.up).toEqual([]);
    expect(seenImpostor.up).toEqual([]);
  });
});

describe("IPv4", () => {
  it("has nothing on the IPv4 port of the same number", async () => {
    const victim = await makeVictim();
    const before = victim.transport.figures().datagramsIn;
    const socket = createSocket("udp4");
    cleanups.push(() => {
      socket.close();
    });
    let refused = false;
    socket.on("error", () => {
      refused = true;
    });
    await new Promise<void>((resolve) => {
      socket.connect(victim.port, "127.0.0.1", resolve);
    });
    // The kernel answers "port unreachable": proof that the datagram met no socket.
    await until(() => {
      if (!refused) socket.send(randomBytes(1200), () => {});
      return refused;
    }, "the kernel refuses");
    expect(victim.transport.figures().datagramsIn).toBe(before);
  });

  it("refuses IPv4 peers and listen addresses in the configuration", async () => {
    const identity = makeIdentity(idOf(0));
    const peer = { id: idOf(1), tlsPin: new Uint8Array(32) };
    for (const address of ["127.0.0.1:4440", "[::ffff:127.0.0.1]:4440"]) {
      await expect(
        makeTransport({ identity, peers: [{ ...peer, address }] }),
      ).rejects.toMatchObject({ code: "transport.ipv4" });
      await expect(makeTransport({ identity, peers: [], listen: address })).rejects.toMatchObject({
        code: "transport.ipv4",
      });
    }
  });
});

describe("IPv4 and unusable sources at the socket's edge", () => {
  it("counts a mapped source as IPv4 and drops sources that cannot be answered", async () => {
    const identity = makeIdentity(idOf(0));
    const options = endpointOptions({ identity });
    const endpoint = await QuicheEndpoint.bind(options);
    cleanups.push(() => new Promise<void>((resolve) => endpoint.close(0, "", resolve)));
    endpoint.startAccepting();
    const initial = Buffer.alloc(1200, 1);
    const from = (address: string, port: number, family: "IPv4" | "IPv6" = "IPv6") =>
      endpoint.receive(initial, { address, port, family });
    from("::ffff:192.0.2.1", 9);
    from("192.0.2.1", 9, "IPv4");
    expect(options.met.refused.map(({ code }) => code)).toEqual([
      "transport.ipv4",
      "transport.ipv4",
    ]);
    expect(endpoint.stats.dropped).toBe(0);
    from("::1", 0);
    from("fe80::1%lo", 9);
    expect(endpoint.stats.dropped).toBe(2);
    expect(endpoint.stats.datagramsOut).toBe(0);
  });
});

describe("frames and streams", () => {
  it("closes the session of a peer that claims a frame of 4 GiB", async () => {
    const victim = await makeVictim();
    const client = await connectAsMember(victim);
    client.send(SYNC, frameHeader(0xffff_ffff));
    await until(() => victim.recorded.down.length === 1, "session down");
    expect(victim.recorded.down[0]?.reason.code).toBe("protocol");
    await until(() => client.isRefused, "the peer is told");
    expect(client.peerErrorCode).toBe(2);
    expect(victim.transport.figures().refused["transport.frame-too-large"]).toBe(1);
    expect(victim.recorded.frames).toEqual([]);
  });

  it("takes a frame of the class's limit and refuses one byte more", async () => {
    const victim = await makeVictim({
      frameBytesMax: { consensus: 100, mempool: 100, sync: 100, control: 100, bulk: 100 },
    });
    const client = await connectAsMember(victim);
    client.send(MEMPOOL, frameHeader(100));
    client.send(MEMPOOL, new Uint8Array(100));
    await until(() => victim.recorded.frames.length === 1, "the frame of the limit");
    client.send(MEMPOOL, frameHeader(101));
    await until(() => victim.recorded.down.length === 1, "session down");
    expect(victim.recorded.down[0]?.reason.code).toBe("protocol");
  });

  it("closes the session of a peer that sends a byte now and then", async () => {
    const victim = await makeVictim({ frameTimeoutMs: 300 });
    const client = await connectAsMember(victim);
    client.send(CONSENSUS, frameHeader(1000));
    const drip = setInterval(() => {
      if (!client.isRefused) client.send(CONSENSUS, Uint8Array.of(1));
    }, 30);
    cleanups.push(() => clearInterval(drip));
    await until(() => victim.recorded.down.length === 1, "session down");
    clearInterval(drip);
    expect(victim.recorded.down[0]?.reason.code).toBe("protocol");
    expect(victim.transport.figures().refused["transport.frame-timeout"]).toBe(1);
  });

  it("does not close for many complete frames over a longer time, cut at every place", async () => {
    const victim = await makeVictim({ frameTimeoutMs: 300 });
    const client = await connectAsMember(victim);
    const frame = Uint8Array.of(0, 0, 0, 2, 8, 9);
    const start = Date.now();
    let at = 0;
    // Every write ends inside a frame, but no frame takes long.
    while (Date.now() - start < 900) {
      client.send(
        MEMPOOL,
        Uint8Array.from({ length: 5 }, () => frame[at++ % 6] ?? 0),
      );
      await sleep(10);
    }
    expect(victim.recorded.down).toEqual([]);
    expect(victim.recorded.frames.length).toBe(Math.floor(at / 6));
  });

  it("closes a session whose hello does not come or is none", async () => {
    const victim = await makeVictim({ handshakeTimeoutMs: 400 });
    const silent = await attack({ port: victim.port, identity: victim.member });
    await until(() => silent.quic.isEstablished(), "handshake");
    await until(() => silent.isRefused, "the silent client is turned away");
    const wrong = await attack({ port: victim.port, identity: victim.member });
    await until(() => wrong.quic.isEstablished(), "handshake");
    wrong.send(CONTROL, Uint8Array.of(0, 0, 0, 2, 1, 1));
    await until(() => wrong.isRefused, "the wrong hello is turned away");
    expect(wrong.peerErrorCode).toBe(2);
    expect(victim.recorded.up).toEqual([]);
  });

  it("gives no frame before the hello, whatever comes first", async () => {
    const victim = await makeVictim();
    const client = await attack({ port: victim.port, identity: victim.member });
    await until(() => client.quic.isEstablished(), "handshake");
    client.send(CONSENSUS, Uint8Array.of(0, 0, 0, 1, 5));
    await sleep(50);
    expect(victim.recorded.frames).toEqual([]);
    client.hello();
    await until(() => victim.recorded.frames.length === 1, "the frame after the hello");
    expect(victim.recorded.up).toEqual([victim.member.id]);
  });

  it("lets no stream be opened beyond the six, and none be ended or reset", async () => {
    // Who does it is refused for a pause afterwards, which is nearly nothing here.
    const victim = await makeVictim({ redialMsMin: 1, redialMsMax: 2 });
    const extra = await connectAsMember(victim);
    expect(() => extra.quic.streamSend(26, Uint8Array.of(1), false)).toThrow(/StreamLimit/);
    // As many in two directions, for who dials on its reserve; here the one-way streams are in use, and none is read.
    expect(() => extra.quic.streamSend(24, Uint8Array.of(1), false)).toThrow(/StreamLimit/);
    extra.send(MEMPOOL & ~2, Uint8Array.of(1, 2, 3));
    extra.send(MEMPOOL, new Uint8Array(0), true);
    await until(() => victim.recorded.down.length === 1, "ended stream");
    const reset = await connectAsMember(victim);
    reset.send(MEMPOOL, frameHeader(10));
    reset.quic.streamShutdown(MEMPOOL, 1, 0);
    reset.pump();
    await until(() => victim.recorded.down.length === 2, "reset stream");
    const stopped = await connectAsMember(victim);
    await until(() => stopped.quic.streamReadable(15), "the server's hello");
    stopped.quic.streamShutdown(15, 0, 0);
    stopped.pump();
    // Seen at the next frame for that stream.
    await until(() => {
      victim.transport.send(victim.member.id, "control", new Uint8Array(10));
      return victim.recorded.down.length === 3;
    }, "stopped stream");
    expect(victim.recorded.down.map((down) => down.reason.code)).toEqual([
      "protocol",
      "protocol",
      "protocol",
    ]);
    expect(victim.transport.figures().refused["transport.protocol"]).toBe(3);
  });

  it("bounds what it queues for a peer that does not read", async () => {
    const victim = await makeVictim();
    await connectAsMember(victim);
    const frame = new Uint8Array(60_000);
    let taken = 0;
    for (let turn = 0; turn < 100; turn++) {
      while (victim.transport.send(victim.member.id, "control", frame)) taken += 1;
      await sleep(1);
    }
    // The client's window of 1 MB and our queue of 1 MiB: nothing more can be anywhere.
    expect(taken * frame.length).toBeLessThan(3 * 1024 * 1024);
    expect(victim.transport.figures().queuedBytes).toBeLessThanOrEqual(1024 * 1024);
  });
});

describe("floods", () => {
  it("keeps an honest session through garbage of every shape, and holds nothing for it", async () => {
    const victim = await makeVictim();
    const client = await connectAsMember(victim);
    const socket = createSocket({ type: "udp6", ipv6Only: true });
    cleanups.push(() => {
      socket.close();
    });
    const before = victim.transport.figures().connections;
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 40; i++) {
        const garbage = randomBytes([0, 1, 20, 100, 1200, 1350][i % 6] ?? 0);
        // Long headers of version 1 and others, short headers, plain noise.
        if (garbage.length > 5 && i % 2 === 0) {
          garbage[0] = 0xc0 | (i & 0x3f);
          garbage.writeUInt32BE(i % 4 === 0 ? 1 : i, 1);
          garbage[5] = i % 3 === 0 ? 16 : 8;
        }
        socket.send(garbage, victim.port, "::1");
      }
      client.send(CONSENSUS, Uint8Array.of(0, 0, 0, 1, round));
      await sleep(1);
    }
    await until(() => victim.recorded.frames.length === 50, "every honest frame");
    expect(victim.recorded.down).toEqual([]);
    expect(victim.transport.figures().dropped).toBeGreaterThan(0);
    expect(victim.transport.figures().connections).toBe(before);
  });

  it("keeps nothing for a first packet without a token, and answers with less than it got", async () => {
    const victim = await makeVictim();
    const socket = createSocket({ type: "udp6", ipv6Only: true });
    cleanups.push(() => {
      socket.close();
    });
    const answers: Buffer[] = [];
    socket.on("message", (answer) => answers.push(answer));
    const initial = Buffer.alloc(1200);
    initial[0] = 0xc0;
    initial.writeUInt32BE(1, 1);
    initial[5] = 8;
    randomBytes(8).copy(initial, 6);
    initial[14] = 8;
    randomBytes(8).copy(initial, 15);
    initial[23] = 0;
    initial.writeUInt16BE(0x4000 | 1170, 24);
    for (let i = 0; i < 20; i++) socket.send(initial, victim.port, "::1");
    await until(() => answers.length > 0, "a Retry");
    await sleep(50);
    expect(answers.every((answer) => answer.length < 200)).toBe(true);
    // Long header, type Retry.
    expect(answers.every((answer) => ((answer[0] ?? 0) & 0xf0) === 0xf0)).toBe(true);
    // The one that there may be is our own attempt at the silent address.
    expect(victim.transport.figures().connections).toBeLessThanOrEqual(1);
  });

  it("caps the connections of one address and frees them when they end", async () => {
    const victim = await makeVictim({ connectionsPerAddressMax: 3, handshakeTimeoutMs: 500 });
    const clients: RawClient[] = [];
    for (let i = 0; i < 6; i++) clients.push(await attack({ port: victim.port }));
    await until(() => (victim.transport.figures().refused["limit"] ?? 0) > 0, "the cap");
    for (const client of clients) client.dispose();
    cleanups.splice(1);
    // Our own attempt at the silent address may be one of the connections that are left.
    await until(() => victim.transport.figures().connections <= 1, "all freed");
    const honest = await connectAsMember(victim);
    expect(honest.isRefused).toBe(false);
  });

  it("limits the rate of handshakes", async () => {
    const victim = await makeVictim({ handshakesPerSecond: 2, connectionsPerAddressMax: 1000 });
    for (let i = 0; i < 8; i++) await attack({ port: victim.port });
    await until(() => (victim.transport.figures().refused["limit"] ?? 0) > 0, "the rate limit");
    expect(victim.recorded.up).toEqual([]);
  });
});
