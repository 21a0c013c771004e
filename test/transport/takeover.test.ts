/**
 * Who has a member's TLS key and not its FALCON key, beside that member's session: on real sockets, with the
 * keys that a broken P-256 or a stolen file would give.
 */
import { afterEach, describe, expect, it, vi } from "vitest";
import { createIdentityCertificate } from "../../src/transport/identity-certificate.ts";
import { CLOSE_CODES, TRANSPORT_LIMITS } from "../../src/transport/options.ts";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";
import { CONSENSUS, RawClient, SEALED, SYNC } from "./raw-client.ts";
import { End, falconKeys } from "./stoq/support.ts";
import {
  freePorts,
  idOf,
  makeIdentity,
  makeTransport,
  type NodeOptions,
  type Recorded,
  record,
  securityOf,
  sleep,
  type TestIdentity,
  until as untilLimit,
} from "./support.ts";

/** Many handshakes in a row: the limits bound a hang, on a busy machine too. */
const LIMIT_MS = 60_000;
vi.setConfig({ testTimeout: 3 * LIMIT_MS, hookTimeout: LIMIT_MS });

const until = (condition: () => boolean, what: string): Promise<void> =>
  untilLimit(condition, what, LIMIT_MS);

// Made now: it takes so long that sessions would fall silent meanwhile.
for (const n of [0, 1, 5]) falconKeys(n);

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type Node = {
  readonly identity: TestIdentity;
  readonly transport: QuicTransport;
  readonly port: number;
  readonly seen: Recorded;
};

const startNode = async (options: NodeOptions): Promise<Node> => {
  const transport = await makeTransport(options);
  cleanups.push(() => new Promise<void>((resolve) => transport.close(resolve)));
  const port = Number(/:(\d+)$/.exec(transport.address())?.[1]);
  return { identity: options.identity, transport, port, seen: record(transport) };
};

/** Two nodes; a's address for b leads nowhere where `deaf` says so of a, and the other way round. */
const startPair = async (
  options: Partial<NodeOptions> = {},
  deaf: { readonly a?: boolean; readonly b?: boolean } = {},
): Promise<readonly [Node, Node]> => {
  const [a, b] = [makeIdentity(idOf(0)), makeIdentity(idOf(1))];
  const [portA = 0, portB = 0, nobody = 0] = await freePorts(3);
  const peersOf = (own: boolean | undefined) =>
    [a, b].map(({ id, spkiPin }, i) => {
      const port = own === true ? nobody : [portA, portB][i];
      return { id, tlsPin: spkiPin, address: `[::1]:${port}` };
    });
  return [
    await startNode({
      ...{ identity: a, peers: peersOf(deaf.a), listen: `[::1]:${portA}` },
      ...options,
    }),
    await startNode({
      ...{ identity: b, peers: peersOf(deaf.b), listen: `[::1]:${portB}` },
      ...options,
    }),
  ];
};

const isProved = (from: Node, to: Node): boolean =>
  from.transport.isSecured?.(to.identity.id) === true;

/** Both ends have the session that stays, and have shown each other their keys. */
const settled = async (a: Node, b: Node): Promise<void> => {
  await until(
    () =>
      isProved(a, b) &&
      isProved(b, a) &&
      [a, b].every(({ transport }) => transport.figures().connections === 1),
    "one proved session",
  );
};

/** A client with the TLS key of `member`, past TLS. */
const impostor = async (victim: Node, member: TestIdentity): Promise<RawClient> => {
  const client = await RawClient.connect({ port: victim.port, identity: member });
  cleanups.push(() => client.dispose());
  await until(() => client.quic.isEstablished() || client.isRefused, "TLS");
  return client;
};

const framed = (payload: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(4 + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length);
  frame.set(payload, 4);
  return frame;
};

/** Frames in both directions, all of which have to arrive while `during` goes on. */
const delivering = async (a: Node, b: Node, during: () => Promise<void>): Promise<void> => {
  const downs = [a.seen.down.length, b.seen.down.length];
  const before = [a.seen.frames.length, b.seen.frames.length];
  let [sent, unsent] = [0, 0];
  const timer = setInterval(() => {
    const bytes = Uint8Array.of(sent & 0xff);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      if (!from.transport.send(to.identity.id, "consensus", bytes)) unsent += 1;
    }
    sent += 1;
  }, 5);
  try {
    await during();
  } finally {
    clearInterval(timer);
  }
  expect(unsent).toBe(0);
  await until(
    () => [a, b].every(({ seen }, i) => seen.frames.length - (before[i] ?? 0) >= sent),
    "every frame",
  );
  for (const [i, { seen }] of [a, b].entries()) {
    const got = seen.frames.slice(before[i]).map(({ bytes }) => bytes[0]);
    expect(got).toEqual(Array.from({ length: sent }, (_, n) => n & 0xff));
  }
  expect([a.seen.down.length, b.seen.down.length]).toEqual(downs);
};

