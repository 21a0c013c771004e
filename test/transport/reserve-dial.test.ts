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
  return { ends, near, dial, far: new Talker(accepted) };
};

/** The library's own session of the near end. */
const nativeOf = (near: Talker): QuicClientSession => {
  const natives: QuicClientSession[] = [];
  const ping = vi.spyOn(QuicClientSession.prototype, "ping");
  ping.mockImplementation(function (this: QuicClientSession) {
    natives.push(this);
    return true;
  });
  near.session.keepAlive();
  ping.mockRestore();
  const [native] = natives;
  if (native === undefined) throw new Error("nothing is kept alive");
  return native;
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
  const words = "idle, timed out";

  it.each([0, 5, 256, 70_000])(
    "is none before it is known, whatever its words are: %d",
    async (code) => {
      const { near, far } = await pair();
      far.session.close(code, words);
      await until(() => near.end !== undefined, "the session ends");
      expect(near.end).toEqual({ by: "peer", isApp: true, code: 0, reason: words });
    },
  );

  it("is none before the session is up", async () => {
    const { dial, far } = await bind();
    const session = dial();
    if (session === undefined) throw new Error("not dialled");
    const near = new Talker(session);
    const native = nativeOf(near);
    native.emit("close", { errorCode: 5, reason: words });
    await until(() => near.end !== undefined, "the session ends");
    expect(near.established).toBe(false);
    expect(near.end).toEqual({ by: "peer", isApp: true, code: 0, reason: words });
    expect(far.connectionCount).toBeLessThan(2);
  });

  it("is its own afterwards", async () => {
    const { near, far } = await pair();
    near.session.known?.();
    far.session.close(5, words);
    await until(() => near.end !== undefined, "the session ends");
    expect(near.end).toEqual({ by: "peer", isApp: true, code: 5, reason: words });
  });

  it("is no word of the library's own, which says itself that nothing came", async () => {
    const { near } = await pair();
    nativeOf(near).emit("error", new Error("timed out"));
    await until(() => near.end !== undefined, "the session ends");
    expect(near.end).toMatchObject({ by: "timeout", reason: "timed out" });
  });
});

describe("what the library keeps of a session", () => {
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

  it("is not waited for there by one that is not up, and is given back when it is", async () => {
    const { server, dial, near, far } = await bind();
    const session = dial();
    if (session === undefined) throw new Error("not dialled");
    const talker = new Talker(session);
    const close = vi.spyOn(QuicClientSession.prototype, "close");
    expect(near.dial(far.local, { identity: { certPem: "none", keyPem: "none" } })).toBeUndefined();
    await until(() => talker.end !== undefined, "the session ends");
    expect(close).not.toHaveBeenCalled();
    await until(() => server.met.sessions[0]?.hasEnded === true, "the other end hears of it");
    expect([talker.end?.by, talker.established]).toEqual(["driver", false]);
  });
});

