/**
 * What the post-quantum handshake of a session costs.
 *
 *   npm run bench -- transport-handshake [rounds = 200] [sessions = 40]
 *
 * First the state machine alone, both ends in one thread with no network: time of each step, handshakes a second
 * of one core, bytes. Then sessions between two transports on [::1], one after the other, as nodes make them (a
 * thread signs, WebAssembly verifies where it loads): from dialling to the hellos, which is QUIC and TLS, and from
 * the hellos to the first sealed record.
 */
import { randomBytes } from "node:crypto";
import { ml_kem1024 } from "@noble/post-quantum/ml-kem.js";
import type { Metrics } from "../src/ledger/ports.ts";
import { realClock, realRandom, realTimers, sleep } from "../src/node/real-ports.ts";
import { createIdentityCertificate } from "../src/transport/identity-certificate.ts";
import { createQuicTransport } from "../src/transport/mesh.ts";
import { createReport, percentile } from "./report.ts";
import { timeHandshakes } from "./session/handshakes.ts";
import { benchNode } from "./session/keys.ts";

const rounds = Number(process.argv[2] ?? 200);
const sessions = Number(process.argv[3] ?? 40);
const report = createReport("transport-handshake");

const [first, second] = [await benchNode(0), await benchNode(1)];
const nodes = [first, second];

const timesOf = (count: number, work: () => void): readonly number[] =>
  Array.from({ length: count }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  });

const rowOf = (name: string, what: string, samples: readonly number[], unit = "ms"): void => {
  report.row(name, `${what}, p50`, percentile(samples, 0.5), unit, samples.length);
  report.row(name, `${what}, p99`, percentile(samples, 0.99), unit, samples.length);
};

const measureSteps = (): void => {
  const draw = (bytes: number): Uint8Array => Uint8Array.from(randomBytes(bytes));
  const { publicKey, secretKey } = ml_kem1024.keygen(draw(64));
  const { cipherText } = ml_kem1024.encapsulate(publicKey, draw(32));
  rowOf(
    "step",
    "ML-KEM-1024 key",
    timesOf(rounds, () => void ml_kem1024.keygen(draw(64))),
  );
  rowOf(
    "step",
    "ML-KEM-1024 encapsulation",
    timesOf(rounds, () => void ml_kem1024.encapsulate(publicKey, draw(32))),
  );
  rowOf(
    "step",
    "ML-KEM-1024 decapsulation",
    timesOf(rounds, () => void ml_kem1024.decapsulate(cipherText, secretKey)),
  );
  const message = draw(120);
  const signature = first.falcon.sign(message);
  rowOf(
    "step",
    "FALCON-1024 signature, self-checked",
    timesOf(rounds, () => void first.falcon.sign(message)),
  );
  rowOf(
    "step",
    `FALCON-1024 verification, ${first.falcon.verifier.name}`,
    timesOf(
      rounds,
      () => void first.falcon.verifier.verify(signature, message, first.security.signer.publicKey),
    ),
  );
};

const measureMachine = (): void => {
  const { bytes, samples, cpuMs } = timeHandshakes(first, second, rounds);
  rowOf("machine", "handshake, both ends on one core", samples);
  report.row("machine", "CPU of a handshake, both ends", cpuMs, "ms", samples.length);
  report.row("machine", "handshakes of one core, both ends", 1000 / cpuMs, "1/s", samples.length);
  report.row("machine", "handshake messages", bytes, "bytes", 1);
};

const noMetrics: Metrics = { count: () => {}, gauge: () => {}, observe: () => {} };

const openPair = async () => {
  const now = realClock.wallMs();
  const dates = { notBeforeMs: now - 60_000, notAfterMs: now + 86_400_000 };
  const made = nodes.map((node) => ({
    ...node,
    certificate: createIdentityCertificate({ nodeId: node.id, ...dates }),
  }));
  const open = ({ id, security, certificate }: (typeof made)[number]) =>
    createQuicTransport({
      listen: "[::1]:0",
      identity: certificate,
      self: id,
      security,
      peers: [],
      limits: { sessionHandshakesPerPeerBurst: 1e6, sessionHandshakesPerSecond: 1e6 },
      ...{ clock: realClock, timers: realTimers, random: realRandom, metrics: noMetrics },
      logger: { log: () => {} },
    });
  const transports = await Promise.all(made.map(open));
  const members = made.map(({ id, certificate }, index) => ({
    id,
    tlsPin: certificate.spkiPin,
    address: transports[index]?.address() ?? "",
  }));
  return { transports, members };
};

const measureSessions = async (): Promise<void> => {
  const { transports, members } = await openPair();
  const [a, b] = transports;
  if (a === undefined || b === undefined) throw new RangeError();
  let upMs = 0;
  const quiet = { peerDown: () => {}, frame: () => {} };
  b.start({ ...quiet, peerUp: () => {} });
  a.start({
    ...quiet,
    peerUp: () => {
      upMs = performance.now();
    },
  });
  const [up, secured]: [number[], number[]] = [[], []];
  // One end knows the other's address, so that one dials; the other learns who may come before.
  const dead = { ...members[0], address: "[::1]:1" } as (typeof members)[number];
  for (let round = 0; round < sessions; round++) {
    b.know?.([dead]);
    const start = performance.now();
    a.know?.(members);
    const sealed = () => a.peerFigures()[0]?.session?.sealed;
    while (sealed() === undefined) await sleep(1);
    up.push(upMs - start);
    secured.push(sealed()?.handshakeMs ?? Number.NaN);
    a.know?.([]);
    b.know?.([]);
    await sleep(20);
  }
  rowOf("session", "dialled to hellos: Retry, QUIC, mutual TLS 1.3", up);
  rowOf("session", "hellos to the first sealed record", secured);
  await Promise.all(transports.map((one) => new Promise<void>((done) => one.close(done))));
};

measureSteps();
measureMachine();
await measureSessions();
await Promise.all(nodes.map((node) => node.close()));
