/** Nodes that cannot dial each other, with real sockets: reached through relays, and directly again later. */
import { createSocket } from "node:dgram";
import { afterEach, describe, expect, it, vi } from "vitest";
import { TRANSPORT_LIMITS, type TransportLimits } from "../../../src/transport/options.ts";
import type { QuicTransport } from "../../../src/transport/quic-transport.ts";
import {
  closed,
  freePorts,
  idOf,
  type LogLine,
  makeIdentity,
  makeTransport,
  type NodeOptions,
  type Recorded,
  record,
  sleep,
  type TestIdentity,
  until as untilLimit,
} from "../support.ts";
import { openTestRelay, type RelayedPacket, type TestRelay } from "./test-relay.ts";

/** Several handshakes and back-offs in a row: the limits bound a hang, on a busy machine too. */
const LIMIT_MS = 60_000;
vi.setConfig({ testTimeout: 3 * LIMIT_MS, hookTimeout: LIMIT_MS });

const until = (condition: () => boolean, what: string): Promise<void> =>
  untilLimit(condition, what, LIMIT_MS);

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const PATHS = {
  ...TRANSPORT_LIMITS.paths,
  ...{ checkMs: 50, holdMs: 500, dwellMs: 500, relayAfterMs: 200, retryMsMin: 100 },
};
const LIMITS: Partial<TransportLimits> = { handshakeTimeoutMs: 2_000, paths: PATHS };

type Node = {
  readonly id: string;
  readonly transport: QuicTransport;
  readonly seen: Recorded;
  readonly logs: readonly LogLine[];
};

const startNode = async (options: NodeOptions): Promise<Node> => {
  const logs: LogLine[] = [];
  const transport = await makeTransport({ limits: LIMITS, ...options, logs });
  cleanups.push(() => closed(transport));
  return { id: options.identity.id, transport, seen: record(transport), logs };
};

/** Nodes that all know each other, but for pairs whose addresses for each other lead nowhere, or elsewhere. */
const startNetwork = async (
  each: readonly (Partial<NodeOptions> | undefined)[],
  addressOf: (from: number, to: number, ports: readonly number[]) => number | undefined,
): Promise<{ readonly nodes: readonly Node[]; readonly identities: readonly TestIdentity[] }> => {
  const identities = each.map((_, i) => makeIdentity(idOf(i)));
  const ports = await freePorts(2 * each.length);
  const nodes: Node[] = [];
  for (const [i, identity] of identities.entries()) {
    const own = each[i];
    if (own === undefined) continue;
    const peers = identities.map(({ id, spkiPin }, j) => {
      const port = addressOf(i, j, ports) ?? ports[j] ?? 0;
      return { id, tlsPin: spkiPin, address: `[::1]:${port}` };
    });
    nodes.push(await startNode({ identity, peers, listen: `[::1]:${ports[i] ?? 0}`, ...own }));
  }
  return { nodes, identities };
};

/** Both ends dial, so that two sessions may meet on one path: waits until nobody replaces any more. */
const settled = async (...nodes: readonly Node[]): Promise<void> => {
  const isProved = (from: Node, to: Node): boolean =>
    from === to || from.transport.isSecured?.(to.id) === true;
  await until(() => nodes.every((from) => nodes.every((to) => isProved(from, to))), "proved");
  const count = (): number => nodes.reduce((sum, { seen }) => sum + seen.up.length, 0);
  for (let before = -1; before !== count(); await sleep(1_500)) before = count();
};

const nth = <T>(items: readonly T[], index: number): T => {
  const item = items[index];
  if (item === undefined) throw new RangeError(`no ${index}`);
  return item;
};

const viaOf = (from: Node, to: Node): string | undefined =>
  from.transport.peerFigures().find(({ id }) => id === to.id)?.via;

const isUp = (from: Node, to: Node): boolean => from.transport.peers().includes(to.id);

