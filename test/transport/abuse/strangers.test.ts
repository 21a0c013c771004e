/** Floods of whoever reaches the port: what they cost the node, and what they get. */
import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import { firstPacket, isRetry } from "../first-packet.ts";
import { idOf, makeIdentity, sleep, until } from "../support.ts";
import { FLOOD_TIMEOUT_MS, Victim } from "./support.ts";

vi.setConfig({ testTimeout: FLOOD_TIMEOUT_MS });

let victim: Victim | undefined;
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  await victim?.stop();
  victim = undefined;
});

const start = async (...limits: Parameters<typeof Victim.start>): Promise<Victim> => {
  victim = await Victim.start(...limits);
  return victim;
};

/** First packets of 1,200 bytes, or several times as many connections as a node may have. */
const ENOUGH = 10_000;

const openSocket = (): Socket => {
  const socket = createSocket({ type: "udp6", ipv6Only: true });
  sockets.push(socket);
  return socket;
};

const isVersionNegotiation = (answer: Buffer): boolean =>
  ((answer[0] ?? 0) & 0x80) !== 0 && answer.readUInt32BE(1) === 0;

/** What a server says that has none of the client's protocols: a TLS alert as QUIC carries it (RFC 9001, 8.1). */
const NO_APPLICATION_PROTOCOL = 0x178;
/** Application code of CONNECTION_CLOSE: the certificate is not a member's. */
const IDENTITY = 4;

describe("a flood of first packets", () => {
  it("gets Retry and nothing else, at a rate of its own, and leaves no connection", async () => {
    const node = await start();
    const answers: Buffer[] = [];
    const from = Array.from({ length: 20 }, openSocket);
    for (const socket of from) socket.on("message", (answer) => answers.push(answer));
    let sent = 0;
    const beganMs = performance.now();
    const look = await node.endure(
      () => {
        for (const socket of from) {
          for (let i = 0; i < 10; i++, sent++) socket.send(firstPacket(), node.port, "::1");
        }
      },
      () => sent > ENOUGH,
    );
    expect(sent).toBeGreaterThan(ENOUGH);
    expect(answers.length).toBeGreaterThan(100);
    expect(answers.every(isRetry)).toBe(true);
    // 16 answers for each of the 64 handshakes a second, and as many at once; a second for what is late.
    const seconds = (performance.now() - beganMs) / 1000;
    expect(answers.length).toBeLessThan(16 * 64 * (1 + seconds + 1));
    expect(look.figures.connections).toBeLessThanOrEqual(3);
  });

  it("gets nothing with tokens that are not ours, and one short answer for other versions", async () => {
    const node = await start();
    const answers: Buffer[] = [];
    const socket = openSocket();
    socket.on("message", (answer) => answers.push(answer));
    const look = await node.endure(() => {
      for (let i = 0; i < 100; i++) {
        socket.send(firstPacket(1, randomBytes(60)), node.port, "::1");
        socket.send(firstPacket(0x0a0a0a0a), node.port, "::1");
        socket.send(randomBytes(1200), node.port, "::1");
      }
    });
    expect(answers.length).toBeGreaterThan(0);
    expect(answers.every(isVersionNegotiation)).toBe(true);
    // Both ids of what was sent, of 255 bytes at most where the version is unknown (RFC 8999, 5.1).
    expect(Math.max(...answers.map(({ length }) => length))).toBeLessThan(600);
    expect(look.figures.connections).toBeLessThanOrEqual(3);
  });
});

describe("a flood of handshakes", () => {
  it("is cut off at the rate, and who gets through without a certificate is told so", async () => {
    const node = await start({ handshakesPerSecond: 2, connectionsPerAddressMax: 64 });
    const codes = new Set<number | undefined>();
    const look = await node.endure(async () => {
      const clients = await Promise.all(Array.from({ length: 8 }, () => node.attack()));
      await until(() => clients.some(({ isRefused }) => isRefused), "an end", 2_000).catch(
        () => {},
      );
      for (const { peerErrorCode } of clients) codes.add(peerErrorCode);
      node.forgetClients();
    });
    expect(look.figures.refused["limit"]).toBeGreaterThan(0);
    expect(look.figures.refused["transport.no-certificate"]).toBeGreaterThan(0);
    // No answer, or the alert certificate_required (RFC 9001, 4.8).
    expect([...codes].filter((code) => code !== undefined)).toEqual([0x174]);
  });

  it("of strangers with certificates ends with `identity`", async () => {
    const node = await start();
    const stranger = makeIdentity(idOf(7));
    const codes = new Set<number | undefined>();
    const look = await node.endure(async () => {
      const client = await node.attack({ identity: stranger });
      await until(() => client.isRefused, "an end", 2_000).catch(() => {});
      codes.add(client.peerErrorCode);
      node.forgetClients();
    });
    expect(look.figures.refused["transport.peer-unknown"]).toBeGreaterThan(0);
    expect([...codes].filter((code) => code !== undefined)).toEqual([IDENTITY]);
  });

  it("in another protocol ends with the alert no_application_protocol", async () => {
    const node = await start();
    const codes = new Set<number | undefined>();
    const look = await node.endure(async () => {
      const client = await node.attack({ identity: node.attacker, alpn: "h3" });
      await until(() => client.isRefused, "an end", 2_000).catch(() => {});
      codes.add(client.peerErrorCode);
      node.forgetClients();
    });
    expect([...codes].filter((code) => code !== undefined)).toEqual([NO_APPLICATION_PROTOCOL]);
    expect(look.figures.refused["transport.protocol"]).toBeGreaterThan(0);
    expect(look.figures.sessions).toBe(1);
  });

  it("that are begun and left lying fill their part and no more, and are freed in time", async () => {
    const node = await start({
      connectionsMax: 40,
      connectionsPerAddressMax: 24,
      handshakesPerSecond: 1_000,
      handshakeTimeoutMs: 1_000,
      idleTimeoutMs: 3_000,
    });
    let most = 0;
    await node.endure(async () => {
      for (let i = 0; i < 5; i++) (await node.attack({ identity: node.attacker })).mute();
      await sleep(20);
      most = Math.max(most, (await node.look()).figures.connections);
    });
    // Of this address, and our own attempts at two silent addresses.
    expect(most).toBeGreaterThan(10);
    expect(most).toBeLessThanOrEqual(24 + 2);
    const end = Date.now() + 8_000;
    let left = most;
    while (left > 3 && Date.now() < end) {
      await sleep(100);
      left = (await node.look()).figures.connections;
    }
    expect(left).toBeLessThanOrEqual(3);
  });
});

describe("a flood of handshakes from hosts that are no member's", () => {
  /** The most connections that there were at once; one is that of a member who comes from there, too. */
  const mostOf = async (node: Victim, each: number): Promise<number> => {
    let most = 0;
    const look = await node.endure(async () => {
      for (let i = 0; i < each; i++) (await node.attack()).mute();
      await sleep(20);
      most = Math.max(most, (await node.look()).figures.connections);
    });
    expect(look.figures.refused["limit"]).toBeGreaterThan(0);
    return most;
  };
  const short = { handshakesPerSecond: 1_000, handshakeTimeoutMs: 2_000, idleTimeoutMs: 4_000 };

  it("has so many places from one network, and who is known takes none of them", async () => {
    const node = await start(short, true);
    expect(await mostOf(node, 5)).toBe(LIMITS.strangersPerNetworkMax + 1);
  });

  it("has a quarter of all places, and who is known takes none of them", async () => {
    const node = await start({ ...short, connectionsMax: 24 }, true);
    expect(await mostOf(node, 4)).toBe(24 / 4 + 1);
  });
});
