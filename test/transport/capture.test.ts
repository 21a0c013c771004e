/**
 * Somebody records every datagram of a session between two nodes and later has its TLS keys. He reads the public
 * frames and every byte of the handshake, but no sealed record; with the ML-KEM secret he would.
 */

import { randomBytes, X509Certificate } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type quiche from "@matrixai/quic/native/quiche.js";
import { ml_kem1024 } from "@noble/post-quantum/ml-kem.js";
import { afterEach, describe, expect, it, vi } from "vitest";
import { utf8 } from "../../src/crypto/codec.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";
import { SEALED_STREAM_PLACE } from "../../src/transport/secure-channel.ts";
import { deriveSecrets } from "../../src/transport/stoq/keys.ts";
import { decodeAnswer } from "../../src/transport/stoq/messages.ts";
import { decodeProbe } from "../../src/transport/stoq/probe.ts";
import { Opener } from "../../src/transport/stoq/sealing.ts";
import { type Channel, openTranscript } from "../../src/transport/stoq/transcript.ts";
import { type Captured, framesOf, openCapture } from "./quic-capture.ts";
import {
  freePorts,
  idOf,
  makeIdentity,
  makeTransport,
  record,
  securityOf,
  type TestIdentity,
  until,
} from "./support.ts";

const SECRET = "0.0.0-that-nobody-else-shall-read";
const PUBLIC = utf8("a vote, which anybody may read");

/** Streams of the dialler, and those of the other end. */
const [CONTROL_OUT, CONTROL_IN, SEALED_OUT, SEALED_IN] = [14, 15, 18, 19];
const MEMPOOL_OUT = 6;

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Passes datagrams between one client and a server, and keeps a copy of each. */
const startTap = async (serverPort: number): Promise<{ port: number; captured: Captured[] }> => {
  const bind = async (): Promise<Socket> => {
    const socket = createSocket({ type: "udp6", ipv6Only: true });
    await new Promise<void>((resolve) => {
      socket.bind({ address: "::1", port: 0 }, resolve);
    });
    cleanups.push(() => {
      socket.close();
    });
    return socket;
  };
  const [front, back] = [await bind(), await bind()];
  const captured: Captured[] = [];
  let clientPort = 0;
  front.on("message", (bytes, { port }) => {
    clientPort = port;
    captured.push({ direction: "toServer", bytes: Uint8Array.from(bytes) });
    back.send(bytes, serverPort, "::1");
  });
  back.on("message", (bytes) => {
    captured.push({ direction: "toClient", bytes: Uint8Array.from(bytes) });
    front.send(bytes, clientPort, "::1");
  });
  return { port: front.address().port, captured };
};

/** Every connection that is dialled writes its TLS secrets into this file. */
const log = vi.hoisted(() => ({ path: "" }));
vi.mock("@matrixai/quic/native/quiche.js", async (importOriginal) => {
  const { default: real } = await importOriginal<{ default: typeof quiche }>();
  const { Config, Connection } = real;
  const withBoringSslCtx: typeof Config.withBoringSslCtx = (...args) => {
    const config = Config.withBoringSslCtx(...args);
    config.logKeys();
    return config;
  };
  const connect: typeof Connection.connect = (...args) => {
    const connection = Connection.connect(...args);
    connection.setKeylog(log.path);
    return connection;
  };
  const accept: typeof Connection.accept = (...args) => Connection.accept(...args);
  return { default: { ...real, Config: { withBoringSslCtx }, Connection: { connect, accept } } };
});

const logTlsKeys = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "tetrad-key-log-"));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  log.path = join(folder, "keys.txt");
  return log.path;
};

type Session = {
  readonly a: QuicTransport;
  readonly first: TestIdentity;
  readonly second: TestIdentity;
  readonly captured: Captured[];
  readonly keyLog: () => string;
  /** What the initiator drew, in order. */
  readonly drawn: Uint8Array[];
};

