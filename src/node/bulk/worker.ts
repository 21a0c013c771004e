/**
 * The bulk worker: a process of its own, so that a fault in the native threads of a driver ends it and not the
 * node. It knows nothing but what its parent tells it: short-lived keys, who may come, where to dial. It has no
 * environment but a temporary folder of its own, and it ends when its parent does.
 */
import { rmSync } from "node:fs";
import { LIMITS } from "../../limits.ts";
import { Counts } from "../../transport/bulk/counts.ts";
import { BulkDialler } from "../../transport/bulk/dialler.ts";
import { BulkListener } from "../../transport/bulk/listener.ts";
import type { FromWorker, StartOrder, ToWorker } from "../../transport/bulk/worker-messages.ts";
import { tryDriver } from "../../transport/driver-trial.ts";
import type {
  QuicEndpoint,
  QuicEndpointOptions,
  QuicSession,
} from "../../transport/quic-endpoint.ts";
import { QuicheEndpoint } from "../../transport/quiche-endpoint.ts";
import { ReactorEndpoint } from "../../transport/reactor-endpoint.ts";
import { realClock, realTimers } from "../real-ports.ts";
import { stepBack } from "./step-back.ts";

/** ALPN of connections for bulk (RFC 7301). */
const ALPN = "tetrad-bulk/1";

const MIB = 1024 * 1024;

/**
 * Requests that one connection may have open, and room for the answers of half of them. Where we dial, the listener may
 * open no streams; still it is allowed some here, since with quiche the window of our own streams would be none
 * otherwise, and loses the connection when it does (dialler.ts).
 */
const WINDOWS: QuicEndpointOptions["windows"] = {
  streamsBidi: LIMITS.bulkRequestsPerConnectionMax,
  streamsUni: 0,
  streamBytes: 2 * MIB,
  streamBytesMax: 2 * MIB,
  connectionBytes: 16 * MIB,
  connectionBytesMax: 16 * MIB,
};

const LOOPBACK = "::1";
const LOOPBACK_DATAGRAM_BYTES = 16_000;
const NETWORK_DATAGRAM_BYTES = 1_350;

/** How often grants are held against the clock. */
const EXPIRE_MS = 1_000;

const say = (message: FromWorker): void => {
  if (process.connected) process.send?.(message);
};

const counts = new Counts();

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

const optionsFor = (
  order: StartOrder,
  listener: BulkListener,
): Omit<QuicEndpointOptions, "listen"> => {
  const trust = { authorityPem: order.authorityPem };
  return {
    clock: realClock,
    timers: realTimers,
    alpn: [ALPN],
    clients: trust,
    servers: trust,
    limits: {
      // A quarter is what strangers have; the rest is more than one grant of every member opens.
      connectionsMax: LIMITS.bulkPeersMax * LIMITS.bulkConnectionsPerAddressMax,
      connectionsPerAddressMax: LIMITS.bulkConnectionsPerAddressMax,
      handshakesPerSecond: LIMITS.handshakesPerSecond,
      idleTimeoutMs: LIMITS.bulkIdleTimeoutMs,
    },
    windows: WINDOWS,
    datagrams: false,
    datagramBytesFor: (host) =>
      host === LOOPBACK ? LOOPBACK_DATAGRAM_BYTES : NETWORK_DATAGRAM_BYTES,
    datagramBytesMax:
      order.listen.host === LOOPBACK ? LOOPBACK_DATAGRAM_BYTES : NETWORK_DATAGRAM_BYTES,
    isMemberHost: (host) => listener.isMemberHost(host),
    connectionsAtMost: (host) => listener.connectionsAtMost(host),
    accepted: (session: QuicSession) => listener.accepted(session),
    refused: (_code, detail) => counts.refused(detail),
    // What is left of a driver that failed is nothing to go on with.
    failed: (detail) => {
      say({ kind: "failed", reason: detail });
      process.exit(1);
    },
  };
};

type Parts = { readonly listener: BulkListener; readonly dialler: BulkDialler };

