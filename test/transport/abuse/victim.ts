/**
 * The node that is flooded, in a process of its own, so that its memory is its own. It answers every control
 * frame with the same frame, and tells on request what it holds after a full collection and what it has refused.
 */
import { realClock } from "../../../src/node/real-ports.ts";
import { createInlineSigner } from "../../../src/node/signing/signer.ts";
import { SessionLane } from "../../../src/transport/bulk/session-lane.ts";
import { introduce, makeTransport, securityBy } from "../support.ts";
import type { Look, VictimOrder } from "./support.ts";

const run = async (order: VictimOrder): Promise<void> => {
  const received: Record<string, number> = {};
  const downs: Record<string, string[]> = {};
  for (const { id, publicKey } of order.keys) introduce(id, publicKey);
  const security = securityBy(createInlineSigner(order.secretKey));
  const transport = await makeTransport({ ...order, ...order.bulk, security });
  let bulkFrames = 0;
  const port = transport.bulk({
    peerUp: () => {},
    peerDown: (peer) => lane.end(peer),
    frame: (peer, bytes) => {
      bulkFrames += 1;
      if (order.bulk.serves) lane.frame(peer, bytes);
    },
    drained: (peer) => lane.drained(peer),
  });
  const lane = new SessionLane({
    ...{ folder: "/nowhere", clock: realClock, serve: async () => undefined },
    ...{ answered: () => {}, served: () => {} },
    send: (peer, frame) => port.send(peer, frame),
    breach: (peer, failure) => port.breach(peer, failure),
  });
  transport.start({
    peerUp: () => {},
    peerDown: (peer, { code }) => {
      downs[peer] = [...(downs[peer] ?? []), code].slice(-8);
    },
    frame: (peer, trafficClass, bytes) => {
      received[peer] = (received[peer] ?? 0) + 1;
      if (trafficClass === "control") transport.send(peer, trafficClass, bytes);
    },
  });
  const look = (): Look => {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    const figures = transport.figures();
    return { heldBytes: heapUsed + external, figures, received, downs, bulkFrames };
  };
  process.on("message", () => process.send?.(look()));
  process.send?.(transport.address());
};

process.once("message", (order) => {
  void run(order as VictimOrder);
});
