/** Streams in one direction over streams in two: which of the driver's streams is meant by an id. */
import { describe, expect, it } from "vitest";
import { OneWaySession } from "../../src/transport/one-way-session.ts";
import type { QuicSession } from "../../src/transport/quic-endpoint.ts";

const make = (accepted: boolean, opensUni: boolean) => {
  const waiting = new Map<number, string>();
  const asked: string[] = [];
  let opened = 0;
  const inner: QuicSession = {
    remote: { host: "::1", port: 1 },
    accepted,
    ...{ isEstablished: true, hasEnded: false },
    attach: () => {},
    peerCertificates: () => null,
    applicationProtocol: () => "test/1",
    figures: () => ({
      ...{ rttMs: undefined, packetsSent: 0, packetsReceived: 0, packetsLost: undefined },
      congestionWindowBytes: undefined,
    }),
    ...{ close: () => {}, requestTurn: () => {}, requestLaterTurn: () => {}, keepAlive: () => {} },
    openStream: (kind) => opened++ * 4 + (kind === "uni" ? 2 : 0) + (accepted ? 1 : 0),
    setUrgency: (id) => asked.push(`urgency ${id}`),
    readableStreams: () => [...waiting.keys()],
    readable: (id) => waiting.has(id),
    read: (id) => {
      const text = waiting.get(id);
      waiting.delete(id);
      return text === undefined ? undefined : { bytes: Buffer.from(text), fin: false };
    },
    capacity: (id) => id,
    write: (id, bytes) => {
      asked.push(`write ${id}`);
      return bytes.length;
    },
    abortStream: (id) => asked.push(`abort ${id}`),
    sendDatagram: () => true,
    readDatagram: () => undefined,
  };
  const session = new OneWaySession(inner, opensUni);
  const text = (id: number): string | undefined => {
    const part = session.read(id);
    return part && Buffer.from(part.bytes).toString();
  };
  return { session, waiting, asked, text };
};

describe("streams that this end opens", () => {
  it.each([
    [false, [2, 6], [0, 4]],
    [true, [3, 7], [1, 5]],
  ])("in two directions where the driver has no others (accepted: %s)", (accepted, ids, inner) => {
    const { session, asked } = make(accepted, false);
    expect([session.openStream("uni"), session.openStream("uni")]).toEqual(ids);
    for (const id of ids) session.write(id, Uint8Array.of(1), false);
    session.setUrgency(ids[0] ?? 0, 1);
    session.abortStream(ids[1] ?? 0, 0);
    expect(asked).toEqual([
      ...inner.map((id) => `write ${id}`),
      ...[`urgency ${inner[0]}`, `abort ${inner[1]}`],
    ]);
    expect(session.capacity(ids[1] ?? 0)).toBe(inner[1]);
  });

  it("in one direction where the driver has them", () => {
    const { session, asked } = make(true, true);
    expect(session.openStream("uni")).toBe(3);
    session.write(3, Uint8Array.of(1), false);
    expect(asked).toEqual(["write 3"]);
  });
});

describe("streams that the peer opens", () => {
  it.each([
    ["one direction", 2, 0],
    ["two directions", 0, 2],
  ])("in %s are found, and the other one of the same place is never read", (_name, used, other) => {
    const { session, waiting, text } = make(true, true);
    expect(session.readable(2)).toBe(false);
    expect(session.read(2)).toBeUndefined();
    waiting.set(used, "first");
    expect(session.readable(2)).toBe(true);
    expect(text(2)).toBe("first");
    waiting.set(other, "other");
    expect(session.readable(2)).toBe(false);
    expect(text(2)).toBeUndefined();
    waiting.set(used, "second");
    expect(text(2)).toBe("second");
  });

  it("each place by itself", () => {
    const { session, waiting, text } = make(true, true);
    waiting.set(4, "two ways");
    waiting.set(10, "one way");
    expect([...session.readableStreams()].sort((a, b) => a - b)).toEqual([6, 10]);
    expect([text(6), text(10), text(2)]).toEqual(["two ways", "one way", undefined]);
  });
});
