/**
 * Sessions on the reserve driver: the reactor takes them over where quiche fails, and gives them back. The other node
 * is in a process of its own, so that what breaks here breaks nothing there.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import quiche from "@matrixai/quic/native/quiche.js";
import type { Connection } from "@matrixai/quic/native/types.js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DRIVER_LIMITS, type DriverLimits } from "../../src/limits-driver.ts";
import type { TransportLimits } from "../../src/transport/options.ts";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";
import { systemTemporary } from "../../src/transport/reactor-binding.ts";
import { needsReactor } from "./reactor-here.ts";
import { useSpawnedPeers } from "./spawn-peer.ts";
import {
  closed,
  freePorts,
  idOf,
  type LogLine,
  makeIdentity,
  makeTransport,
  type Recorded,
  record,
  type TestIdentity,
  until,
} from "./support.ts";

const spawnPeer = useSpawnedPeers();
const open: QuicTransport[] = [];
const folders: string[] = [];

beforeEach(needsReactor);

afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(open.splice(0).map(closed));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const LIMITS = {
  ...{ idleTimeoutMs: 3_000, redialMsMin: 10, redialMsMax: 50, handshakeTimeoutMs: 1_000 },
  driver: { ...DRIVER_LIMITS, faultsMax: 4, faultsMs: 0, checkMs: 100, retryMsMin: 20 },
} satisfies Partial<TransportLimits>;

/** What all connections of the library in this process have. */
const library: Connection = Reflect.get(quiche.Connection, "prototype");

const breakQuiche = () =>
  vi.spyOn(library, "timeout").mockImplementation(() => {
    throw new Error("out of order");
  });

type Far = {
  /** Whose key answers at B's address; B's where it is left out. */
  readonly answers?: TestIdentity;
  /** Whose pin the node here expects of B. */
  readonly pinned?: TestIdentity;
};

type Near = {
  readonly a: QuicTransport;
  readonly seen: Recorded;
  readonly logs: readonly LogLine[];
};

const [A, B, C] = [idOf(0), idOf(1), idOf(2)];

/** Node A here, and the process that answers at the address of B. */
const pair = async (
  driver: Partial<DriverLimits>,
  { answers, pinned }: Far = {},
  reserve = true,
  limits: Partial<TransportLimits> = {},
): Promise<Near> => {
  const folder = mkdtempSync(join(systemTemporary(), "nexus-reserve-test-"));
  folders.push(folder);
  const identities = [A, B, C].map((id) => makeIdentity(id));
  const [ownA, ownB] = identities;
  const ports = await freePorts(3);
  if (ownA === undefined || ownB === undefined) throw new RangeError("two nodes");
  const all = [
    ownA,
    answers?.id === B ? answers : ownB,
    answers?.id === C ? answers : identities[2],
  ];
  const peers = all.flatMap((identity, index) =>
    identity === undefined
      ? []
      : [{ id: identity.id, address: `[::1]:${ports[index]}`, tlsPin: identity.spkiPin }],
  );
  const far = answers ?? ownB;
  await spawnPeer({ identity: far, peers, listen: `[::1]:${ports[1]}`, limits: LIMITS });
  const seenByA = peers.map((peer) =>
    peer.id === B && pinned !== undefined ? { ...peer, tlsPin: pinned.spkiPin } : peer,
  );
  const logs: LogLine[] = [];
  const a = await makeTransport({
    ...{ identity: ownA, peers: seenByA, listen: `[::1]:${ports[0]}`, logs },
    ...(reserve ? { reserve: { folder: join(folder, "tls-tmp") } } : {}),
    limits: { ...LIMITS, ...limits, driver: { ...LIMITS.driver, ...driver } },
  });
  open.push(a);
  return { a, seen: record(a), logs };
};

const frames = (seen: Recorded, first: number): number =>
  seen.frames.filter(({ bytes }) => bytes[0] === first).length;

/** Sends until the other node, which sends all back, has done so. */
const echoed = async ({ a, seen }: Near, first: number, bytes = 1): Promise<void> => {
  const frame = new Uint8Array(bytes).fill(first);
  a.send(B, "sync", frame);
  await until(() => {
    if (frames(seen, first) === 0 && bytes === 1) a.send(B, "consensus", frame);
    return frames(seen, first) > 0;
  }, `a frame of ${bytes} bytes and back`);
};

