/** What the transport benchmark compares. */
import { connect, createServer, type Socket } from "node:net";
import * as tls from "node:tls";
import { realClock, realTimers } from "../../src/node/real-ports.ts";
import type {
  QuicEndpoint,
  QuicEndpointOptions,
  QuicIdentity,
  QuicSession,
} from "../../src/transport/quic-endpoint.ts";
import { QuicheEndpoint } from "../../src/transport/quiche-endpoint.ts";
import { ReactorEndpoint } from "../../src/transport/reactor-endpoint.ts";
import { connectShipped, serveShipped } from "./shipped.ts";
import {
  type Link,
  type Pipe,
  SERVER_NAME,
  type Served,
  type Setup,
  type Subject,
  serveStream,
  type Taken,
} from "./subject.ts";

const pipeOfSocket = (socket: Socket): Pipe => ({
  write: (bytes) =>
    new Promise((resolve, reject) => {
      if (socket.destroyed) reject(new Error("closed"));
      else if (socket.write(bytes)) resolve();
      else socket.once("drain", resolve);
    }),
  onData: (handle) => {
    socket.on("data", handle);
  },
});

const serveSockets = (
  server: tls.Server | ReturnType<typeof createServer>,
  event: "connection" | "secureConnection",
  taken: Taken,
): Promise<Served> => {
  server.on(event, (socket: Socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on(
      "data",
      serveStream(taken, (bytes) => socket.write(bytes)),
    );
  });
  return new Promise((resolve) => {
    server.listen(0, "::1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      resolve({ port, close: async () => void server.close() });
    });
  });
};

const linkOfSocket = (socket: Socket): Link => {
  socket.setNoDelay(true);
  socket.on("error", () => {});
  return { open: async () => pipeOfSocket(socket), close: async () => void socket.destroy() };
};

const tcp: Subject = {
  name: "tcp",
  multiplexed: false,
  usesUdp: false,
  serve: (_setup, taken) => serveSockets(createServer(), "connection", taken),
  connect: (_setup, port) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: "::1", port }, () => resolve(linkOfSocket(socket)));
      socket.once("error", reject);
    }),
};

const tlsOverTcp: Subject = {
  name: "tls",
  multiplexed: false,
  usesUdp: false,
  serve: (setup, taken) => {
    const server = tls.createServer({
      key: setup.server.keyPem,
      cert: setup.server.certPem,
      ca: setup.authorityPem,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: "TLSv1.3",
    });
    return serveSockets(server, "secureConnection", taken);
  },
  connect: (setup, port) =>
    new Promise((resolve, reject) => {
      const socket = tls.connect(
        {
          host: "::1",
          port,
          key: setup.client.keyPem,
          cert: setup.client.certPem,
          ca: setup.authorityPem,
          servername: SERVER_NAME,
          minVersion: "TLSv1.3",
        },
        () => resolve(linkOfSocket(socket)),
      );
      socket.once("error", reject);
    }),
};

const optionsOf = (
  setup: Setup,
  identity: QuicIdentity,
  accepted: (session: QuicSession) => void,
): QuicEndpointOptions => ({
  listen: { host: "::1", port: 0 },
  clock: realClock,
  timers: realTimers,
  alpn: ["bench/1"],
  identity,
  clients: { authorityPem: setup.authorityPem },
  servers: { authorityPem: setup.authorityPem },
  limits: {
    connectionsMax: 4_096,
    connectionsPerAddressMax: 4_096,
    handshakesPerSecond: 100_000,
    idleTimeoutMs: 20_000,
  },
  windows: {
    streamsBidi: 1_000,
    streamsUni: 4,
    streamBytes: 4 * 2 ** 20,
    streamBytesMax: 16 * 2 ** 20,
    connectionBytes: 8 * 2 ** 20,
    connectionBytesMax: 32 * 2 ** 20,
  },
  datagrams: false,
  datagramBytesFor: () => setup.datagramBytes,
  datagramBytesMax: setup.datagramBytes,
  isMemberHost: () => true,
  accepted,
  refused: () => {},
});

