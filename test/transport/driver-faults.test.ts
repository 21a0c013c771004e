/**
 * Faults of the driver under sessions that run: exceptions of the library, a socket that is gone, a loop that does
 * nothing. The sessions come back by themselves, and everybody who is to know is told.
 */
import { createSocket } from "node:dgram";
import { closeSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import quiche from "@matrixai/quic/native/quiche.js";
import type { Connection } from "@matrixai/quic/native/types.js";
import { afterEach, describe, expect, it, vi } from "vitest";
import { fail } from "../../src/errors.ts";
import { DRIVER_LIMITS } from "../../src/limits-driver.ts";
import { EndpointKeeper } from "../../src/transport/endpoint-keeper.ts";
import { QuicheEndpoint } from "../../src/transport/quiche-endpoint.ts";
import { Router } from "../../src/transport/relay/router.ts";
import {
  closed,
  idOf,
  type LogLine,
  makeIdentity,
  makeTestNetwork,
  makeTransport,
  record,
  type TestNetwork,
  until,
} from "./support.ts";

let network: TestNetwork | undefined;

afterEach(async () => {
  vi.restoreAllMocks();
  await network?.dispose();
  network = undefined;
});

const LIMITS = {
  ...{ idleTimeoutMs: 1_500, redialMsMin: 10, redialMsMax: 50, handshakeTimeoutMs: 500 },
  driver: { ...DRIVER_LIMITS, faultsMax: 4, faultsMs: 0, checkMs: 100, retryMsMin: 20 },
};

const pair = async () => {
  network = await makeTestNetwork(2, LIMITS);
  const [a, b] = network.transports;
  const [logsA] = network.logs;
  const idB = network.identities[1]?.id;
  if (a === undefined || b === undefined || logsA === undefined || idB === undefined) {
    throw new RangeError("two nodes");
  }
  const seenA = record(a);
  const seenB = record(b);
  await until(() => a.peers().length === 1 && b.peers().length === 1, "up");
  return { a, b, idB, logsA, seenA, seenB };
};

/** What all connections of the library have. */
const library: Connection = Reflect.get(quiche.Connection, "prototype");

/** What a client's first datagram looks like to whoever has not decrypted it (RFC 9000, 17.2.2). */
const firstPacket = (): Buffer => {
  const ids = Buffer.concat([
    Buffer.of(20),
    Buffer.alloc(20, 1),
    Buffer.of(20),
    Buffer.alloc(20, 2),
  ]);
  const head = Buffer.concat([Buffer.of(0xc0, 0, 0, 0, 1), ids, Buffer.of(0, 0x44, 0x80)]);
  return Buffer.concat([head, Buffer.alloc(1_200 - head.length, 3)]);
};

const failures = (logs: readonly LogLine[]): readonly LogLine[] =>
  logs.filter(
    ({ level, fields }) => level === "error" && fields["code"] === "transport.driver-failed",
  );

describe("an exception of the library", () => {
  it("costs the one connection that it meets, which comes back", async () => {
    const { a, b, logsA, seenA } = await pair();
    const original = library.timeout;
    let thrown = 0;
    vi.spyOn(library, "timeout").mockImplementation(function (this: Connection) {
      thrown += 1;
      if (thrown === 1) throw new Error("out of order");
      return original.call(this);
    });
    const faults = (): number => a.figures().faults + b.figures().faults;
    await until(() => faults() > 0, "the fault");
    await until(() => a.peers().length === 1 && b.peers().length === 1, "up again");
    expect(faults()).toBe(1);
    expect([a.driver().restarts, b.driver().restarts]).toEqual([0, 0]);
    expect(failures(logsA)).toEqual([]);
    expect(seenA.down.every(({ reason }) => reason.code !== "protocol")).toBe(true);
  });

  it("over a stranger's datagrams costs no session, however many of them there are", async () => {
    const { a, b, seenA } = await pair();
    vi.spyOn(quiche, "retry").mockImplementation(() => {
      throw new Error("out of order");
    });
    const stranger = createSocket({ type: "udp6", ipv6Only: true });
    const port = Number(/:(\d+)$/.exec(a.address())?.[1]);
    try {
      // One too few to end the endpoint, and again before a session has anything to do.
      for (const count of [3, 6, 9, 12]) {
        for (let i = 0; i < 3; i++) stranger.send(firstPacket(), port, "::1");
        await until(() => a.figures().faults >= count, "the faults");
      }
    } finally {
      stranger.close();
    }
    expect(a.driver().restarts).toBe(0);
    expect([a.peers().length, b.peers().length]).toEqual([1, 1]);
    expect(seenA.down).toEqual([]);
  });

  it("in every connection ends the endpoint, and another takes its place", async () => {
    const { a, b, idB, logsA, seenB } = await pair();
    const before = a.address();
    const broken = vi.spyOn(library, "timeout").mockImplementation(() => {
      throw new Error("out of order");
    });
    await until(() => a.driver().restarts > 0, "another endpoint");
    broken.mockRestore();
    await until(() => a.peers().length === 1 && b.peers().length === 1, "up again");
    expect(a.address()).toBe(before);
    expect(a.driver()).toMatchObject({ state: "up", lastFault: { cause: "library" } });
    expect(failures(logsA)[0]).toMatchObject({
      level: "error",
      fields: { cause: "library", driver: "quiche", retryMs: 20 },
    });
    await until(() => {
      a.send(idB, "consensus", Uint8Array.of(7));
      return seenB.frames.length > 0;
    }, "a frame on the new endpoint");
  });
});

/** The file descriptor of this process's UDP socket on the port. */
const descriptorOf = (port: number): number => {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const line = readFileSync("/proc/self/net/udp6", "utf8")
    .split("\n")
    .find((text) => text.includes(`:${hex} 0000`));
  const inode = line?.trim().split(/\s+/)[9];
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${name}`) === `socket:[${inode}]`) return Number(name);
    } catch {
      // Closed meanwhile: the one of the listing itself.
    }
  }
  throw new Error("no such socket");
};

const FAILED = "the endpoint of sessions has failed";

describe("a socket that somebody closes", () => {
  it("is replaced at the same address, and the sessions come back", async () => {
    const { a, b, logsA } = await pair();
    const before = a.address();
    closeSync(descriptorOf(Number(/:(\d+)$/.exec(before)?.[1])));
    await until(() => a.driver().restarts === 1, "another endpoint");
    await until(() => a.peers().length === 1 && b.peers().length === 1, "up again");
    expect(a.address()).toBe(before);
    expect(a.driver().lastFault).toMatchObject({ cause: "socket" });
    expect(a.driver().lastFault?.detail).toMatch(/EBADF|ENOTSOCK/);
    expect(failures(logsA).map(({ message }) => message)).toEqual([FAILED]);
    expect(b.driver().restarts).toBe(0);
  });
});

describe("a dial that the driver gives nobody for", () => {
  it("has the driver's own reason in the log, where it says one", async () => {
    const [own, far] = [makeIdentity(idOf(0)), makeIdentity(idOf(1))];
    const logs: LogLine[] = [];
    const transport = await makeTransport({
      ...{ identity: own, logs },
      peers: [own, far].map(({ id, spkiPin }) => ({ id, address: "[::1]:9", tlsPin: spkiPin })),
      bindEndpoint: async (options) => {
        const endpoint = await QuicheEndpoint.bind(options);
        vi.spyOn(endpoint, "dial").mockReturnValue(undefined);
        const refusal = fail("transport.driver-failed", "no folder");
        return Object.defineProperty(endpoint, "refusal", { value: refusal });
      },
    });
    try {
      record(transport);
      const refused = (): LogLine | undefined => logs.find(({ message }) => message === "refused");
      await until(() => refused() !== undefined, "the dial");
      expect(refused()).toMatchObject({
        level: "warn",
        fields: { code: "transport.driver-failed", detail: "[::1]:9: no folder" },
      });
    } finally {
      await closed(transport);
    }
  });
});

describe("a node that stops", () => {
  it("has no other endpoint opened before it says goodbye through relays", async () => {
    const { a } = await pair();
    const watching = vi.spyOn(EndpointKeeper.prototype, "stopWatching");
    const relays = vi.spyOn(Router.prototype, "close");
    a.close(() => {});
    const [first] = watching.mock.invocationCallOrder;
    expect(first).toBeLessThan(relays.mock.invocationCallOrder[0] ?? 0);
  });
});

describe("a loop that never comes round again", () => {
  it("is seen by its look from outside, and replaced", async () => {
    const { a, b, idB } = await pair();
    const real = globalThis.setImmediate;
    const lost = vi.spyOn(globalThis, "setImmediate").mockImplementation(((
      callback: () => void,
    ) => {
      const isRound = callback.toString().includes("collectLater");
      return real(isRound ? () => {} : callback);
    }) as typeof setImmediate);
    // Whoever has nothing to do in a round does without them. What is bulk waits for one.
    a.send(idB, "bulk", new Uint8Array(10));
    await until(() => a.driver().state === "down" || a.driver().restarts > 0, "it is given up");
    lost.mockRestore();
    await until(() => a.peers().length === 1 && b.peers().length === 1, "up again");
    expect(a.driver().lastFault?.cause).toBe("stall");
  });
});
