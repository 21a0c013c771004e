/**
 * The whole ledger: four validators in four processes on this machine, clients in this one, over the HTTP
 * API, durable. docs/benchmarks.md says what each row means. Linux only.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTerminal } from "../src/cli/output.ts";
import { createProgress } from "../src/cli/progress.ts";
import { nodePaths } from "../src/node/folder.ts";
import { sleep } from "../src/node/real-ports.ts";
import { measureCeilings } from "./ledger/ceilings.ts";
import { checkNetwork } from "./ledger/check.ts";
import { addShares, readProfiles } from "./ledger/cpu-profile.ts";
import { EVENT_BYTES, Lanes, type SignedBatch } from "./ledger/lanes.ts";
import { type Ack, type Outcome, rateBetween, sendAll, sendAtRate } from "./ledger/load.ts";
import { BenchNetwork } from "./ledger/network.ts";
import { type LedgerOptions, readOptions } from "./ledger/options.ts";
import {
  cpuSince,
  residentBytes,
  residentKinds,
  type ThreadCpu,
  threadCpu,
  totalCpuMs,
  writtenBytes,
} from "./ledger/process-stats.ts";
import { SigningPool } from "./ledger/signing.ts";
import { createReport, percentile, type Report } from "./report.ts";

const MIB = 2 ** 20;
/** Rates are taken from here on: queues fill and compilers warm up before. */
const WARM_MS = 1_000;
/** Signing must not take longer than a batch stays valid. */
const SIGN_SECONDS_MAX = 25;
/** Signatures a second of one thread that a first guess relies on. */
const SIGN_RATE = 100;
/** Batches whose making tells how long one takes, where that is not known. */
const TRIAL = 16;
/** Batches in flight that warm up, as many times; what has to be worked for takes 0.1 s a batch. */
const WARM_ROUNDS = 4;
const WARM_ROUNDS_WORKED = 2;

type Bench = {
  readonly options: LedgerOptions;
  readonly report: Report;
  readonly network: BenchNetwork;
  readonly pool: SigningPool;
};

type Measured = {
  readonly events: number;
  readonly seconds: number;
  readonly latencies: readonly number[];
  readonly refused: ReadonlyMap<string, number>;
  readonly nodes: readonly ReadonlyMap<string, number>[];
  readonly generatorMs: number;
  /** Events over all of the sending, for CPU an event. */
  readonly allEvents: number;
  readonly heights: number;
  /** Batches of a segment at most: as many as could be made while they stay valid. */
  readonly segmentMax: number;
  /** What a client's thread took for a signature, and for work where the chain asks for it. */
  readonly clientMs: number;
};

/** Batches that are signed and worked for, with progress for people. */
const prepare = async (
  { network, pool }: Pick<Bench, "network" | "pool">,
  lanes: Lanes,
  count: number,
  events: number,
): Promise<{ readonly batches: readonly SignedBatch[]; readonly ms: number }> => {
  const progress = createProgress(
    createTerminal(process.env, true),
    `making batches of ${events} with ${pool.threads} threads`,
    "batches",
    () => performance.now(),
  );
  const from = performance.now();
  const batches = await lanes.prepare(network, count, events, (done) =>
    progress.update(done, count),
  );
  progress.end(true);
  return { batches, ms: performance.now() - from };
};

const cpuOf = (network: BenchNetwork): ThreadCpu[] =>
  network.nodes.map(({ pid }) => threadCpu(pid));

