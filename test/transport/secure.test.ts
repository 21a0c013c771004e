/** The post-quantum session on real sockets: who gets one, who does not and with which code, and how it ends. */
import { afterEach, describe, expect, it } from "vitest";
import { createIdentityCertificate } from "../../src/transport/identity-certificate.ts";
import { CLOSE_CODES, type TransportLimits } from "../../src/transport/options.ts";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";
import { BULK, CONSENSUS, RawClient, SEALED } from "./raw-client.ts";
import { End, falconKeys } from "./stoq/support.ts";
import {
  freePorts,
  idOf,
  makeIdentity,
  makeTransport,
  type NodeOptions,
  record,
  securityOf,
  sleep,
  type TestIdentity,
  until,
} from "./support.ts";

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const open = async (options: NodeOptions): Promise<QuicTransport> => {
  const transport = await makeTransport(options);
  cleanups.push(() => new Promise<void>((resolve) => transport.close(resolve)));
  return transport;
};

type Pair = {
  readonly a: QuicTransport;
  readonly b: QuicTransport;
  readonly ids: readonly [string, string];
};

/** Two nodes that know each other; `over` changes what the second one is made from. */
const openPair = async (
  over: Partial<NodeOptions> = {},
  limits: Partial<TransportLimits> = {},
  second: TestIdentity = makeIdentity(idOf(1)),
): Promise<Pair> => {
  const [portA = 0, portB = 0] = await freePorts(2);
  const first = makeIdentity(idOf(0));
  const peers = [
    { id: first.id, address: `[::1]:${portA}`, tlsPin: first.spkiPin },
    { id: second.id, address: `[::1]:${portB}`, tlsPin: second.spkiPin },
  ];
  const a = await open({ identity: first, peers, listen: `[::1]:${portA}`, limits });
  const b = await open({ identity: second, peers, listen: `[::1]:${portB}`, limits, ...over });
  return { a, b, ids: [first.id, second.id] };
};

const sealedOf = (transport: QuicTransport) => transport.peerFigures()[0]?.session?.sealed;
const refusals = (transport: QuicTransport, code: string): number =>
  transport.figures().refused[code] ?? 0;

describe("every session", () => {
  it("is secured at both ends, which then answer each other under the seal", async () => {
    const { a, b, ids } = await openPair({}, { idleTimeoutMs: 900 });
    expect(a.isSecured?.(ids[1])).toBe(false);
    record(a);
    record(b);
    const answered = (transport: QuicTransport): boolean =>
      sealedOf(transport)?.roundTripMs !== undefined;
    await until(() => answered(a) && answered(b), "sealed answers both ways");
    expect(sealedOf(a)).toMatchObject({ version: "0.0.0-test" });
    expect([a.isSecured?.(ids[1]), b.isSecured?.(ids[0])]).toEqual([true, true]);
    expect(a.isSecured?.(idOf(5))).toBe(false);
    // It goes on: each tick asks again.
    const before = sealedOf(a)?.records ?? 0;
    await until(() => (sealedOf(a)?.records ?? 0) > before + 2, "more records");
  });

  it("is counted and timed", async () => {
    const counted: string[] = [];
    const observed: number[] = [];
    const metrics = {
      count: (name: string, _by = 1, labels: Readonly<Record<string, string>> = {}) => {
        if (name === "tetrad_transport_handshakes_total") {
          counted.push(`${labels["role"]} ${labels["result"]}`);
        }
      },
      gauge: () => {},
      observe: (name: string, value: number) => {
        if (name === "tetrad_transport_handshake_seconds") observed.push(value);
      },
    };
    const { a, b } = await openPair({ metrics });
    record(a);
    record(b);
    await until(() => counted.length > 0, "counted");
    expect(["initiator ok", "responder ok"]).toContain(counted[0]);
    expect(observed[0]).toBeGreaterThan(0);
  });
});

