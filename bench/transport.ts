/**
 * What a stream costs: our two QUIC drivers beside plain TCP, TLS over TCP and the stream layer that
 * `@matrixai/quic` ships, both ends on this machine over [::1], each end a process, all in one run and by
 * turns, so that load from elsewhere meets all of them.
 *
 *   npm run bench -- transport [--seconds 3] [--rounds 3] [--only tcp,quiche]
 *     [--parts streams,connections,datagrams,trips,handshakes,bulk]
 *
 * The part `quick` is the first case alone; `bulk` is what two nodes make of the drivers (transport/bulk.ts), over 1, 2
 * and 4 connections.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { realClock, sleep } from "../src/node/real-ports.ts";
import { createAuthority } from "../src/transport/authority.ts";
import { createReport, percentile, type Report } from "./report.ts";
import { runBulk } from "./transport/bulk.ts";
import type { Order, Task, Word } from "./transport/end.ts";
import { SERVER_NAME, type Setup, type Subject } from "./transport/subject.ts";
import { SUBJECTS } from "./transport/subjects.ts";

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "3" },
    only: { type: "string" },
    parts: { type: "string", default: "streams,connections,datagrams,trips,handshakes,bulk" },
  },
});
const seconds = Number(options.seconds);
const rounds = Number(options.rounds);
const chosen = SUBJECTS.filter(({ name }) => options.only?.split(",").includes(name) ?? true);

const authority = createAuthority("transport benchmark", realClock.wallMs());
const setup = (datagramBytes: number): Setup => ({
  authorityPem: authority.certPem,
  server: authority.identity({ subject: "server", serverName: SERVER_NAME }),
  client: authority.identity({ subject: "client" }),
  datagramBytes,
});

/** The next word of an end; a failure of the end is ours. */
const heard = async (child: ChildProcess, kind: Word["kind"], ms: number): Promise<Word> => {
  const expired = sleep(ms).then((): never => {
    throw new Error(`no answer in ${ms} ms`);
  });
  for (;;) {
    const [word] = (await Promise.race([once(child, "message"), expired])) as [Word];
    if (word.kind === "failed") throw new Error(word.reason);
    if (word.kind === kind) return word;
  }
};

