/** Bulk over a session, two lanes back to back: turns, limits, and what breaks the rules. */
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import { BULK_LIMITS } from "../../../src/limits-bulk.ts";
import { decodeFrame, encodeFrame } from "../../../src/transport/bulk/frames.ts";
import type { BulkServe } from "../../../src/transport/bulk/port.ts";
import { SessionLane } from "../../../src/transport/bulk/session-lane.ts";

const PEER = "aa".repeat(32);

let nowMs = 0;

type End = {
  readonly lane: SessionLane;
  readonly sent: Uint8Array[];
  readonly answers: { readonly id: number; readonly status: string; readonly bytes: Uint8Array }[];
  readonly breaches: string[];
  /** How many frames more the class's queue takes. */
  room: number;
};

const endOf = (serve: BulkServe = async () => undefined): End => {
  const sent: Uint8Array[] = [];
  const answers: End["answers"] = [];
  const breaches: string[] = [];
  const lane: SessionLane = new SessionLane({
    ...{ folder: "/nowhere", clock: { monotonicMs: () => nowMs } },
    send: (_peer, frame) => {
      if (end.room <= 0) return false;
      end.room -= 1;
      sent.push(frame);
      return true;
    },
    serve,
    answered: (id, status, bytes) => answers.push({ id, status, bytes }),
    served: () => {},
    breach: (_peer, { code }) => breaches.push(code),
  });
  const end: End = { lane, sent, answers, breaches, room: Number.POSITIVE_INFINITY };
  return end;
};

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

const of =
  (bytes: number): BulkServe =>
  async () => ({
    head: new Uint8Array(bytes).fill(5),
    file: undefined,
  });

const request = (id: number): Uint8Array =>
  encodeFrame({ kind: "request", id, name: Uint8Array.of(1) });

/** Hands all that one end sent to the other, until both are quiet. */
const exchange = async (a: End, b: End): Promise<void> => {
  for (let quiet = 0; quiet < 3; quiet++) {
    await turn();
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const frame of from.sent.splice(0)) {
        quiet = 0;
        to.lane.frame(PEER, frame);
      }
    }
  }
};

const FULL_PARTS = Math.floor(LIMITS.bulkAnswerBytesMax / LIMITS.bulkPartBytesMax);

/** A full part, or the last one. */
const part = (id: number, place: number, end?: Uint8Array): Uint8Array => {
  const bytes = end ?? new Uint8Array(LIMITS.bulkPartBytesMax).fill(place);
  return encodeFrame({ kind: "part", id, last: end !== undefined, place, bytes });
};

