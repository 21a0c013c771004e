/** An accepted session of a member over a QUIC connection that is the test's: what arrives, and when. */
import { realClock, realRandom, realTimers } from "../../src/node/real-ports.ts";
import { BulkBudget } from "../../src/transport/bulk-budget.ts";
import { ALPN, TRANSPORT_LIMITS, type TransportLimits } from "../../src/transport/options.ts";
import type {
  QuicSession,
  QuicSessionEnd,
  QuicSessionUser,
} from "../../src/transport/quic-endpoint.ts";
import { Session } from "../../src/transport/session.ts";
import { SigningLine } from "../../src/transport/signing-line.ts";
import { encodeHello, OUR_FEATURES } from "../../src/transport/stoq/hello.ts";
import type { ManualTime } from "../ledger/replica/ports.ts";
import { idOf, securityOf, silentMetrics } from "./support.ts";

/** Streams of the dialler. */
export const SYNC = 10;
export const CONTROL = 14;

export const framed = (payload: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(4 + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length);
  frame.set(payload, 4);
  return frame;
};

export const HELLO: Uint8Array = framed(
  encodeHello({ run: new Uint8Array(8).fill(7), features: OUR_FEATURES }),
);

export type ScriptedSession = {
  readonly session: Session;
  /** Frames that the session's user was given. */
  readonly frames: Uint8Array[];
  /** Code of the failure of each end, undefined where the peer is charged with nothing. */
  readonly ends: (string | undefined)[];
  /** The peer's next bytes of a stream; read at the next `service`. */
  readonly arrive: (stream: number, bytes: Uint8Array) => void;
  /** Pieces that arrived and were not read. */
  readonly unread: () => number;
  readonly service: () => void;
  /** The driver tells how the connection ended. */
  readonly ended: (end: QuicSessionEnd) => void;
};

export type ScriptedOptions = {
  /** What the session's user does with it when it is up. */
  readonly ready?: (session: Session) => void;
  /** Real time where it is left out. */
  readonly time?: ManualTime;
  readonly limits?: Partial<TransportLimits>;
  /** From which of our streams on, the first being 1, none opens: the connection has ended, or has not. */
  readonly unopened?: { readonly stream: number; readonly hasEnded: boolean };
};

export const openScripted = (options: ScriptedOptions = {}): ScriptedSession => {
  const arrived = new Map<number, Uint8Array[]>();
  const partsOf = (stream: number): Uint8Array[] => arrived.get(stream) ?? [];
  let user: QuicSessionUser | undefined;
  let streams = 0;
  const { unopened } = options;
  const connection: QuicSession = {
    ...{ remote: { host: "::1", port: 1 }, accepted: true, isEstablished: true },
    get hasEnded() {
      return unopened?.hasEnded === true && streams >= unopened.stream;
    },
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
      if (unopened !== undefined && streams >= unopened.stream) throw new Error("no stream");
      return streams * 4 - 1;
    },
    setUrgency: () => {},
    readableStreams: () => [...arrived.keys()].filter((id) => partsOf(id).length > 0),
    readable: (id) => partsOf(id).length > 0,
    read: (id) => {
      const bytes = partsOf(id).shift();
      return bytes === undefined ? undefined : { bytes, fin: false };
    },
    capacity: () => 0,
    write: () => 0,
    abortStream: () => {},
    sendDatagram: () => false,
    readDatagram: () => undefined,
  };
  const frames: Uint8Array[] = [];
  const ends: (string | undefined)[] = [];
  const { time, ready = () => {} } = options;
  const [clock, timers] = time === undefined ? [realClock, realTimers] : [time.clock, time];
  const security = securityOf(idOf(0));
  const session = new Session({
    ...{ connection, dialled: undefined, route: undefined, features: 0 },
    ...{ self: idOf(0), selfRun: new Uint8Array(8), certificateHash: new Uint8Array(32) },
    ...{ security, signing: new SigningLine(security.signer) },
    ...{ pin: new Uint8Array(32), pinOf: () => undefined },
    limits: { ...TRANSPORT_LIMITS, ...options.limits },
    ports: {
      ...{ clock, timers, random: realRandom, metrics: silentMetrics },
      logger: { log: () => {} },
    },
    events: {
      identify: () => ({
        ok: true,
        value: { id: idOf(1), certificateEndMs: clock.wallMs() + 3_600_000 },
      }),
      ready,
      frame: (_session, _class, bytes) => frames.push(bytes),
      ...{ datagram: () => {}, admit: () => true, drained: () => {}, note: () => {} },
      secured: () => {},
      ended: (_session, _code, _detail, failure) => ends.push(failure?.code),
    },
    bulk: new BulkBudget({
      ...{ clock, timers, loopShare: 1 },
      loopTime: () => ({ activeMs: 0, idleMs: 0 }),
    }),
  });
  user?.established();
  return {
    ...{ session, frames, ends },
    arrive: (stream, bytes) => void arrived.set(stream, [...partsOf(stream), bytes]),
    unread: () => [...arrived.values()].reduce((sum, parts) => sum + parts.length, 0),
    service: () => user?.service(),
    ended: (end) => user?.ended(end),
  };
};
