/**
 * Streams that the reactor's library makes and tells nobody of, of what comes on one that it has forgotten. Their end
 * must not be the end of the process, and what comes on them must not stay.
 */
import { type ChildProcess, fork } from "node:child_process";
import { QuicServerSession, QuicStream } from "@currentspace/http3";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createAuthority } from "../../src/transport/authority.ts";
import type { QuicEndpoint, QuicSession } from "../../src/transport/quic-endpoint.ts";
import { ReactorEndpoint } from "../../src/transport/reactor-endpoint.ts";
import { endpointClosed, endpointOptions, Talker } from "./quic-support.ts";
import { RawClient } from "./raw-client.ts";
import { needsReactor } from "./reactor-here.ts";
import type { ResetOrder } from "./reset-process.ts";
import { idOf, makeIdentity, sleep, until } from "./support.ts";

const WAITS = { moreMs: 200, resetMs: 50 } as const;

const open: QuicEndpoint[] = [];
const clients: RawClient[] = [];
const children: ChildProcess[] = [];
const uncaught: string[] = [];
const note = (error: Error): void => void uncaught.push(error.message);

beforeEach((context) => {
  needsReactor(context);
  process.on("uncaughtException", note);
});

afterEach(async () => {
  vi.restoreAllMocks();
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const client of clients.splice(0)) client.dispose();
  await Promise.all(open.splice(0).map(endpointClosed));
  process.off("uncaughtException", note);
  uncaught.length = 0;
});

const startServer = (): Promise<number> => {
  const child = fork(new URL("./reset-process.ts", import.meta.url), { execArgv: [] });
  children.push(child);
  const order: ResetOrder = { identity: makeIdentity(idOf(1)), ...WAITS };
  child.send(order);
  return new Promise((resolve) => {
    child.once("message", (port) => resolve(Number(port)));
  });
};

/** Nothing of this process runs meanwhile but the library's own threads. */
const standStill = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};

/** Streams on which something came, in the order in which it did. */
const watchStreams = (): readonly QuicStream[] => {
  const streams: QuicStream[] = [];
  const { prototype } = QuicStream;
  const push = prototype._pushData;
  vi.spyOn(prototype, "_pushData").mockImplementation(function (this: QuicStream, chunk) {
    if (!streams.includes(this)) streams.push(this);
    push.call(this, chunk);
  });
  return streams;
};

it("what waits behind a close of ours, data and a reset, ends nothing but that session", async () => {
  const port = await startServer();
  const options = endpointOptions({ clients: "none", servers: "unauthenticated" });
  const near = await ReactorEndpoint.bind(options);
  open.push(near);
  const streams = watchStreams();
  const session = near.dial({ host: "::1", port }, { identity: makeIdentity(idOf(0)) });
  if (session === undefined) throw new Error("not dialled");
  const talker = new Talker(session);
  talker.onService = () => {
    if (session.readableStreams().length === 0) return;
    standStill(WAITS.moreMs + WAITS.resetMs + 1_000);
    session.close(2, "bad");
  };
  await until(() => talker.end !== undefined, "the end");
  expect(talker.end).toMatchObject({ by: "local", code: 2 });
  await sleep(500);
  // The one that nobody is told of came into being: without it there is nothing to be seen here.
  expect(streams.map(({ id }) => id)).toEqual([streams[0]?.id, streams[0]?.id]);
  expect(uncaught).toEqual([]);
});

/** Streams that the library keeps of the session. */
const keptBy = (session: QuicSession): ReadonlyMap<number, QuicStream> => {
  const natives: QuicServerSession[] = [];
  const ping = vi.spyOn(QuicServerSession.prototype, "ping");
  ping.mockImplementation(function (this: QuicServerSession) {
    natives.push(this);
    return true;
  });
  session.keepAlive();
  ping.mockRestore();
  const [native] = natives;
  if (native === undefined) throw new Error("nothing is kept alive");
  return native._streams;
};

/** A server's session with one stream of the client's, which this has stopped while the server wrote. */
const stopped = async () => {
  const authority = createAuthority("own", Date.now());
  const options = endpointOptions({
    identity: authority.identity({ subject: "server", serverName: "server.test.invalid" }),
    ...{ clients: "none", servers: { authorityPem: authority.certPem } },
  });
  const server = await ReactorEndpoint.bind(options);
  const streams = watchStreams();
  server.startAccepting();
  open.push(server);
  const client = await RawClient.connect({ port: server.local.port, alpn: "test/1" });
  clients.push(client);
  await until(() => client.quic.isEstablished(), "established");
  client.send(0, Uint8Array.of(1));
  await until(() => options.met.sessions.length === 1, "accepted");
  const [session] = options.met.sessions;
  if (session === undefined) throw new Error("nothing accepted");
  const talker = new Talker(session);
  await until(() => talker.received.has(0), "the stream");
  talker.send(0, new Uint8Array(10_000_000));
  await sleep(50);
  client.quic.streamShutdown(0, 0, 5);
  client.pump();
  await until(() => talker.stopped.includes(0) || talker.resets.includes(0), "stopped");
  return { client, session, streams, talker };
};

/** The same, and the client has sent on. */
const sentOn = async () => {
  const all = await stopped();
  for (let i = 0; i < 100; i++) {
    all.client.send(0, new Uint8Array(10_000));
    await sleep(2);
  }
  await until(() => all.streams.length === 2, "the one that nobody is told of");
  await sleep(50);
  return all;
};

it("a stream that was stopped, sent on and reset ends nothing but that stream, and keeps nothing", async () => {
  const { client, streams, talker } = await sentOn();
  expect(streams.map((stream) => stream.readableLength)).toEqual([0, 0]);
  expect(streams.map((stream) => stream._bp?.pendingReads.length ?? 0)).toEqual([0, 0]);
  client.quic.streamShutdown(0, 1, 7);
  client.pump();
  await sleep(300);
  expect(uncaught).toEqual([]);
  expect(talker.end).toBeUndefined();
});

it.each([
  ["some time after that", sentOn, 50],
  ["with the last of that", sentOn, 0],
  ["with all of that", stopped, 0],
] as const)(
  "a stream that was stopped, sent on and ended %s is not kept itself",
  async (_when, begin, pauseMs) => {
    const { client, session, streams, talker } = await begin();
    // Its own stream is gone by now, and there is at most the one that nobody is told of.
    expect(keptBy(session).size).toBe(begin === sentOn ? 1 : 0);
    if (pauseMs > 0) await sleep(pauseMs);
    else client.quic.streamSend(0, new Uint8Array(1_000), false);
    client.send(0, new Uint8Array(0), true);
    await until(() => streams[1]?.readableEnded === true, "its end");
    await sleep(50);
    expect(keptBy(session).size).toBe(0);
    expect(uncaught).toEqual([]);
    expect(talker.end).toBeUndefined();
  },
);
