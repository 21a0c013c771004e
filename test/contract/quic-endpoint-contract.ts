/**
 * What every driver of the QuicEndpoint port does, and what its features say that it does not. Run with one
 * driver at both ends, or with two that have to understand each other.
 */
import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { createSocket } from "node:dgram";
import { afterEach, describe, expect, it } from "vitest";
import { REACTOR_LIMITS } from "../../src/limits-driver.ts";
import { createAuthority } from "../../src/transport/authority.ts";
import type {
  QuicDial,
  QuicEndpoint,
  QuicEndpointOptions,
} from "../../src/transport/quic-endpoint.ts";
import { firstPacket, isRetry } from "../transport/first-packet.ts";
import {
  endpointClosed,
  endpointOptions,
  type Met,
  Talker,
  WINDOWS,
} from "../transport/quic-support.ts";
import { sleep, until } from "../transport/support.ts";

export type BindEndpoint = (options: QuicEndpointOptions) => Promise<QuicEndpoint>;

const NAME = "server.test.invalid";
const authority = createAuthority("authority of a test", Date.now());
const stranger = createAuthority("another authority", Date.now());
const trust = { authorityPem: authority.certPem };
const serverIdentity = authority.identity({ subject: "server", serverName: NAME });
const clientIdentity = authority.identity({ subject: "client" });

type Bound = { readonly endpoint: QuicEndpoint; readonly met: Met };

