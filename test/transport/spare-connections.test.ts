/**
 * Connections that are past TLS and have not said hello: who may have a session is asked again at the hello, because
 * the answer may be another by then. On real sockets.
 */
import { afterEach, describe, expect, it, vi } from "vitest";
import { CLOSE_CODES } from "../../src/transport/options.ts";
import { RawClient } from "./raw-client.ts";
import { falconKeys } from "./stoq/support.ts";
import {
  closed,
  freePorts,
  idOf,
  makeIdentity,
  makeTransport,
  type NodeOptions,
  record,
  type TestIdentity,
  until,
} from "./support.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
for (const n of [0, 1, 2]) falconKeys(n);

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const [A, B] = [makeIdentity(idOf(0)), makeIdentity(idOf(1))];

const start = async (options: NodeOptions) => {
  const transport = await makeTransport(options);
  cleanups.push(() => closed(transport));
  const port = Number(/:(\d+)$/.exec(transport.address())?.[1]);
  return { transport, port, seen: record(transport) };
};

/** A node that knows `B`, which it cannot dial, under a long pause for who breaks the protocol. */
const startVictim = async () => {
  const [nobody = 0] = await freePorts(1);
  const address = `[::1]:${nobody}`;
  const peers = [{ id: B.id, tlsPin: B.spkiPin, address }];
  const limits = { redialMsMin: 120_000, redialMsMax: 120_000, handshakeTimeoutMs: 60_000 };
  return { ...(await start({ identity: A, peers, limits })), address };
};

/** A connection that the node has identified, and has said its own hello to. */
const spare = async (port: number, identity: TestIdentity): Promise<RawClient> => {
  const client = await RawClient.connect({ port, identity });
  cleanups.push(() => client.dispose());
  // Its control stream: what the node says once it knows who is there.
  await until(() => client.quic.streamReadable(15), "identified");
  return client;
};

describe("a connection that says hello late", () => {
  it("is a session while nothing has changed", async () => {
    const { port, transport } = await startVictim();
    const client = await spare(port, B);
    client.hello();
    await until(() => transport.peers().length === 1, "up");
    expect(client.isRefused).toBe(false);
  });

  it("is refused when the member has come into quarantine", async () => {
    const { port, transport, seen } = await startVictim();
    const client = await spare(port, B);
    transport.quarantine(new Set([B.id]));
    client.hello();
    await until(() => client.isRefused, "refused");
    expect(client.peerErrorCode).toBe(CLOSE_CODES.identity);
    expect(transport.figures().refused).toEqual({ "transport.peer-quarantined": 1 });
    expect(seen.up).toEqual([]);
  });

  it("is refused when the member's pin is another", async () => {
    const { port, transport, seen, address } = await startVictim();
    const client = await spare(port, B);
    transport.know?.([{ id: B.id, tlsPin: makeIdentity(B.id).spkiPin, address }]);
    client.hello();
    await until(() => client.isRefused, "refused");
    expect(client.peerErrorCode).toBe(CLOSE_CODES.identity);
    expect(transport.figures().refused).toEqual({ "transport.peer-unknown": 1 });
    expect(seen.up).toEqual([]);
  });

  it("is refused when the pin is another member's, and is not taken for that one", async () => {
    const { port, transport, seen, address } = await startVictim();
    const client = await spare(port, B);
    const pin = makeIdentity(B.id).spkiPin;
    const other = { id: idOf(2), tlsPin: B.spkiPin, address: address.replace("::1", "::2") };
    transport.know?.([{ id: B.id, tlsPin: pin, address }, other]);
    client.hello();
    await until(() => client.isRefused, "refused");
    expect(client.peerErrorCode).toBe(CLOSE_CODES.identity);
    expect(seen.up).toEqual([]);
  });

  it("is refused while the member is turned away for what it did", async () => {
    const { port, transport, seen } = await startVictim();
    const member = await start({
      identity: B,
      peers: [{ id: A.id, tlsPin: A.spkiPin, address: `[::1]:${port}` }],
    });
    await until(() => transport.isSecured?.(B.id) === true, "the member is proved");
    const client = await spare(port, B);
    transport.disconnect(B.id, { code: "protocol", detail: "a bad frame" });
    await until(() => member.transport.peers().length === 0, "turned away");
    client.hello();
    await until(() => client.isRefused, "refused");
    expect(client.peerErrorCode).toBe(CLOSE_CODES.identity);
    expect(seen.up).toEqual([B.id]);
  });
});
