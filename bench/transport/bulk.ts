/**
 * Bulk between two nodes as they do it: their session, a worker for each, chunks of 1 MiB from files, by driver and
 * number of connections, and over the session alone. Both nodes are in this process; their workers are not.
 */

import { createSocket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Metrics } from "../../src/ledger/ports.ts";
import { startBulkWorker } from "../../src/node/bulk/process.ts";
import { realClock, realRandom, realTimers, sleep } from "../../src/node/real-ports.ts";
import { BulkChannel } from "../../src/transport/bulk/channel.ts";
import type { StartWorker } from "../../src/transport/bulk/worker-port.ts";
import { createIdentityCertificate } from "../../src/transport/identity-certificate.ts";
import { createQuicTransport } from "../../src/transport/mesh.ts";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";
import { percentile, type Report } from "../report.ts";
import { type BenchNode, benchNode } from "../session/keys.ts";

const CHUNK_BYTES = 1024 * 1024;
const CHUNKS = 64;
const PARALLEL = 16;
const DAY_MS = 86_400_000;
const NAME = Buffer.from("chunk");

const metrics: Metrics = { count: () => {}, gauge: () => {}, observe: () => {} };
const ports = { clock: realClock, timers: realTimers, random: realRandom, metrics };
const logger = { log: () => {} };

const freePort = async (): Promise<number> => {
  const socket = createSocket({ type: "udp6", ipv6Only: true });
  await new Promise<void>((resolve) => {
    socket.bind({ address: "::1", port: 0 }, resolve);
  });
  const { port } = socket.address();
  socket.close();
  return port;
};

type Way = {
  readonly name: string;
  readonly driver: "quiche" | "reactor";
  readonly connections: number;
  readonly startWorker: StartWorker;
};

/** A worker that is never there. */
const noWorker: StartWorker = (events) => {
  queueMicrotask(() => events.ended("not started"));
  return { pid: undefined, send: () => {}, end: () => {} };
};

const WAYS: readonly Way[] = [
  { name: "session", driver: "quiche", connections: 1, startWorker: noWorker },
  ...[1, 2, 4].flatMap((connections) =>
    (["quiche", "reactor"] as const).map((driver) => ({
      ...{ name: `${driver}, ${connections} connections`, driver, connections },
      startWorker: startBulkWorker,
    })),
  ),
];

type End = { readonly transport: QuicTransport; readonly channel: BulkChannel };

const openEnds = async (
  nodes: readonly BenchNode[],
  folder: string,
  way: Way,
  pids: Set<number>,
): Promise<readonly End[]> => {
  const validity = { notBeforeMs: Date.now() - DAY_MS, notAfterMs: Date.now() + DAY_MS };
  const known = await Promise.all(
    nodes.map(async ({ id, security }) => {
      const identity = createIdentityCertificate({ nodeId: id, ...validity });
      return { id, security, identity, address: `[::1]:${await freePort()}` };
    }),
  );
  const peers = known.map(({ id, address, identity: { spkiPin: tlsPin } }) => ({
    ...{ id, address, tlsPin },
  }));
  const ends: End[] = [];
  for (const { id, security, identity, address } of known) {
    const common = { ...ports, logger, identity, security, peers };
    const transport = await createQuicTransport({ ...common, listen: address, self: id });
    const channel = new BulkChannel({
      ...{ ...ports, self: id, folder, setting: way.driver, connections: way.connections },
      listen: { host: "::1", port: 0 },
      attach: (user) => transport.bulk(user),
      startWorker: (events) => {
        const worker = way.startWorker(events);
        if (worker.pid !== undefined) pids.add(worker.pid);
        return worker;
      },
      logger,
    });
    let next = 0;
    channel.serve(async () => {
      const path = join(folder, `${next++ % CHUNKS}`);
      return { head: new Uint8Array(0), file: { path, offset: 0, length: CHUNK_BYTES } };
    });
    transport.start({ peerUp: () => {}, peerDown: () => {}, frame: () => {} });
    ends.push({ transport, channel });
  }
  return ends;
};

/** Processor time of this process and of the workers, seconds (proc(5): utime and stime, in hundredths). */
const cpuSeconds = (pids: ReadonlySet<number>): number => {
  let ticks = 0;
  for (const pid of [process.pid, ...pids]) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
      ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    } catch {
      // It has ended.
    }
  }
  return ticks / 100;
};

type Measured = { readonly gbitPerSecond: number; readonly cpuSecondsPerGib: number };

const measure = async (
  [a, b]: readonly End[],
  peer: string,
  way: Way,
  seconds: number,
  pids: ReadonlySet<number>,
): Promise<Measured> => {
  if (a === undefined || b === undefined) throw new Error("two ends");
  const expected = way.startWorker === noWorker ? "session" : way.driver;
  const giveUpMs = realClock.monotonicMs() + 30_000;
  const isOpen = (): boolean => a.channel.peers().length > 0 && a.channel.pathTo(peer) === expected;
  while (!isOpen()) {
    if (realClock.monotonicMs() > giveUpMs) throw new Error("no connections in 30 s");
    await a.channel.request(peer, NAME, 10_000);
    await sleep(50);
  }
  const sinceCpu = cpuSeconds(pids);
  const startMs = realClock.monotonicMs();
  let bytes = 0;
  const work = async (): Promise<void> => {
    while (realClock.monotonicMs() - startMs < seconds * 1_000) {
      const answer = await a.channel.request(peer, NAME, 30_000);
      if (!answer.ok) throw new Error(answer.detail);
      if (answer.value.path !== expected) throw new Error(`went over ${answer.value.path}`);
      bytes += answer.value.bytes.length;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  const ms = realClock.monotonicMs() - startMs;
  return {
    gbitPerSecond: (bytes * 8) / 1e6 / ms,
    cpuSecondsPerGib: (cpuSeconds(pids) - sinceCpu) / (bytes / 2 ** 30),
  };
};

/** Every way once a round, by turns; the medians of the rounds are the rows. */
export const runBulk = async (report: Report, rounds: number, seconds: number): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "bench-bulk-"));
  for (let i = 0; i < CHUNKS; i++) {
    writeFileSync(join(folder, String(i)), new Uint8Array(CHUNK_BYTES).fill(i));
  }
  const nodes = [await benchNode(0), await benchNode(1)];
  const found = new Map<string, Measured[]>();
  for (let round = 0; round < rounds; round++) {
    for (const way of WAYS) {
      const pids = new Set<number>();
      const ends = await openEnds(nodes, folder, way, pids);
      await measure(ends, nodes[1]?.id ?? "", way, seconds, pids).then(
        (measured) => found.set(way.name, [...(found.get(way.name) ?? []), measured]),
        (error: unknown) => report.note(`bulk, ${way.name}: ${String(error)}`),
      );
      for (const { channel } of ends) channel.close();
      await Promise.all(
        ends.map(({ transport }) => new Promise<void>((resolve) => transport.close(resolve))),
      );
    }
  }
  for (const [name, measured] of found) {
    const median = (of: (one: Measured) => number): number => percentile(measured.map(of), 0.5);
    const what = `bulk in chunks of 1 MiB, ${PARALLEL} at a time`;
    report.row(
      name,
      what,
      median(({ gbitPerSecond }) => gbitPerSecond),
      "Gbit/s",
      measured.length,
    );
    report.row(
      name,
      "CPU of both nodes and their workers",
      median(({ cpuSecondsPerGib }) => cpuSecondsPerGib),
      "s/GiB",
      measured.length,
    );
  }
  await Promise.all(nodes.map((node) => node.close()));
  rmSync(folder, { recursive: true, force: true });
};
