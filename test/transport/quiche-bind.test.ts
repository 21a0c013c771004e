/** Sockets of the quiche driver: one that could not be bound leaves nothing behind. */
import { createSocket } from "node:dgram";
import { readdirSync } from "node:fs";
import { expect, it } from "vitest";
import { QuicheEndpoint } from "../../src/transport/quiche-endpoint.ts";
import { endpointClosed, endpointOptions } from "./quic-support.ts";
import { idOf, makeIdentity, sleep } from "./support.ts";

const descriptors = (): number => readdirSync("/proc/self/fd").length;

it("an address that is taken costs no descriptor, however often it is tried", async () => {
  const taken = createSocket({ type: "udp6", ipv6Only: true });
  await new Promise<void>((resolve) => {
    taken.bind({ address: "::1", port: 0 }, resolve);
  });
  const listen = { host: "::1", port: taken.address().port };
  const bind = () =>
    QuicheEndpoint.bind(endpointOptions({ listen, identity: makeIdentity(idOf(0)) }));
  const data = { errno: "EADDRINUSE" };
  // What the first of all opens once for the process is not asked about.
  await expect(bind()).rejects.toMatchObject({ code: "config.invalid", data });
  await sleep(50);
  const before = descriptors();
  for (let i = 0; i < 20; i++) await expect(bind()).rejects.toMatchObject({ data });
  await sleep(50);
  expect(descriptors()).toBe(before);
  await new Promise<void>((resolve) => {
    taken.close(resolve);
  });
  await endpointClosed(await bind());
});
