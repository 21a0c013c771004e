/** What whoever reaches a bulk worker's ports can do to it, and to the node behind it. */
import { X509Certificate } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import { LIMITS } from "../../../src/limits.ts";
import type { FromWorker, RefusedCount } from "../../../src/transport/bulk/worker-messages.ts";
import { RawClient, type RawClientOptions } from "../../transport/raw-client.ts";
import { needsReactor } from "../../transport/reactor-here.ts";
import { sleep, until } from "../../transport/support.ts";
import { authority, start } from "./support.ts";

vi.setConfig({ testTimeout: 120_000 });

const PEER = "aa".repeat(32);
const DAY_MS = 86_400_000;
const ALPN = "tetrad-bulk/1";

const clients: RawClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.dispose();
});

const connect = async (options: RawClientOptions): Promise<RawClient> => {
  const client = await RawClient.connect({ alpn: ALPN, ...options });
  clients.push(client);
  return client;
};

const portOf = async (heard: readonly FromWorker[]): Promise<number> => {
  await until(() => heard.length > 0, "a word of the worker");
  const [ready] = heard;
  if (ready?.kind !== "ready") throw new Error("not ready");
  return ready.ports[0] ?? 0;
};

/** Turns without end, as a sender that wants its packets apart. */
const spin = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end; );
};

/** Opens streams with the end of its handshake, and takes them back one by one while it is being refused. */
const openAndReset = (client: RawClient): void => {
  const ids = Array.from({ length: LIMITS.bulkRequestsPerConnectionMax }, (_, index) => 4 * index);
  for (const id of ids) client.quic.streamSend(id, Uint8Array.of(1), false);
  client.pump();
  for (const id of ids) {
    spin(0.1);
    client.quic.streamShutdown(id, 1, 7);
    client.pump();
  }
};

/** Of a client here until it ends a connection by itself. */
const SILENCE_MS = 10_000;

describe("a member with more connections than it may have", () => {
  beforeEach(needsReactor);

  it("does not end the worker by streams that it resets while it is refused", async () => {
    const { worker, heard, ends } = start({ driver: "reactor", listeners: 1 });
    const port = await portOf(heard);
    const identity = authority.identity({ subject: "member" });
    const fingerprint = toHex(sha256(new X509Certificate(identity.certPem).raw));
    const untilMs = Date.now() + DAY_MS;
    worker.send({ kind: "admit", peer: PEER, host: "::1", fingerprint, untilMs });
    for (let i = 0; i < LIMITS.bulkConnectionsPerAddressMax; i++) {
      const client = await connect({ port, identity });
      await until(() => client.quic.isEstablished(), "a connection");
    }
    let refused = 0;
    // The others say nothing, and have their places until they have been silent for too long.
    for (const end = Date.now() + SILENCE_MS / 2; Date.now() < end && ends.length === 0; ) {
      const client = await connect({ port, identity, established: openAndReset });
      await until(() => client.isRefused || ends.length > 0 || Date.now() > end, "a refusal");
      if (client.isRefused) refused += 1;
      clients.pop()?.dispose();
    }
    expect([ends, refused > 0]).toEqual([[], true]);
    worker.end("stop", "a test");
    await until(() => ends.length > 0, "the end");
  });
});

/** So many of one packet that a message for each would show. */
const REFUSALS = 300;

const sumOf = (refused: readonly RefusedCount[]): number =>
  refused.reduce((sum, { count }) => sum + count, 0);

describe("a stranger who is turned away", () => {
  it("costs the node no message for each of its packets", async () => {
    const { worker, heard, pongs, ends } = start({ driver: "quiche", listeners: 1 });
    const port = await portOf(heard);
    // The last of them has its Retry like the others, and finds the places of its network taken.
    for (let i = 0; i <= LIMITS.strangersPerNetworkMax; i++) {
      const client = await connect({ port });
      client.mute();
    }
    const refused = clients.at(-1);
    if (refused === undefined) throw new RangeError("a client");
    const beganMs = performance.now();
    const counted = (): number => sumOf(pongs.flatMap((pong) => pong.refused));
    // Its own tries come first, then as many replays of one packet as are read.
    await until(() => counted() > 0, "a refusal");
    while (counted() < REFUSALS && performance.now() - beganMs < SILENCE_MS) {
      for (let i = 0; i < 100; i++) refused.sendForged(refused.last);
      await sleep(5);
    }
    expect(counted()).toBeGreaterThanOrEqual(REFUSALS);
    const beats = (performance.now() - beganMs) / LIMITS.bulkHeartbeatMs;
    expect(pongs.length).toBeLessThan(beats + 3);
    expect(heard.map(({ kind }) => kind)).toEqual(["ready"]);
    expect(new Set(pongs.flatMap((pong) => pong.refused).map(({ detail }) => detail))).toEqual(
      new Set(["connection cap of one network's strangers reached"]),
    );
    worker.end("stop", "a test");
    await until(() => ends.length > 0, "the end");
  });
});
