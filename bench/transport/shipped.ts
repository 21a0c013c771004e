/** The stream layer that `@matrixai/quic` ships, for comparison only: nothing else uses it. */
import { webcrypto } from "node:crypto";
import { events, QUICClient, QUICServer } from "@matrixai/quic";
import {
  type Link,
  SERVER_NAME,
  type Served,
  type Setup,
  serveStream,
  type Taken,
} from "./subject.ts";

const configOf = (setup: Setup, identity: Setup["server"]) => ({
  key: identity.keyPem,
  cert: identity.certPem,
  ca: setup.authorityPem,
  verifyPeer: true,
  applicationProtos: ["bench/1"],
  maxSendUdpPayloadSize: setup.datagramBytes,
  maxRecvUdpPayloadSize: 65_527,
  initialMaxData: 8 * 2 ** 20,
  initialMaxStreamDataBidiLocal: 4 * 2 ** 20,
  initialMaxStreamDataBidiRemote: 4 * 2 ** 20,
  maxIdleTimeout: 20_000,
});

const serverCrypto = async () => {
  const key = await webcrypto.subtle.exportKey(
    "raw",
    await webcrypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, ["sign", "verify"]),
  );
  const imported = (bytes: ArrayBuffer) =>
    webcrypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, true, [
      "sign",
      "verify",
    ]);
  return {
    key,
    ops: {
      sign: async (bytes: ArrayBuffer, data: ArrayBuffer) =>
        webcrypto.subtle.sign("HMAC", await imported(bytes), data),
      verify: async (bytes: ArrayBuffer, data: ArrayBuffer, signature: ArrayBuffer) =>
        webcrypto.subtle.verify("HMAC", await imported(bytes), signature, data),
    },
  };
};

export const serveShipped = async (setup: Setup, taken: Taken): Promise<Served> => {
  const server = new QUICServer({
    crypto: await serverCrypto(),
    config: configOf(setup, setup.server),
  });
  server.addEventListener(events.EventQUICConnectionStream.name, (event: Event) => {
    if (!(event instanceof events.EventQUICConnectionStream)) return;
    const stream = event.detail;
    const writer = stream.writable.getWriter();
    const handle = serveStream(taken, (bytes) => {
      writer.write(bytes.slice()).catch(() => {});
    });
    void (async () => {
      for await (const bytes of stream.readable) handle(bytes);
    })().catch(() => {});
  });
  await server.start({ host: "::1", port: 0, ipv6Only: true });
  return {
    port: server.port,
    close: () => server.stop({ isApp: true, errorCode: 0, force: true }),
  };
};

export const connectShipped = async (setup: Setup, port: number): Promise<Link> => {
  const client = await QUICClient.createQUICClient({
    host: "::1",
    port,
    localHost: "::1",
    serverName: SERVER_NAME,
    crypto: {
      ops: {
        randomBytes: async (data: ArrayBuffer) => {
          webcrypto.getRandomValues(new Uint8Array(data));
        },
      },
    },
    config: configOf(setup, setup.client),
  });
  return {
    open: async () => {
      const stream = client.connection.newStream();
      const writer = stream.writable.getWriter();
      return {
        write: (bytes) => writer.write(bytes),
        onData: (take) => {
          void (async () => {
            for await (const bytes of stream.readable) take(bytes);
          })().catch(() => {});
        },
      };
    },
    close: () => client.destroy({ isApp: true, errorCode: 0, force: true }),
  };
};
