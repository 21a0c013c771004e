/** Nodes that come and go, and what stays bounded meanwhile. */
import { afterEach, describe, expect, it } from "vitest";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";
import type { PeerOrder } from "./peer-process.ts";
import { useSpawnedPeers } from "./spawn-peer.ts";
import {
  closed,
  freePorts,
  idOf,
  makeIdentity,
  makeTestNetwork,
  makeTransport,
  record,
  sleep,
  type TestNetwork,
  until,
} from "./support.ts";

let network: TestNetwork | undefined;
const spawnPeer = useSpawnedPeers();

afterEach(async () => {
  await network?.dispose();
  network = undefined;
});

const pair = async (limits?: Parameters<typeof makeTestNetwork>[1]) => {
  network = await makeTestNetwork(2, limits);
  const [a, b] = network.transports;
  const [idA, idB] = network.identities.map((identity) => identity.id);
  if (a === undefined || b === undefined || idA === undefined || idB === undefined) {
    throw new RangeError("two nodes");
  }
  return { net: network, a, b, idA, idB };
};

/** One session is left, and it is proved: both ends dial, so that there may be two at first. */
const linked = (...transports: readonly QuicTransport[]): Promise<void> =>
  until(
    () =>
      transports.every((transport) => {
        const [peer, ...others] = transport.peers();
        return peer !== undefined && others.length === 0 && transport.isSecured?.(peer) === true;
      }),
    "linked",
  );

describe("figures of a member", () => {
  it("go on from one session to the next", async () => {
    const { a, b, idA, idB } = await pair();
    const heard = record(b);
    record(a);
    await linked(a, b);
    const sent = (): number => a.peerFigures()[0]?.session?.bytes.consensus.sent ?? 0;
    a.send(idB, "consensus", new Uint8Array(5_000));
    await until(() => heard.frames.length > 0, "a frame");
    const first = sent();
    expect(first).toBeGreaterThan(5_000);
    b.disconnect(idA, { code: "closed", detail: "a test" });
    await until(() => a.peers().length === 0, "the end of the session");
    await linked(a, b);
    expect(sent()).toBeGreaterThanOrEqual(first);
  });
});

describe("restart", () => {
  for (const index of [0, 1]) {
    it(`brings a peer back after an orderly stop (node ${index})`, async () => {
      const { net } = await pair();
      const [stays, goes] = [net.transports[1 - index], net.transports[index]];
      const goesId = net.identities[index]?.id;
      if (stays === undefined || goes === undefined || goesId === undefined) throw new RangeError();
      const seen = record(stays);
      record(goes);
      await linked(stays, goes);
      await closed(goes);
      // Both dialled, so a session that lost to the other may have ended before, on a busy machine.
      const shutdowns = () => seen.down.filter(({ reason }) => reason.code === "shutdown");
      await until(() => shutdowns().length === 1, "down");
      const ups = seen.up.length;
      const again = await net.restart(index);
      const seenAgain = record(again);
      await linked(stays, again);
      // Both dial: what is sent on the session that loses is lost with it.
      await until(
        () => stays.figures().connections === 1 && again.figures().connections === 1,
        "one connection is left",
      );
      expect(seen.up.length).toBeGreaterThan(ups);
      expect(stays.send(goesId, "consensus", Uint8Array.of(1))).toBe(true);
      await until(() => seenAgain.frames.length === 1, "a frame on the new session");
    });
  }

  it("takes a new run of a peer at once while the session with the dead one still seems live", async () => {
    const { net, a, b, idB } = await pair();
    const seen = record(a);
    record(b);
    await linked(a, b);
    // A process that dies says nothing: the second run of node 0 begins behind a's back, on another
    // port, and reaches b, which still holds the session with a.
    const identity = net.identities[0];
    if (identity === undefined) throw new RangeError();
    const second = await makeTransport({ identity, peers: net.peers });
    const seenSecond = record(second);
    await until(() => second.peers().length === 1, "the second run is taken");
    await until(() => seen.down.length >= 1, "the first run's session is replaced");
    expect(seenSecond.up[0]).toBe(idB);
    await closed(second);
  });

  it("keeps the session when the other end goes on dialling", async () => {
    const { a, b } = await pair({ redialMsMin: 1, redialMsMax: 2 });
    const [seenA, seenB] = [record(a), record(b)];
    await linked(a, b);
    await sleep(300);
    expect(seenA.up.length - seenA.down.length).toBe(1);
    expect(seenB.up.length - seenB.down.length).toBe(1);
    expect(a.figures().connections).toBeLessThanOrEqual(2);
  });
});