describe("a native thread that does not answer, or late", () => {
  const { answerMsMax, unansweredMs } = REACTOR_LIMITS;

  /** What the library's calls that wait for it give: what it says, nothing, or an error. */
  type Outcome = "answer" | "nothing" | "error";

  const { ping, getMetrics, openStream } = QuicClientSession.prototype;

  /** Each of those calls takes so long from now on. */
  const slowBy = (ms: number, outcome: Outcome = "answer"): void => {
    const { prototype } = QuicClientSession;
    const wait = (): void => {
      aheadMs += ms;
      if (outcome === "error") throw new Error("no answer");
    };
    vi.spyOn(prototype, "ping").mockImplementation(function (this: QuicClientSession) {
      wait();
      return outcome === "answer" && ping.call(this);
    });
    vi.spyOn(prototype, "getMetrics").mockImplementation(function (this: QuicClientSession) {
      wait();
      return outcome === "answer" ? getMetrics.call(this) : null;
    });
    vi.spyOn(prototype, "openStream").mockImplementation(function (this: QuicClientSession) {
      wait();
      return openStream.call(this);
    });
  };

  const askForStream = ({ session }: Talker): void => {
    try {
      session.openStream("bi");
    } catch {
      // As where the peer allows none.
    }
  };

  const kept = ({ session }: Talker): void => session.keepAlive();
  const asked = ({ session }: Talker): void => void session.figures();

  it.each([
    ["keeping it alive", "nothing", kept],
    ["keeping it alive", "error", kept],
    ["figures", "nothing", asked],
    ["a stream", "error", askForStream],
  ] as const)(
    "ends its session, asked for %s with %s, and is neither asked again nor waited for",
    async (_what, outcome, ask) => {
      const { near, far } = await pair();
      slowBy(unansweredMs, outcome);
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

  const all = [
    ["keeping it alive", kept],
    ["figures", asked],
    ["a stream", askForStream],
  ] as const;

  it.each(all)("costs nothing once, asked for %s", async (_what, ask) => {
    const { near, far } = await pair();
    for (const ms of [answerMsMax + 1, answerMsMax - 200, answerMsMax + 1]) {
      slowBy(ms);
      ask(near);
      aheadMs += 1_000;
      vi.restoreAllMocks();
    }
    await sleep(50);
    expect([near.end, far.end]).toEqual([undefined, undefined]);
  });

  it.each(all)("ends its session the second time in a row, both ends: %s", async (_what, ask) => {
    const { near, far } = await pair();
    slowBy(answerMsMax + 1);
    for (let i = 0; i < 2; i++) {
      ask(near);
      aheadMs += 1_000;
    }
    await until(() => near.end !== undefined && far.end !== undefined, "both end");
    expect(near.end).toMatchObject({ by: "driver", reason: "the library's thread is too slow" });
    expect(far.end).toMatchObject({ by: "peer", isApp: true, code: 0 });
  });

  it("has answered where a refusal comes sooner than the library gives up", async () => {
    const { near, far } = await pair();
    slowBy(unansweredMs - 200, "error");
    askForStream(near);
    await sleep(50);
    expect(near.end).toBeUndefined();
    askForStream(near);
    await until(() => near.end !== undefined && far.end !== undefined, "both end");
  });

  it("is the only one that is waited for where figures of all sessions are asked", async () => {
    const { near, ends, dial } = await pair();
    const second = dial();
    if (second === undefined) throw new Error("not dialled");
    const other = new Talker(second);
    await until(() => other.established, "the second is up");
    aheadMs += 1_000;
    slowBy(answerMsMax + 1);
    const before = aheadMs;
    expect(ends.near.stats.datagramsOut).toBeGreaterThan(0);
    expect(aheadMs).toBe(before + answerMsMax + 1);
    expect([near.end, other.end]).toEqual([undefined, undefined]);
  });

  it("takes nothing from the totals as its session ends", async () => {
    const { near, ends } = await pair();
    let packetsOut = 1_000;
    vi.spyOn(QuicClientSession.prototype, "getMetrics").mockImplementation(() => {
      aheadMs += answerMsMax + 1;
      packetsOut += 1_000;
      const rest = { bytesIn: 0, bytesOut: 0, handshakeTimeMs: 1, datagramQueueDepth: 0 };
      return { packetsOut, packetsIn: packetsOut, rttMs: 1, cwnd: 1, ...rest };
    });
    const totals: number[] = [];
    for (let i = 0; i < 4; i++) {
      totals.push(ends.near.stats.datagramsOut);
      aheadMs += 1_000;
    }
    await until(() => near.end !== undefined, "the session ends");
    expect(totals).toEqual([2_000, 3_000, 3_000, 3_000]);
  });
});

describe("an endpoint that is closed", () => {
  it("has the totals that it had, and waits for no thread to say them", async () => {
    const { near, ends } = await pair();
    const before = ends.near.stats;
    aheadMs += 1_000;
    const asked = vi.spyOn(QuicClientSession.prototype, "getMetrics");
    await endpointClosed(ends.near);
    expect(ends.near.stats).toEqual(before);
    expect(asked).not.toHaveBeenCalled();
    expect(near.end).toMatchObject({ by: "local" });
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

  it("is one of the endpoint also where somebody is up who has shown no key", async () => {
    const { near, ends } = await pair();
    begin(ends.near, ends.far);
    await until(() => near.end !== undefined, "all end");
    expect(ends.client.met.failures).toEqual([expect.stringMatching(/^the reactor cannot dial: /)]);
  });

  it("is one of that session where another is up that carries something", async () => {
    const { near, ends } = await pair();
    near.session.known?.();
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