/** Sends segment after segment of fresh batches until the measured time is reached. */
const throughput = async (
  bench: Bench,
  lanes: Lanes,
  events: number,
  seconds: number,
  /** Batches of a segment, where another run is to be compared with. */
  segment?: number,
): Promise<Measured> => {
  const { network, options, pool } = bench;
  const latencies: number[] = [];
  const refused = new Map<string, number>();
  let nodes: readonly ReadonlyMap<string, number>[] = network.nodes.map(
    () => new Map<string, number>(),
  );
  let generatorMs = 0;
  let measuredMs = 0;
  let measured = 0;
  let allEvents = 0;
  let heights = 0;
  let batchesPerSecond = 100;
  // Compilers warm up on batches that count for nothing, and making those tells how many can be had in time.
  const trial = options.proofs ? TRIAL : options.inFlight * WARM_ROUNDS;
  const first = await prepare(bench, lanes, trial, events);
  await sendAll(network, first.batches, Math.min(options.inFlight, trial));
  const inTime = Math.max(TRIAL, Math.floor((SIGN_SECONDS_MAX * 1000 * trial) / first.ms));
  const segmentMax =
    segment ?? (options.proofs ? inTime : SIGN_SECONDS_MAX * SIGN_RATE * pool.threads);
  const inFlight = Math.min(options.inFlight, segmentMax >> 1);
  if (options.proofs) {
    const warm = Math.min(segmentMax, options.inFlight * WARM_ROUNDS_WORKED);
    await sendAll(network, (await prepare(bench, lanes, warm, events)).batches, inFlight);
  }
  // Where a segment is short it is all that there is, and what came before has warmed up.
  const warmMs = options.proofs ? 0 : WARM_MS;
  let clientMs = 0;
  let made = 0;
  while (measuredMs < seconds * 1000) {
    const wanted = ((seconds * 1000 - measuredMs + WARM_MS) / 1000) * 1.15 * batchesPerSecond;
    const count = Math.ceil(Math.min(Math.max(wanted, inFlight * 2), segmentMax));
    const { batches, ms } = await prepare(bench, lanes, count, events);
    clientMs += ms * pool.threads;
    made += count;
    const share = Math.min(100, Math.floor(measuredMs / (10 * seconds)));
    bench.report.note(`sending ${count} batches of ${events}, ${share} % of ${seconds} s measured`);
    const before = cpuOf(network);
    const own = process.cpuUsage();
    const firstHeight = (await network.status()).finalHeight;
    const outcome = await sendAll(network, batches, inFlight);
    heights += (await network.status()).finalHeight - firstHeight;
    const { user, system } = process.cpuUsage(own);
    generatorMs += (user + system) / 1000;
    nodes = addCpu(nodes, before, cpuOf(network));
    const window = windowOf(outcome, inFlight, warmMs);
    measuredMs += window.toMs - window.fromMs;
    measured += (window.rate * (window.toMs - window.fromMs)) / 1000;
    batchesPerSecond = Math.max(1, window.rate / events);
    for (const ack of outcome.acks) latencies.push(ack.latencyMs);
    for (const [key, times] of outcome.refused) refused.set(key, (refused.get(key) ?? 0) + times);
    allEvents += count * events;
  }
  return {
    events: measured,
    seconds: measuredMs / 1000,
    latencies,
    refused,
    nodes,
    generatorMs,
    allEvents,
    heights,
    segmentMax,
    clientMs: clientMs / made,
  };
};

const addCpu = (
  sums: readonly ReadonlyMap<string, number>[],
  before: readonly ThreadCpu[],
  after: readonly ThreadCpu[],
): ReadonlyMap<string, number>[] =>
  sums.map((sum, i) => {
    const added = new Map(sum);
    const difference = cpuSince(before[i] ?? new Map(), after[i] ?? new Map());
    for (const [role, ms] of difference) added.set(role, (added.get(role) ?? 0) + ms);
    return added;
  });

/** From the end of the warm-up to when the last batches were sent: after that the load falls. */
const windowOf = (
  outcome: Outcome,
  inFlight: number,
  warmMs: number,
): { readonly fromMs: number; readonly toMs: number; readonly rate: number } => {
  const { acks, startedMs } = outcome;
  const last: Ack | undefined = acks[Math.max(0, acks.length - inFlight)];
  const toMs = last?.atMs ?? startedMs;
  // A segment that is over before the warm-up counts for nothing but the guess of the next one's size.
  const fromMs = Math.min(startedMs + warmMs, toMs);
  if (toMs - fromMs < 1) {
    return { fromMs, toMs: fromMs, rate: rateBetween(acks, startedMs, toMs) };
  }
  return { fromMs, toMs, rate: rateBetween(acks, fromMs, toMs) };
};

