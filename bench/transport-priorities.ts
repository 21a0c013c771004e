/**
 * Does a vote wait behind an object? Four validators in four processes with clients at a steady rate; by turns
 * nothing else happens, and one validator fetches an object of 1 GiB from another, again and again, as fast as it
 * comes. How long batches take until they are committed in both, and what the transfer moved.
 */
import { once } from "node:events";
import { parseArgs } from "node:util";
import { sleep } from "../src/node/real-ports.ts";
import { Lanes } from "./ledger/lanes.ts";
import { type Ack, sendAtRate } from "./ledger/load.ts";
import { BenchNetwork, type BenchNode } from "./ledger/network.ts";
import { cpuSince, threadCpu, totalCpuMs } from "./ledger/process-stats.ts";
import { SigningPool } from "./ledger/signing.ts";
import { ObjectLoad } from "./priorities/object-load.ts";
import type { BulkFigures, BulkOrder } from "./priorities/orders.ts";
import { measurePair } from "./priorities/pair.ts";
import { createReport, percentile, type Report } from "./report.ts";

const USAGE = `npm run bench -- transport-priorities [options]
  --seconds N   of each turn (default 20)
  --rounds N    of a turn without and one with the transfer (default 4)
  --rate N      batches a second (default 20)
  --profile DIR CPU profiles of the validators
  --parts LIST  of pair,network (default: both)
  --mib N       size of the object that is fetched again and again (default 1024)
  --load frames chunks over the class bulk of the session instead, without objects and workers
`;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** Connections, windows and compilers settle: transferred and sent, not counted. */
const WARM_SECONDS = 4;
/** Signatures are made this far ahead at most, so that they are still good when they are sent. */
const LEAD_SECONDS = 25;

type Options = {
  readonly seconds: number;
  readonly rounds: number;
  readonly rate: number;
  readonly profile: string | undefined;
  readonly parts: ReadonlySet<string>;
  readonly mib: number;
  readonly load: "objects" | "frames";
};

type Kind = "quiet" | "bulk";
const KINDS: readonly Kind[] = ["quiet", "bulk"];

type Turn = {
  readonly acks: readonly Ack[];
  readonly seconds: number;
  readonly bulkBytes: number;
  /** CPU milliseconds of each validator, and the delays of its event loop. */
  readonly cpuMs: readonly number[];
  readonly loops: readonly BulkFigures["loopMs"][];
};