describe("both ends dial at once", () => {
  it("leaves one session, the same at both ends, whoever is first", async () => {
    // The higher id waits 100 ms: starts around that offset make the two handshakes cross.
    for (let offset = 90; offset < 106; offset += 1.5) {
      const { a, b, idA, idB } = await pair();
      const seenB = record(b);
      await sleep(offset);
      const seenA = record(a);
      await linked(a, b);
      await until(
        () => a.figures().connections === 1 && b.figures().connections === 1,
        "one connection is left at both ends",
      );
      expect(seenA.up.length - seenA.down.length).toBe(1);
      expect(seenB.up.length - seenB.down.length).toBe(1);
      expect(a.send(idB, "consensus", Uint8Array.of(1))).toBe(true);
      expect(b.send(idA, "consensus", Uint8Array.of(2))).toBe(true);
      await until(() => seenA.frames.length === 1 && seenB.frames.length === 1, "both ways");
      await network?.dispose();
    }
  });
});

describe("idle sessions", () => {
  it("stay up without traffic for many idle timeouts", async () => {
    const { a, b } = await pair({ idleTimeoutMs: 300 });
    const [seenA, seenB] = [record(a), record(b)];
    await linked(a, b);
    await sleep(1500);
    expect(seenA.down).toEqual([]);
    expect(seenB.down).toEqual([]);
  });

  it("end when the peer's process is killed, and come back with its next run", async () => {
    const { net, a, idB } = await pair({ idleTimeoutMs: 1_500, handshakeTimeoutMs: 1_500 });
    await closed(net.transports[1] ?? a);
    const identity = net.identities[1];
    const listen = net.peers[1]?.address;
    if (identity === undefined || listen === undefined) throw new RangeError();
    const order: PeerOrder = { identity, peers: net.peers, listen };
    const seen = record(a);
    for (let round = 1; round <= 2; round++) {
      const child = await spawnPeer(order);
      await until(() => a.peers().length === 1, "up");
      const before = seen.frames.length;
      expect(a.send(idB, "consensus", Uint8Array.of(round))).toBe(true);
      await until(() => seen.frames.length > before, "an echo");
      await until(() => a.peerFigures()[0]?.session?.sealed !== undefined, "secured");
      const downs = seen.down.length;
      child.kill("SIGKILL");
      await until(() => seen.down.length > downs, "down");
      expect(seen.down.at(-1)?.reason.code).toBe("idle");
    }
  });

  it("give way at once to the next run of a killed process", async () => {
    const { net, a, idB } = await pair();
    await closed(net.transports[1] ?? a);
    const identity = net.identities[1];
    const listen = net.peers[1]?.address;
    if (identity === undefined || listen === undefined) throw new RangeError();
    const order: PeerOrder = { identity, peers: net.peers, listen };
    const seen = record(a);
    const first = await spawnPeer(order);
    await until(() => a.peers().length === 1, "up");
    first.kill("SIGKILL");
    const second = await spawnPeer(order);
    // Long before the idle timeout of 15 s: the new run dials and replaces the old session.
    await until(() => seen.up.length === 2, "the new run", 10_000);
    a.send(idB, "control", Uint8Array.of(1));
    await until(() => seen.frames.length === 1, "an echo of the new run");
    second.kill("SIGKILL");
  });
});

