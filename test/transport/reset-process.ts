/**
 * A server that lets anybody dial, in a process of its own, so that it goes on while the test's own stands still. It
 * opens a stream to who dials, and a while later sends more on it and resets it. Takes one order, and says its port.
 */
import type { QuicIdentity, QuicSession } from "../../src/transport/quic-endpoint.ts";
import { QuicheEndpoint } from "../../src/transport/quiche-endpoint.ts";
import { endpointOptions, Talker } from "./quic-support.ts";
import { sleep } from "./support.ts";

export type ResetOrder = {
  readonly identity: QuicIdentity;
  /** From the first bytes to those after them, and from those to the reset. */
  readonly moreMs: number;
  readonly resetMs: number;
};

const serve = async (session: QuicSession, order: ResetOrder): Promise<void> => {
  const talker = new Talker(session);
  while (!talker.established) await sleep(5);
  const stream = session.openStream("uni");
  talker.send(stream, "first");
  await sleep(order.moreMs);
  talker.send(stream, "more");
  await sleep(order.resetMs);
  session.abortStream(stream, 7);
};

const run = async (order: ResetOrder): Promise<void> => {
  const { identity } = order;
  const accepted = (session: QuicSession): void => void serve(session, order);
  const server = await QuicheEndpoint.bind(endpointOptions({ identity, accepted }));
  server.startAccepting();
  process.send?.(server.local.port);
};

process.once("message", (order) => {
  void run(order as ResetOrder);
});
