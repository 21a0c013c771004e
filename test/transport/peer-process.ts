/**
 * A node's transport in a process of its own, so that a test can kill it for real. Takes one message with
 * its identity and peers, says "ready" when bound, and sends back every frame that it gets.
 */
import type { TransportLimits, TransportPeer } from "../../src/transport/options.ts";
import { makeTransport, type TestIdentity } from "./support.ts";

export type PeerOrder = {
  readonly identity: TestIdentity;
  readonly peers: readonly TransportPeer[];
  readonly listen: string;
  readonly limits?: Partial<TransportLimits>;
};

const run = async (order: PeerOrder): Promise<void> => {
  const transport = await makeTransport(order);
  transport.start({
    peerUp: () => {},
    peerDown: () => {},
    frame: (peer, trafficClass, bytes) => {
      transport.send(peer, trafficClass, bytes);
    },
  });
  process.send?.("ready");
};

process.once("message", (order) => {
  void run(order as PeerOrder);
});