describe("a process that is stopped for longer than the idle timeout (SIGSTOP)", () => {
  for (const index of [0, 1]) {
    it(`takes the session that its peer dials when it goes on (node ${index})`, async () => {
      const limits = { idleTimeoutMs: 3_000, handshakeTimeoutMs: 200, redialMsMax: 300 };
      const { net } = await pair(limits);
      const stays = net.transports[1 - index];
      const logs = net.logs[1 - index];
      const gone = net.transports[index];
      const identity = net.identities[index];
      const listen = net.peers[index]?.address;
      if (stays === undefined || logs === undefined || gone === undefined) throw new RangeError();
      if (identity === undefined || listen === undefined) throw new RangeError();
      await closed(gone);
      const child = await spawnPeer({ identity, peers: net.peers, listen, limits });
      const seen = record(stays);
      await until(() => stays.peers().length === 1, "up");
      await sleep(500);
      child.kill("SIGSTOP");
      await until(() => seen.down.length === 1, "down");
      // What it finds in its socket when it goes on makes its own half of the session look alive.
      child.kill("SIGCONT");
      await until(() => stays.peers().length === 1, "up again");
      stays.send(identity.id, "control", Uint8Array.of(1));
      await until(() => seen.frames.length === 1, "an echo");
      const turnedAway = logs.filter(
        ({ message, fields }) => message === "dial failed" && fields["code"] === "replaced",
      );
      expect(turnedAway).toEqual([]);
    });
  }
});

describe("members that change", () => {
  it("are dialled and let in from when they are known, and cut off when they are none any more", async () => {
    const { net, a, b, idA, idB } = await pair();
    const [recordedA, recordedB] = [record(a), record(b)];
    await linked(a, b);
    const identity = makeIdentity(idOf(7));
    const listen = `[::1]:${(await freePorts(1))[0]}`;
    const c = await makeTransport({ identity, listen, peers: net.peers });
    record(c);
    const peer = { id: identity.id, address: listen, tlsPin: identity.spkiPin };
    try {
      await until(
        () =>
          c.figures().connections >= 0 &&
          a.figures().refused["transport.peer-unknown"] !== undefined,
        "a has refused c",
      );
      expect(c.peers()).toEqual([]);
      for (const transport of [a, b]) transport.know?.([...net.peers, peer]);
      await until(() => c.peers().length === 2, "c is in");
      // Whoever dials has a session first; the other side has it when the last of the handshake arrives.
      await until(() => [a, b].every((one) => one.peers().includes(identity.id)), "both have c");
      // Whoever stays keeps its session.
      expect(recordedA.down).toEqual([]);
      for (const transport of [a, b]) transport.know?.(net.peers);
      await until(() => recordedA.down.some(({ peer: id }) => id === identity.id), "c is out at a");
      await until(() => recordedB.down.some(({ peer: id }) => id === identity.id), "c is out at b");
      expect(a.peers()).toEqual([idB]);
      expect(b.peers()).toEqual([idA]);
      expect(() => a.know?.([...net.peers, { ...peer, tlsPin: new Uint8Array(31) }])).toThrow();
    } finally {
      await closed(c);
    }
  });
});

