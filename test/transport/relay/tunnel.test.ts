/** What comes through relays, at each limit and one past it: real QUIC over two tunnels, without sockets. */
import { afterEach, describe, expect, it } from "vitest";
import { fromHex } from "../../../src/crypto/bytes.ts";
import { LIMITS } from "../../../src/limits.ts";
import { realClock, realTimers } from "../../../src/node/real-ports.ts";
import { WINDOWS } from "../../../src/transport/mesh-endpoint.ts";
import type { RelayLimits } from "../../../src/transport/options.ts";
import type { QuicSession } from "../../../src/transport/quic-endpoint.ts";
import { decodeRelayFrame } from "../../../src/transport/relay/frame.ts";
import { type Route, Tunnel, type TunnelOptions } from "../../../src/transport/relay/tunnel.ts";
import { idOf, makeIdentity, sleep, until } from "../support.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const limits = LIMITS.relay;
const relayOf = (number: number): string => idOf(200 + number);
const memberOf = (number: number): string => number.toString(16).padStart(64, "0");

const open = (own: Partial<TunnelOptions>, id: string): Tunnel => {
  const tunnel = new Tunnel({
    ...{ clock: realClock, timers: realTimers, alpn: ["test/1"], windows: WINDOWS, limits },
    identity: makeIdentity(id),
    idleTimeoutMs: 60_000,
    refused: () => {},
    send: () => true,
    accepted: () => {},
    ...own,
  });
  cleanups.push(() => new Promise((resolve) => tunnel.close(0, "", resolve)));
  return tunnel;
};

type Accepted = { readonly session: QuicSession; readonly route: Route };

/**
 * A node, whose budgets see the time that the test says, and at the other end of every route relays who say what they
 * like: packets of any member, from a QUIC client that would go on with any handshake.
 */
const openVictim = (own: Partial<RelayLimits> = {}) => {
  const time = { ms: 0 };
  const accepted: Accepted[] = [];
  const refused: string[] = [];
  const answers = { count: 0 };
  const to = (target: () => Tunnel) => (relay: string, datagram: Uint8Array) => {
    const frame = decodeRelayFrame(datagram);
    if (!frame.ok || frame.value.kind !== "forward") throw new Error("no forward");
    const { peer, packet } = frame.value;
    const copy = packet.slice();
    queueMicrotask(() => target().receive({ relay, peer }, copy));
    return true;
  };
  const victim: Tunnel = open(
    {
      clock: { monotonicMs: () => time.ms, wallMs: () => Date.now() },
      limits: { ...limits, ...own },
      refused: (_code, detail) => refused.push(detail),
      accepted: (session, route) => accepted.push({ session, route }),
      send: (relay, datagram) => {
        answers.count += 1;
        return to(() => clients)(relay, datagram);
      },
    },
    idOf(0),
  );
  const clients: Tunnel = open(
    {
      limits: { ...limits, connectionsMax: 10_000, routesMax: 10_000 },
      send: to(() => victim),
    },
    idOf(1),
  );
  victim.startAccepting();
  let members = 0;
  /** So many handshakes through this relay, each as from another member. */
  const flood = (relay: number, count: number): void => {
    for (let i = 0; i < count; i++) {
      members += 1;
      clients.dial({ relay: relayOf(relay), peer: memberOf(members) });
    }
  };
  const through = (relay: number): number =>
    accepted.filter(({ route }) => route.relay === relayOf(relay)).length;
  const saw = (detail: string): boolean => refused.some((one) => one.includes(detail));
  return { victim, time, accepted, refused, answers, flood, through, saw };
};

/** What would still be accepted has come. */
const rest = async (accepted: readonly Accepted[]): Promise<void> => {
  for (let before = -1; before !== accepted.length; await sleep(200)) before = accepted.length;
};