const recordSession = async (): Promise<Session> => {
  const path = logTlsKeys();
  const [portB = 0, nowhere = 0] = await freePorts(2);
  const tap = await startTap(portB);
  const [first, second] = [makeIdentity(idOf(0)), makeIdentity(idOf(1))];
  const drawn: Uint8Array[] = [];
  const entropy = (bytes: number): Uint8Array => {
    const fresh = Uint8Array.from(randomBytes(bytes));
    drawn.push(Uint8Array.from(fresh));
    return fresh;
  };
  const node = async (options: Parameters<typeof makeTransport>[0]): Promise<QuicTransport> => {
    const transport = await makeTransport(options);
    cleanups.push(() => new Promise<void>((resolve) => transport.close(resolve)));
    return transport;
  };
  const b = await node({
    identity: second,
    listen: `[::1]:${portB}`,
    peers: [{ id: first.id, address: `[::1]:${nowhere}`, tlsPin: first.spkiPin }],
    security: { ...securityOf(second.id), version: SECRET },
  });
  const a = await node({
    identity: first,
    peers: [{ id: second.id, address: `[::1]:${tap.port}`, tlsPin: second.spkiPin }],
    security: { ...securityOf(first.id), version: SECRET, entropy },
    limits: { idleTimeoutMs: 900 },
  });
  const seen = record(b);
  record(a);
  await until(() => a.peerFigures()[0]?.session?.sealed?.roundTripMs !== undefined, "sealed");
  a.send(second.id, "mempool", PUBLIC);
  await until(() => seen.frames.length > 0, "a public frame");
  return {
    a,
    first,
    second,
    captured: tap.captured,
    keyLog: () => readFileSync(path, "utf8"),
    drawn,
  };
};

const hashOf = ({ certPem }: TestIdentity): Uint8Array =>
  sha256(Uint8Array.from(new X509Certificate(certPem).raw));

describe("a recording with the TLS keys of its session", () => {
  it("shows public frames and the handshake, and no sealed record without the ML-KEM secret", async () => {
    const session = await recordSession();
    expect(session.a.peerFigures()[0]?.session?.sealed?.version).toBe(SECRET);
    const streams = openCapture(session.captured, session.keyLog());

    // The key log works: what is public is read.
    expect(framesOf(streams.get(MEMPOOL_OUT))[0]).toEqual(Buffer.from(PUBLIC));
    const sent = framesOf(streams.get(SEALED_OUT));
    const got = framesOf(streams.get(SEALED_IN));
    expect(sent.slice(0, 2).map(({ length }) => length)).toEqual([3395, 1313]);
    expect(got[0]?.length).toBe(4707);
    expect(sent.length).toBeGreaterThan(2);

    // Nowhere in it, in the datagrams or under TLS, is what was sealed.
    const everything = [...streams.values(), ...session.captured.map(({ bytes }) => bytes)];
    for (const bytes of everything) expect(Buffer.from(bytes).includes(SECRET)).toBe(false);

    // With the seed of the ML-KEM key that the initiator drew and forgot, it is.
    const seed = session.drawn.find(({ length }) => length === 64);
    const [open, answer] = [sent[0], got[0]];
    const [helloA, helloB] = [streams.get(CONTROL_OUT), streams.get(CONTROL_IN)].map(
      (stream) => framesOf(stream)[0],
    );
    if (seed === undefined || open === undefined || answer === undefined) throw new RangeError();
    if (helloA === undefined || helloB === undefined) throw new RangeError();
    const { chainId, genesisHash } = securityOf(session.first.id);
    const { first, second } = session;
    const channel: Channel = {
      chainId,
      genesisHash,
      initiator: { id: first.id, certificateHash: hashOf(first), hello: helloA },
      responder: { id: second.id, certificateHash: hashOf(second), hello: helloB },
      tlsExporter: new Uint8Array(0),
    };
    const { body, offer } = decodeAnswer(answer);
    const transcript = openTranscript(channel, open, body);
    const versions = (secretKey: Uint8Array): readonly string[] => {
      const shared = ml_kem1024.decapsulate(offer.kem, secretKey);
      const { sessionId, traffic } = deriveSecrets(shared, transcript);
      const stream = SEALED_STREAM_PLACE;
      const opener = new Opener({ trafficSecret: traffic.responder, sessionId, stream });
      return got.slice(1).flatMap((record) => {
        const opened = opener.open(record);
        return opened.ok ? [decodeProbe(opened.value)?.version ?? ""] : [];
      });
    };
    expect(versions(ml_kem1024.keygen(Uint8Array.from(randomBytes(64))).secretKey)).toEqual([]);
    expect(versions(ml_kem1024.keygen(seed).secretKey)).toContain(SECRET);
  });
});
