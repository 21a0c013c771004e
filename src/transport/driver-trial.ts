/**
 * Does a QUIC driver work on this machine? Two endpoints on [::1], both with certificates of an authority
 * that only the trial knows, and bytes that have to come back over one stream as they went.
 */
import { equalBytes } from "../crypto/bytes.ts";
import type { Clock, Timers } from "../ledger/ports.ts";
import { createAuthority } from "./authority.ts";
import type {
  QuicDriverName,
  QuicEndpoint,
  QuicEndpointOptions,
  QuicSession,
} from "./quic-endpoint.ts";
import { QuicheEndpoint } from "./quiche-endpoint.ts";
import { ReactorEndpoint } from "./reactor-endpoint.ts";

export type DriverTrial =
  | { readonly works: true; readonly ms: number }
  | { readonly works: false; readonly reason: string };

const SERVER_NAME = "trial.nexus.invalid";
const PROTOCOL = "nexus-trial/1";
const BYTES = 256 * 1024;

/** Generous, because a busy machine is no broken driver. */
const LIMIT_MS = 10_000;

/** Gives every stream back as it came. */
const echo = (session: QuicSession): void => {
  const waiting = new Map<number, { readonly parts: Uint8Array[]; fin: boolean }>();
  session.attach({
    established: () => {},
    ended: () => {},
    service: () => {
      for (const id of session.readableStreams()) {
        const stream = waiting.get(id) ?? { parts: [], fin: false };
        waiting.set(id, stream);
        for (let part = session.read(id); part !== undefined; part = session.read(id)) {
          stream.parts.push(part.bytes.slice());
          stream.fin = part.fin;
          if (part.fin) break;
        }
      }
      for (const [id, { parts, fin }] of waiting) {
        const bytes = Buffer.concat(parts);
        const written = session.write(id, bytes, fin);
        parts.splice(0, parts.length, bytes.subarray(written));
        if (fin && written === bytes.length) waiting.delete(id);
      }
    },
  });
};

/** Resolves when what was sent has come back; rejects with why it did not. */
const ask = (session: QuicSession, sent: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    let stream = -1;
    let left = sent;
    const got: Uint8Array[] = [];
    session.attach({
      established: () => {
        stream = session.openStream("bi");
      },
      ended: ({ by, code, reason }) => reject(new Error(`ended by ${by}: ${code} ${reason}`)),
      service: () => {
        if (left.length > 0) left = left.subarray(session.write(stream, left, true));
        for (let part = session.read(stream); part !== undefined; part = session.read(stream)) {
          got.push(part.bytes.slice());
          if (!part.fin) continue;
          if (equalBytes(Buffer.concat(got), sent)) resolve();
          else reject(new Error("other bytes came back than were sent"));
          return;
        }
      },
    });
  });

const closed = (endpoint: QuicEndpoint): Promise<void> =>
  new Promise((resolve) => {
    endpoint.close(0, "the trial is over", resolve);
  });

const run = async (
  bind: (options: QuicEndpointOptions) => Promise<QuicEndpoint>,
  options: Omit<QuicEndpointOptions, "identity">,
  wallMs: number,
): Promise<void> => {
  const authority = createAuthority("trial", wallMs);
  const trust = { authorityPem: authority.certPem };
  const identity = authority.identity({ subject: "trial", serverName: SERVER_NAME });
  await using closing = new AsyncDisposableStack();
  const server = await bind({ ...options, identity, clients: trust, servers: trust });
  closing.defer(() => closed(server));
  server.startAccepting();
  const client = await bind({ ...options, identity, clients: trust, servers: trust });
  closing.defer(() => closed(client));
  const session = client.dial(server.local, { serverName: SERVER_NAME });
  if (session === undefined) throw new Error("not dialled");
  let cancel = (): void => {};
  const expired = new Promise<never>((_resolve, reject) => {
    cancel = options.timers.set(LIMIT_MS, () => reject(new Error(`no answer in ${LIMIT_MS} ms`)));
  });
  try {
    await Promise.race([ask(session, new Uint8Array(BYTES).fill(0x5a)), expired]);
  } finally {
    cancel();
  }
};

/** Tries the driver. Never throws; takes some milliseconds, and some seconds where nothing answers. */
export const tryDriver = async (
  name: QuicDriverName,
  ports: { readonly clock: Clock; readonly timers: Timers },
): Promise<DriverTrial> => {
  const { clock, timers } = ports;
  const startedMs = clock.monotonicMs();
  const bind = name === "quiche" ? QuicheEndpoint.bind : ReactorEndpoint.bind;
  const options: Omit<QuicEndpointOptions, "identity"> = {
    listen: { host: "::1", port: 0 },
    clock,
    timers,
    alpn: [PROTOCOL],
    clients: "none",
    servers: "any",
    limits: {
      connectionsMax: 4,
      connectionsPerAddressMax: 4,
      handshakesPerSecond: 4,
      idleTimeoutMs: LIMIT_MS,
    },
    windows: {
      streamsBidi: 1,
      streamsUni: 0,
      streamBytes: BYTES,
      streamBytesMax: BYTES,
      connectionBytes: BYTES,
      connectionBytesMax: BYTES,
    },
    datagrams: false,
    datagramBytesFor: () => 1_350,
    datagramBytesMax: 1_350,
    isMemberHost: () => true,
    accepted: echo,
    refused: () => {},
  };
  try {
    await run((own) => bind(own), options, clock.wallMs());
    return { works: true, ms: clock.monotonicMs() - startedMs };
  } catch (error) {
    return { works: false, reason: error instanceof Error ? error.message : String(error) };
  }
};