describe("handshakes through relays", () => {
  it("begin at handshakesPerRelayPerSecond through one relay, and others have theirs all the while", async () => {
    const { time, accepted, flood, through, saw } = openVictim();
    const max = limits.handshakesPerRelayPerSecond;
    flood(1, max);
    await until(() => through(1) === max, "as many as may");
    expect(saw("one relay")).toBe(false);
    flood(1, 1);
    await until(() => saw("handshake rate of one relay"), "one too many");
    flood(1, 5 * max);
    flood(2, max);
    await until(() => through(2) === max, "through the other relay");
    await rest(accepted);
    expect([through(1), through(2)]).toEqual([max, max]);
    time.ms += 1_000;
    flood(1, 1);
    await until(() => through(1) === 2 * max, "after a second: what still tries is let in");
    await rest(accepted);
    expect(through(1)).toBe(2 * max);
  });

  it("begin at handshakesPerSecond through all of them together", async () => {
    const { accepted, flood, through, saw } = openVictim();
    const [all, each] = [limits.handshakesPerSecond, limits.handshakesPerRelayPerSecond];
    for (let relay = 1; relay <= all / each; relay++) flood(relay, each);
    await until(() => accepted.length === all, "as many as may");
    flood(100, 1);
    await until(() => saw("handshake rate reached"), "one too many");
    await rest(accepted);
    expect([accepted.length, through(100)]).toEqual([all, 0]);
  });

  it("are answered before they begin answersPerRelayPerSecond times for one relay, and for others too", () => {
    const { victim, answers } = openVictim();
    const first = (relay: number): void => {
      // A first packet without a token (RFC 9000, 17.2.2), which costs who sends it nothing.
      const initial = new Uint8Array(1200);
      initial.set([0xc0, 0, 0, 0, 1, 8]);
      initial.set(fromHex("0102030405060708"), 6);
      initial[14] = 8;
      initial[24] = 0x44;
      initial[25] = 0x96;
      victim.receive({ relay: relayOf(relay), peer: memberOf(relay) }, initial);
    };
    const max = limits.answersPerRelayPerSecond;
    for (let i = 0; i < max; i++) first(1);
    expect(answers.count).toBe(max);
    first(1);
    expect(answers.count).toBe(max);
    first(2);
    expect(answers.count).toBe(max + 1);
  });
});

describe("connections through relays", () => {
  it("are connectionsPerRelayMax through one relay at most, and more through others", async () => {
    const own = { handshakesPerRelayPerSecond: 1_000, handshakesPerSecond: 10_000 };
    const { time, accepted, flood, through, saw } = openVictim(own);
    const max = limits.connectionsPerRelayMax;
    flood(1, max);
    await until(() => through(1) === max, "as many as may");
    flood(1, 1);
    await until(() => saw("connection cap of one relay"), "one too many");
    flood(2, 1);
    await until(() => through(2) === 1, "through the other relay");
    // Room again where one ends.
    const one = accepted.find(({ route }) => route.relay === relayOf(1));
    one?.session.close(0, "over");
    await until(() => {
      // What has ended is forgotten some time later.
      time.ms += 5;
      return through(1) === max + 1;
    }, "what still tries is let in");
    await rest(accepted);
    expect(through(1)).toBe(max + 1);
  });

  it("are connectionsMax in all", async () => {
    const own = { handshakesPerRelayPerSecond: 1_000, handshakesPerSecond: 10_000 };
    const { accepted, flood, saw, victim } = openVictim(own);
    const [all, each] = [limits.connectionsMax, limits.connectionsPerRelayMax];
    for (let relay = 1; relay <= all / each; relay++) flood(relay, each);
    await until(() => accepted.length === all, "as many as may");
    expect(saw("connection cap")).toBe(false);
    flood(100, 1);
    await until(() => saw("connection cap reached"), "one too many");
    expect(victim.dial({ relay: relayOf(100), peer: memberOf(1) })).toBeUndefined();
    await rest(accepted);
    expect([accepted.length, victim.connectionCount]).toEqual([all, all]);
  });

  it("are of routesMax pairs of relay and member, and of others when a relay is gone", () => {
    const { victim, refused } = openVictim();
    const hear = (relay: number, member: number): void =>
      victim.receive({ relay: relayOf(relay), peer: memberOf(member) }, new Uint8Array(30));
    for (let i = 0; i < limits.routesMax - 1; i++) hear(1, i);
    hear(2, 0);
    expect(refused).toEqual([]);
    hear(2, 1);
    expect(refused).toEqual(["no room for another route through relays"]);
    // Those that it knows it hears still.
    hear(1, 0);
    hear(2, 0);
    expect(refused).toHaveLength(1);
    victim.forget(relayOf(1));
    hear(2, 1);
    expect(refused).toHaveLength(1);
  });
});