const reportThroughput = (bench: Bench, name: string, measured: Measured): void => {
  const { report } = bench;
  const { seconds, latencies, allEvents } = measured;
  const n = Math.round(seconds);
  report.row(name, "committed events, durable", measured.events / seconds, "events/s", n);
  report.row(name, "commit latency p50", percentile(latencies, 0.5), "ms", latencies.length);
  report.row(name, "commit latency p99", percentile(latencies, 0.99), "ms", latencies.length);
  report.row(
    name,
    "events a block",
    allEvents / Math.max(1, measured.heights),
    "events",
    measured.heights,
  );
  const all = measured.nodes.map(totalCpuMs).reduce((a, b) => a + b, 0);
  report.row(name, "CPU of an event, four nodes", (all * 1000) / allEvents, "us", allEvents);
  for (const [role, us] of byRole(measured)) {
    report.row(name, `  of it: ${role}`, us, "us", allEvents);
  }
  report.row(
    name,
    "CPU of an event, generator",
    (measured.generatorMs * 1000) / allEvents,
    "us",
    allEvents,
  );
  const clientWhat = "a client's thread, for a batch: signature, work";
  report.row(name, clientWhat, measured.clientMs, "ms", measured.segmentMax);
  for (const [answer, times] of measured.refused) {
    report.row(name, `answers ${answer}, sent again`, times, "answers", times);
  }
};

const byRole = (measured: Measured): [string, number][] => {
  const roles = new Map<string, number>();
  for (const node of measured.nodes) {
    for (const [role, ms] of node) roles.set(role, (roles.get(role) ?? 0) + ms);
  }
  return [...roles]
    .map(([role, ms]): [string, number] => [role, (ms * 1000) / measured.allEvents])
    .filter(([, us]) => us >= 0.05)
    .sort(([, a], [, b]) => b - a);
};

const measureIdle = async (bench: Bench): Promise<void> => {
  const { network, report, options } = bench;
  // What the start left behind (compilers, first collections) is not idleness.
  await sleep(5_000);
  const before = cpuOf(network);
  const bytesBefore = folderBytes(network);
  const written = network.nodes.map(({ pid }) => writtenBytes(pid));
  const first = await network.status();
  const started = performance.now();
  await sleep(options.idleSeconds * 1000);
  const seconds = (performance.now() - started) / 1000;
  const after = cpuOf(network);
  const last = await network.status();
  const cpu = after.map((each, i) => totalCpuMs(cpuSince(before[i] ?? new Map(), each)));
  const all = cpu.reduce((a, b) => a + b, 0);
  const n = Math.round(seconds);
  report.row("idle", "CPU of four nodes, part of one core", all / seconds / 10, "%", n);
  const roles = addCpu(
    network.nodes.map(() => new Map()),
    before,
    after,
  );
  for (const role of new Set(roles.flatMap((each) => [...each.keys()]))) {
    const ms = roles.reduce((sum, each) => sum + (each.get(role) ?? 0), 0);
    if (ms > 0) report.row("idle", `  of it: ${role}`, ms / seconds / 10, "%", n);
  }
  const blocks = last.finalHeight - first.finalHeight;
  report.row("idle", "blocks", blocks / seconds, "/s", n);
  const day = 86_400 / seconds / MIB;
  const growth = (folderBytes(network) - bytesBefore) / network.nodes.length;
  report.row("idle", "folder growth of a node, extrapolated to a day", growth * day, "MiB/day", n);
  const io = network.nodes.reduce(
    (sum, { pid }, i) => sum + writtenBytes(pid) - (written[i] ?? 0),
    0,
  );
  report.row(
    "idle",
    "disk writes of a node, extrapolated to a day",
    (io / network.nodes.length) * day,
    "MiB/day",
    n,
  );
};

/** Bytes of both databases of all nodes. */
const folderBytes = (network: BenchNetwork): number =>
  network.record.nodes.reduce((sum, { folder }) => {
    const paths = nodePaths(join(network.dir, folder));
    return sum + sizeOf(paths.db) + sizeOf(paths.votes);
  }, 0);

