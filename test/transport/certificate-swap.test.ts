/** A certificate that is renewed while traffic runs, and how sessions of a member end that is none any more. */
import { X509Certificate } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { createIdentityCertificate } from "../../src/transport/identity-certificate.ts";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";
import { RawClient } from "./raw-client.ts";
import {
  DAY_MS,
  makeIdentity,
  makeTestNetwork,
  type Recorded,
  record,
  type TestNetwork,
  until,
} from "./support.ts";

let network: TestNetwork | undefined;

afterEach(async () => {
  await network?.dispose();
  network = undefined;
});

const pair = async () => {
  network = await makeTestNetwork(2);
  const [a, b] = network.transports;
  const [first, second] = network.identities;
  if (a === undefined || b === undefined || first === undefined || second === undefined) {
    throw new RangeError("two nodes");
  }
  const [seenA, seenB] = [record(a), record(b)];
  const isUp = (one: QuicTransport, peer: string): boolean => one.isSecured?.(peer) === true;
  await until(() => isUp(a, second.id) && isUp(b, first.id), "secured");
  // Both dial: what loses to the other is gone before anything is counted.
  const isAlone = (one: QuicTransport): boolean => one.figures().connections === 1;
  await until(() => isAlone(a) && isAlone(b) && isUp(a, second.id), "one connection is left");
  for (const { down, frames } of [seenA, seenB]) {
    down.length = 0;
    frames.length = 0;
  }
  return { net: network, a, b, first, second, seenA, seenB };
};

/** Sends numbered frames for ever, as fast as the queue takes them. */
const pour = (from: QuicTransport, to: string): { sent: number; stop(): void } => {
  const stream = { sent: 0, stop: () => clearInterval(timer) };
  const timer = setInterval(() => {
    for (let i = 0; i < 4; i++) {
      const frame = new Uint8Array(20_000);
      new DataView(frame.buffer).setUint32(0, stream.sent);
      if (!from.send(to, "mempool", frame)) break;
      stream.sent += 1;
    }
  }, 2);
  return stream;
};

const numbersOf = ({ frames }: Recorded): readonly number[] =>
  frames.map(({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));

/** The certificate that the node shows to whoever dials now. */
const shownBy = async (transport: QuicTransport): Promise<string> => {
  const client = await RawClient.connect({
    port: Number(/:(\d+)$/.exec(transport.address())?.[1]),
  });
  try {
    await until(() => client.quic.peerCertChain() !== null, "a certificate");
    const [leaf = new Uint8Array(0)] = client.quic.peerCertChain() ?? [];
    return new X509Certificate(leaf).serialNumber;
  } finally {
    client.dispose();
  }
};

describe("a renewed certificate", () => {
  it("is shown from then on, and costs no stream and no frame of the sessions that are up", async () => {
    const { a, b, first, second, seenA, seenB } = await pair();
    const streams = [pour(a, second.id), pour(b, first.id)];
    await until(() => seenA.frames.length > 20 && seenB.frames.length > 20, "traffic");
    const { keyPem } = first;
    const renewed = createIdentityCertificate({
      ...{ nodeId: first.id, keyPem },
      ...{ notBeforeMs: Date.now() - DAY_MS, notAfterMs: Date.now() + 2 * DAY_MS },
    });
    const serial = new X509Certificate(renewed.certPem).serialNumber;
    expect(await shownBy(a)).not.toBe(serial);
    const [atA, atB] = [seenA.frames.length, seenB.frames.length];
    a.useIdentity({ certPem: renewed.certPem, keyPem });
    expect(await shownBy(a)).toBe(serial);
    await until(
      () => seenA.frames.length > atA + 50 && seenB.frames.length > atB + 50,
      "traffic after it",
    );
    for (const stream of streams) stream.stop();
    await until(() => seenB.frames.length === streams[0]?.sent, "every frame of a");
    await until(() => seenA.frames.length === streams[1]?.sent, "every frame of b");
    expect(numbersOf(seenB)).toEqual(Array.from(seenB.frames.keys()));
    expect(numbersOf(seenA)).toEqual(Array.from(seenA.frames.keys()));
    expect([...seenA.down, ...seenB.down]).toEqual([]);

    // The next session is made with it: the post-quantum handshake is over the new certificate at both ends.
    a.disconnect(second.id, { code: "closed", detail: "again" });
    await until(() => seenB.down.length > 0 && b.peers().length === 1, "another session");
    await until(
      () => a.isSecured?.(second.id) === true && b.isSecured?.(first.id) === true,
      "secured",
    );
  });

  it("that cannot be used changes nothing", async () => {
    const { a, first } = await pair();
    const before = await shownBy(a);
    const { keyPem } = makeIdentity(first.id);
    expect(() => a.useIdentity({ certPem: first.certPem, keyPem })).toThrow(
      expect.objectContaining({ code: "key.invalid" }),
    );
    expect(await shownBy(a)).toBe(before);
  });
});

describe("a member that is revoked", () => {
  it("loses its session at both ends within a second of that, and gets no other", async () => {
    const { net, a, b, first, second, seenA, seenB } = await pair();
    const atMs = performance.now();
    a.know?.(net.peers.filter(({ id }) => id !== second.id));
    expect(a.peers()).toEqual([]);
    await until(() => seenB.down.length > 0, "the other end knows");
    expect(performance.now() - atMs).toBeLessThan(1_000);
    expect(seenA.down.at(-1)?.peer).toBe(second.id);
    // It dials again, and is told why not.
    await until(() => (a.figures().refused["transport.peer-unknown"] ?? 0) > 0, "refused");
    expect(a.peers()).toEqual([]);
    expect(b.peers()).not.toContain(first.id);
  });
});