describe("bulk over a session", () => {
  it("carries answers in parts that take turns, and says what is not there", async () => {
    const [asker, server] = [endOf(), endOf(of(3 * LIMITS.bulkPartBytesMax))];
    for (const id of [1, 2]) asker.lane.request(id, PEER, Uint8Array.of(id));
    server.room = 0;
    for (const frame of asker.sent.splice(0)) server.lane.frame(PEER, frame);
    await turn();
    server.room = 100;
    server.lane.drained(PEER);
    const order = server.sent
      .map((frame) => decodeFrame(frame))
      .map((frame) => frame?.kind === "part" && frame.id);
    expect(order.slice(-4)).toEqual([1, 2, 1, 2]);
    await exchange(asker, server);
    expect(asker.answers.map(({ id, status, bytes }) => [id, status, bytes.length])).toEqual([
      [1, "ok", 3 * LIMITS.bulkPartBytesMax],
      [2, "ok", 3 * LIMITS.bulkPartBytesMax],
    ]);
    const none = endOf();
    asker.lane.request(3, PEER, Uint8Array.of(3));
    await exchange(asker, none);
    expect(asker.answers.at(-1)).toMatchObject({ id: 3, status: "absent" });
  });

  it("stops where the queue is full, and goes on when it is told of room", async () => {
    const [asker, server] = [endOf(), endOf(of(10 * LIMITS.bulkPartBytesMax))];
    server.room = 4;
    asker.lane.request(1, PEER, Uint8Array.of(1));
    await exchange(asker, server);
    expect(asker.answers).toEqual([]);
    server.room = 3;
    server.lane.drained(PEER);
    expect(server.sent).toHaveLength(3);
    server.room = 100;
    server.lane.drained(PEER);
    await exchange(asker, server);
    expect(asker.answers).toHaveLength(1);
  });

  it("serves so many of one peer at a time, at the limit and past it", async () => {
    const server = endOf(() => new Promise(() => {}));
    for (let id = 0; id < LIMITS.bulkServedPerPeerMax; id++) server.lane.frame(PEER, request(id));
    expect(server.sent).toEqual([]);
    server.lane.frame(PEER, request(999));
    expect(server.sent.map((frame) => decodeFrame(frame))).toEqual([
      { kind: "no", id: 999, reason: "busy" },
    ]);
    // One that waits and is given up makes room.
    server.lane.frame(PEER, encodeFrame({ kind: "cancel", id: LIMITS.bulkServedPerPeerMax - 1 }));
    server.lane.frame(PEER, request(1000));
    expect(server.sent).toHaveLength(1);
    expect(server.breaches).toEqual([]);
  });

  it("ends with a peer that sends no frame, too long an answer, or takes no answers", async () => {
    const malformed = endOf();
    malformed.lane.frame(PEER, Uint8Array.of(9, 9, 9));
    expect(malformed.breaches).toEqual(["bulk.malformed"]);
    const asker = endOf();
    asker.lane.request(7, PEER, Uint8Array.of(1));
    for (let place = 0; place < FULL_PARTS; place++) asker.lane.frame(PEER, part(7, place));
    expect(asker.breaches).toEqual([]);
    asker.lane.frame(PEER, part(7, FULL_PARTS));
    expect(asker.breaches).toEqual(["bulk.malformed"]);
    const twice = endOf();
    twice.lane.request(7, PEER, Uint8Array.of(1));
    for (let i = 0; i < 2; i++) twice.lane.frame(PEER, part(7, 3));
    expect(twice.breaches).toEqual(["bulk.malformed"]);
    const flooded = endOf(() => new Promise(() => {}));
    flooded.room = 0;
    for (let id = 0; id < 10_000 && flooded.breaches.length === 0; id++) {
      flooded.lane.frame(PEER, request(id));
    }
    expect(flooded.breaches).toEqual(["bulk.malformed"]);
  });

  it("passes over answers to what was given up", async () => {
    const asker = endOf();
    asker.lane.request(7, PEER, Uint8Array.of(1));
    asker.lane.cancel(7, PEER);
    asker.lane.frame(PEER, part(7, 0, Uint8Array.of(1)));
    asker.lane.frame(PEER, encodeFrame({ kind: "no", id: 7, reason: "absent" }));
    expect([asker.answers, asker.breaches]).toEqual([[], []]);
    expect(asker.sent.map((frame) => decodeFrame(frame)?.kind)).toEqual(["request", "cancel"]);
  });

  it("takes back requests that were not sent, and says nothing of them to a peer on a slow link", () => {
    const asker = endOf();
    asker.room = 1;
    for (let id = 1; id <= 300; id++) {
      asker.lane.request(id, PEER, Uint8Array.of(1));
      if (id > 1) asker.lane.cancel(id, PEER);
    }
    asker.lane.cancel(1, PEER);
    asker.lane.request(301, PEER, Uint8Array.of(1));
    expect(asker.breaches).toEqual([]);
    asker.room = 100;
    asker.lane.drained(PEER);
    expect(asker.sent.map((frame) => decodeFrame(frame))).toMatchObject([
      { kind: "request", id: 1 },
      { kind: "cancel", id: 1 },
      { kind: "request", id: 301 },
    ]);
  });

  it("takes back refusals that were not sent when the peer gives up what it asked for", () => {
    const server = endOf(() => new Promise(() => {}));
    server.room = 0;
    for (let id = 0; id < LIMITS.bulkServedPerPeerMax; id++) server.lane.frame(PEER, request(id));
    for (let id = 1_000; id < 2_000; id++) {
      nowMs += 2_000 / BULK_LIMITS.idleFramesPerSecond;
      server.lane.frame(PEER, request(id));
      server.lane.frame(PEER, encodeFrame({ kind: "cancel", id }));
    }
    server.lane.frame(PEER, request(3_000));
    expect(server.breaches).toEqual([]);
    server.room = 100;
    server.lane.drained(PEER);
    expect(server.sent.map((frame) => decodeFrame(frame))).toEqual([
      { kind: "no", id: 3_000, reason: "busy" },
    ]);
  });

  const nothing: readonly [string, (id: number) => Uint8Array][] = [
    ["give up what is not open", (id) => encodeFrame({ kind: "cancel", id })],
    ["refuse what is not open", (id) => encodeFrame({ kind: "no", id, reason: "busy" })],
    ["end answers to what is not open", (id) => part(id, 0, new Uint8Array(0))],
  ];
  const { idleFramesPerSecond, idleFramesBurst } = BULK_LIMITS;

  it.each(nothing)("takes so many frames that %s, at the limit and past it", (_what, frameOf) => {
    const { lane, breaches } = endOf();
    const send = (count: number): void => {
      for (let id = 0; id < count; id++) lane.frame(PEER, frameOf(id));
    };
    send(idleFramesBurst);
    nowMs += 1_000;
    send(idleFramesPerSecond);
    expect(breaches).toEqual([]);
    send(1);
    expect(breaches).toEqual(["bulk.malformed"]);
  });

  it("counts requests over what is served, and those that are made to be given up", () => {
    const busy = endOf(() => new Promise(() => {}));
    for (let id = 0; id < LIMITS.bulkServedPerPeerMax + idleFramesBurst; id++) {
      busy.lane.frame(PEER, request(id));
    }
    expect([busy.breaches, busy.sent.length]).toEqual([[], idleFramesBurst]);
    busy.lane.frame(PEER, request(10_000));
    expect([busy.breaches, busy.sent.length]).toEqual([["bulk.malformed"], idleFramesBurst]);
    const given = endOf(() => new Promise(() => {}));
    for (let id = 0; id < idleFramesBurst; id++) {
      given.lane.frame(PEER, request(id));
      given.lane.frame(PEER, encodeFrame({ kind: "cancel", id }));
    }
    expect(given.breaches).toEqual([]);
    given.lane.frame(PEER, request(1));
    given.lane.frame(PEER, encodeFrame({ kind: "cancel", id: 1 }));
    expect(given.breaches).toEqual(["bulk.malformed"]);
  });

  it("counts no answer to what is open, and no full part", () => {
    const { lane, breaches, answers } = endOf();
    for (let id = 1; id <= 2 * idleFramesBurst; id++) {
      lane.request(id, PEER, Uint8Array.of(1));
      lane.frame(PEER, encodeFrame({ kind: "no", id, reason: "absent" }));
      lane.frame(PEER, part(id, 0));
    }
    expect([breaches, answers.length]).toEqual([[], 2 * idleFramesBurst]);
  });

  it("puts an answer together whose parts overtake each other on two paths, and none with a gap", async () => {
    const serve: BulkServe = async () => ({
      head: Buffer.alloc(3 * LIMITS.bulkPartBytesMax + 5, "an answer "),
      file: undefined,
    });
    const [asker, server] = [endOf(), endOf(serve)];
    for (const id of [1, 2]) asker.lane.request(id, PEER, Uint8Array.of(id));
    for (const frame of asker.sent.splice(0)) server.lane.frame(PEER, frame);
    await turn();
    const parts = server.sent.splice(0);
    expect(parts).toHaveLength(8);
    // Of the second answer one part was lost with a path.
    const lost = parts.findIndex((frame) => decodeFrame(frame)?.id === 2);
    parts.splice(lost, 1);
    for (const frame of parts.reverse()) asker.lane.frame(PEER, frame);
    expect(asker.answers.map(({ id, status }) => [id, status])).toEqual([[1, "ok"]]);
    const served = await serve(PEER, Uint8Array.of(1));
    expect(
      Buffer.compare(asker.answers[0]?.bytes ?? Buffer.of(), served?.head ?? Buffer.of()),
    ).toBe(0);
    expect(asker.breaches).toEqual([]);
  });

  it("ends with a peer that sends an answer in small parts", () => {
    const asker = endOf();
    asker.lane.request(7, PEER, Uint8Array.of(1));
    // kind, id, not the last one, place, one byte
    asker.lane.frame(PEER, Uint8Array.of(2, 0, 0, 0, 7, 0, 0, 1));
    expect(asker.breaches).toEqual(["bulk.malformed"]);
  });

  it("reads four answers of one peer at a time, also of what it gives up, over one session or two", async () => {
    const reads: (() => void)[] = [];
    const server = endOf(
      () =>
        new Promise((resolve) => {
          reads.push(() => resolve({ head: Uint8Array.of(1), file: undefined }));
        }),
    );
    for (let id = 0; id < 100; id++) {
      server.lane.frame(PEER, request(id));
      server.lane.frame(PEER, encodeFrame({ kind: "cancel", id }));
      if (id % 10 === 9) server.lane.end(PEER);
    }
    await turn();
    expect(reads).toHaveLength(4);
    // What is asked then waits for those, and is answered when they have ended.
    server.lane.frame(PEER, request(200));
    expect(server.sent).toEqual([]);
    for (const done of reads.splice(0)) done();
    await turn();
    for (const done of reads.splice(0)) done();
    await turn();
    expect(server.sent.map((frame) => decodeFrame(frame)?.id)).toEqual([200]);
  });
});