/** Binds and answers orders. Rejects with why it cannot. */
const start = async (order: StartOrder): Promise<Parts> => {
  const startedMs = realClock.monotonicMs();
  if (order.trial) {
    const trial = await tryDriver(order.driver, { clock: realClock, timers: realTimers });
    if (!trial.works) throw new Error(trial.reason);
  }
  const bind = (options: QuicEndpointOptions): Promise<QuicEndpoint> =>
    order.driver === "reactor" ? ReactorEndpoint.bind(options) : QuicheEndpoint.bind(options);
  const listener = new BulkListener({
    folder: order.folder,
    ...{ clock: realClock, timers: realTimers },
    find: (id, peer, name) => say({ kind: "find", id, peer, name }),
    refused: (detail) => counts.refused(detail),
    served: (bytes) => counts.served(bytes),
  });
  const options = optionsFor(order, listener);
  const { host, port } = order.listen;
  const ports: number[] = [];
  for (let i = 0; i < order.listeners; i++) {
    const listen = { host, port: port === 0 ? 0 : port + i };
    const endpoint = await bind({ ...options, listen, identity: order.identity });
    endpoint.startAccepting();
    ports.push(endpoint.local.port);
  }
  const outward = await bind({ ...options, listen: { host, port: 0 }, clients: "none" });
  const dialler = new BulkDialler({
    clock: realClock,
    dial: (remote, how) => outward.dial(remote, how),
    connections: (peer, number, count, detail) =>
      say({ kind: "connections", peer, number, count, detail }),
    answered: (id, status, bytes) => say({ kind: "answer", id, status, bytes }),
  });
  setInterval(() => listener.expire(), EXPIRE_MS);
  say({ kind: "ready", ports, ms: realClock.monotonicMs() - startedMs });
  return { listener, dialler };
};

const obey = ({ listener, dialler }: Parts, order: ToWorker): void => {
  switch (order.kind) {
    case "admit":
      listener.admit(order.peer, order.fingerprint, order.untilMs, order.host);
      say({ kind: "admitted", peer: order.peer, fingerprint: order.fingerprint });
      return;
    case "dial":
      dialler.dial(order);
      return;
    case "drop":
      listener.drop(order.peer);
      dialler.hangUp(order.peer);
      return;
    case "hang-up":
      dialler.hangUp(order.peer);
      return;
    case "request":
      dialler.request(order.id, order.peer, order.name);
      return;
    case "cancel":
      dialler.cancel(order.id);
      return;
    case "found":
      listener.found(order.id, order.source);
      return;
    default:
      return;
  }
};

const giveUp = (error: unknown): void => {
  say({ kind: "failed", reason: reasonOf(error) });
  // Says it, then ends: the message is on its way when the channel is closed.
  process.disconnect?.();
  process.exitCode = 1;
};

let parts: Parts | undefined;

stepBack();

process.on("message", (message) => {
  // Only the parent that made this process can write here.
  const order = message as ToWorker;
  if (order.kind === "ping") {
    const active = parts?.dialler.takeActive() ?? [];
    say({ kind: "pong", number: order.number, active, ...counts.take() });
  } else if (order.kind === "stop") process.exit(0);
  else if (order.kind === "try") {
    const ports = { clock: realClock, timers: realTimers };
    void tryDriver(order.driver, ports).then((trial) => say({ kind: "tried", trial }));
  } else if (order.kind === "start") {
    start(order).then((made) => {
      parts = made;
    }, giveUp);
  } else if (parts !== undefined) obey(parts, order);
});
process.on("uncaughtException", giveUp);
process.on("disconnect", () => process.exit(process.exitCode ?? 0));
// The parent removes the folder when it sees our end; a parent that has gone does not.
process.once("exit", () => {
  const folder = process.env["TMPDIR"];
  if (folder === process.cwd()) rmSync(folder, { recursive: true, force: true });
});
// The parent decides when it is over; a terminal and a service manager tell both of us.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
