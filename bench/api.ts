/**
 * What a node's API gives: reads a second with and without proofs, events a second to many subscribers, and
 * how long an append takes. Beside it, in the same run, fastify's own hello-world: the ceiling of the HTTP
 * server that the API stands on. Four validators run, and one is read from.
 *
 *     npm run bench -- api [--events 20000] [--connections 32] [--seconds 8] [--subscribers 1000]
 */
import { type ChildProcess, execFile, fork, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { sleep } from "../src/node/real-ports.ts";
import { Lanes } from "./ledger/lanes.ts";
import { sendAll, sendAtRate } from "./ledger/load.ts";
import { BenchNetwork, type BenchNode } from "./ledger/network.ts";
import { residentBytes } from "./ledger/process-stats.ts";
import { SigningPool } from "./ledger/signing.ts";
import { createReport, percentile } from "./report.ts";

const { values } = parseArgs({
  options: {
    events: { type: "string", default: "20000" },
    connections: { type: "string", default: "32" },
    seconds: { type: "string", default: "8" },
    subscribers: { type: "string", default: "1000" },
  },
});
const connections = Number(values.connections);
const seconds = Number(values.seconds);
const subscribers = Number(values.subscribers);
const MIB = 2 ** 20;
const BATCH = 64;

const report = createReport("api");
const fileOf = (name: string): string => fileURLToPath(new URL(`./api/${name}`, import.meta.url));

type Read = {
  readonly requests: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly p50: number;
  readonly p99: number;
  readonly cpu: number;
};

const read = (base: string, paths: readonly string[]): Promise<Read> =>
  new Promise((resolve, reject) => {
    const args = [fileOf("reader.ts"), base, String(connections), String(seconds)];
    const child = execFile(process.execPath, args, (error, stdout) => {
      if (error !== null) reject(error);
      else resolve(JSON.parse(stdout) as Read);
    });
    child.stdin?.end(paths.join("\n"));
  });

const reads = async (what: string, base: string, paths: readonly string[]): Promise<void> => {
  const found = await read(base, paths);
  const other = Object.keys(found.statuses).filter((status) => status !== "200");
  if (other.length > 0) throw new Error(`${what}: ${JSON.stringify(found.statuses)}`);
  const { requests } = found;
  report.row("reads", `${what}, a second`, requests / found.seconds, "1/s", requests);
  report.row("reads", `${what}, p50`, found.p50, "ms", requests);
  report.row("reads", `${what}, p99`, found.p99, "ms", requests);
  report.row("reads", `${what}, bytes of an answer`, found.bytes / requests, "bytes", requests);
  report.row("reads", `${what}, CPU of the reader`, 100 * found.cpu, "% of core", requests);
};

const hello = async (): Promise<{ readonly base: string; stop(): void }> => {
  const child = spawn(process.execPath, [fileOf("hello.ts")], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const port = await new Promise<string>((resolve) => {
    child.stdout?.once("data", (text) => resolve(String(text).trim()));
  });
  return { base: `http://[::1]:${port}`, stop: () => void child.kill("SIGTERM") };
};

type Count = { readonly events: number; readonly closed: number; readonly cpuSeconds: number };

const ask = (child: ChildProcess): Promise<Count> =>
  new Promise((resolve) => {
    child.once("message", (count) => resolve(count as Count));
    child.send("count");
  });

/** Every event goes to every subscriber: delivered is events times subscribers. */
const fanOut = async (network: BenchNetwork, node: BenchNode, lanes: Lanes): Promise<void> => {
  const before = residentBytes(node.pid).now;
  const child = fork(fileOf("subscribers.ts"), [node.api.base, String(subscribers)]);
  await new Promise<void>((resolve, reject) => {
    child.once("message", () => resolve());
    child.once("exit", () => reject(new Error("the subscribers ended")));
  });
  const open = residentBytes(node.pid).now;
  report.row(
    "stream",
    "memory of a subscriber",
    (open - before) / subscribers / 1024,
    "KiB",
    subscribers,
  );
  const batches = await lanes.prepare(network, 4 * seconds, BATCH);
  const first = await ask(child);
  const started = performance.now();
  await sendAll(network, batches, 4);
  const total = batches.length * BATCH;
  const want = total * subscribers;
  let count = first;
  const deadline = performance.now() + 120_000;
  while (count.events - first.events < want && performance.now() < deadline) {
    await sleep(50);
    count = await ask(child);
  }
  const took = (performance.now() - started) / 1000;
  const got = count.events - first.events;
  report.row(
    "stream",
    `events delivered to ${subscribers} subscribers, a second`,
    got / took,
    "1/s",
    got,
  );
  report.row(
    "stream",
    "events of the log, a second meanwhile",
    got / subscribers / took,
    "1/s",
    total,
  );
  report.row("stream", "delivered of what was to be", (100 * got) / want, "%", want);
  report.row(
    "stream",
    "CPU of the subscribers",
    (100 * (count.cpuSeconds - first.cpuSeconds)) / took,
    "% of core",
    got,
  );
  report.row("stream", "RSS of the node at its peak", residentBytes(node.pid).peak / MIB, "MiB", 1);
  report.row("stream", "streams that were dropped", count.closed, "", subscribers);
  child.disconnect();
};

const appends = async (network: BenchNetwork, lanes: Lanes): Promise<void> => {
  const batches = await lanes.prepare(network, 10 * seconds, 1);
  const { acks } = await sendAtRate(network, batches, 10);
  const latencies = acks.map(({ latencyMs }) => latencyMs);
  report.row(
    "append",
    "until committed, ten a second, p50",
    percentile(latencies, 0.5),
    "ms",
    acks.length,
  );
  report.row(
    "append",
    "until committed, ten a second, p99",
    percentile(latencies, 0.99),
    "ms",
    acks.length,
  );
};

const network = await BenchNetwork.create();
const pool = new SigningPool();
try {
  await network.start();
  const [node] = network.nodes;
  if (node === undefined) throw new Error("no node runs");
  const lanes = await Lanes.open(network, pool);
  const events = Number(values.events);
  await sendAll(network, await lanes.prepare(network, Math.ceil(events / BATCH), BATCH), 16);
  const { logSize } = await network.status();
  report.note(`the log has ${logSize} events`);
  const any = (path: (index: number) => string): string[] =>
    Array.from({ length: 997 }, (_, i) => path((i * 7919) % logSize));
  const page = await node.api.get("/v1/projections/records", { limit: "500" });
  const keys = (page["items"] as readonly { readonly key: string }[]).map(({ key }) => key);
  const { base } = node.api;

  const peer = await hello();
  await reads("fastify's hello-world", peer.base, ["/"]);
  peer.stop();
  await reads("status", base, ["/v1/status"]);
  await reads(
    "an event",
    base,
    any((index) => `/v1/events/${index}`),
  );
  await reads(
    "an event with its proof",
    base,
    any((index) => `/v1/events/${index}?proof=true`),
  );
  await reads(
    "a page of 100 events",
    base,
    any((index) => `/v1/events?from=${index}&limit=100`),
  );
  const rows = keys.map((key) => `/v1/projections/records/${encodeURIComponent(key)}`);
  await reads("a row", base, rows);
  await reads(
    "a row with its proof",
    base,
    rows.map((path) => `${path}?proof=true`),
  );
  await appends(network, lanes);
  await fanOut(network, node, lanes);
} finally {
  await network.stop();
  await pool.close();
  network.remove();
}