describe("a member's TLS key without its FALCON key", () => {
  it("gets no session: the key that it shows is not the node's", async () => {
    const { a, b } = await openPair({ security: securityOf(idOf(1), 5) });
    record(a);
    record(b);
    await until(() => refusals(a, "session.identity") > 0, "refused");
    expect(sealedOf(a)).toBeUndefined();
  });

  it("gets no session with the node's public key and another one's signature", async () => {
    const honest = securityOf(idOf(1));
    const forged = securityOf(idOf(1), 5).signer;
    const signer = { publicKey: honest.signer.publicKey, sign: forged.sign.bind(forged) };
    const { a, b } = await openPair({ security: { ...honest, signer } });
    record(a);
    record(b);
    await until(() => refusals(a, "session.signature") > 0, "refused");
    expect(sealedOf(a)).toBeUndefined();
    expect(sealedOf(b)).toBeUndefined();
  });
});

describe("a peer that does not want to", () => {
  /** A node, and a client with the TLS key of its one member. */
  const victim = async (limits: Partial<TransportLimits> = {}, streams = 8) => {
    const member = makeIdentity(idOf(1));
    const [nobody = 0] = await freePorts(1);
    const transport = await open({
      identity: makeIdentity(idOf(0)),
      peers: [{ id: member.id, address: `[::1]:${nobody}`, tlsPin: member.spkiPin }],
      limits,
    });
    record(transport);
    const port = Number(/:(\d+)$/.exec(transport.address())?.[1]);
    const client = await RawClient.connect({ port, identity: member, streams });
    cleanups.push(() => client.dispose());
    await until(() => client.quic.isEstablished(), "TLS");
    return { transport, client };
  };

  const framed = (payload: Uint8Array): Uint8Array => {
    const frame = new Uint8Array(4 + payload.length);
    new DataView(frame.buffer).setUint32(0, payload.length);
    frame.set(payload, 4);
    return frame;
  };

  for (const [what, code, hello] of [
    ["speaks the version before", "session.version", [2, 1]],
    ["speaks the version after", "session.version", [4, 1]],
    ["leaves the feature out", "session.features", [3, 0]],
    ["has only features that nobody knows", "session.features", [3, 128]],
  ] as const) {
    it(`is refused: ${what}`, async () => {
      const { transport, client } = await victim();
      client.hello(...hello);
      await until(() => client.isRefused, "refused");
      expect(refusals(transport, code)).toBe(1);
      expect(transport.peers()).toEqual([]);
    });
  }

  it("is refused by its hello when it has one stream less, as the version before", async () => {
    const { transport, client } = await victim({}, 5);
    client.hello(2);
    await until(() => client.isRefused, "refused");
    expect(refusals(transport, "session.version")).toBe(1);
  });

  it("gets no session when it has one stream less than its hello's version", async () => {
    const { transport, client } = await victim({}, 5);
    client.hello();
    await until(() => client.isRefused, "refused");
    expect(client.peerErrorCode).toBe(CLOSE_CODES.protocol);
    expect(transport.peers()).toEqual([]);
  });

  it("keeps its session for so long and no longer: session.timeout", async () => {
    const { transport, client } = await victim({ sessionHandshakeTimeoutMs: 200 });
    client.hello();
    await until(() => transport.peers().length === 1, "up, for public frames");
    await until(() => client.isRefused, "closed");
    expect(refusals(transport, "session.timeout")).toBe(1);
  });

  it("is not read as bulk, neither what it asks nor what it answers", async () => {
    const { transport, client } = await victim();
    const bulk: Uint8Array[] = [];
    const ignore = (): void => {};
    transport.bulk({
      ...{ peerUp: ignore, peerDown: ignore, drained: ignore },
      frame: (_peer, bytes) => bulk.push(bytes),
    });
    client.hello();
    await until(() => transport.peers().length === 1, "up, for public frames");
    client.send(BULK, framed(Uint8Array.of(1, 0, 0, 0, 1, 7)));
    client.send(CONSENSUS, framed(Uint8Array.of(1)));
    const received = (): number =>
      transport.peerFigures()[0]?.session?.bytes.consensus.received ?? 0;
    await until(() => received() > 0, "what came with it");
    await sleep(100);
    expect(bulk).toEqual([]);
    expect(transport.peerFigures()[0]?.session?.bytes.bulk.received).toBe(0);
    expect(client.isRefused).toBe(false);
  });

  it("ends with the first frame that is none of the handshake", async () => {
    const { transport, client } = await victim();
    client.hello();
    client.send(SEALED, framed(Uint8Array.of(1, 2, 3)));
    await until(() => client.isRefused, "closed");
    expect(refusals(transport, "session.malformed")).toBe(1);
  });

  it("is refused by a node that has no budget left, before any costly work", async () => {
    const { transport, client } = await victim({ sessionHandshakesPerPeerBurst: 0 });
    client.hello();
    const opening = new End("initiator", { keys: falconKeys(1) }).start().last;
    client.send(SEALED, framed(opening));
    await until(() => client.isRefused, "closed");
    expect(refusals(transport, "session.rate")).toBe(1);
  });
});

