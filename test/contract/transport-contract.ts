/**
 * What every Transport does, the real ones and the simulated one. The suite drives time only through the
 * network that it is given, so that it runs on virtual time as well as on sockets. On the reactor the test's network
 * supplies two things that sessions need and the driver lacks (test/transport/reactor-mesh.ts); no clause is left out.
 */
import { afterEach, describe, expect, it } from "vitest";
import {
  type PeerClose,
  type PeerId,
  TRAFFIC_CLASSES,
  type TrafficClass,
  type Transport,
  type TransportMember,
} from "../../src/ledger/ports.ts";
import { LIMITS } from "../../src/limits.ts";

export type ContractNetwork = {
  /** Ids of the nodes, in the order of the transports. */
  readonly ids: readonly PeerId[];
  /** Them as a list of members. */
  readonly members: readonly TransportMember[];
  /** Not yet started. */
  readonly transports: readonly Transport[];
  /** Lets the network run until the condition holds; rejects with `what` when it never does. */
  until(condition: () => boolean, what: string): Promise<void>;
  /** Lets the network run for about this long. */
  run(ms: number): Promise<void>;
  dispose(): Promise<void>;
};

type Seen = {
  readonly events: string[];
  readonly frames: {
    readonly peer: PeerId;
    readonly trafficClass: TrafficClass;
    readonly bytes: Uint8Array;
  }[];
  readonly reasons: PeerClose[];
};

const start = (transport: Transport, onFrame?: () => void): Seen => {
  const seen: Seen = { events: [], frames: [], reasons: [] };
  transport.start({
    peerUp: (peer) => seen.events.push(`up ${peer}`),
    peerDown: (peer, reason) => {
      seen.events.push(`down ${peer}`);
      seen.reasons.push(reason);
    },
    frame: (peer, trafficClass, bytes) => {
      seen.frames.push({ peer, trafficClass, bytes });
      onFrame?.();
    },
  });
  return seen;
};

const at = <T>(items: readonly T[], index: number): T => {
  const item = items[index];
  if (item === undefined) throw new RangeError(`no item ${index}`);
  return item;
};

const filled = (length: number, seed: number): Uint8Array => {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed) & 0xff;
  return bytes;
};

const numbered = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
};

const numberOf = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);