describe("an honest session, while somebody with the member's TLS key dials", () => {
  it("lives and delivers: the impostor says hello and shows another FALCON key, again and again", async () => {
    const [a, b] = await startPair();
    await settled(a, b);
    await delivering(a, b, async () => {
      for (let round = 1; round <= 3; round++) {
        for (const [victim, member] of [
          [a, b],
          [b, a],
        ] as const) {
          const client = await impostor(victim, member.identity);
          client.hello();
          client.send(SEALED, framed(new End("initiator", { keys: falconKeys(5) }).start().last));
          await until(() => client.isRefused, "refused");
          expect(client.peerErrorCode).toBe(CLOSE_CODES.identity);
          const { refused } = victim.transport.figures();
          expect(refused["session.identity"]).toBe(round);
        }
      }
    });
  });

  it("lives beside a whole node that has everything of the member but its FALCON secret", async () => {
    const [a, b] = await startPair();
    await settled(a, b);
    const honest = securityOf(b.identity.id);
    const other = securityOf(b.identity.id, 5).signer;
    const signer = { publicKey: honest.signer.publicKey, sign: other.sign.bind(other) };
    await delivering(a, b, async () => {
      await startNode({
        identity: b.identity,
        security: { ...honest, signer },
        peers: [{ id: a.identity.id, tlsPin: a.identity.spkiPin, address: `[::1]:${a.port}` }],
        limits: { redialMsMin: 50, redialMsMax: 100 },
      });
      await until(() => (a.transport.figures().refused["session.signature"] ?? 0) >= 3, "refused");
    });
    expect(isProved(a, b)).toBe(true);
  });

  it("loses nothing by what the impostor says in its place: nothing is read before the proof", async () => {
    const [a, b] = await startPair();
    await settled(a, b);
    await delivering(a, b, async () => {
      const client = await impostor(a, b.identity);
      client.hello();
      client.send(CONSENSUS, framed(Uint8Array.of(255, 255)));
      // What would end a session that is read, and turn the member away with it.
      client.send(SYNC, Uint8Array.of(255, 255, 255, 255));
      await sleep(300);
      expect(client.isRefused).toBe(false);
      expect(a.transport.figures().refused).toEqual({});
    });
    expect(a.seen.frames.filter(({ bytes }) => bytes.length === 2)).toEqual([]);
  });

  it("is beside so many impostors that wait for their proof, and not one more", async () => {
    const [a, b] = await startPair({}, { b: true });
    await settled(a, b);
    const { unprovedMax } = TRANSPORT_LIMITS.paths;
    await delivering(a, b, async () => {
      const clients: RawClient[] = [];
      for (let i = 0; i < unprovedMax; i++) {
        const client = await impostor(a, b.identity);
        client.hello();
        clients.push(client);
      }
      await sleep(300);
      expect(clients.filter(({ isRefused }) => isRefused)).toEqual([]);
      const more = await impostor(a, b.identity);
      more.hello();
      await until(() => more.isRefused, "one too many");
      expect(more.peerErrorCode).toBe(CLOSE_CODES.rate);
      expect(a.transport.figures().refused["session.rate"]).toBe(1);
      expect(clients.filter(({ isRefused }) => isRefused)).toEqual([]);
      // Room again when one of them is gone.
      clients[0]?.quic.close(true, 0, new Uint8Array(0));
      clients[0]?.pump();
      await until(() => a.transport.figures().connections === unprovedMax, "it is gone");
      const next = await impostor(a, b.identity);
      next.hello();
      await sleep(300);
      expect(next.isRefused).toBe(false);
    });
  });

  it("ends a waiting one with the certificate that it came with, long before it is too late for a proof", async () => {
    const [a, b] = await startPair();
    await settled(a, b);
    const { id, keyPem } = b.identity;
    // Certificates end at full seconds.
    const notAfterMs = Math.ceil(Date.now() / 1_000) * 1_000 + 2_000;
    const dates = { notBeforeMs: Date.now() - 60_000, notAfterMs };
    const own = createIdentityCertificate({ nodeId: id, keyPem, ...dates });
    await delivering(a, b, async () => {
      const client = await impostor(a, { id, ...own });
      client.hello();
      await until(() => client.isRefused, "ended");
      expect(client.peerErrorCode).toBe(CLOSE_CODES.identity);
      const { sessionHandshakeTimeoutMs } = TRANSPORT_LIMITS;
      expect(Date.now()).toBeGreaterThan(notAfterMs);
      expect(Date.now()).toBeLessThan(notAfterMs + sessionHandshakeTimeoutMs / 2);
      expect(a.transport.figures().refused).toEqual({ "transport.certificate-expired": 1 });
    });
  });
});

