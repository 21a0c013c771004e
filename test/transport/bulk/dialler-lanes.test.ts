/** Which connection a request goes to, and what waits for one: sessions and time are the test's. */
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import { BulkDialler } from "../../../src/transport/bulk/dialler.ts";
import type { QuicSession, QuicSessionUser } from "../../../src/transport/quic-endpoint.ts";

const PEER = "aa".repeat(32);
const STREAMS = LIMITS.bulkRequestsPerConnectionMax;

/** A connection to a listener that allows so many streams, and takes what is written. */
class FakeSession implements QuicSession {
  readonly remote = { host: "::1", port: 1 };
  readonly accepted = false;
  readonly isEstablished = true;
  hasEnded = false;
  allowed: number = STREAMS;
  user: QuicSessionUser | undefined;
  /** Names by stream. */
  readonly sent = new Map<number, string>();
  readonly aborted: number[] = [];
  #opened = 0;
  #answers = new Map<number, Uint8Array>();

  attach(user: QuicSessionUser): void {
    this.user = user;
  }
  openStream(): number {
    if (this.#opened >= this.allowed) throw new Error("StreamLimit");
    this.#opened += 1;
    return 4 * (this.#opened - 1);
  }
  write(streamId: number, bytes: Uint8Array): number {
    this.sent.set(streamId, Buffer.from(bytes.subarray(1)).toString());
    return bytes.length;
  }
  readable(streamId: number): boolean {
    return this.#answers.has(streamId);
  }
  read(streamId: number): { bytes: Uint8Array; fin: boolean } | undefined {
    const bytes = this.#answers.get(streamId);
    this.#answers.delete(streamId);
    return bytes === undefined ? undefined : { bytes, fin: true };
  }
  close(): void {
    this.hasEnded = true;
  }
  abortStream(streamId: number): void {
    this.aborted.push(streamId);
  }
  peerCertificates = (): null => null;
  applicationProtocol = (): string => "";
  figures = () => ({
    ...{ rttMs: undefined, packetsSent: 0, packetsReceived: 0, packetsLost: 0 },
    congestionWindowBytes: undefined,
  });
  requestTurn(): void {}
  requestLaterTurn(): void {}
  keepAlive(): void {}
  setUrgency(): void {}
  readableStreams = (): number[] => [];
  capacity = (): number => 1;
  sendDatagram = (): boolean => false;
  readDatagram = (): undefined => undefined;

  /** Answers the oldest. */
  answer(): void {
    const [streamId] = this.sent.keys();
    if (streamId === undefined) throw new Error("nothing was asked");
    this.sent.delete(streamId);
    this.#answers.set(streamId, Uint8Array.of(0));
    this.user?.service();
  }
}

class World {
  nowMs = 0;
  readonly sessions: FakeSession[] = [];
  readonly told: (readonly [number, number, string])[] = [];
  readonly answers = new Map<number, string>();
  readonly dialler = new BulkDialler({
    clock: { monotonicMs: () => this.nowMs },
    dial: () => {
      const session = new FakeSession();
      this.sessions.push(session);
      return session;
    },
    connections: (_peer, number, count, detail) => this.told.push([number, count, detail]),
    answered: (id, status) => this.answers.set(id, status),
  });

  constructor(connections: number) {
    this.dial(1, connections);
  }

  dial(number: number, connections: number): void {
    const first = this.sessions.length;
    this.dialler.dial({
      ...{ peer: PEER, number, remotes: [{ host: "::1", port: 1 }], connections },
      ...{ serverName: "", authorityPem: "", identity: { certPem: "", keyPem: "" } },
    });
    for (const session of this.sessions.slice(first)) session.user?.established();
  }

  ask(from: number, to: number): void {
    for (let id = from; id <= to; id++) this.dialler.request(id, PEER, Buffer.from(`${id}`));
    this.turn();
  }

  turn(): void {
    for (const { user } of this.sessions) user?.service();
  }

  sent(): readonly (readonly string[])[] {
    return this.sessions.map(({ sent }) => [...sent.values()]);
  }
}

describe("requests of one member", () => {
  it("go to the connection with the fewest, and in turns where those are as many", () => {
    const world = new World(2);
    for (let id = 1; id <= 6; id++) {
      world.ask(id, id);
      if (id <= 3) world.sessions[(id - 1) % 2]?.answer();
    }
    expect(world.sent()).toEqual([["5"], ["4", "6"]]);
    expect(world.answers.size).toBe(3);
  });

  it("wait in order while no connection has a stream, and are not sent once given up", () => {
    const world = new World(1);
    world.ask(1, STREAMS + 3);
    expect(world.sent()[0]).toHaveLength(STREAMS);
    expect(world.answers.size).toBe(0);
    world.dialler.cancel(STREAMS + 1);
    const [session] = world.sessions;
    // The connection has a place, and the peer has not said yet that there is another stream.
    session?.answer();
    expect(world.sent()[0]).toHaveLength(STREAMS - 1);
    if (session !== undefined) session.allowed += 1;
    world.turn();
    world.turn();
    expect(world.sent()[0]?.at(-1)).toBe(`${STREAMS + 2}`);
    expect(world.answers).toEqual(new Map([[1, "ok"]]));
  });

  it("wait as many as one member may have open, and past that are busy", () => {
    const world = new World(1);
    const most = STREAMS + LIMITS.bulkRequestsPerPeerMax;
    world.ask(1, most);
    expect(world.answers.size).toBe(0);
    world.ask(most + 1, most + 1);
    expect(world.answers).toEqual(new Map([[most + 1, "busy"]]));
  });

  it("are lost with the last connection, those that wait too", () => {
    const world = new World(2);
    world.ask(1, 2 * STREAMS + 5);
    const end = { by: "timeout", isApp: false, code: 0, reason: "silence" } as const;
    world.sessions[0]?.user?.ended(end);
    expect(world.answers.size).toBe(STREAMS);
    world.sessions[1]?.user?.ended(end);
    expect(world.answers.size).toBe(2 * STREAMS + 5);
    expect(new Set(world.answers.values())).toEqual(new Set(["lost"]));
    world.dial(2, 1);
    world.ask(100, 100 + STREAMS);
    world.dialler.hangUp(PEER);
    expect(world.answers.get(100 + STREAMS)).toBe("lost");
  });

  it("that wait go over the next connections as soon as those are up", () => {
    const world = new World(1);
    world.ask(1, STREAMS + 2);
    world.dial(2, 1);
    world.turn();
    expect(world.sent()[1]).toEqual([`${STREAMS + 1}`, `${STREAMS + 2}`]);
    expect(world.answers.size).toBe(0);
  });

  it("that are given up before anything was sent leave their streams to others", () => {
    const world = new World(1);
    for (let id = 1; id <= 3 * STREAMS; id++) {
      world.dialler.request(id, PEER, Buffer.from("given up"));
      world.dialler.cancel(id);
    }
    world.ask(1_000, 999 + STREAMS);
    expect(world.sent()[0]).toHaveLength(STREAMS);
    expect(world.sessions[0]?.aborted).toEqual([]);
    world.dialler.cancel(1_000);
    expect(world.sessions[0]?.aborted).toHaveLength(1);
  });

  it("end a connection that has no stream for them for long although none is open, and not before", () => {
    const world = new World(2);
    const [worn, other] = world.sessions;
    if (worn === undefined || other === undefined) throw new Error("not dialled");
    worn.allowed = 0;
    world.ask(1, 1);
    expect(world.sent()).toEqual([[], ["1"]]);
    world.nowMs += LIMITS.bulkStallMs;
    world.ask(2, 2);
    expect(worn.hasEnded).toBe(false);
    world.nowMs += 1;
    world.ask(3, 3);
    expect(worn.hasEnded).toBe(true);
    expect(world.told.at(-1)).toEqual([1, 1, "the peer lets no stream be opened"]);
    expect(world.sent()[1]).toEqual(["1", "2", "3"]);
    // One that has many streams open is only slow.
    other.allowed = STREAMS / 2;
    world.ask(4, STREAMS);
    world.nowMs += 10 * LIMITS.bulkStallMs;
    world.turn();
    expect(world.told.at(-1)?.[1]).toBe(1);
    other.answer();
    other.allowed += 1;
    world.turn();
    expect(world.sent()[1]).toHaveLength(STREAMS / 2);
    expect(new Set(world.answers.values())).toEqual(new Set(["ok"]));
  });

  it("leave a connection that has had few streams for long, which ends when it owes nothing", () => {
    const world = new World(2);
    const [worn, other] = world.sessions;
    if (worn === undefined || other === undefined) throw new Error("not dialled");
    worn.allowed = STREAMS / 2 - 1;
    world.ask(1, STREAMS);
    world.nowMs += LIMITS.bulkStallMs;
    worn.answer();
    world.ask(STREAMS + 1, STREAMS + 1);
    expect(world.told.at(-1)).toEqual([1, 2, ""]);
    world.nowMs += 1;
    world.ask(STREAMS + 2, STREAMS + 2);
    expect(world.told.at(-1)).toEqual([1, 1, "the peer lets no stream be opened"]);
    worn.allowed = STREAMS;
    world.ask(STREAMS + 3, STREAMS + 3);
    expect(world.sent()[1]?.slice(-3)).toEqual([1, 2, 3].map((id) => `${STREAMS + id}`));
    for (let left = STREAMS / 2 - 2; left > 0; left--) {
      expect(worn.hasEnded).toBe(false);
      worn.answer();
    }
    expect(worn.hasEnded).toBe(true);
    expect(new Set(world.answers.values())).toEqual(new Set(["ok"]));
    expect(world.told.at(-1)).toEqual([1, 1, "the peer lets no stream be opened"]);
  });

  it("do not wait where all connections have had few streams for long", () => {
    const world = new World(2);
    for (const session of world.sessions) session.allowed = 2;
    world.ask(1, 10);
    world.nowMs += LIMITS.bulkStallMs;
    world.turn();
    world.nowMs += 1;
    expect(world.answers.size).toBe(0);
    world.turn();
    expect([...world.answers]).toEqual([5, 6, 7, 8, 9, 10].map((id) => [id, "lost"]));
    // So that those that are missing are replaced, and what is owed is not given up.
    expect(world.told.at(-1)).toEqual([1, 1, "the peer lets no stream be opened"]);
    world.ask(11, 11);
    expect(world.answers.get(11)).toBe("lost");
    world.dial(2, 1);
    world.ask(12, 12);
    expect(world.sent()[2]).toEqual(["12"]);
    for (const session of world.sessions) for (const _ of [...session.sent]) session.answer();
    expect(world.sessions.map(({ hasEnded }) => hasEnded)).toEqual([true, true, false]);
    for (const id of [1, 2, 3, 4, 12]) expect(world.answers.get(id)).toBe("ok");
  });

  it("find the last connection gone when it has had few streams for long and owes nothing", () => {
    const world = new World(1);
    const [worn] = world.sessions;
    if (worn === undefined) throw new Error("not dialled");
    worn.allowed = 2;
    world.ask(1, 3);
    world.nowMs += LIMITS.bulkStallMs + 1;
    world.turn();
    expect(world.told.at(-1)?.[1]).toBe(1);
    worn.answer();
    // The last that it owed is given up.
    world.dialler.cancel(2);
    expect(worn.hasEnded).toBe(true);
    expect(world.told.at(-1)).toEqual([1, 0, "the peer lets no stream be opened"]);
    expect([...world.answers]).toEqual([
      [3, "lost"],
      [1, "ok"],
    ]);
  });
});
