/** A relay that floods handshakes, on real nodes: members are reached through another relay all the while. */
import { afterEach, expect, it, vi } from "vitest";
import { realClock, realTimers } from "../../../src/node/real-ports.ts";
import { WINDOWS } from "../../../src/transport/mesh-endpoint.ts";
import {
  ALPN,
  TRANSPORT_LIMITS,
  type TransportLimits,
  type TransportPeer,
} from "../../../src/transport/options.ts";
import type { QuicTransport } from "../../../src/transport/quic-transport.ts";
import { decodeRelayFrame } from "../../../src/transport/relay/frame.ts";
import { Tunnel } from "../../../src/transport/relay/tunnel.ts";
import {
  closed,
  freePorts,
  idOf,
  makeIdentity,
  makeTransport,
  record,
  securityOf,
  sleep,
  until as untilLimit,
} from "../support.ts";
import { openTestRelay, type RelayedPacket } from "./test-relay.ts";

const LIMIT_MS = 60_000;
vi.setConfig({ testTimeout: 10 * LIMIT_MS, hookTimeout: LIMIT_MS });

const until = (condition: () => boolean, what: string): Promise<void> =>
  untilLimit(condition, what, LIMIT_MS);

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Few connections in the real ratio, which a flood holds for long: what one relay cannot have others can. */
const LIMITS: Partial<TransportLimits> = {
  handshakeTimeoutMs: 30_000,
  paths: { ...TRANSPORT_LIMITS.paths, checkMs: 50, relayAfterMs: 200, retryMsMin: 500 },
  relay: { ...TRANSPORT_LIMITS.relay, connectionsMax: 20, connectionsPerRelayMax: 4 },
};
const FLOOD_MS = 50;
const RECENT = 60;

/** A first packet (RFC 9000, 17.2.2). */
const isInitial = (packet: Uint8Array): boolean => ((packet[0] ?? 0) & 0xf0) === 0xc0;
const isRetry = (packet: Uint8Array): boolean => ((packet[0] ?? 0) & 0xf0) === 0xf0;

it("keeps nobody out who comes through another relay, or directly", async () => {
  const identities = Array.from({ length: 5 }, (_, i) => makeIdentity(idOf(i)));
  // Two that cannot dial each other, a relay that floods, an honest one, a member that dials later.
  const [a, c, bad, good, later] = [0, 1, 2, 3, 4] as const;
  for (const n of [a, c, bad, good, later]) securityOf(idOf(n));
  const ports = await freePorts(identities.length + 1);
  const nowhere = ports[identities.length] ?? 0;
  const peersOf = (own: number): readonly TransportPeer[] =>
    identities.map(({ id, spkiPin }, to) => {
      const isNear = to === bad || to === good || own === later;
      return { id, tlsPin: spkiPin, address: `[::1]:${isNear ? ports[to] : nowhere}` };
    });
  const start = async (own: number): Promise<QuicTransport> => {
    const identity = identities[own];
    if (identity === undefined) throw new RangeError("no such node");
    const transport = await makeTransport({
      ...{ identity, peers: peersOf(own), listen: `[::1]:${ports[own] ?? 0}`, limits: LIMITS },
      ...{ relay: own === good, reachable: own !== a && own !== c },
    });
    cleanups.push(() => closed(transport));
    record(transport);
    return transport;
  };
  const [badIdentity] = identities.slice(bad);
  if (badIdentity === undefined) throw new RangeError("no relay");
  const pins = new Map(identities.map((i) => [Buffer.from(i.spkiPin).toString("hex"), i.id]));
  const relay = await openTestRelay(badIdentity, ports[bad] ?? 0, pins);
  cleanups.push(() => relay.close());
  const nodes = [await start(a), await start(c)] as const;
  await until(() => nodes.every((node) => node.isSecured?.(idOf(bad)) === true), "at the relay");

  // The relay invents members that dial, comes back with the token that it is given, and says no more.
  let clients: Tunnel | undefined;
  const recent: RelayedPacket[] = [];
  relay.rule = ({ from, to, packet }) => {
    if (isRetry(packet)) clients?.receive({ relay: from, peer: to }, packet);
    return [];
  };
  clients = new Tunnel({
    ...{ clock: realClock, timers: realTimers, alpn: [ALPN], windows: WINDOWS },
    identity: makeIdentity(idOf(9)),
    limits: { ...TRANSPORT_LIMITS.relay, connectionsMax: 10_000 },
    idleTimeoutMs: 5_000,
    refused: () => {},
    accepted: () => {},
    // Of its routes "relay" is the node that it floods, "peer" the member that it says is there.
    send: (to, datagram) => {
      const frame = decodeRelayFrame(datagram);
      if (!frame.ok || frame.value.kind !== "forward") throw new Error("no forward");
      const said = { from: frame.value.peer, to, packet: frame.value.packet };
      relay.deliver(said);
      if (isInitial(said.packet)) recent.push(said);
      if (recent.length > RECENT) recent.shift();
      return true;
    },
  });
  let dialled = 0;
  const timer = setInterval(() => {
    for (const to of [a, c]) {
      const names = [to === a ? c : a, good, later];
      clients?.dial({ relay: idOf(to), peer: idOf(names[dialled % names.length] ?? later) });
    }
    dialled += 1;
    // What was not let in it says again: that costs it nothing.
    for (const said of recent) relay.deliver(said);
  }, FLOOD_MS);
  cleanups.push(() => clearInterval(timer));
  const refused = (node: QuicTransport): number => node.figures().refused["limit"] ?? 0;
  await until(() => nodes.every((node) => refused(node) > 100), "the flood is over what it may");

  await start(good);
  await until(
    () => nodes.every((node, i) => node.isSecured?.(idOf(i === 0 ? c : a)) === true),
    "they reach each other through the other relay",
  );
  for (const node of nodes) {
    const other = node.peerFigures().find(({ id }) => id === idOf(node === nodes[0] ? c : a));
    expect(other?.via).toBe(idOf(good));
  }
  // And who dials directly is not late: its handshake is on no relay's account.
  await start(later);
  await until(() => nodes.every((node) => node.isSecured?.(idOf(later)) === true), "directly");
  const before = nodes.map(refused);
  await sleep(500);
  expect(nodes.every((node, i) => refused(node) > (before[i] ?? 0))).toBe(true);
});