/** The first and the last node know only dead addresses of each other. */
const apart =
  (last: number, portFrom0?: number) =>
  (from: number, to: number, ports: readonly number[]): number | undefined => {
    if (from === 0 && to === last) return portFrom0 ?? ports[last + 1];
    return from === last && to === 0 ? ports[last + 2] : undefined;
  };

const numbered = (number: number): Uint8Array => {
  const bytes = new Uint8Array(2_000);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
};

const numbersFrom = ({ seen }: Node, peer: Node): readonly number[] =>
  seen.frames
    .filter((frame) => frame.peer === peer.id && frame.trafficClass === "consensus")
    .map(({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));

describe("two nodes that cannot dial each other", () => {
  it("have a session through a relay, secured end to end, and through another when that is gone", async () => {
    const { nodes } = await startNetwork(
      [{ reachable: false }, { relay: true }, { relay: true }, { reachable: false }],
      apart(3),
    );
    const [a, b, c, d] = [nth(nodes, 0), nth(nodes, 1), nth(nodes, 2), nth(nodes, 3)];
    await until(() => isUp(a, d) && isUp(d, a), "reached");
    expect([b.id, c.id]).toContain(viaOf(a, d));
    await settled(a, d);
    const sealed = () => d.transport.peerFigures().find(({ id }) => id === a.id)?.session?.sealed;
    await until(() => sealed() !== undefined, "the post-quantum handshake between the ends");
    for (let i = 0; i < 100; i++) a.transport.send(d.id, "consensus", numbered(i));
    a.transport.send(d.id, "sync", new Uint8Array(1024 * 1024).fill(9));
    await until(() => numbersFrom(d, a).length === 100, "a hundred frames");
    expect(numbersFrom(d, a)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    await until(() => d.seen.frames.some(({ bytes }) => bytes.length === 1024 * 1024), "a big one");
    // Both relays are tried, so that the one that is left takes over at once.
    await until(() => a.logs.some(({ message }) => message === "path up"), "a second path");
    const [first, other] = viaOf(a, d) === b.id ? [b, c] : [c, b];
    await closed(first.transport);
    await until(() => isUp(a, d) && viaOf(a, d) === other.id, "through the other relay");
    await until(() => isUp(d, a) && viaOf(d, a) === other.id, "and back");
    a.transport.send(d.id, "consensus", numbered(1_000));
    await until(() => numbersFrom(d, a).includes(1_000), "a frame through it");
  });

  it("have none where nobody relays", async () => {
    const { nodes } = await startNetwork([{}, {}, {}], apart(2));
    const [a, b, c] = [nth(nodes, 0), nth(nodes, 1), nth(nodes, 2)];
    await until(() => isUp(a, b) && isUp(c, b), "the relay that is none is there");
    await sleep(1_500);
    expect([isUp(a, c), isUp(c, a)]).toEqual([false, false]);
    expect(b.transport.figures().refused).toEqual({});
  });

  it("are not dialled by who knows that they cannot be", async () => {
    const { nodes } = await startNetwork([{}, { relay: true }, { reachable: false }], apart(2));
    const [a, , c] = [nth(nodes, 0), nth(nodes, 1), nth(nodes, 2)];
    await until(() => isUp(a, c), "reached");
    await until(
      () => a.transport.peerFigures().find(({ id }) => id === c.id)?.via !== undefined,
      "through the relay",
    );
    await sleep(3_000);
    const dialled = () => a.logs.filter(({ message }) => message === "dial failed").length;
    const before = dialled();
    await sleep(3_000);
    expect(dialled()).toBe(before);
  });
});

/** A way to a port that can be shut; who dials it is seen as somebody at another port. */
const openWay = async (toPort: number) => {
  const bind = (): Promise<ReturnType<typeof createSocket>> => {
    const socket = createSocket({ type: "udp6", ipv6Only: true });
    cleanups.push(() => new Promise((resolve) => socket.close(() => resolve())));
    return new Promise((resolve) => {
      socket.bind({ address: "::1", port: 0 }, () => resolve(socket));
    });
  };
  const [front, back] = [await bind(), await bind()];
  const way = { port: front.address().port, open: false };
  let clientPort = 0;
  front.on("message", (bytes, { port }) => {
    clientPort = port;
    if (way.open) back.send(bytes, toPort, "::1");
  });
  back.on("message", (bytes) => {
    if (way.open) front.send(bytes, clientPort, "::1");
  });
  return way;
};

describe("a direct path that comes back", () => {
  it("is gone back to without a lost or doubled frame, and given up for the relay when it is silent", async () => {
    const identities = [0, 1, 2].map((i) => makeIdentity(idOf(i)));
    const ports = await freePorts(5);
    const way = await openWay(ports[2] ?? 0);
    const peersOf = (from: number) =>
      identities.map(({ id, spkiPin }, to) => {
        const port = from === 0 && to === 2 ? way.port : from === 2 && to === 0 ? 4 : to;
        return { id, tlsPin: spkiPin, address: `[::1]:${port < 5 ? ports[port] : port}` };
      });
    const limits = { ...LIMITS, paths: { ...PATHS, silentMs: 1_000, idleMs: 60_000 } };
    const [a, , c] = await Promise.all(
      identities.map((identity, i) =>
        startNode({
          ...{ identity, peers: peersOf(i), limits, relay: i === 1 },
          listen: `[::1]:${ports[i] ?? 0}`,
        }),
      ),
    );
    if (a === undefined || c === undefined) throw new RangeError("three nodes");
    await until(() => viaOf(a, c) !== undefined && viaOf(c, a) !== undefined, "through the relay");
    await settled(a, c);
    // One to the relay and one through it: a second that is still shaking hands would take the place of the first.
    const connections = () => [a, c].map(({ transport }) => transport.figures().connections);
    await until(() => connections().every((count) => count === 2), "nobody dials");
    const downs = [a.seen.down.length, c.seen.down.length];
    let sent = 0;
    const timer = setInterval(() => {
      if (!a.transport.send(c.id, "consensus", numbered(sent))) return;
      sent += 1;
      c.transport.send(a.id, "consensus", numbered(sent));
    }, 2);
    await sleep(500);
    way.open = true;
    await until(
      () => isUp(a, c) && isUp(c, a) && viaOf(a, c) === undefined && viaOf(c, a) === undefined,
      "directly",
    );
    await sleep(500);
    clearInterval(timer);
    const newDowns = () => [a.seen.down, c.seen.down].flatMap((all, i) => all.slice(downs[i]));
    await until(() => numbersFrom(c, a).length >= sent || newDowns().length > 0, "every frame");
    // Where a session ended, which the replica is told, frames may be lost: of that this test does not speak.
    expect(newDowns()).toEqual([]);
    const got = [...numbersFrom(c, a)].sort((x, y) => x - y);
    expect(got).toEqual(Array.from({ length: sent }, (_, i) => i));
    way.open = false;
    await until(() => viaOf(a, c) !== undefined && viaOf(c, a) !== undefined, "silence is seen");
    // What may have been lost in it the replica is told, so that it sends again what it has to.
    expect(a.seen.down.length).toBeGreaterThan(downs[0] ?? 0);
  });
});

describe("a path that has carried, and was left for a better one", () => {
  it("may have lost frames when another takes its place, which the replica is told", async () => {
    const identities = [0, 1, 2].map((i) => makeIdentity(idOf(i)));
    const ports = await freePorts(5);
    const pins = new Map(identities.map((i) => [Buffer.from(i.spkiPin).toString("hex"), i.id]));
    const relay = await openTestRelay(nth(identities, 1), ports[1] ?? 0, pins);
    cleanups.push(() => relay.close());
    const way = await openWay(ports[2] ?? 0);
    const silent = { ...LIMITS, paths: { ...PATHS, silentMs: 60_000, idleMs: 60_000 } };
    const [a, c] = await Promise.all(
      [0, 2].map((own) => {
        const peers = identities.map(({ id, spkiPin }, to) => {
          const port = to === 1 ? ports[1] : own === 0 ? way.port : ports[4];
          return { id, tlsPin: spkiPin, address: `[::1]:${port}` };
        });
        const listen = `[::1]:${ports[own] ?? 0}`;
        return startNode({ identity: nth(identities, own), peers, listen, limits: silent });
      }),
    );
    if (a === undefined || c === undefined) throw new RangeError("two nodes");
    await until(() => viaOf(a, c) !== undefined && viaOf(c, a) !== undefined, "through the relay");
    await settled(a, c);
    way.open = true;
    await until(() => viaOf(a, c) === undefined && viaOf(c, a) === undefined, "directly");
    await until(() => isUp(a, c) && isUp(c, a), "up");
    const downs = a.seen.down.length;
    // c gives up both of its sessions, a hears of neither, and c comes back over the path that a had left.
    way.open = false;
    relay.rule = (packet) => (packet.from === c.id ? [] : [packet]);
    c.transport.disconnect(a.id, { code: "closed", detail: "both paths" });
    await sleep(150);
    relay.rule = (packet) => [packet];
    await until(() => isUp(c, a) && c.transport.isSecured?.(a.id) === true, "c is back");
    await until(() => a.seen.down.length > downs, "told");
    expect(nth(a.seen.down, downs).reason.detail).toMatch(/newer session/);
    expect([isUp(a, c), viaOf(a, c)]).toEqual([true, undefined]);
  });
});

describe("a relay that is not honest", () => {
  const PAYLOAD = new TextEncoder().encode("what the relay must not read ".repeat(40));

  const open = async (
    limits: Partial<TransportLimits> = LIMITS,
  ): Promise<{
    a: Node;
    c: Node;
    relay: TestRelay;
    ids: readonly string[];
  }> => {
    const identities = [0, 1, 2, 3].map((i) => makeIdentity(idOf(i)));
    const ports = await freePorts(6);
    const pins = new Map(identities.map((i) => [Buffer.from(i.spkiPin).toString("hex"), i.id]));
    const relay = await openTestRelay(nth(identities, 1), ports[1] ?? 0, pins);
    cleanups.push(() => relay.close());
    const [a, c] = await Promise.all(
      [0, 2].map((own) => {
        const peers = identities.map(({ id, spkiPin }, to) => ({
          ...{ id, tlsPin: spkiPin },
          address: `[::1]:${to === 1 ? ports[1] : ports[4]}`,
        }));
        const identity = nth(identities, own);
        const listen = `[::1]:${ports[own] ?? 0}`;
        return startNode({ identity, peers, listen, limits, reachable: false });
      }),
    );
    if (a === undefined || c === undefined) throw new RangeError("two nodes");
    return { a, c, relay, ids: identities.map(({ id }) => id) };
  };

  const linked = async (a: Node, c: Node): Promise<void> => {
    await until(() => isUp(a, c) && isUp(c, a), "linked through the relay");
    await settled(a, c);
  };

  it("has seen nothing of what went through it", async () => {
    const { a, c, relay } = await open();
    await linked(a, c);
    for (const from of [a, c]) {
      from.transport.send(from === a ? c.id : a.id, "consensus", PAYLOAD);
    }
    await until(() => [a, c].every(({ seen }) => seen.frames.length > 0), "both payloads");
    expect(Buffer.from(nth(c.seen.frames, 0).bytes)).toEqual(Buffer.from(PAYLOAD));
    const all = Buffer.concat(relay.packets.map(({ packet }) => packet));
    expect(all.length).toBeGreaterThan(2 * PAYLOAD.length);
    // Nor the certificates, which have the ids as names.
    for (const part of ["must not read", "relay must", "0.0.0-test", a.id, c.id]) {
      expect(all.includes(part), part).toBe(false);
    }
  });

  it("gains nothing by repeating, delaying and inventing packets: frames come once, in order", async () => {
    const { a, c, relay } = await open();
    await linked(a, c);
    const downs = [a.seen.down.length, c.seen.down.length];
    let held: RelayedPacket | undefined;
    let count = 0;
    relay.rule = (packet) => {
      count += 1;
      const old = relay.packets[Math.floor(count / 2)] ?? packet;
      const forged = { ...packet, packet: packet.packet.map((b, i) => (i === 30 ? b ^ 1 : b)) };
      const noise = { ...packet, packet: new Uint8Array(100).fill(count) };
      const out = [forged, noise, old, packet, packet];
      if (count % 5 === 0 && held === undefined) {
        held = packet;
        return [noise];
      }
      const late = held === undefined ? [] : [held];
      held = undefined;
      return [...out, ...late];
    };
    for (let i = 0; i < 300; i++) {
      a.transport.send(c.id, "consensus", numbered(i));
      c.transport.send(a.id, "consensus", numbered(i));
      if (i % 10 === 0) await sleep(2);
    }
    const expected = Array.from({ length: 300 }, (_, i) => i);
    await until(() => numbersFrom(c, a).length >= 300 && numbersFrom(a, c).length >= 300, "all");
    expect(numbersFrom(c, a)).toEqual(expected);
    expect(numbersFrom(a, c)).toEqual(expected);
    expect([a.seen.down.length, c.seen.down.length]).toEqual(downs);
  });

  it("ends its path by letting half a frame through, and has nobody turned away for it", async () => {
    const { a, c, relay } = await open({ ...LIMITS, frameTimeoutMs: 1_000 });
    await linked(a, c);
    const downs = c.seen.down.length;
    let whole = 1;
    relay.rule = (packet) => {
      if (packet.from !== a.id || packet.packet.length < 400) return [packet];
      whole -= 1;
      return whole >= 0 ? [packet] : [];
    };
    a.transport.send(c.id, "sync", new Uint8Array(100_000));
    await until(() => c.seen.down.length > downs, "the path is over");
    expect(nth(c.seen.down, downs).reason.detail).toMatch(/frame did not come on/);
    expect(c.transport.peerFigures().find(({ id }) => id === a.id)?.state).not.toBe("refused");
    expect(c.transport.figures().refused["transport.frame-timeout"]).toBeUndefined();
    relay.rule = (packet) => [packet];
    await linked(a, c);
  });

  it("cannot pass one member off as another", async () => {
    const { a, c, relay, ids } = await open();
    const fourth = nth(ids, 3);
    // What c answers to the fourth goes to a, so that they could come to a handshake.
    relay.rule = ({ from, to, packet }) =>
      from === a.id ? [{ from: fourth, to, packet }] : [{ from: c.id, to: a.id, packet }];
    await until(
      () => (c.transport.figures().refused["transport.peer-unknown"] ?? 0) > 0,
      "the certificate is another's",
    );
    expect(isUp(c, a)).toBe(false);
    expect(c.transport.peers()).not.toContain(fourth);
  });

  it("is turned away for what is no datagram of a relay, and its packets of strangers are refused", async () => {
    const { a, c, relay } = await open();
    await linked(a, c);
    relay.deliver({ from: "ab".repeat(32), to: a.id, packet: new Uint8Array(50) });
    await until(() => (a.transport.figures().refused["relay.not-member"] ?? 0) > 0, "refused");
    expect(isUp(a, c)).toBe(true);
    relay.deliver({ from: c.id, to: a.id, packet: new Uint8Array(1_201) });
    await until(() => (a.transport.figures().refused["relay.malformed"] ?? 0) > 0, "malformed");
    await until(() => !isUp(a, c), "the relay is gone, and the path with it");
  });
});