describe("an impostor that came first", () => {
  it("gives way to the member that dials, once that is proved, and not before", async () => {
    const b = makeIdentity(idOf(1));
    const [portB = 0, nobody = 0] = await freePorts(2);
    const a = await startNode({
      identity: makeIdentity(idOf(0)),
      peers: [{ id: b.id, tlsPin: b.spkiPin, address: `[::1]:${nobody}` }],
    });
    const client = await impostor(a, b);
    client.hello();
    await until(() => a.transport.peers().length === 1, "up for public frames");
    const member = await startNode({
      identity: b,
      listen: `[::1]:${portB}`,
      peers: [{ id: a.identity.id, tlsPin: a.identity.spkiPin, address: `[::1]:${a.port}` }],
    });
    await until(() => isProved(a, member) && isProved(member, a), "the member is there");
    await until(() => client.isRefused, "and the impostor is not");
    expect(client.peerErrorCode).toBe(CLOSE_CODES.replaced);
  });

  it("gives way to the member that only we can dial, although it holds on", async () => {
    const [a, b] = [makeIdentity(idOf(0)), makeIdentity(idOf(1))];
    const [portB = 0, nobody = 0] = await freePorts(2);
    const node = await startNode({
      identity: a,
      peers: [{ id: b.id, tlsPin: b.spkiPin, address: `[::1]:${portB}` }],
      limits: { handshakeTimeoutMs: 1_000, sessionHandshakeTimeoutMs: 2 * LIMIT_MS },
    });
    const client = await impostor(node, b);
    client.hello();
    await until(() => node.transport.peers().length === 1, "up for public frames");
    const member = await startNode({
      ...{ identity: b, listen: `[::1]:${portB}` },
      peers: [{ id: a.id, tlsPin: a.spkiPin, address: `[::1]:${nobody}` }],
    });
    // The impostor keeps its session alive, as a patient one would.
    const timer = setInterval(() => {
      if (!client.isRefused) client.send(CONSENSUS, framed(Uint8Array.of(1)));
    }, 500);
    cleanups.push(() => clearInterval(timer));
    await until(() => isProved(node, member) && isProved(member, node), "the member is there");
    await until(() => client.isRefused, "and the impostor is not");
    expect(client.peerErrorCode).toBe(CLOSE_CODES.replaced);
  });

  it("does not keep the member from being dialled, nor have it refused for what it does", async () => {
    const [a, b] = await startPair({}, { b: true });
    // The member cannot dial us: only our own dial finds it.
    await settled(a, b);
    b.transport.disconnect(a.identity.id, { code: "closed", detail: "again" });
    await until(() => a.transport.peers().length === 0, "down");
    const client = await impostor(a, b.identity);
    client.hello();
    client.send(SYNC, Uint8Array.of(255, 255, 255, 255));
    await until(() => isProved(a, b) && isProved(b, a), "the member is there");
    expect(a.transport.peerFigures()[0]?.state).toBe("up");
  });

  it("does not have the member refused for what comes out of its frames later", async () => {
    const b = makeIdentity(idOf(1));
    const [portB = 0, nobody = 0] = await freePorts(2);
    const a = await startNode({
      identity: makeIdentity(idOf(0)),
      peers: [{ id: b.id, tlsPin: b.spkiPin, address: `[::1]:${nobody}` }],
    });
    const client = await impostor(a, b);
    client.hello();
    client.send(CONSENSUS, framed(Uint8Array.of(1)));
    await until(() => a.seen.frames.length === 1, "a frame whose check takes long");
    const member = await startNode({
      ...{ identity: b, listen: `[::1]:${portB}` },
      peers: [{ id: a.identity.id, tlsPin: a.identity.spkiPin, address: `[::1]:${a.port}` }],
    });
    await until(() => isProved(a, member) && isProved(member, a), "the member is there");
    // The outcome of the check, by the id that the frame came with.
    a.transport.disconnect(b.id, { code: "protocol", detail: "a bad signature" });
    expect(a.transport.peerFigures()[0]?.state).not.toBe("refused");
    await until(() => isProved(a, member) && isProved(member, a), "the member is there again");
  });
});
