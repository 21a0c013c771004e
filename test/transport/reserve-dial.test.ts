/** Dials of the reactor that let anybody answer: what who answers may cost, and what the library throws at. */
import { QuicClientSession } from "@currentspace/http3";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { REACTOR_LIMITS } from "../../src/limits-driver.ts";
import { realClock } from "../../src/node/real-ports.ts";
import type { QuicEndpoint, QuicSession } from "../../src/transport/quic-endpoint.ts";
import { QuicheEndpoint } from "../../src/transport/quiche-endpoint.ts";
import { ReactorEndpoint } from "../../src/transport/reactor-endpoint.ts";
import { endpointClosed, endpointOptions, Talker } from "./quic-support.ts";
import { needsReactor } from "./reactor-here.ts";
import { idOf, makeIdentity, sleep, until } from "./support.ts";

const open: QuicEndpoint[] = [];

beforeEach(needsReactor);

afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(open.splice(0).map(endpointClosed));
});

/** What the clock of the near end is ahead. */
let aheadMs = 0;
const clock = { ...realClock, monotonicMs: () => realClock.monotonicMs() + aheadMs };

const bind = async () => {
  aheadMs = 0;
  const server = endpointOptions({ identity: makeIdentity(idOf(1)) });
  const far = await QuicheEndpoint.bind(server);
  far.startAccepting();
  const client = endpointOptions({ clients: "none", servers: "unauthenticated", clock });
  const near = await ReactorEndpoint.bind(client);
  open.push(far, near);
  const dial = (): QuicSession | undefined =>
    near.dial(far.local, { identity: makeIdentity(idOf(0)) });
  return { server, dial, near, far, client };
};

/** The near end, which reads nothing, and the far one, both up. */
const pair = async () => {
  const { server, dial, ...ends } = await bind();
  const session = dial();
  if (session === undefined) throw new Error("not dialled");
  const near = new Talker(session);
  near.reading = false;
  await until(() => near.established && server.met.sessions.length === 1, "both are up");
  const accepted = server.met.sessions[0];
  if (accepted === undefined) throw new Error("nothing accepted");
  return { ends, near, far: new Talker(accepted) };
};

const send = (far: Talker, bytes: number): void =>
  far.send(far.session.openStream("uni"), new Uint8Array(bytes));

describe("who answers an unauthenticated dial", () => {
  it("is not seen below the session", async () => {
    const { near } = await pair();
    expect(near.session.isUnauthenticated).toBe(true);
    expect(near.session.peerCertificates()).toBeNull();
  });

  it("may leave so much lying before it is known, and what other sessions may afterwards", async () => {
    const { near, far } = await pair();
    send(far, REACTOR_LIMITS.unprovedBytesMax);
    await until(() => far.unsent === 0, "all is sent");
    await sleep(200);
    expect(near.end).toBeUndefined();
    near.session.known?.();
    send(far, REACTOR_LIMITS.unprovedBytesMax);
    await until(() => far.unsent === 0, "as much again is sent");
    await sleep(200);
    expect(near.end).toBeUndefined();
  });

  it("ends the session by one byte more", async () => {
    const { near, far } = await pair();
    send(far, REACTOR_LIMITS.unprovedBytesMax + 1);
    await until(() => near.end !== undefined, "the session ends");
    expect(near.end?.reason).toBe("the reader is too slow");
  });
});

describe("the code with which who answers an unauthenticated dial closes", () => {
  it.each([
    ["is none before it is known, whatever its words are", false, 0],
    ["is its own afterwards", true, 5],
  ])("%s", async (_what, isKnown, code) => {
    const { near, far } = await pair();
    if (isKnown) near.session.known?.();
    far.session.close(5, "idle, timed out");
    await until(() => near.end !== undefined, "the session ends");
    expect(near.end).toEqual({ by: "peer", isApp: true, code, reason: "idle, timed out" });
  });
});

describe("what the library keeps of a session", () => {
  /** The library's own session of the near end. */
  const nativeOf = (near: Talker): QuicClientSession => {
    const natives: QuicClientSession[] = [];
    const ping = vi.spyOn(QuicClientSession.prototype, "ping");
    ping.mockImplementation(function (this: QuicClientSession) {
      natives.push(this);
      return true;
    });
    near.session.keepAlive();
    const [native] = natives;
    if (native === undefined) throw new Error("nothing is kept alive");
    return native;
  };

  it("is given back where the session ends by an error", async () => {
    const { near, far } = await pair();
    nativeOf(near).emit("error", new Error("of a test"));
    await until(() => near.end !== undefined && far.end !== undefined, "both end");
    expect(far.end).toMatchObject({ by: "peer", isApp: true, code: 0 });
  });

  it("is given back where the endpoint fails, by a dial that the library throws at", async () => {
    const { near, far, ends } = await pair();
    const identity = { certPem: "none", keyPem: "none" };
    expect(ends.near.dial(ends.far.local, { identity })).toBeUndefined();
    await until(() => near.end !== undefined && far.end !== undefined, "both end");
    expect(near.end?.by).toBe("driver");
    expect(far.end).toMatchObject({ by: "peer", isApp: true, code: 0 });
  });
});

