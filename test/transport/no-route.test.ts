/**
 * Destinations that the kernel will not send to. Who names one, in a grant or by the source of a packet, must not be
 * able to end the sessions of others by it.
 */
import { Socket } from "node:dgram";
import { afterEach, describe, expect, it } from "vitest";
import { DRIVER_LIMITS } from "../../src/limits-driver.ts";
import type { QuicEndpoint } from "../../src/transport/quic-endpoint.ts";
import { QuicheEndpoint } from "../../src/transport/quiche-endpoint.ts";
import type { UdpSocket } from "../../src/transport/udp-port.ts";
import { firstPacket } from "./first-packet.ts";
import { endpointClosed, endpointOptions, Talker } from "./quic-support.ts";
import { idOf, makeIdentity, sleep, until } from "./support.ts";

const NOWHERE = "2001:db8::1";

const open: QuicEndpoint[] = [];

const { send } = Socket.prototype;

afterEach(async () => {
  await Promise.all(open.splice(0).map(endpointClosed));
  Reflect.set(Socket.prototype, "send", send);
});

/** From now on the kernel answers so for that destination, as it does where it knows no way there. */
const refuse = (code: string): void => {
  const mocked = function (this: Socket, ...of: Parameters<UdpSocket["send"]>): void {
    const [, , host, told] = of;
    const error = Object.assign(new Error(`send ${code}`), { code });
    if (host !== NOWHERE) Reflect.apply(send, this, of);
    else if (told !== undefined) setImmediate(() => told(error, 0));
  };
  Reflect.set(Socket.prototype, "send", mocked);
};

const faults = { ...DRIVER_LIMITS, socketErrorsMax: 4, socketErrorsMs: 0 };

const dialInVain = async (code: string) => {
  const server = endpointOptions({ identity: makeIdentity(idOf(1)), clients: "none" });
  const far = await QuicheEndpoint.bind(server);
  far.startAccepting();
  const options = endpointOptions({ faults, clients: "none" });
  const near = await QuicheEndpoint.bind(options);
  open.push(far, near);
  const session = near.dial(far.local);
  if (session === undefined) throw new Error("not dialled");
  const talker = new Talker(session);
  await until(() => talker.established, "up");
  // What the session has to acknowledge has gone: from here on it says nothing.
  await sleep(200);
  refuse(code);
  for (let i = 0; i < 2 * faults.socketErrorsMax; i++) {
    const inVain = near.dial({ host: NOWHERE, port: 4433 });
    if (inVain !== undefined) new Talker(inVain);
    const { failures } = options.met;
    await until(() => near.stats.sendErrors > i || failures.length > 0, "an error", 2_000);
  }
  await sleep(20);
  return { talker, options };
};

describe("dials of a destination that the kernel refuses", () => {
  it.each(["ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "EINVAL", "EACCES", "EPERM"])(
    "with %s cost themselves and no session of others",
    async (code) => {
      const { talker, options } = await dialInVain(code);
      expect([options.met.failures, talker.end]).toEqual([[], undefined]);
    },
  );

  it("end the endpoint where what is refused may be no destination", async () => {
    const { talker, options } = await dialInVain("ENOBUFS");
    expect(options.met.failures).toHaveLength(1);
    expect(talker.end?.by).toBe("driver");
  });
});

it("packets that claim to come from there do not end an endpoint that listens", async () => {
  const options = endpointOptions({ faults, identity: makeIdentity(idOf(1)) });
  const server = await QuicheEndpoint.bind(options);
  server.startAccepting();
  open.push(server);
  refuse("ENETUNREACH");
  // Each is answered with a Retry, whoever its source is.
  for (let i = 0; i < 2 * faults.socketErrorsMax; i++) {
    server.receive(firstPacket(), { address: NOWHERE, family: "IPv6", port: 4433 });
    const { failures } = options.met;
    await until(() => server.stats.sendErrors > i || failures.length > 0, "an error", 2_000);
  }
  await sleep(20);
  expect(server.stats.retries).toBe(2 * faults.socketErrorsMax);
  expect(options.met.failures).toEqual([]);
});