const sizeOf = (folder: string): number => {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    // A table may be compacted away between the listing and now.
    bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
};

const measureLatency = async (bench: Bench, lanes: Lanes): Promise<void> => {
  const { network, report, options } = bench;
  const count = Math.ceil(options.rate * options.latencySeconds);
  // Some more to warm up, which are not counted.
  const warm = Math.ceil(options.rate * 2);
  await sendAtRate(network, await lanes.prepare(network, warm, 1), options.rate);
  const before = cpuOf(network);
  const outcome = await sendAtRate(network, await lanes.prepare(network, count, 1), options.rate);
  const after = cpuOf(network);
  const latencies = outcome.acks.map((ack) => ack.latencyMs);
  const what = `${options.rate} batches/s of 1 event, committed`;
  for (const part of [0.5, 0.9, 0.99]) {
    report.row(
      "latency",
      `${what}, p${100 * part}`,
      percentile(latencies, part),
      "ms",
      latencies.length,
    );
  }
  const all = after.map((each, i) => totalCpuMs(cpuSince(before[i] ?? new Map(), each)));
  const ms = all.reduce((a, b) => a + b, 0);
  report.row("latency", "CPU of a batch, four nodes", ms / count, "ms", count);
};

const reportMemory = (bench: Bench, name: string, when: string): void => {
  const { network, report } = bench;
  const most = (pick: (pid: number) => number): number =>
    Math.max(...network.nodes.map(({ pid }) => pick(pid))) / MIB;
  const n = network.nodes.length;
  report.row(
    name,
    `RSS of the largest node, ${when}`,
    most((pid) => residentBytes(pid).now),
    "MiB",
    n,
  );
  report.row(
    name,
    "  of it: anonymous",
    most((pid) => residentKinds(pid).anonymous),
    "MiB",
    n,
  );
  report.row(
    name,
    "  peak so far",
    most((pid) => residentBytes(pid).peak),
    "MiB",
    n,
  );
};

/** Batches as large as they may be: the log fills faster than it could with smaller ones. */
const FILL_EVENTS = 1000;
const FILL_BATCHES = 500;

const measureRestart = async (bench: Bench, lanes: Lanes): Promise<void> => {
  const { network, report, options } = bench;
  for (;;) {
    const { logSize } = await network.status();
    const left = Math.ceil((options.events - logSize) / FILL_EVENTS);
    if (left <= 0) break;
    const batches = await lanes.prepare(network, Math.min(left, FILL_BATCHES), FILL_EVENTS);
    const outcome = await sendAll(network, batches, 16);
    const rate = rateBetween(outcome.acks, outcome.startedMs, outcome.acks.at(-1)?.atMs ?? 0);
    report.note(`log of ${(await network.status()).logSize} events, ${Math.round(rate)} events/s`);
  }
  const { logSize } = await network.status();
  await sleep(5_000);
  const when = `log of ${logSize} events`;
  reportMemory(bench, "memory", when);
  report.row("disk", `folder of a node, ${when}`, folderBytes(network) / 4 / MIB, "MiB", logSize);
  await network.stop();
  const started = performance.now();
  await network.start();
  report.row(
    "restart",
    `four nodes at once to ready, ${when}`,
    (performance.now() - started) / 1000,
    "s",
    1,
  );
  await sleep(5_000);
  reportMemory(bench, "restart", "after it");
  await network.stop();
  // Last, and for all that was measured before: it fails the benchmark.
  await checkNetwork(network, ["a"], report);
};

