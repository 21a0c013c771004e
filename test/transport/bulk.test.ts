/** The class bulk between two nodes: who gets its frames, how much waits, and who is told when it may go on. */
import { afterEach, describe, expect, it } from "vitest";
import { fail } from "../../src/errors.ts";
import type { PeerId } from "../../src/ledger/ports.ts";
import { LIMITS } from "../../src/limits.ts";
import type { BulkPort } from "../../src/transport/bulk.ts";
import type { TransportLimits } from "../../src/transport/options.ts";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";
import { makeTestNetwork, type Recorded, record, type TestNetwork, until } from "./support.ts";

let network: TestNetwork | undefined;
afterEach(async () => {
  await network?.dispose();
  network = undefined;
});

type Seen = {
  readonly events: string[];
  readonly frames: { readonly peer: PeerId; readonly bytes: Uint8Array }[];
};

type Node = {
  readonly transport: QuicTransport;
  readonly id: PeerId;
  readonly port: BulkPort;
  readonly seen: Seen;
  readonly replica: Recorded;
};

type Hook = (port: BulkPort, peer: PeerId) => void;

/** A transport whose bulk has a user that writes everything down. */
const nodeOf = (transport: QuicTransport, id: PeerId, drained: Hook = () => {}): Node => {
  const seen: Seen = { events: [], frames: [] };
  const port: BulkPort = transport.bulk({
    peerUp: (peer) => seen.events.push(`up ${peer}`),
    peerDown: (peer) => seen.events.push(`down ${peer}`),
    frame: (peer, bytes) => seen.frames.push({ peer, bytes }),
    drained: (peer) => {
      seen.events.push(`drained ${peer}`);
      drained(port, peer);
    },
  });
  return { transport, id, port, seen, replica: record(transport) };
};

const openPair = async (
  drained?: Hook,
  limits?: Partial<TransportLimits>,
): Promise<{ readonly a: Node; readonly b: Node }> => {
  network = await makeTestNetwork(2, limits);
  const [first, second] = network.transports;
  const [idA, idB] = network.identities.map(({ id }) => id);
  if (first === undefined || second === undefined || idA === undefined || idB === undefined) {
    throw new RangeError("two nodes");
  }
  const [a, b] = [nodeOf(first, idA, drained), nodeOf(second, idB)];
  await until(() => a.port.peers().length === 1 && b.port.peers().length === 1, "both ends are up");
  // Both dial: what is sent on the session that loses would be lost with it.
  await until(
    () => [a, b].every(({ transport }) => transport.figures().connections === 1),
    "one connection is left",
  );
  return { a, b };
};

const CHUNK = LIMITS.frameBytesMax.bulk;

describe("frames of bulk", () => {
  it("go to its user and never to the replica, up to the limit and not past it", async () => {
    const { a, b } = await openPair();
    const largest = new Uint8Array(CHUNK).fill(7);
    expect(CHUNK).toBeGreaterThan(1024 * 1024);
    expect(a.port.send(b.id, largest)).toBe(true);
    expect(a.port.send(b.id, new Uint8Array(CHUNK + 1))).toBe(false);
    expect(a.port.send(b.id, Uint8Array.of(1))).toBe(true);
    expect(a.port.send("ff".repeat(32), Uint8Array.of(1))).toBe(false);
    await until(() => b.seen.frames.length === 2, "two frames");
    expect(b.seen.frames.map(({ peer }) => peer)).toEqual([a.id, a.id]);
    expect(Buffer.compare(b.seen.frames[0]?.bytes ?? new Uint8Array(0), largest)).toBe(0);
    expect(b.seen.frames[1]?.bytes).toEqual(Uint8Array.of(1));
    expect(b.replica.frames).toEqual([]);
    expect(a.seen.events).not.toContain(`drained ${b.id}`);
  });

  it("have one user", async () => {
    const { a } = await openPair();
    const user = { peerUp: () => {}, peerDown: () => {}, frame: () => {}, drained: () => {} };
    expect(() => a.transport.bulk(user)).toThrow(/bulk has its user/);
  });

  it("tell their user of sessions that begin and end", async () => {
    const { a, b } = await openPair();
    const ups = a.seen.events.filter((event) => event === `up ${b.id}`).length;
    b.transport.disconnect(a.id, { code: "closed", detail: "the test says so" });
    await until(() => a.seen.events.filter((event) => event === `up ${b.id}`).length > ups, "back");
    expect(a.seen.events).toContain(`down ${b.id}`);
  });
});

describe("the queue of bulk", () => {
  it("is full at its limit, leaves the other classes alone, and says when half of it is free", async () => {
    const { a, b } = await openPair();
    let taken = 0;
    while (a.port.send(b.id, new Uint8Array(CHUNK))) taken += 1;
    expect(taken).toBe(Math.floor(LIMITS.sendQueueBytesMax.bulk / (CHUNK + 64)));
    expect(a.transport.send(b.id, "consensus", Uint8Array.of(1))).toBe(true);
    await until(() => a.seen.events.includes(`drained ${b.id}`), "drained");
    await until(() => b.seen.frames.length === taken, "all that was taken");
    expect(a.seen.events.filter((event) => event === `drained ${b.id}`)).toHaveLength(1);
    expect(b.replica.frames).toHaveLength(1);
  });

  it("carries any amount to whoever goes on when it is told to", async () => {
    const total = 12;
    let sent = 0;
    const fill: Hook = (port, peer) => {
      while (sent < total && port.send(peer, new Uint8Array(CHUNK).fill(sent))) sent += 1;
    };
    const { a, b } = await openPair(fill);
    fill(a.port, b.id);
    expect(sent).toBeLessThan(total);
    await until(() => b.seen.frames.length === total, "every frame");
    expect(b.seen.frames.map(({ bytes }) => bytes[CHUNK - 1])).toEqual(
      Array.from({ length: total }, (_, i) => i),
    );
  });
});

describe("a breach of bulk", () => {
  it("costs one pause, which doubles from one to the next", async () => {
    const { a, b } = await openPair(undefined, { redialMsMin: 50, redialMsMax: 60_000 });
    const stateOfPeer = (): string => a.transport.peerFigures()[0]?.state ?? "";
    let pauseMs = 0;
    for (let breach = 0; breach < 3; breach++) {
      await until(() => a.transport.isSecured?.(b.id) === true, "a complete session");
      a.port.breach(b.id, fail("bulk.malformed", "of the test"));
      const beganMs = performance.now();
      expect(stateOfPeer()).toBe("refused");
      await until(() => stateOfPeer() !== "refused", "the end of the pause");
      pauseMs = performance.now() - beganMs;
    }
    // 200 ms at most, the fourth of the first; were each counted twice it would be 800 at least.
    expect(pauseMs).toBeLessThan(600);
    expect(a.transport.figures().refused["bulk.malformed"]).toBe(3);
  });
});