export const quicEndpointContract = (
  name: string,
  bindServer: BindEndpoint,
  bindClient: BindEndpoint = bindServer,
): void => {
  const open: QuicEndpoint[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map(endpointClosed));
  });

  const bind = async (how: BindEndpoint, own: Partial<QuicEndpointOptions>): Promise<Bound> => {
    const options = endpointOptions({ clients: trust, servers: trust, ...own });
    const endpoint = await how(options);
    open.push(endpoint);
    return { endpoint, met: options.met };
  };

  const serve = async (own: Partial<QuicEndpointOptions> = {}): Promise<Bound> => {
    const bound = await bind(bindServer, { identity: serverIdentity, ...own });
    bound.endpoint.startAccepting();
    return bound;
  };

  const client = (own: Partial<QuicEndpointOptions> = {}): Promise<Bound> =>
    bind(bindClient, { identity: clientIdentity, ...own });

  const dial = (from: Bound, to: Bound, how: QuicDial = {}): Talker => {
    const session = from.endpoint.dial(to.endpoint.local, { serverName: NAME, ...how });
    if (session === undefined) throw new Error("not dialled");
    return new Talker(session);
  };

  /** Both ends of a session that is up. */
  const pair = async (
    own: Partial<QuicEndpointOptions> = {},
  ): Promise<{ readonly near: Talker; readonly far: Talker; readonly server: Bound }> => {
    const server = await serve(own);
    const near = dial(await client(own), server);
    await until(() => near.established && server.met.sessions.length === 1, "both ends are up");
    const accepted = server.met.sessions[0];
    if (accepted === undefined) throw new Error("nothing accepted");
    const far = new Talker(accepted);
    await until(() => far.established, "the server is up");
    return { near, far, server };
  };

  describe(`${name}: handshake`, () => {
    it("agrees on a protocol, and both ends know who is there where they can", async () => {
      const { near, far } = await pair();
      expect([near.session.applicationProtocol(), far.session.applicationProtocol()]).toEqual([
        "test/1",
        "test/1",
      ]);
      const leaf = far.session.peerCertificates()?.[0];
      expect(new X509Certificate(leaf ?? "").subject).toBe("CN=client");
      expect(new X509Certificate(clientIdentity.certPem).raw).toEqual(Buffer.from(leaf ?? []));
      expect(far.session.accepted).toBe(true);
      expect(near.session.accepted).toBe(false);
      expect(far.session.remote.host).toBe("::1");
      await until(() => near.session.figures().rttMs !== undefined, "a round trip is known");
    });

    it.each([
      ["no certificate", undefined],
      ["a certificate of another authority", stranger.identity({ subject: "stranger" })],
    ])("ends a session with a client that shows %s", async (_name, identity) => {
      const server = await serve();
      const bound = await bind(bindClient, identity === undefined ? {} : { identity });
      const near = dial(bound, server);
      await until(() => near.end !== undefined, "the session ends");
      expect(near.end?.isApp).toBe(false);
      expect(server.met.sessions.every((session) => !session.isEstablished)).toBe(true);
    });

    it("refuses a server of another authority, and one that is made out to another name", async () => {
      const server = await serve();
      const from = await client();
      const wrongName = dial(from, server, { serverName: "other.test.invalid" });
      const wrongTrust = dial(from, server, { trust: { authorityPem: stranger.certPem } });
      await until(() => wrongName.end !== undefined && wrongTrust.end !== undefined, "both end");
      expect([wrongName.established, wrongTrust.established]).toEqual([false, false]);
    });

    it("lets anybody in where no client certificates are asked for", async () => {
      const server = await serve({ clients: "none" });
      const near = dial(await bind(bindClient, {}), server);
      await until(() => near.established && server.met.sessions.length === 1, "both ends are up");
      const far = new Talker(server.met.sessions[0] as never);
      const id = near.session.openStream("bi");
      near.send(id, "who asks?", true);
      await until(() => far.text(id) === "who asks?", "the question arrives");
      expect(far.session.peerCertificates()?.length ?? 0).toBe(0);
    });

    it("has no session where the ends share no protocol", async () => {
      const server = await serve({ alpn: ["test/2"] });
      const near = dial(await client({ limits: { ...SHORT, idleTimeoutMs: 800 } }), server);
      await until(() => near.end !== undefined, "the session ends");
      expect(near.established).toBe(false);
    });

    it("refuses a key that is none", async () => {
      const identity = { certPem: serverIdentity.certPem, keyPem: "no key" };
      await expect(bind(bindServer, { identity })).rejects.toMatchObject({
        code: expect.stringMatching(/^(key|config)\.invalid$/),
      });
      expect(createPrivateKey(serverIdentity.keyPem).type).toBe("private");
    });
  });

  describe(`${name}: streams and datagrams`, () => {
    it("carries a stream there and back, with its end", async () => {
      const { near, far } = await pair();
      const id = near.session.openStream("bi");
      expect(id).toBe(0);
      near.send(id, "ping", true);
      await until(() => far.received.get(id)?.fin === true, "the request arrives");
      expect(far.text(id)).toBe("ping");
      far.send(id, "pong", true);
      await until(() => near.received.get(id)?.fin === true, "the answer arrives");
      expect(near.text(id)).toBe("pong");
    });

    it("lets the server open streams too", async () => {
      const { near, far } = await pair();
      const id = far.session.openStream("bi");
      expect(id).toBe(1);
      far.send(id, "from the server", true);
      await until(() => near.received.get(id)?.fin === true, "it arrives");
      expect(near.text(id)).toBe("from the server");
    });

    it("carries one-way streams where the driver opens them, and says so where not", async () => {
      const { near, far } = await pair();
      for (const [from, to, id, features] of [
        [near, far, 2, (open[1] as QuicEndpoint).features],
        [far, near, 3, (open[0] as QuicEndpoint).features],
      ] as const) {
        if (!features.opensUni) {
          expect(() => from.session.openStream("uni")).toThrow(RangeError);
          continue;
        }
        expect(from.session.openStream("uni")).toBe(id);
        from.send(id, "one way", true);
        await until(() => to.received.get(id)?.fin === true, "it arrives");
        expect(to.text(id)).toBe("one way");
      }
    });

    it("keeps 64 streams apart, byte for byte", async () => {
      const { near, far } = await pair();
      const sent = Array.from({ length: 64 }, () => {
        const id = near.session.openStream("bi");
        const bytes = randomBytes(40_000);
        near.send(id, bytes, true);
        return { id, bytes };
      });
      await until(
        () => sent.every(({ id }) => far.received.get(id)?.fin === true),
        "all have arrived",
      );
      for (const { id, bytes } of sent) {
        expect(Buffer.compare(far.bytes(id), bytes)).toBe(0);
      }
    });

    it("takes no more than it has room for while nobody reads, and all of it in the end", async () => {
      const { near, far, server } = await pair();
      far.reading = false;
      const bytes = randomBytes(24_000_000);
      const id = near.session.openStream("bi");
      near.send(id, bytes, true);
      if (server.endpoint.features.readBackPressure) {
        await sleep(500);
        expect(near.unsent).toBeGreaterThan(0);
      }
      far.reading = true;
      far.session.requestTurn();
      await until(() => far.received.get(id)?.fin === true, "all has arrived");
      expect(Buffer.compare(far.bytes(id), bytes)).toBe(0);
    });

    it("keeps what nobody reads up to its limit, where that slows nobody down, and then ends the session", async () => {
      const { near, far, server } = await pair();
      const { unreadBytesMax } = REACTOR_LIMITS;
      far.reading = false;
      const bytes = Buffer.alloc(unreadBytesMax / 2, "unread");
      const streams = [near.session.openStream("bi"), near.session.openStream("bi")];
      for (const id of streams) near.send(id, bytes);
      await until(() => far.session.readableStreams().length === 2, "something arrives");
      if (server.endpoint.features.readBackPressure) {
        await sleep(500);
        expect(near.unsent).toBeGreaterThan(0);
        expect([near.end, far.end]).toEqual([undefined, undefined]);
        return;
      }
      await quiet(far, () => near.unsent === 0);
      expect([near.end, far.end]).toEqual([undefined, undefined]);
      near.send(streams[0] ?? 0, "x");
      await until(() => near.end !== undefined && far.end !== undefined, "both end");
      expect(far.end).toMatchObject({ by: "local", reason: "the reader is too slow" });
      expect(near.end).toMatchObject({ by: "peer", reason: "the reader is too slow" });
    });

    it("does the same with streams that nobody reads", async () => {
      const { streamsMax } = REACTOR_LIMITS;
      const windows = { ...WINDOWS, streamsBidi: 2 * streamsMax };
      const { near, far, server } = await pair({ windows });
      far.reading = false;
      for (let i = 0; i < streamsMax; i++) near.send(near.session.openStream("bi"), "x", true);
      await until(() => far.session.readableStreams().length === streamsMax, "all arrive");
      expect([near.end, far.end]).toEqual([undefined, undefined]);
      near.send(near.session.openStream("bi"), "x", true);
      if (server.endpoint.features.readBackPressure) {
        await until(() => far.session.readableStreams().length === streamsMax + 1, "one more");
        expect([near.end, far.end]).toEqual([undefined, undefined]);
        return;
      }
      await until(() => near.end !== undefined && far.end !== undefined, "both end");
      expect(near.end).toMatchObject({ by: "peer", reason: "too many streams are not read" });
    });

    it("tells the reader that a stream was given up, and goes on with others", async () => {
      const { near, far } = await pair();
      const id = near.session.openStream("bi");
      near.send(id, "begun");
      await until(() => far.text(id) === "begun", "it arrives");
      near.session.abortStream(id, 7);
      await until(() => far.resets.includes(id) || far.received.get(id)?.fin === true, "told");
      const next = near.session.openStream("bi");
      near.send(next, "next", true);
      await until(() => far.text(next) === "next", "the next arrives");
      expect(far.end).toBeUndefined();
    });

    it("leaves nobody waiting who writes on a stream that was given up a while ago", async () => {
      const { near, far } = await pair();
      const id = near.session.openStream("bi");
      near.send(id, "asked", true);
      await until(() => far.received.get(id)?.fin === true, "it arrives");
      near.session.abortStream(id, 7);
      await sleep(200);
      // Where the driver has not heard of it, the bytes go nowhere.
      far.send(id, "answer", true);
      await until(() => far.unsent === 0 || far.stopped.includes(id), "it is refused or taken");
      expect(far.end).toBeUndefined();
    });

    it("opens no stream that the peer does not allow, at no cost, and looks again when it may", async () => {
      const streamsBidi = 4;
      const { near, far } = await pair({ windows: { ...WINDOWS, streamsBidi } });
      const ids = Array.from({ length: streamsBidi }, () => near.session.openStream("bi"));
      let next: number | undefined;
      const look = (): void => {
        next ??= near.session.openStream("bi");
      };
      for (let i = 0; i < 10 * streamsBidi; i++) expect(look).toThrow();
      near.onService = () => {
        try {
          look();
        } catch {
          // Not yet.
        }
      };
      for (const id of ids) near.send(id, "asked", true);
      await until(() => ids.every((id) => far.received.get(id)?.fin === true), "they arrive");
      for (const id of ids) far.send(id, "answered", true);
      await until(() => next !== undefined, "another may be opened");
      expect(next).toBe(4 * streamsBidi);
      near.send(next ?? 0, "next", true);
      await until(() => far.text(next ?? 0) === "next", "it arrives");
    });

    it("carries datagrams both ways, and none where they are off", async () => {
      const { near, far } = await pair();
      await until(() => near.session.sendDatagram(Buffer.from("probe")), "one is taken");
      await until(() => far.datagrams.length > 0, "it arrives");
      far.session.sendDatagram(Buffer.from("answer"));
      await until(() => near.datagrams.length > 0, "the answer arrives");
      expect(Buffer.from(near.datagrams[0] ?? []).toString()).toBe("answer");
      expect(near.session.sendDatagram(new Uint8Array(70_000))).toBe(false);
    });
  });

  describe(`${name}: ends and limits`, () => {
    it("brings the code and the words of a close to the other end, from either side", async () => {
      const first = await pair();
      first.near.session.close(5, "enough");
      await until(() => first.far.end !== undefined && first.near.end !== undefined, "both end");
      expect(first.far.end).toEqual({ by: "peer", isApp: true, code: 5, reason: "enough" });
      expect(first.near.end).toMatchObject({ by: "local", isApp: true, code: 5 });
      const second = await pair();
      second.far.session.close(6, "no more");
      await until(() => second.near.end !== undefined, "the client is told");
      expect(second.near.end).toEqual({ by: "peer", isApp: true, code: 6, reason: "no more" });
    });

    it("says that a session has ended, and nothing of its streams, to who is busy with them", async () => {
      const { near, far } = await pair();
      const [answer, load] = [far.session.openStream("bi"), near.session.openStream("bi")];
      far.send(answer, "begun");
      near.send(load, Buffer.alloc(64_000_000));
      await until(
        () => near.text(answer) === "begun" && (far.received.get(load)?.parts.length ?? 0) > 0,
        "both are under way",
      );
      expect(near.unsent).toBeGreaterThan(0);
      far.session.close(6, "no more");
      await until(() => near.end !== undefined, "the client is told");
      expect(near.end).toEqual({ by: "peer", isApp: true, code: 6, reason: "no more" });
      expect(near.resets).toEqual([]);
    });

    it("ends a session that is silent for too long, and not one that is kept alive", async () => {
      const { near, far } = await pair({ limits: { ...SHORT, idleTimeoutMs: 700 } });
      const alive = setInterval(() => near.session.keepAlive(), 150);
      await sleep(1_500);
      expect([near.end, far.end]).toEqual([undefined, undefined]);
      clearInterval(alive);
      await until(() => near.end !== undefined && far.end !== undefined, "both time out");
      expect(far.end?.by).toBe("timeout");
    });

    it("answers a first packet without its token by a shorter Retry, and tells of no session", async () => {
      const server = await serve();
      const { host, port } = server.endpoint.local;
      const socket = createSocket({ type: "udp6", ipv6Only: true });
      const answers: Buffer[] = [];
      socket.on("message", (answer) => answers.push(answer));
      for (let i = 0; i < 10; i++) socket.send(firstPacket(), port, host);
      await until(() => answers.length === 10, "ten answers");
      socket.close();
      expect(answers.every((answer) => isRetry(answer) && answer.length < 1200)).toBe(true);
      // On quiche this also says that nothing is kept; a driver that tells of whole handshakes only would count none.
      expect([server.endpoint.connectionCount, server.met.sessions.length]).toEqual([0, 0]);
    });

    it("takes no more sessions than its cap, and others once there is room", async () => {
      const server = await serve({ limits: { ...SHORT, connectionsMax: 2 } });
      const from = await client();
      const up = [dial(from, server), dial(from, server)];
      await until(() => up.every(({ established }) => established), "two are up");
      await until(() => server.met.sessions.length === 2, "two are accepted");
      const third = dial(from, server);
      await until(() => server.met.refused.length > 0 || third.end !== undefined, "refused");
      expect(server.endpoint.connectionCount).toBe(2);
      up[0]?.session.close(0, "");
      await until(() => server.endpoint.connectionCount === 1, "there is room");
      const next = dial(from, server);
      await until(() => next.established && server.met.sessions.length === 3, "the next is up");
    });

    it("ends its sessions when it closes, and frees its port", async () => {
      const { near, server } = await pair();
      const { local } = server.endpoint;
      await endpointClosed(server.endpoint);
      await until(() => near.end !== undefined, "the client is told");
      expect(near.end).toMatchObject({ by: "peer", isApp: true });
      const again = await serve({ listen: local });
      expect(again.endpoint.local).toEqual(local);
      expect(server.endpoint.dial(local, { serverName: NAME })).toBeUndefined();
    });

    it("does not bind IPv4", async () => {
      for (const host of ["127.0.0.1", "::ffff:127.0.0.1"]) {
        const listen = { host, port: 0 };
        await expect(bind(bindServer, { identity: serverIdentity, listen })).rejects.toMatchObject({
          code: "config.invalid",
        });
      }
    });
  });
};

/** Nothing more comes in for a while. */
const quiet = async (talker: Talker, isSent: () => boolean): Promise<void> => {
  let [before, quietSinceMs] = [-1, Date.now()];
  await until(
    () => {
      const { packetsReceived } = talker.session.figures();
      if (packetsReceived !== before || !isSent()) quietSinceMs = Date.now();
      before = packetsReceived;
      return Date.now() - quietSinceMs > 400;
    },
    "all has arrived",
    60_000,
  );
};

const SHORT = {
  connectionsMax: 64,
  connectionsPerAddressMax: 64,
  handshakesPerSecond: 1_000,
  idleTimeoutMs: 10_000,
};