describe("a native thread that does not answer", () => {
  const { answerMsMax } = REACTOR_LIMITS;

  /** The library's calls that wait for it, each of which takes so long from now on. */
  const slowBy = (ms: number): void => {
    const { ping, getMetrics, openStream } = QuicClientSession.prototype;
    const { prototype } = QuicClientSession;
    vi.spyOn(prototype, "ping").mockImplementation(function (this: QuicClientSession) {
      aheadMs += ms;
      return ping.call(this);
    });
    vi.spyOn(prototype, "getMetrics").mockImplementation(function (this: QuicClientSession) {
      aheadMs += ms;
      return getMetrics.call(this);
    });
    vi.spyOn(prototype, "openStream").mockImplementation(function (this: QuicClientSession) {
      aheadMs += ms;
      return openStream.call(this);
    });
  };

  const calls: readonly (readonly [string, (near: Talker) => unknown])[] = [
    ["keeping it alive", ({ session }) => session.keepAlive()],
    ["figures", ({ session }) => session.figures()],
    ["a stream", ({ session }) => session.openStream("bi")],
  ];

  it.each(calls)(
    "ends its session, asked for %s, and is neither asked again nor waited for",
    async (_what, ask) => {
      const { near, far } = await pair();
      slowBy(answerMsMax + 1);
      const close = vi.spyOn(QuicClientSession.prototype, "close");
      ask(near);
      await until(() => near.end !== undefined, "the session ends");
      expect(near.end).toMatchObject({
        by: "driver",
        reason: "the library's thread does not answer",
      });
      const before = aheadMs;
      near.session.keepAlive();
      near.session.figures();
      near.session.close(0, "");
      expect(aheadMs).toBe(before);
      expect(close).not.toHaveBeenCalled();
      far.session.close(0, "");
    },
  );

  it("has so long for an answer", async () => {
    const { near } = await pair();
    slowBy(answerMsMax / 2);
    for (const [, ask] of calls) ask(near);
    await sleep(50);
    expect(near.end).toBeUndefined();
  });
});

describe("a dial that the library cannot begin", () => {
  /** A certificate that looks like one, and is found out when the dial has begun. */
  const begin = (near: QuicEndpoint, far: QuicEndpoint): Talker => {
    const { certPem, keyPem } = makeIdentity(idOf(0));
    const broken = certPem.replace(/[A-Za-z0-9]{20}/, "A".repeat(20));
    const session = near.dial(far.local, { identity: { certPem: broken, keyPem } });
    if (session === undefined) throw new Error("not dialled");
    return new Talker(session);
  };

  it("is a failure of the endpoint", async () => {
    const { near, far, client } = await bind();
    const talker = begin(near, far);
    await until(() => talker.end !== undefined, "the session ends");
    expect(talker.end?.by).toBe("driver");
    expect(client.met.failures).toEqual([expect.stringMatching(/^the reactor cannot dial: /)]);
  });

  it("is one of that session where another is up", async () => {
    const { near, ends } = await pair();
    const talker = begin(ends.near, ends.far);
    await until(() => talker.end !== undefined, "the session ends");
    expect(talker.end?.by).toBe("driver");
    expect(ends.client.met.failures).toEqual([]);
    expect(near.end).toBeUndefined();
  });

  it("is none where nobody answers", async () => {
    const options = endpointOptions({ clients: "none", servers: "unauthenticated" });
    const limits = { ...options.limits, idleTimeoutMs: 300 };
    const near = await ReactorEndpoint.bind({ ...options, limits });
    open.push(near);
    const identity = makeIdentity(idOf(0));
    const session = near.dial({ host: "::1", port: 9 }, { identity });
    if (session === undefined) throw new Error("not dialled");
    const talker = new Talker(session);
    await until(() => talker.end !== undefined, "the session ends");
    expect(talker.end?.by).toBe("timeout");
    expect(options.met.failures).toEqual([]);
  });
});

describe("a session that is over, and the library has not said so yet", () => {
  it("is kept alive no more, and throws nothing", async () => {
    const { near } = await pair();
    const gone = (): never => {
      throw new Error("quic client not running");
    };
    vi.spyOn(QuicClientSession.prototype, "ping").mockImplementation(gone);
    vi.spyOn(QuicClientSession.prototype, "sendDatagram").mockImplementation(gone);
    expect(() => near.session.keepAlive()).not.toThrow();
    expect(near.session.sendDatagram(Uint8Array.of(1))).toBe(false);
  });
});
