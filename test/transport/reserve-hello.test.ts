/** The end that is dialled by a member on its reserve driver: it says nothing to who has not shown the member's key. */
import { afterEach, expect, it } from "vitest";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";
import { FEATURES } from "../../src/transport/stoq/hello.ts";
import { CONSENSUS, RawClient } from "./raw-client.ts";
import { framed } from "./scripted-session.ts";
import {
  closed,
  freePorts,
  idOf,
  makeIdentity,
  makeTransport,
  record,
  sleep,
  until,
} from "./support.ts";

const open: QuicTransport[] = [];
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.dispose();
  await Promise.all(open.splice(0).map(closed));
});

/** A member with the right certificate says its hello with these features, sends a vote, and proves nothing. */
const dialledBy = async (features: number) => {
  const [own, far] = [makeIdentity(idOf(0)), makeIdentity(idOf(1))];
  const [port, nobody] = await freePorts(2);
  const listen = `[::1]:${port}`;
  const peers = [
    { id: own.id, address: listen, tlsPin: own.spkiPin },
    { id: far.id, address: `[::1]:${nobody}`, tlsPin: far.spkiPin },
  ];
  const transport = await makeTransport({ identity: own, peers, listen });
  open.push(transport);
  const seen = record(transport);
  const client = await RawClient.connect({ port: Number(port), identity: far });
  clients.push(client);
  await until(() => client.quic.isEstablished(), "established");
  client.hello(3, features);
  client.send(CONSENSUS, framed(Uint8Array.of(7)));
  return { client, far, transport, seen };
};

it("who sees the certificate of the one that it dials is up from its hello on", async () => {
  const { far, seen } = await dialledBy(FEATURES.sealedSession);
  await until(() => seen.frames.length > 0, "the vote");
  expect(seen.up).toEqual([far.id]);
});

it("who does not is nobody before its proof: it is not up, is sent nothing and not read", async () => {
  const features = FEATURES.sealedSession | FEATURES.seesNoCertificate;
  const { client, far, transport, seen } = await dialledBy(features);
  await until(() => transport.figures().connections > 0, "the session");
  await sleep(500);
  expect(seen).toMatchObject({ up: [], frames: [] });
  expect(transport.peers()).toEqual([]);
  expect(transport.send(far.id, "consensus", Uint8Array.of(8))).toBe(false);
  expect(client.isRefused).toBe(false);
});
