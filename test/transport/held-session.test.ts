/** What a session that has to wait reads and keeps: the QUIC connection under it is the test's. */
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import { realClock, realRandom, realTimers } from "../../src/node/real-ports.ts";
import { BulkBudget } from "../../src/transport/bulk-budget.ts";
import { ALPN, TRANSPORT_LIMITS } from "../../src/transport/options.ts";
import type { QuicSession, QuicSessionUser } from "../../src/transport/quic-endpoint.ts";
import { Session } from "../../src/transport/session.ts";
import { encodeHello, OUR_FEATURES } from "../../src/transport/stoq/hello.ts";
import { idOf, securityOf, silentMetrics } from "./support.ts";

const CONTROL = 14;

const framed = (payload: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(4 + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length);
  frame.set(payload, 4);
  return frame;
};

const HELLO = framed(encodeHello({ run: new Uint8Array(8).fill(7), features: OUR_FEATURES }));
/** Frames of one byte, which count up. */
const frames = (from: number, count: number): Uint8Array =>
  Buffer.concat(Array.from({ length: count }, (_, i) => framed(Uint8Array.of((from + i) & 0xff))));

/** An accepted session whose user holds it at its hello. */
const open = () => {
  const parts: Uint8Array[] = [];
  let user: QuicSessionUser | undefined;
  let streams = 0;
  const connection: QuicSession = {
    ...{ remote: { host: "::1", port: 1 }, accepted: true, isEstablished: true, hasEnded: false },
    attach: (its) => {
      user = its;
    },
    peerCertificates: () => [Uint8Array.of(1)],
    applicationProtocol: () => ALPN,
    figures: () => ({
      ...{ rttMs: undefined, packetsSent: 0, packetsReceived: 0 },
      ...{ packetsLost: undefined, congestionWindowBytes: undefined },
    }),
    ...{ close: () => {}, requestTurn: () => {}, requestLaterTurn: () => {}, keepAlive: () => {} },
    openStream: () => {
      streams += 1;
      return streams * 4 - 1;
    },
    setUrgency: () => {},
    readableStreams: () => (parts.length > 0 ? [CONTROL] : []),
    readable: (id) => id === CONTROL && parts.length > 0,
    read: () => {
      const bytes = parts.shift();
      return bytes === undefined ? undefined : { bytes, fin: false };
    },
    capacity: () => 0,
    write: () => 0,
    abortStream: () => {},
    sendDatagram: () => false,
    readDatagram: () => undefined,
  };
  const got: number[] = [];
  const ends: (string | undefined)[] = [];
  const peer = idOf(1);
  const session = new Session({
    ...{ connection, dialled: undefined, route: undefined, features: 0 },
    ...{ self: idOf(0), selfRun: new Uint8Array(8), certificateHash: new Uint8Array(32) },
    security: securityOf(idOf(0)),
    limits: TRANSPORT_LIMITS,
    ports: {
      ...{ clock: realClock, timers: realTimers, random: realRandom, metrics: silentMetrics },
      logger: { log: () => {} },
    },
    events: {
      identify: () => ({ ok: true, value: { id: peer, certificateEndMs: Date.now() + 60_000 } }),
      ready: (its) => its.hold(),
      frame: (_session, _class, bytes) => got.push(bytes[0] ?? -1),
      ...{ datagram: () => {}, admit: () => true, drained: () => {}, note: () => {} },
      secured: () => {},
      ended: (_session, _code, _detail, failure) => ends.push(failure?.code),
    },
    bulk: new BulkBudget({
      ...{ clock: realClock, timers: realTimers, loopShare: 1 },
      loopTime: () => ({ activeMs: 0, idleMs: 0 }),
    }),
  });
  user?.established();
  return { session, parts, got, ends, service: () => user?.service() };
};

describe("a session that is held at its hello", () => {
  it("reads nothing more, and has everything in order when it is let go on", () => {
    const { session, parts, got, ends, service } = open();
    parts.push(Buffer.concat([HELLO, frames(0, 3)]));
    for (let i = 0; i < 5; i++) parts.push(frames(3 + i, 1));
    service();
    service();
    expect([session.isUp, got.length, parts.length]).toEqual([true, 0, 5]);
    session.release();
    service();
    expect([got, parts.length]).toEqual([[0, 1, 2, 3, 4, 5, 6, 7], 0]);
    expect(ends).toEqual([]);
    session.close("closed", "the test is over");
  });

  it("keeps heldFramesMax frames that came in one piece with the hello", () => {
    const { session, parts, got, ends, service } = open();
    parts.push(Buffer.concat([HELLO, frames(0, LIMITS.heldFramesMax)]));
    service();
    expect(ends).toEqual([]);
    session.release();
    service();
    expect(got).toEqual(Array.from({ length: LIMITS.heldFramesMax }, (_, i) => i & 0xff));
    session.close("closed", "the test is over");
  });

  it("ends for one more, and has none of them then", () => {
    const { session, parts, got, ends, service } = open();
    parts.push(Buffer.concat([HELLO, frames(0, LIMITS.heldFramesMax + 1)]));
    service();
    expect([ends, session.isUp]).toEqual([["transport.protocol"], false]);
    session.release();
    service();
    expect(got).toEqual([]);
  });
});