const driverOf = (a: QuicTransport): string | undefined =>
  a.peerFigures().find(({ id }) => id === B)?.driver;

const upOn = (a: QuicTransport, driver: string): Promise<void> =>
  until(() => driverOf(a) === driver && a.isSecured?.(B) === true, `a session on ${driver}`);

describe("where quiche fails", () => {
  it("the reactor carries the sessions, and quiche takes them back when it works again", async () => {
    const near = await pair({ reserveMs: 2_000 });
    const { a, seen, logs } = near;
    await upOn(a, "quiche");
    await echoed(near, 1);
    const broken = breakQuiche();
    await upOn(a, "reactor");
    expect(a.driver()).toMatchObject({ driver: "reactor", state: "up", restarts: 2 });
    expect(a.driver().lastFault?.cause).toBe("library");
    await echoed(near, 2);
    await echoed(near, 3, 1_000_000);
    broken.mockRestore();
    await upOn(a, "quiche");
    await echoed(near, 4);
    expect(a.driver()).toMatchObject({ driver: "quiche", state: "up", restarts: 3 });
    expect(seen.down.map(({ reason }) => reason.code)).not.toContain("protocol");
    const told = logs.filter(({ message }) => message === "another endpoint of sessions is open");
    expect(told.map(({ fields }) => fields["driver"])).toEqual([
      ...["quiche", "reactor", "quiche"],
    ]);
  });

  it("it goes back to quiche as well where that fails again, and to the reactor once more", async () => {
    const { a } = await pair({ reserveMs: 300 });
    await upOn(a, "quiche");
    breakQuiche();
    await until(() => a.driver().restarts >= 4, "anew, there, back, and there");
    await upOn(a, "reactor");
  });

  it("quiche is opened anew where the operator wants no other driver", async () => {
    const { a } = await pair({}, {}, false);
    await upOn(a, "quiche");
    const broken = breakQuiche();
    await until(() => a.driver().restarts > 0, "another endpoint");
    broken.mockRestore();
    await upOn(a, "quiche");
  });
});

describe("what is wrong on the reserve driver", () => {
  it.each([
    ["quiche", "refused"],
    ["reactor", "waiting"],
  ])("is held against the peer on %s: %s", async (driver, state) => {
    const limits = { redialMsMin: 3_000, redialMsMax: 3_000 };
    const { a } = await pair({}, {}, true, limits);
    await upOn(a, "quiche");
    if (driver === "reactor") {
      breakQuiche();
      await upOn(a, "reactor");
    }
    a.disconnect(B, { code: "protocol", detail: "of a test" });
    expect(a.peerFigures().find(({ id }) => id === B)?.state).toBe(state);
  });
});

describe("on the reserve driver, who answers is nobody before it has shown its key", () => {
  it("another member at the address of the one that was dialled gets nothing", async () => {
    const other = makeIdentity(C);
    const { a, seen } = await pair({}, { answers: other });
    breakQuiche();
    await until(() => a.driver().driver === "reactor", "the reserve", 30_000);
    const before = failedHandshakes(a);
    await until(() => failedHandshakes(a) > before + 1, "handshakes that fail", 30_000);
    expect(a.peers()).not.toContain(B);
    expect(seen.up).not.toContain(B);
    expect(seen.frames.filter(({ peer }) => peer === B)).toEqual([]);
  });

  it("who has the member's FALCON key and not the TLS key that is pinned is turned away", async () => {
    const near = await pair({}, { pinned: makeIdentity(B) });
    const { a, seen } = near;
    breakQuiche();
    await until(() => a.driver().driver === "reactor", "the reserve", 30_000);
    const before = failedHandshakes(a);
    await until(() => failedHandshakes(a) > before + 1, "handshakes that fail", 30_000);
    expect(seen.up).toEqual([]);
    expect(a.peers()).toEqual([]);
  });
});

/** Sessions that were turned away for what the peer's handshake said. */
const failedHandshakes = (a: QuicTransport): number => {
  let count = 0;
  for (const [code, times] of Object.entries(a.figures().refused)) {
    if (code.startsWith("session.")) count += times;
  }
  return count;
};
