/**
 * One end of a pair of sessions without a ledger: echoes frames of the class consensus, and takes those of bulk.
 * Started by pair.ts in a process of its own.
 */
import { webcrypto } from "node:crypto";
import type { Metrics } from "../../src/ledger/ports.ts";
import { realClock, realRandom, realTimers } from "../../src/node/real-ports.ts";
import { createIdentityCertificate } from "../../src/transport/identity-certificate.ts";
import { createQuicTransport } from "../../src/transport/mesh.ts";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";
import { benchNode } from "../session/keys.ts";

export type End = {
  readonly id: string;
  readonly address: string;
  readonly pinHex: string;
};

const silent: Metrics = { count: () => {}, gauge: () => {}, observe: () => {} };

/** A transport that knows nobody yet, and what its peer has to know of it. */
export const openEnd = async (
  index: number,
  bulkLoopShare: number,
): Promise<{ readonly end: End; readonly transport: QuicTransport }> => {
  const { id, security } = await benchNode(index);
  const now = realClock.wallMs();
  const dates = { notBeforeMs: now - 60_000, notAfterMs: now + 86_400_000 };
  const identity = createIdentityCertificate({ nodeId: id, ...dates });
  const transport = await createQuicTransport({
    listen: "[::1]:0",
    identity,
    self: id,
    security,
    peers: [],
    clock: realClock,
    timers: realTimers,
    random: realRandom,
    logger: { log: () => {} },
    metrics: silent,
    bulkLoopShare,
  });
  const pinHex = Buffer.from(identity.spkiPin).toString("hex");
  return { end: { id, address: transport.address(), pinHex }, transport };
};

export const meet = (transport: QuicTransport, { id, address, pinHex }: End): void => {
  transport.know?.([{ id, address, tlsPin: Uint8Array.from(Buffer.from(pinHex, "hex")) }]);
};

if (process.send !== undefined && process.argv[2] !== undefined) {
  const { end, transport } = await openEnd(1, Number(process.argv[2]));
  let received = 0;
  transport.bulk({
    peerUp: () => {},
    peerDown: () => {},
    frame: (_peer, bytes) => {
      received += bytes.length;
      void webcrypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
    },
    drained: () => {},
  });
  transport.start({
    peerUp: () => {},
    peerDown: () => {},
    frame: (peer, trafficClass, bytes) => transport.send(peer, trafficClass, bytes),
  });
  process.on("message", (message) => {
    if (message === "received") process.send?.({ received });
    else meet(transport, message as End);
  });
  process.on("disconnect", () => process.exit(0));
  process.send(end);
}