/** The server's side of a session: every stream is a sink or an echo. */
const serveSession = (session: QuicSession, taken: Taken): void => {
  const streams = new Map<number, (bytes: Uint8Array) => void>();
  session.attach({
    established: () => {},
    ended: () => {},
    service: () => {
      for (const id of session.readableStreams()) {
        let stream = streams.get(id);
        if (stream === undefined) {
          stream = serveStream(taken, (bytes) => session.write(id, bytes, false));
          streams.set(id, stream);
        }
        for (let part = session.read(id); part !== undefined; part = session.read(id)) {
          stream(part.bytes);
          if (part.fin) break;
        }
      }
    },
  });
};

type ClientStream = {
  waiting: { left: Uint8Array; readonly done: () => void } | undefined;
  take: ((bytes: Uint8Array) => void) | undefined;
};

const linkOfSession = (session: QuicSession): Promise<Link> => {
  const streams = new Map<number, ClientStream>();
  const push = (id: number, stream: ClientStream): void => {
    const { waiting } = stream;
    if (waiting === undefined) return;
    waiting.left = waiting.left.subarray(session.write(id, waiting.left, false));
    if (waiting.left.length > 0) return;
    stream.waiting = undefined;
    waiting.done();
  };
  const pipe = (id: number, stream: ClientStream): Pipe => ({
    write: (bytes) =>
      new Promise((done) => {
        stream.waiting = { left: bytes, done };
        push(id, stream);
        session.requestTurn();
      }),
    onData: (handle) => {
      stream.take = handle;
    },
  });
  const link: Link = {
    open: async () => {
      const stream: ClientStream = { waiting: undefined, take: undefined };
      const id = session.openStream("bi");
      streams.set(id, stream);
      return pipe(id, stream);
    },
    close: async () => session.close(0, "done"),
  };
  return new Promise((resolve, reject) => {
    session.attach({
      established: () => resolve(link),
      ended: (end) => reject(new Error(`${end.by} ${end.code} ${end.reason}`)),
      service: () => {
        for (const id of session.readableStreams()) {
          for (let part = session.read(id); part !== undefined; part = session.read(id)) {
            streams.get(id)?.take?.(part.bytes);
            if (part.fin) break;
          }
        }
        for (const [id, stream] of streams) push(id, stream);
      },
    });
  });
};

const quicSubject = (
  name: string,
  bind: (options: QuicEndpointOptions) => Promise<QuicEndpoint>,
): Subject => {
  let dialler: Promise<QuicEndpoint> | undefined;
  return {
    name,
    multiplexed: true,
    usesUdp: true,
    serve: async (setup, taken) => {
      const endpoint = await bind(
        optionsOf(setup, setup.server, (session) => serveSession(session, taken)),
      );
      endpoint.startAccepting();
      const close = (): Promise<void> =>
        new Promise((resolve) => {
          endpoint.close(0, "done", resolve);
        });
      return { port: endpoint.local.port, close };
    },
    connect: async (setup, port) => {
      dialler ??= bind(optionsOf(setup, setup.client, () => {}));
      const session = (await dialler).dial({ host: "::1", port }, { serverName: SERVER_NAME });
      if (session === undefined) throw new Error("not dialled");
      return linkOfSession(session);
    },
  };
};

export const SUBJECTS: readonly Subject[] = [
  tcp,
  tlsOverTcp,
  quicSubject("quiche", QuicheEndpoint.bind),
  quicSubject("reactor", (options) => ReactorEndpoint.bind(options)),
  quicSubject("reactor-fast", (options) => ReactorEndpoint.bind(options, "fast")),
  {
    name: "shipped",
    multiplexed: true,
    usesUdp: true,
    serve: serveShipped,
    connect: connectShipped,
  },
];