export const transportContract = (
  name: string,
  makeNetwork: (count: number) => Promise<ContractNetwork>,
): void => {
  let network: ContractNetwork | undefined;
  const open = async (count: number): Promise<ContractNetwork> => {
    network = await makeNetwork(count);
    return network;
  };
  const openPair = async () => {
    const net = await open(2);
    const [a, b] = [at(net.transports, 0), at(net.transports, 1)];
    const [idA, idB] = [at(net.ids, 0), at(net.ids, 1)];
    const seenA = start(a);
    const seenB = start(b);
    await net.until(() => a.peers().length === 1 && b.peers().length === 1, "both ends up");
    return { net, a, b, idA, idB, seenA, seenB };
  };
  afterEach(async () => {
    await network?.dispose();
    network = undefined;
  });

  describe(`transport contract: ${name}`, () => {
    it("brings up one session with every other node and says so once", async () => {
      const net = await open(4);
      const seen = net.transports.map((transport) => start(transport));
      await net.until(
        () => net.transports.every((transport) => transport.peers().length === 3),
        "full mesh",
      );
      await net.run(50);
      for (const [index, own] of net.ids.entries()) {
        const others = net.ids.filter((id) => id !== own);
        expect([...at(net.transports, index).peers()].sort()).toEqual([...others].sort());
        // Up and down alternate for each peer and end with up: at most one session is live.
        for (const other of others) {
          const events = at(seen, index).events.filter((event) => event.endsWith(other));
          expect(events.length % 2).toBe(1);
          for (const [place, event] of events.entries()) {
            expect(event.startsWith(place % 2 === 0 ? "up" : "down")).toBe(true);
          }
        }
      }
    });

    it("sends nothing where there is no session", async () => {
      const net = await open(2);
      const a = at(net.transports, 0);
      expect(a.send(at(net.ids, 1), "consensus", filled(10, 1))).toBe(false);
      start(a);
      expect(a.send(at(net.ids, 1), "consensus", filled(10, 1))).toBe(false);
      expect(a.send("ff".repeat(32), "consensus", filled(10, 1))).toBe(false);
      expect(a.peers()).toEqual([]);
    });

    it("keeps the order within a class and gives the sender's bytes to the right class", async () => {
      const { net, a, idA, idB, seenB } = await openPair();
      const count = 500;
      for (let i = 0; i < count; i++) {
        for (const trafficClass of TRAFFIC_CLASSES) {
          expect(a.send(idB, trafficClass, numbered(i))).toBe(true);
        }
      }
      await net.until(() => seenB.frames.length === TRAFFIC_CLASSES.length * count, "all frames");
      for (const trafficClass of TRAFFIC_CLASSES) {
        const own = seenB.frames.filter((frame) => frame.trafficClass === trafficClass);
        expect(own.map((frame) => numberOf(frame.bytes))).toEqual(
          Array.from({ length: count }, (_, i) => i),
        );
      }
      expect(seenB.frames.every((frame) => frame.peer === idA)).toBe(true);
    });

    it("works in both directions at once and from inside the handler", async () => {
      const net = await open(2);
      const [a, b] = [at(net.transports, 0), at(net.transports, 1)];
      const [idA, idB] = [at(net.ids, 0), at(net.ids, 1)];
      const rounds = 50;
      let atA = 0;
      let atB = 0;
      a.start({
        peerUp: () => {},
        peerDown: () => {},
        frame: (_peer, trafficClass, bytes) => {
          atA += 1;
          if (atA < rounds) a.send(idB, trafficClass, bytes);
        },
      });
      b.start({
        peerUp: () => {},
        peerDown: () => {},
        frame: (_peer, trafficClass, bytes) => {
          atB += 1;
          b.send(idA, trafficClass, bytes);
        },
      });
      await net.until(() => a.peers().length === 1 && b.peers().length === 1, "both ends up");
      a.send(idB, "consensus", filled(100, 3));
      await net.until(() => atA === rounds, "the last echo");
      expect(atB).toBe(rounds);
    });

    it("carries an empty frame and one of exactly the limit, and refuses one byte more", async () => {
      const { net, a, idB, seenB } = await openPair();
      for (const trafficClass of TRAFFIC_CLASSES) {
        const limit = LIMITS.frameBytesMax[trafficClass];
        const before = seenB.frames.length;
        const largest = filled(limit, limit & 0xff);
        expect(a.send(idB, trafficClass, largest)).toBe(true);
        expect(a.send(idB, trafficClass, new Uint8Array(0))).toBe(true);
        expect(a.send(idB, trafficClass, filled(limit + 1, 0))).toBe(false);
        await net.until(() => seenB.frames.length === before + 2, `frames of ${trafficClass}`);
        const got = at(seenB.frames, before).bytes;
        expect(Buffer.compare(got, largest)).toBe(0);
        expect(at(seenB.frames, before + 1).bytes.length).toBe(0);
      }
      expect(a.peers()).toEqual([idB]);
    });

    it("hands over bytes that belong to the handler", async () => {
      const { net, a, idB, seenB } = await openPair();
      a.send(idB, "mempool", filled(5000, 1));
      a.send(idB, "mempool", filled(5000, 2));
      await net.until(() => seenB.frames.length === 2, "two frames");
      at(seenB.frames, 0).bytes.fill(0xee);
      expect(Buffer.compare(at(seenB.frames, 1).bytes, filled(5000, 2))).toBe(0);
    });

    it("says false when a queue is full, loses nothing that it took, and recovers", async () => {
      const { net, a, idB, seenB } = await openPair();
      const frame = filled(LIMITS.frameBytesMax.control, 7);
      let taken = 0;
      while (a.send(idB, "control", frame)) {
        taken += 1;
        // The queue is bounded: without a turn in between it must fill.
        expect(taken * frame.length).toBeLessThanOrEqual(LIMITS.sendQueueBytesMax.control);
      }
      expect(taken).toBeGreaterThan(0);
      expect(a.send(idB, "consensus", numbered(1))).toBe(true);
      await net.until(() => seenB.frames.length === taken + 1, "what was taken");
      expect(a.send(idB, "control", frame)).toBe(true);
      await net.until(() => seenB.frames.length === taken + 2, "the frame after recovery");
    });

    it("tells both ends of a disconnect, and the session comes back", async () => {
      const { net, a, b, idA, idB, seenA, seenB } = await openPair();
      a.disconnect(idB, { code: "protocol", detail: "the test says so" });
      expect(a.peers()).toEqual([]);
      expect(a.send(idB, "consensus", numbered(1))).toBe(false);
      await net.until(() => seenB.reasons.length === 1, "the other end knows");
      expect(at(seenA.reasons, 0).code).toBe("protocol");
      expect(at(seenB.reasons, 0).code).toBe("protocol");
      await net.until(
        () => a.peers().length === 1 && b.peers().length === 1,
        "the session is back",
      );
      expect(seenA.events).toEqual([`up ${idB}`, `down ${idB}`, `up ${idB}`]);
      expect(b.send(idA, "sync", numbered(2))).toBe(true);
      await net.until(() => seenA.frames.length === 1, "a frame on the new session");
    });

    it("ends the session of who is no member any more, and has none until it is one again", async () => {
      const { net, a, b, idA, idB, seenA, seenB } = await openPair();
      const others = net.members.filter(({ id }) => id !== idB);
      expect(a.know).toBeDefined();
      a.know?.(others);
      expect(a.peers()).toEqual([]);
      expect(a.send(idB, "consensus", numbered(1))).toBe(false);
      await net.until(() => seenB.reasons.length === 1, "the other end knows");
      await net.run(300);
      expect([a.peers(), b.peers()]).toEqual([[], []]);
      a.know?.(net.members);
      await net.until(() => a.peers().length === 1 && b.peers().length === 1, "a session again");
      expect([a.peers(), b.peers()]).toEqual([[idB], [idA]]);
      expect(seenA.events.slice(0, 3)).toEqual([`up ${idB}`, `down ${idB}`, `up ${idB}`]);
    });

    it("ignores a disconnect of a peer that has no session", async () => {
      const { a, idB, seenA } = await openPair();
      a.disconnect("ff".repeat(32), { code: "rate", detail: "nobody" });
      expect(a.peers()).toEqual([idB]);
      expect(seenA.reasons).toEqual([]);
    });

    it("may be disconnected from inside the handler", async () => {
      const net = await open(2);
      const [a, b] = [at(net.transports, 0), at(net.transports, 1)];
      const [idA, idB] = [at(net.ids, 0), at(net.ids, 1)];
      const seenA = start(a);
      let frames = 0;
      let downs = 0;
      b.start({
        peerUp: () => {},
        peerDown: () => {
          downs += 1;
        },
        frame: () => {
          frames += 1;
          b.disconnect(idA, { code: "rate", detail: "too much" });
        },
      });
      await net.until(() => a.peers().length === 1 && b.peers().length === 1, "both ends up");
      for (let i = 0; i < 10; i++) a.send(idB, "mempool", numbered(i));
      await net.until(() => seenA.reasons.length === 1, "the sender knows");
      expect(frames).toBe(1);
      expect(downs).toBe(1);
    });

    it("closes: the others are told, nothing is called or sent any more", async () => {
      const { net, a, idA, idB, seenA, seenB } = await openPair();
      const eventsBefore = seenA.events.length;
      let done = 0;
      a.close(() => {
        done += 1;
      });
      await net.until(() => done === 1, "closed");
      await net.until(() => seenB.reasons.length === 1, "the other end knows");
      expect(at(seenB.reasons, 0).code).toBe("shutdown");
      expect(at(seenB.events, seenB.events.length - 1)).toBe(`down ${idA}`);
      expect(a.send(idB, "consensus", numbered(1))).toBe(false);
      expect(a.peers()).toEqual([]);
      await net.run(50);
      expect(seenA.events.length).toBe(eventsBefore);
    });

    it("may be closed from inside the handler", async () => {
      const net = await open(2);
      const [a, b] = [at(net.transports, 0), at(net.transports, 1)];
      const idB = at(net.ids, 1);
      const seenA = start(a);
      let closed = false;
      let frames = 0;
      b.start({
        peerUp: () => {},
        peerDown: () => {},
        frame: () => {
          frames += 1;
          b.close(() => {
            closed = true;
          });
        },
      });
      await net.until(() => a.peers().length === 1 && b.peers().length === 1, "both ends up");
      for (let i = 0; i < 10; i++) a.send(idB, "mempool", numbered(i));
      await net.until(() => closed && seenA.reasons.length === 1, "closed and told");
      expect(frames).toBe(1);
      expect(at(seenA.reasons, 0).code).toBe("shutdown");
    });
  });
};
