/** Dials of the reactor that let anybody answer: what who answers may cost, and what the library throws at. */
import { QuicClientSession } from "@currentspace/http3";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { REACTOR_LIMITS } from "../../src/limits-driver.ts";
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

const bind = async () => {
  const server = endpointOptions({ identity: makeIdentity(idOf(1)) });
  const far = await QuicheEndpoint.bind(server);
  far.startAccepting();
  const client = endpointOptions({ clients: "none", servers: "unauthenticated" });
  const near = await ReactorEndpoint.bind(client);
  open.push(far, near);
  const dial = (): QuicSession | undefined =>
    near.dial(far.local, { identity: makeIdentity(idOf(0)) });
  return { server, dial };
};

/** The near end, which reads nothing, and the far one, both up. */
const pair = async () => {
  const { server, dial } = await bind();
  const session = dial();
  if (session === undefined) throw new Error("not dialled");
  const near = new Talker(session);
  near.reading = false;
  await until(() => near.established && server.met.sessions.length === 1, "both are up");
  const accepted = server.met.sessions[0];
  if (accepted === undefined) throw new Error("nothing accepted");
  return { near, far: new Talker(accepted) };
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