describe("configuration", () => {
  const identity = makeIdentity(idOf(0));
  const peer = { id: idOf(1), address: "[::1]:4440", tlsPin: new Uint8Array(32) };

  it("refuses peers that occur twice and pins of the wrong length", async () => {
    const bad = [
      [peer, { ...peer, tlsPin: new Uint8Array(32).fill(1) }],
      [peer, { ...peer, id: idOf(2) }],
      [{ ...peer, tlsPin: new Uint8Array(31) }],
      [{ ...peer, id: "xyz" }],
    ];
    await expect(
      makeTransport({ identity, peers: [{ ...peer, address: "[::1]:0" }] }),
    ).rejects.toMatchObject({ code: "transport.address" });
    for (const peers of bad) {
      await expect(makeTransport({ identity, peers })).rejects.toMatchObject({
        code: "config.invalid",
      });
    }
  });

  it("refuses a key that does not fit, and an address that is taken", async () => {
    const other = makeIdentity(idOf(0));
    await expect(
      makeTransport({ identity: { ...identity, keyPem: other.keyPem }, peers: [] }),
    ).rejects.toMatchObject({ code: "key.invalid" });
    await expect(
      makeTransport({ identity: { ...identity, certPem: "none" }, peers: [] }),
    ).rejects.toMatchObject({ code: "key.invalid" });
    const first = await makeTransport({ identity, peers: [] });
    await expect(
      makeTransport({ identity, peers: [], listen: first.address() }),
    ).rejects.toMatchObject({ code: "config.invalid" });
    await closed(first);
  });

  it("says with transport.address that a peer's name has no IPv6 address", async () => {
    const transport = await makeTransport({
      identity,
      peers: [{ ...peer, address: "node.example:4440" }],
      names: async (_name, family) => (family === 4 ? ["192.0.2.1"] : []),
    });
    record(transport);
    await until(
      () => (transport.figures().refused["transport.address"] ?? 0) > 0,
      "the name is refused",
    );
    await closed(transport);
  });

  it("reaches a peer by name", async () => {
    const other = makeIdentity(idOf(1));
    const server = await makeTransport({
      identity: other,
      peers: [{ id: identity.id, address: "[::1]:1", tlsPin: identity.spkiPin }],
    });
    const port = /:(\d+)$/.exec(server.address())?.[1] ?? "";
    const client = await makeTransport({
      identity,
      peers: [{ id: other.id, address: `node.example:${port}`, tlsPin: other.spkiPin }],
      names: async (_name, family) => (family === 6 ? ["::1"] : []),
    });
    record(server);
    record(client);
    await linked(server, client);
    await closed(client);
    await closed(server);
  });
});

describe("a long run", () => {
  it("moves 200 MB with memory that does not grow with it", async () => {
    const { a, b, idB } = await pair();
    record(a);
    let received = 0;
    let checksum = 0;
    b.start({
      peerUp: () => {},
      peerDown: () => {},
      frame: (_peer, _trafficClass, bytes) => {
        received += bytes.length;
        checksum = (checksum + (bytes[bytes.length - 1] ?? 0)) & 0xffff;
      },
    });
    await linked(a, b);
    const size = 1_000_000;
    const total = 200 * size;
    const frame = new Uint8Array(size);
    frame[size - 1] = 3;
    let sent = 0;
    let queuedMost = 0;
    let rssAtQuarter = 0;
    let rssMost = 0;
    await until(
      () => {
        while (sent < total && a.send(idB, "sync", frame)) sent += size;
        queuedMost = Math.max(queuedMost, a.figures().queuedBytes);
        const { rss } = process.memoryUsage();
        if (received < total / 4) rssAtQuarter = Math.max(rssAtQuarter, rss);
        else rssMost = Math.max(rssMost, rss);
        return received >= total;
      },
      "200 MB",
      60_000,
    );
    expect(received).toBe(total);
    expect(checksum).toBe((3 * 200) & 0xffff);
    expect(queuedMost).toBeLessThanOrEqual(32 * 1024 * 1024);
    // Three quarters of the traffic may move the heap's high-water mark, but not by what was moved.
    expect(rssMost - rssAtQuarter).toBeLessThan(64 * 1024 * 1024);
    expect(a.figures().connections).toBeLessThanOrEqual(2);
  });

  it("frees every connection of many short sessions", async () => {
    const { a, b, idB } = await pair({ redialMsMin: 1, redialMsMax: 2 });
    const seen = record(a);
    record(b);
    for (let round = 1; round <= 30; round++) {
      await until(() => a.peers().length === 1 && seen.up.length >= round, "up");
      a.disconnect(idB, { code: "closed", detail: "again" });
    }
    await until(() => a.peers().length === 1, "up for good");
    await until(() => a.figures().connections === 1 && b.figures().connections === 1, "all freed");
  });
});
