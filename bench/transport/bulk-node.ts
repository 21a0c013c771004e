/** A node without a ledger that moves bulk as nodes do: session, worker, chunks from files. A process of its own. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metrics } from "../../src/ledger/ports.ts";
import { startBulkWorker } from "../../src/node/bulk/process.ts";
import { realClock, realRandom, realTimers, sleep } from "../../src/node/real-ports.ts";
import { BulkChannel } from "../../src/transport/bulk/channel.ts";
import type { DriverSetting } from "../../src/transport/bulk/choose.ts";
import type { StartWorker } from "../../src/transport/bulk/worker-port.ts";
import { createIdentityCertificate } from "../../src/transport/identity-certificate.ts";
import { createQuicTransport } from "../../src/transport/mesh.ts";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";
import { type End, meet } from "../priorities/pair-end.ts";
import { benchNode } from "../session/keys.ts";

export const CHUNK_BYTES: number = 1024 * 1024;
/** Files that are served by turns; they lie in the folder under their numbers. */
export const CHUNKS = 64;

export type BulkNodeOrder = {
  readonly index: number;
  readonly folder: string;
  readonly setting: DriverSetting;
  readonly connections: number;
  /** Without a worker everything goes over the session. */
  readonly hasWorker: boolean;
};

export type BulkPull = {
  readonly peer: string;
  readonly seconds: number;
  readonly parallel: number;
  /** Only over the session, or only over connections of the worker. */
  readonly over: "session" | "worker";
};

export type BulkNodeWord =
  | { readonly kind: "ready"; readonly end: End }
  /** Connections are up and chunks pass: what is measured begins when both ends have told their CPU time. */
  | { readonly kind: "warm"; readonly path: string }
  | { readonly kind: "pulled"; readonly bytes: number; readonly ms: number; readonly path: string }
  | { readonly kind: "cpu"; readonly seconds: number }
  | { readonly kind: "failed"; readonly reason: string };

export type BulkNodeRequest =
  | { readonly kind: "open"; readonly order: BulkNodeOrder }
  | { readonly kind: "meet"; readonly end: End }
  | { readonly kind: "warm"; readonly pull: BulkPull }
  | { readonly kind: "pull"; readonly pull: BulkPull }
  | { readonly kind: "cpu" };

const NAME = Buffer.from("chunk");
const WARM_LIMIT_MS = 30_000;
const DAY_MS = 86_400_000;

const metrics: Metrics = { count: () => {}, gauge: () => {}, observe: () => {} };
const ports = { clock: realClock, timers: realTimers, random: realRandom, metrics };
const logger = { log: () => {} };

/** A worker that is never there. */
const noWorker: StartWorker = (events) => {
  queueMicrotask(() => events.ended("not started"));
  return { pid: undefined, send: () => {}, end: () => {} };
};

type Opened = { readonly transport: QuicTransport; readonly channel: BulkChannel };

const pids = new Set<number>([process.pid]);

const open = async (order: BulkNodeOrder): Promise<Opened & { readonly end: End }> => {
  const { id, security } = await benchNode(order.index);
  const nowMs = realClock.wallMs();
  const dates = { notBeforeMs: nowMs - DAY_MS, notAfterMs: nowMs + DAY_MS };
  const identity = createIdentityCertificate({ nodeId: id, ...dates });
  const common = { ...ports, logger, identity, security, peers: [], self: id };
  const transport = await createQuicTransport({ ...common, listen: "[::1]:0" });
  const start = order.hasWorker ? startBulkWorker : noWorker;
  const channel = new BulkChannel({
    ...{ ...ports, logger, self: id, folder: order.folder },
    setting: order.setting,
    connections: order.connections,
    listen: { host: "::1", port: 0 },
    attach: (user) => transport.bulk(user),
    startWorker: (events) => {
      const worker = start(events);
      if (worker.pid !== undefined) pids.add(worker.pid);
      return worker;
    },
  });
  let next = 0;
  channel.serve(async () => {
    const path = join(order.folder, `${next++ % CHUNKS}`);
    return { head: new Uint8Array(0), file: { path, offset: 0, length: CHUNK_BYTES } };
  });
  transport.start({ peerUp: () => {}, peerDown: () => {}, frame: () => {} });
  const pinHex = Buffer.from(identity.spkiPin).toString("hex");
  return { transport, channel, end: { id, address: transport.address(), pinHex } };
};

/** Processor time of this process and its worker, seconds (proc(5): utime and stime, in hundredths). */
const cpuSeconds = (): number => {
  let ticks = 0;
  for (const pid of pids) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
      ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    } catch {
      // It has ended.
    }
  }
  return ticks / 100;
};

const isOver = (path: string | undefined, { over }: BulkPull): boolean =>
  path !== undefined && (path === "session") === (over === "session");

/** Until a chunk has come the wanted way: gives the way. */
const warm = async (channel: BulkChannel, pull: BulkPull): Promise<string> => {
  const endMs = realClock.monotonicMs() + WARM_LIMIT_MS;
  while (realClock.monotonicMs() < endMs) {
    const answer = await channel.request(pull.peer, NAME, WARM_LIMIT_MS);
    if (answer.ok && isOver(answer.value.path, pull)) return answer.value.path;
    await sleep(50);
  }
  throw new Error(`no chunk over the ${pull.over} in ${WARM_LIMIT_MS} ms`);
};

const pullAll = async (channel: BulkChannel, pull: BulkPull): Promise<BulkNodeWord> => {
  const startMs = realClock.monotonicMs();
  let bytes = 0;
  let path = "";
  const work = async (): Promise<void> => {
    while (realClock.monotonicMs() - startMs < pull.seconds * 1_000) {
      const answer = await channel.request(pull.peer, NAME, WARM_LIMIT_MS);
      if (!answer.ok) throw new Error(answer.detail);
      if (!isOver(answer.value.path, pull)) throw new Error(`went over ${answer.value.path}`);
      path = answer.value.path;
      bytes += answer.value.bytes.length;
    }
  };
  await Promise.all(Array.from({ length: pull.parallel }, work));
  return { kind: "pulled", bytes, ms: realClock.monotonicMs() - startMs, path };
};

let opened: Opened | undefined;

const answer = async (request: BulkNodeRequest): Promise<BulkNodeWord | undefined> => {
  if (request.kind === "open") {
    const { end, ...rest } = await open(request.order);
    opened = rest;
    return { kind: "ready", end };
  }
  if (opened === undefined) throw new Error("not opened");
  switch (request.kind) {
    case "meet":
      meet(opened.transport, request.end);
      return undefined;
    case "warm":
      return { kind: "warm", path: await warm(opened.channel, request.pull) };
    case "pull":
      return pullAll(opened.channel, request.pull);
    case "cpu":
      return { kind: "cpu", seconds: cpuSeconds() };
  }
};

const say = (word: BulkNodeWord): void => {
  if (process.connected) process.send?.(word);
};

process.on("message", (message) => {
  answer(message as BulkNodeRequest).then(
    (word) => word !== undefined && say(word),
    (error: unknown) => say({ kind: "failed", reason: String(error) }),
  );
});
process.on("disconnect", () => {
  opened?.channel.close();
  process.exit(0);
});