const startEnd = (order: Order): ChildProcess => {
  // The shipped library logs every connection: what an end has to say, it says in words.
  const child = fork(new URL("./transport/end.ts", import.meta.url), {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  child.send(order);
  return child;
};

type Outcome = {
  readonly values: readonly number[];
  readonly gbitPerSecond: number;
  readonly cpuSecondsPerGib: number;
  readonly cpuSeconds: number;
};

const measure = async (subject: Subject, datagramBytes: number, task: Task): Promise<Outcome> => {
  const own = setup(datagramBytes);
  const server = startEnd({ role: "server", subject: subject.name, setup: own });
  let client: ChildProcess | undefined;
  try {
    const ready = await heard(server, "ready", 10_000);
    if (ready.kind !== "ready") throw new Error("not ready");
    const { port } = ready;
    client = startEnd({ role: "client", subject: subject.name, setup: own, port, task });
    client.on("message", (word: Word) => {
      if (word.kind === "warm") server.send("begin");
    });
    const done = await heard(client, "done", task.seconds * 1_000 + 20_000);
    server.send("usage");
    const usage = await heard(server, "usage", 10_000);
    if (done.kind !== "done" || usage.kind !== "usage") throw new Error("no figures");
    const { taken } = usage;
    const cpuSeconds = done.cpuSeconds + usage.cpuSeconds;
    return {
      values: done.values,
      gbitPerSecond: (taken.bytes * 8) / 1e6 / Math.max(1, taken.lastMs - taken.firstMs),
      cpuSecondsPerGib: cpuSeconds / (taken.bytes / 2 ** 30),
      cpuSeconds,
    };
  } finally {
    client?.disconnect();
    server.disconnect();
  }
};

type Case = { readonly what: string; readonly datagramBytes: number; readonly task: Task };

const flow = (streams: number, connections: number, datagramBytes: number): Case => ({
  what: `${streams} streams, ${connections} connections, ${datagramBytes}-byte datagrams`,
  datagramBytes,
  task: { kind: "goodput", streams, connections, seconds },
});

const PARTS = new Set(options.parts.split(","));

const CASES: readonly Case[] = [
  ...(PARTS.has("streams") ? [flow(1, 1, 1_472), flow(8, 1, 1_472), flow(64, 1, 1_472)] : []),
  ...(PARTS.has("connections") ? [flow(1, 2, 1_472), flow(1, 4, 1_472)] : []),
  ...(PARTS.has("datagrams") ? [flow(1, 1, 8_900), flow(1, 1, 16_000), flow(1, 1, 60_000)] : []),
  ...(PARTS.has("quick") ? [flow(1, 1, 1_472)] : []),
];

const median = (samples: readonly number[]): number => percentile(samples, 0.5);

/** Every subject once a round; the medians of the rounds are the rows. */
const runFlows = async (report: Report, { what, datagramBytes, task }: Case): Promise<void> => {
  const found = new Map<string, Outcome[]>();
  for (let round = 0; round < rounds; round++) {
    for (const subject of chosen) {
      if (!subject.usesUdp && datagramBytes !== 1_472) continue;
      await measure(subject, datagramBytes, task).then(
        (outcome) => found.set(subject.name, [...(found.get(subject.name) ?? []), outcome]),
        (error: unknown) => report.note(`${subject.name}, ${what}: ${String(error)}`),
      );
    }
  }
  for (const [name, outcomes] of found) {
    const goodputs = outcomes.map(({ gbitPerSecond }) => gbitPerSecond);
    report.row(name, `goodput, ${what}`, median(goodputs), "Gbit/s", outcomes.length);
    const costs = outcomes.map(({ cpuSecondsPerGib }) => cpuSecondsPerGib);
    report.row(name, `CPU, ${what}`, median(costs), "s/GiB", outcomes.length);
  }
};

const runRoundTrips = async (report: Report): Promise<void> => {
  const found = new Map<string, number[]>();
  const task: Task = { kind: "round-trips", count: 3_000, seconds };
  for (let round = 0; round < rounds; round++) {
    for (const subject of chosen) {
      await measure(subject, 1_472, task).then(
        ({ values }) => found.set(subject.name, [...(found.get(subject.name) ?? []), ...values]),
        (error: unknown) => report.note(`${subject.name}, round trips: ${String(error)}`),
      );
    }
  }
  for (const [name, samples] of found) {
    const what = "stream round trip of 64 bytes";
    report.row(name, `${what}, p50`, median(samples), "ms", samples.length);
    report.row(name, `${what}, p99`, percentile(samples, 0.99), "ms", samples.length);
  }
};

const runHandshakes = async (report: Report): Promise<void> => {
  const found = new Map<string, number[]>();
  const task: Task = { kind: "handshakes", parallel: 8, seconds };
  for (let round = 0; round < rounds; round++) {
    for (const subject of chosen) {
      if (subject.name === "tcp") continue;
      await measure(subject, 1_472, task).then(
        ({ values: [made = 0, took = 1] }) =>
          found.set(subject.name, [...(found.get(subject.name) ?? []), made / took]),
        (error: unknown) => report.note(`${subject.name}, handshakes: ${String(error)}`),
      );
    }
  }
  for (const [name, rates] of found) {
    report.row(name, "full mutual TLS handshakes, 8 at once", median(rates), "1/s", rates.length);
  }
};

const report = createReport("transport");
for (const one of CASES) await runFlows(report, one);
if (PARTS.has("trips")) await runRoundTrips(report);
if (PARTS.has("handshakes")) await runHandshakes(report);
if (PARTS.has("bulk")) await runBulk(report, rounds, seconds);
process.exit(0);
