/**
 * Reads from a server as fast as it answers, over keep-alive connections with one request each under way:
 *
 *     node bench/api/reader.ts BASE CONNECTIONS SECONDS < PATHS
 *
 * PATHS are lines, taken in turn. The first quarter of the time warms up and is not counted. Prints one
 * JSON object. In a process of its own, so that its CPU is not the server's.
 */

import { HttpConnection } from "../ledger/http.ts";
import { percentile } from "../report.ts";

const [base = "", connections = "1", seconds = "1"] = process.argv.slice(2);
let text = "";
for await (const piece of process.stdin) text += String(piece);
const paths = text.split("\n").filter((line) => line !== "");

const started = performance.now();
const countFrom = started + 250 * Number(seconds);
const end = started + 1000 * Number(seconds);
const latencies: number[] = [];
const statuses: Record<string, number> = {};
let bytes = 0;
let at = 0;

const read = async (): Promise<void> => {
  const connection = await HttpConnection.open(base);
  for (;;) {
    const sent = performance.now();
    if (sent >= end) break;
    const path = paths[at % paths.length] ?? "/";
    at += 1;
    const answer = await connection.get(path);
    const now = performance.now();
    if (sent < countFrom || now > end) continue;
    latencies.push(now - sent);
    bytes += answer.body.length;
    statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
  }
  connection.close();
};

const cpuBefore = process.cpuUsage();
await Promise.all(Array.from({ length: Number(connections) }, read));
const cpu = process.cpuUsage(cpuBefore);
const counted = (end - countFrom) / 1000;
process.stdout.write(
  `${JSON.stringify({
    requests: latencies.length,
    seconds: counted,
    bytes,
    statuses,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    cpu: (cpu.user + cpu.system) / 1e6 / Number(seconds),
  })}\n`,
);