describe("a session ends within a second", () => {
  it("when the peer's certificate does, and no other begins with it", async () => {
    const endMs = Math.ceil(Date.now() / 1000) * 1000 + 3_000;
    const second = makeIdentity(idOf(1), Date.now() - 60_000, endMs);
    const { a, b } = await openPair({}, {}, second);
    const seen = record(a);
    record(b);
    await until(() => a.peers().length === 1, "up");
    let endedMs = 0;
    let [lateMs, lastMs] = [0, Date.now()];
    await until(() => {
      lateMs = Math.max(lateMs, Date.now() - lastMs);
      lastMs = Date.now();
      if (a.peers().length === 0 && Date.now() >= endMs) endedMs = Date.now();
      return endedMs > 0;
    }, "ended");
    // The rule itself, and what this machine is late.
    expect(endedMs - endMs).toBeLessThan(1_000 + lateMs);
    expect(seen.down.at(-1)?.reason.code).toBe("identity");
    expect(refusals(a, "transport.certificate-expired")).toBeGreaterThan(0);
    await sleep(500);
    expect(a.peers()).toEqual([]);
  });

  it("when the peer's certificate does, and the peer with a renewed one is let in at once", async () => {
    const endMs = Math.ceil(Date.now() / 1000) * 1000 + 4_000;
    const second = makeIdentity(idOf(1), Date.now() - 60_000, endMs);
    // Whoever is penalised by the first node is refused for ten seconds and more.
    const own = { redialMsMin: 20_000, redialMsMax: 40_000 };
    const { a, b, ids } = await openPair({ limits: {} }, own, second);
    record(b);
    const seen = record(a);
    await until(() => a.isSecured?.(ids[1]) === true, "up");
    const dates = { notBeforeMs: Date.now() - 1_000, notAfterMs: endMs + 60_000 };
    const { keyPem } = second;
    b.useIdentity(createIdentityCertificate({ nodeId: second.id, keyPem, ...dates }));
    await until(() => seen.down.length > 0, "ended");
    expect(seen.down[0]?.reason.code).toBe("identity");
    const endedMs = performance.now();
    await until(() => a.isSecured?.(ids[1]) === true, "up again");
    expect(performance.now() - endedMs).toBeLessThan(8_000);
    expect(refusals(a, "transport.certificate-expired")).toBe(1);
  });

  it("when the peer is in quarantine, and it is neither dialled nor let in any more", async () => {
    const { a, b, ids } = await openPair();
    const [seenA, seenB] = [record(a), record(b)];
    await until(() => a.peers().length === 1 && b.peers().length === 1, "up");
    const atMs = performance.now();
    a.quarantine(new Set([ids[1]]));
    expect(a.peers()).toEqual([]);
    await until(() => seenB.down.length > 0 && b.peers().length === 0, "the other end knows");
    expect(performance.now() - atMs).toBeLessThan(1_000);
    expect(seenA.down.at(-1)?.reason.code).toBe("identity");
    await until(() => refusals(a, "transport.peer-quarantined") >= 2, "it tries and is refused");
    expect(a.peers()).toEqual([]);
    expect(a.peerFigures()[0]?.state).toBe("refused");
  });

  it("when the peer's pin is another one, and the peer is let in under the new one", async () => {
    const { a, b, ids } = await openPair();
    record(a);
    record(b);
    await until(() => a.peers().length === 1, "up");
    const [one] = a.peerFigures();
    if (one === undefined) throw new RangeError();
    const other = makeIdentity(ids[1]);
    a.know?.([{ id: ids[1], tlsPin: other.spkiPin, address: one.address }]);
    expect(a.peers()).toEqual([]);
    await until(() => refusals(a, "transport.peer-unknown") > 0, "the old key is refused");
  });
});
