/** Unreliable datagrams of one session, at the length of their queue and one past it, on real endpoints. */
import { afterEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import type { QuicEndpoint, QuicSession } from "../../src/transport/quic-endpoint.ts";
import { QuicheEndpoint } from "../../src/transport/quiche-endpoint.ts";
import { endpointClosed, endpointOptions, Talker } from "./quic-support.ts";
import { idOf, makeIdentity, sleep, until } from "./support.ts";

const endpoints: QuicEndpoint[] = [];
afterEach(async () => {
  for (const endpoint of endpoints.splice(0)) await endpointClosed(endpoint);
});

const open = async (index: number, accepted: (session: QuicSession) => void) => {
  const endpoint = await QuicheEndpoint.bind(
    endpointOptions({ identity: makeIdentity(idOf(index)), accepted }),
  );
  endpoints.push(endpoint);
  endpoint.startAccepting();
  return endpoint;
};

describe("datagrams that wait to go out", () => {
  it("are datagramQueueMax, and one more is refused until they have gone", async () => {
    const met: Talker[] = [];
    const server = await open(0, (session) => met.push(new Talker(session)));
    const client = await open(1, () => {});
    const dialled = client.dial(server.local);
    if (dialled === undefined) throw new RangeError("no session");
    const talker = new Talker(dialled);
    await until(() => talker.established && met[0]?.established === true, "established");
    const bytes = new Uint8Array(8);
    // Within one task nothing goes out.
    const taken = Array.from({ length: LIMITS.datagramQueueMax }, () =>
      dialled.sendDatagram(bytes),
    );
    expect(taken.filter((one) => one)).toHaveLength(LIMITS.datagramQueueMax);
    expect(dialled.sendDatagram(bytes)).toBe(false);
    await until(() => dialled.sendDatagram(Uint8Array.of(1)), "room again");
  });
});

describe("datagrams that wait to be read", () => {
  it("are datagramQueueMax, however many come, and the session goes on", async () => {
    const met: QuicSession[] = [];
    let established = false;
    const server = await open(0, (session) => {
      met.push(session);
      session.attach({
        established: () => {
          established = true;
        },
        service: () => {},
        ended: () => {},
      });
    });
    const client = await open(1, () => {});
    const dialled = client.dial(server.local);
    if (dialled === undefined) throw new RangeError("no session");
    const talker = new Talker(dialled);
    await until(() => talker.established && established, "established");
    const receiver = met[0];
    if (receiver === undefined) throw new RangeError("nobody accepted");
    let sent = 0;
    while (sent < 2 * LIMITS.datagramQueueMax) {
      if (dialled.sendDatagram(new Uint8Array(8))) sent += 1;
      else await sleep(5);
    }
    const received = (): number => receiver.figures().packetsReceived;
    for (let before = -1; before !== received(); await sleep(200)) before = received();
    let read = 0;
    while (receiver.readDatagram() !== undefined) read += 1;
    expect(read).toBe(LIMITS.datagramQueueMax);
    // Room again.
    await until(() => dialled.sendDatagram(Uint8Array.of(7)), "sent");
    let last: Uint8Array | undefined;
    await until(() => {
      last = receiver.readDatagram() ?? last;
      return last !== undefined;
    }, "read");
    expect(last?.[0]).toBe(7);
  });
});