/** A pass of its own, because profiling costs CPU: shares of the main threads only. */
const measureProfile = async (bench: Bench, events: number): Promise<void> => {
  const { report } = bench;
  const folder = mkdtempSync(join(tmpdir(), "tetrad-profile-"));
  const network = await BenchNetwork.create(bench.options.proofs);
  mkdirSync(folder, { recursive: true });
  try {
    const nodeFlags = ["--cpu-prof", `--cpu-prof-dir=${folder}`, "--cpu-prof-interval=1000"];
    await network.start({ nodeFlags });
    const own = { ...bench, network };
    const lanes = await Lanes.open(network, bench.pool);
    const measured = await throughput(own, lanes, events, bench.options.seconds);
    await network.stop();
    // The signer's thread spends its time in one place; what verifies and signs elsewhere is the main one.
    const shares = readProfiles(folder).filter(({ parts }) => (parts.get("network") ?? 0) > 0);
    const { parts, functions, busyUs } = addShares(shares);
    const name = `profile${events}`;
    const n = measured.allEvents;
    for (const [part, us] of [...parts].sort(([, a], [, b]) => b - a)) {
      report.row(name, `main threads: ${part}`, (100 * us) / busyUs, "%", n);
    }
    const hot = [...functions].sort(([, a], [, b]) => b - a).slice(0, 40);
    for (const [where, us] of hot)
      report.note(`${((100 * us) / busyUs).toFixed(1).padStart(5)} % ${where}`);
  } finally {
    await network.stop();
    network.remove();
    rmSync(folder, { recursive: true });
  }
};

/** The same sizes on a chain that asks for all proofs and on one that asks for none, and what is lost. */
const measureProofs = async (bench: Bench): Promise<void> => {
  const { options, report, network, pool } = bench;
  await network.start();
  const lanes = await Lanes.open(network, pool);
  const sizes = [64, 1].filter((events) => options.parts.some((part) => part === `batch${events}`));
  const asked = new Map<number, Measured>();
  for (const events of sizes) {
    const measured = await throughput(bench, lanes, events, options.seconds);
    asked.set(events, measured);
    reportThroughput(bench, `proofs${events}`, measured);
    reportMemory(bench, "memory", `four proofs, after batches of ${events}`);
  }
  await network.stop();
  await checkNetwork(network, ["a"], report);
  const plain = await BenchNetwork.create(false);
  try {
    await plain.start();
    const own = { ...bench, network: plain };
    const ownLanes = await Lanes.open(plain, pool);
    for (const [events, withProofs] of asked) {
      const segment = withProofs.segmentMax;
      const without = await throughput(own, ownLanes, events, options.seconds, segment);
      reportThroughput(own, `batch${events}`, without);
      const lost = 100 * (1 - rateOf(withProofs) / rateOf(without));
      const what = `events/s that four proofs cost, batches of ${events}`;
      report.row(`proofs${events}`, what, lost, "%", segment);
    }
  } finally {
    await plain.stop();
    plain.remove();
  }
};

const rateOf = ({ events, seconds }: Measured): number => events / seconds;

const measure = async (bench: Bench): Promise<void> => {
  const { options, report, network, pool } = bench;
  if (options.proofs) return measureProofs(bench);
  const has = (part: LedgerOptions["parts"][number]): boolean => options.parts.includes(part);
  if (has("ceilings")) await measureCeilings(report);
  await network.start();
  reportMemory(bench, "memory", "fresh");
  if (has("idle")) await measureIdle(bench);
  const lanes = await Lanes.open(network, pool);
  if (has("latency")) await measureLatency(bench, lanes);
  if (has("batch64")) {
    reportThroughput(bench, "batch64", await throughput(bench, lanes, 64, options.seconds));
    reportMemory(bench, "memory", "after batches of 64");
  }
  if (has("batch1")) {
    reportThroughput(bench, "batch1", await throughput(bench, lanes, 1, options.seconds));
  }
  if (has("restart")) await measureRestart(bench, lanes);
  await network.stop();
  if (has("profile")) await measureProfile(bench, 64);
};

const options = readOptions(process.argv.slice(2));
if (options !== undefined) {
  const report = createReport("ledger");
  report.note(`events of ${EVENT_BYTES} bytes; pid ${process.pid}`);
  const network = await BenchNetwork.create(options.proofs);
  network.kept = options.keep;
  const pool = new SigningPool();
  try {
    await measure({ options, report, network, pool });
  } finally {
    await pool.close();
    await network.stop();
    if (options.keep) report.note(`kept ${network.dir}`);
    else network.remove();
  }
}