const readOptions = (): Options | undefined => {
  const number = (text: string | undefined, fallback: number): number => {
    const value = text === undefined ? fallback : Number(text);
    if (!(value > 0)) throw new Error(`not a positive number: ${text}`);
    return value;
  };
  try {
    const option = { type: "string" } as const;
    const options = {
      seconds: option,
      rounds: option,
      rate: option,
      profile: option,
      parts: option,
      mib: option,
      load: option,
    };
    const { values } = parseArgs({ options });
    const load = values.load ?? "objects";
    if (load !== "objects" && load !== "frames") throw new Error(`no load ${load}`);
    return {
      mib: number(values.mib, 1_024),
      load,
      seconds: Math.min(number(values.seconds, 20), LEAD_SECONDS),
      rounds: number(values.rounds, 4),
      rate: number(values.rate, 20),
      profile: values.profile,
      parts: new Set((values.parts ?? "pair,network").split(",")),
    };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? `${error.message}\n` : ""}${USAGE}`);
    process.exitCode = 1;
    return undefined;
  }
};

let orders = 0;

/** Gives an order to one validator and waits for its figures. */
const order = async (node: BenchNode, to: string | undefined): Promise<BulkFigures> => {
  const number = ++orders;
  const message: BulkOrder = { bulk: true, number, to };
  node.process.send(message);
  for (;;) {
    const [answer] = (await once(node.process, "message")) as [Partial<BulkFigures>];
    if (answer.order === number) return answer as BulkFigures;
  }
};

class Measurement {
  readonly #network: BenchNetwork;
  readonly #lanes: Lanes;
  readonly #rate: number;
  readonly #objects: ObjectLoad | undefined;

  constructor(network: BenchNetwork, lanes: Lanes, rate: number, objects: ObjectLoad | undefined) {
    this.#network = network;
    this.#lanes = lanes;
    this.#rate = rate;
    this.#objects = objects;
  }

  async turn(kind: Kind, seconds: number): Promise<Turn> {
    const { nodes, record } = this.#network;
    const [source, target] = nodes;
    if (source === undefined || target === undefined) throw new Error("no validators");
    const objects = kind === "bulk" ? this.#objects : undefined;
    const isFrames = kind === "bulk" && objects === undefined;
    const to = isFrames ? record.nodes[1]?.listen : undefined;
    const count = (span: number): number => Math.ceil(span * this.#rate);
    const warm = await this.#lanes.prepare(this.#network, count(WARM_SECONDS), 1);
    const batches = await this.#lanes.prepare(this.#network, count(seconds), 1);
    await order(source, to);
    await objects?.begin();
    await sendAtRate(this.#network, warm, this.#rate);
    const bytesBefore = await objects?.bytes();
    const before = await Promise.all(
      nodes.map((node) => order(node, node === source ? to : undefined)),
    );
    const cpuBefore = nodes.map(({ pid }) => threadCpu(pid));
    const from = performance.now();
    const { acks } = await sendAtRate(this.#network, batches, this.#rate);
    const ms = performance.now() - from;
    const bytesAfter = await objects?.bytes();
    const cpuMs = nodes.map(({ pid }, i) =>
      totalCpuMs(cpuSince(cpuBefore[i] ?? new Map(), threadCpu(pid))),
    );
    const after = await Promise.all(nodes.map((node) => order(node, undefined)));
    await objects?.end();
    const frames = (after[1]?.received ?? 0) - (before[1]?.received ?? 0);
    // What is queued goes out before the next turn begins.
    await sleep(2_000);
    return {
      acks,
      seconds: ms / 1000,
      bulkBytes: objects === undefined ? frames : (bytesAfter ?? 0) - (bytesBefore ?? 0),
      cpuMs,
      loops: after.map(({ loopMs }) => loopMs),
    };
  }
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

const reportKind = (report: Report, kind: Kind, turns: readonly Turn[]): readonly number[] => {
  const latencies = turns.flatMap(({ acks }) => acks.map(({ latencyMs }) => latencyMs));
  const n = latencies.length;
  const parts = [0.5, 0.9, 0.99] as const;
  const values = parts.map((part) => percentile(latencies, part));
  for (const [i, part] of parts.entries()) {
    report.row(kind, `batch of 1 event, committed, p${100 * part}`, values[i] ?? 0, "ms", n);
  }
  const seconds = turns.reduce((sum, turn) => sum + turn.seconds, 0);
  const cores = turns.reduce((sum, { cpuMs }) => sum + mean(cpuMs) * cpuMs.length, 0) / seconds;
  report.row(
    kind,
    "CPU of four validators, part of one core",
    cores / 10,
    "%",
    Math.round(seconds),
  );
  for (const [i, name] of ["a", "b", "c", "d"].entries()) {
    const own = turns.flatMap(({ loops }) => loops.slice(i, i + 1));
    const p99 = mean(own.map((loop) => loop.p99));
    report.row(kind, `event loop of ${name} late by, p99`, p99, "ms", own.length);
  }
  if (kind === "bulk") {
    const bytes = turns.reduce((sum, { bulkBytes }) => sum + bulkBytes, 0);
    const n = Math.round(seconds);
    report.row(kind, "transfer from a to b, all turns", bytes / GIB, "GiB", n);
    report.row(kind, "goodput of the transfer", (bytes * 8) / seconds / 1e9, "Gbit/s", n);
    report.row(kind, "goodput of the transfer, bytes", bytes / seconds / MIB, "MiB/s", n);
  }
  return values;
};

const p99Of = ({ acks }: Turn): number =>
  percentile(
    acks.map(({ latencyMs }) => latencyMs),
    0.99,
  );

/** Each round's rise on its own: a round in which the machine did something else shows there. */
const reportRounds = (report: Report, turns: Readonly<Record<Kind, readonly Turn[]>>): void => {
  const rises = turns.bulk.flatMap((bulk, round) => {
    const quiet = turns.quiet[round];
    return quiet === undefined ? [] : [100 * (p99Of(bulk) / p99Of(quiet) - 1)];
  });
  report.note(`rise of p99 by round: ${rises.map((rise) => `${Math.round(rise)} %`).join(", ")}`);
  report.row("rise", "of p99, median of rounds", percentile(rises, 0.5), "%", rises.length);
};

const main = async (options: Options): Promise<void> => {
  const report = createReport("transport-priorities");
  if (options.parts.has("pair")) {
    for (const share of [0.5, 1]) await measurePair(report, options.rounds, share);
  }
  if (options.parts.has("network")) await measureNetwork(report, options);
};

const measureNetwork = async (report: Report, options: Options): Promise<void> => {
  const network = await BenchNetwork.create();
  const pool = new SigningPool();
  try {
    const load = new URL("./priorities/bulk-load.ts", import.meta.url).href;
    const profile =
      options.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${options.profile}`];
    await network.start({ nodeFlags: ["--import", load, ...profile] });
    const lanes = await Lanes.open(network, pool);
    const [a, b] = network.nodes;
    if (a === undefined || b === undefined) throw new Error("no validators");
    const objects =
      options.load === "objects" ? await ObjectLoad.open(network, a, b, options.mib) : undefined;
    const measurement = new Measurement(network, lanes, options.rate, objects);
    const turns: Record<Kind, Turn[]> = { quiet: [], bulk: [] };
    for (const kind of KINDS) await measurement.turn(kind, WARM_SECONDS);
    for (let round = 0; round < options.rounds; round++) {
      for (const kind of KINDS) {
        const turn = await measurement.turn(kind, options.seconds);
        turns[kind].push(turn);
        const ms = turn.acks.map(({ latencyMs }) => latencyMs);
        const [p50, p99] = [percentile(ms, 0.5), percentile(ms, 0.99)].map(Math.round);
        const rate = (turn.bulkBytes * 8) / turn.seconds / 1e9;
        const figures = `p50 ${p50} ms, p99 ${p99} ms, ${rate.toFixed(2)} Gbit/s`;
        report.note(`round ${round + 1} of ${options.rounds}, ${kind}: ${figures}`);
      }
    }
    reportRounds(report, turns);
    const quiet = reportKind(report, "quiet", turns.quiet);
    const bulk = reportKind(report, "bulk", turns.bulk);
    for (const [i, part] of [50, 90, 99].entries()) {
      const rise = 100 * ((bulk[i] ?? 0) / (quiet[i] ?? 1) - 1);
      report.row("rise", `of p${part} while the transfer runs`, rise, "%", turns.bulk.length);
    }
  } finally {
    await pool.close();
    await network.stop();
    network.remove();
  }
};

const options = readOptions();
if (options !== undefined) {
  await main(options);
  // The signers of the pair's nodes are threads that would go on.
  process.exit();
}
