/**
 * The simulator: its speed, its memory, and what its network model says about large networks.
 *
 *     npm run bench -- sim                        speed at n = 4, memory over ten virtual minutes
 *     npm run bench -- sim --nodes 100            speed at other sizes (n, or a list: 4,100)
 *     npm run bench -- sim --seconds 20           CPU seconds that each speed is measured for; 0 not at all
 *     npm run bench -- sim --virtual-minutes 60   how long memory is watched; 0 not at all
 *     npm run bench -- sim --virtual-day          memory over a virtual day, of a batch every ten seconds
 *         --batches-per-second 20                 what is written while memory is watched
 *     npm run bench -- sim --row-memory 32        MiB for rows of the disks; a file takes the rest (default 256)
 *     npm run bench -- sim --shares false         nodes share nothing (docs/simulation.md)
 *     npm run bench -- sim --capacity             the network model; --nodes as above, default 4,7,25,50,100
 *         --warm-up 4 --measured 8                virtual seconds of each network; a list is by size, the last
 *                                                 one for what is left: --measured 60,60,60,30,15
 */

import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Capacity, measureCapacity } from "../sim/capacity.ts";
import { createNetwork, type SimNetwork } from "../sim/network.ts";
import { TEMPORARY_FILES } from "../sim/row-file.ts";
import { CALM, scenario } from "../sim/scenario.ts";
import { SYSTEM } from "../sim/system.ts";
import { startWorkload } from "../sim/workload.ts";
import { createReport, percentile } from "./report.ts";
import { profiled } from "./sim/budget.ts";
import { measureEmptyNodes, measureHash, measureQueue } from "./sim/ceilings.ts";
import { measureCosts } from "./sim/costs.ts";
import { THREE, TWELVE, type WorldMap } from "./sim/world-map.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string" },
    seconds: { type: "string", default: "20" },
    "virtual-minutes": { type: "string", default: "10" },
    "virtual-day": { type: "boolean", default: false },
    "batches-per-second": { type: "string" },
    "row-memory": { type: "string", default: "256" },
    shares: { type: "string", default: "true" },
    capacity: { type: "boolean", default: false },
    "warm-up": { type: "string", default: "4" },
    measured: { type: "string", default: "8" },
  },
});
const sizes = (values.nodes ?? (values.capacity ? "4,7,25,50,100" : "4")).split(",").map(Number);
const BATCHES_PER_SECOND = 20;
const BODY_BYTES = 200;
const MIB = 2 ** 20;
/** One-way latency: a floor and the mean of what comes on top, microseconds. */
const PATHS = { "1 ms": [500, 500], "40 ms": [20_000, 20_000] } as const;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const report = createReport("sim");

const startNetwork = (
  n: number,
  path: keyof typeof PATHS,
  untilMs: number,
  batchesPerSecond = BATCHES_PER_SECOND,
): SimNetwork => {
  const [latencyMinUs, latencyMeanUs] = PATHS[path];
  const whole = scenario("bench", {
    n,
    healMs: untilMs,
    knobs: { ...CALM, net: { ...CALM.net, latencyMinUs, latencyMeanUs } },
    workload: {
      clients: Math.ceil(2 * batchesPerSecond),
      batchesPerSecond,
      eventsPerBatch: 1,
      bodyBytes: BODY_BYTES,
      untilMs,
    },
  });
  const network = createNetwork(whole, {
    ...SYSTEM,
    shares: values.shares !== "false",
    rowFiles: TEMPORARY_FILES,
    rowMemoryBytes: Number(values["row-memory"]) * MIB,
  });
  const { world, chain, nodes, scheme, observer } = network;
  for (const node of nodes) node.start();
  startWorkload({
    world,
    chain,
    nodes,
    scheme,
    workload: whole.workload,
    submitted: (slot, submission) =>
      observer.each((checker) => checker.submitted?.(slot, submission)),
    acknowledged: (slot, submission, height) =>
      observer.each((checker) => checker.acknowledged?.(slot, submission, height)),
  });
  return network;
};

const heightOf = ({ nodes }: SimNetwork): number => nodes[0]?.handle?.status().finalHeight ?? 0;

const cpuS = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const step = (network: SimNetwork, untilUs: number): void => {
  network.world.runUntil(untilUs);
  const violation = network.observer.violations[0];
  if (violation !== undefined) throw new Error(`${violation.id}: ${violation.detail}`);
};

type Point = {
  readonly us: number;
  readonly steps: number;
  readonly height: number;
  readonly cpu: number;
  readonly frames: number;
  readonly bytes: number;
};

const pointOf = (network: SimNetwork): Point => ({
  us: network.world.nowUs,
  steps: network.world.steps,
  height: heightOf(network),
  cpu: cpuS(),
  ...network.net.sent,
});

/** Virtual seconds a CPU second after a warm-up, with all checkers looking; then the same under the profiler. */
const measureSpeed = (n: number, path: keyof typeof PATHS, seconds: number): void => {
  const network = startNetwork(n, path, 1e9);
  const { world } = network;
  // To ask for the CPU time costs as much as a height.
  const sliceUs = n <= 10 ? 200_000 : 20_000;
  const run = (limitS: number): void => {
    const endS = cpuS() + limitS;
    while (cpuS() < endS) step(network, world.nowUs + sliceUs);
  };
  run(seconds / 4);
  const before = pointOf(network);
  run(seconds);
  const after = pointOf(network);
  const [virtualS, cpu] = [(after.us - before.us) / 1e6, after.cpu - before.cpu];
  const heights = after.height - before.height;
  const [frames, steps] = [after.frames - before.frames, after.steps - before.steps];
  const what = `n = ${n}, paths of ${path}: `;
  const row = (name: string, text: string, value: number, unit: string, count: number): void =>
    report.row(name, `${what}${text}`, value, unit, count);
  row("speed", "virtual seconds a CPU second", virtualS / cpu, "x", virtualS);
  row("speed", "heights a virtual second", heights / virtualS, "/s", heights);
  row("speed", "CPU of a node and height", (cpu * 1e6) / (heights * n), "us", heights);
  row("speed", "CPU of a frame", (cpu * 1e6) / frames, "us", frames);
  row("speed", "tasks of a node and height", steps / (heights * n), "", steps);
  row("speed", "CPU of a task of the world", (cpu * 1e6) / steps, "us", steps);
  const { parts, busyUs: samples } = profiled(() => run(seconds / 2));
  const sorted = [...parts].sort(([, a], [, b]) => b - a);
  for (const [part, count] of sorted) row("budget", part, (100 * count) / samples, "%", count);
  const [latencyMinUs, latencyMeanUs] = PATHS[path];
  const framesPerSecond = frames / virtualS;
  const frameBytes = (after.bytes - before.bytes) / frames;
  const traffic = { n, latencyMinUs, latencyMeanUs, framesPerSecond, frameBytes };
  measureEmptyNodes(report, what, traffic);
};

/** A virtual day of more would be a disk full of batches. */
const DAY_BATCHES_PER_SECOND = 0.1;

/** Heap after a collection and RSS over virtual time. The disks of the nodes are in it, as they grow. */
const watchMemory = (minutes: number, parts: number, batchesPerSecond: number): void => {
  const network = startNetwork(4, "40 ms", minutes * 60_000, batchesPerSecond);
  const { world, nodes, memory } = network;
  const startS = cpuS();
  for (let part = 1; part <= parts; part++) {
    const untilUs = (part * minutes * 60e6) / parts;
    while (world.nowUs < untilUs) step(network, Math.min(untilUs, world.nowUs + 1e6));
    collect();
    const { heapUsed, external, rss } = process.memoryUsage();
    const disks = nodes.reduce((sum, { data, votes }) => sum + data.bytes + votes.bytes, 0);
    const rows = nodes.reduce((sum, { data, votes }) => sum + data.entries + votes.entries, 0);
    const at = `after ${Math.round(untilUs / 60e6)} virtual minutes`;
    const heights = heightOf(network);
    report.row("memory", `heap and buffers ${at}`, (heapUsed + external) / MIB, "MiB", heights);
    report.row("memory", `  what disks hold, node by node, ${at}`, disks / MIB, "MiB", rows);
    report.row("memory", `  rows in memory ${at}`, memory.weigh() / MIB, "MiB", rows);
    report.row("memory", `  on file ${at}`, memory.file.bytes / MIB, "MiB", memory.spills);
    report.row("memory", `RSS ${at}`, rss / MIB, "MiB", heights);
    report.row("memory", `CPU so far ${at}`, cpuS() - startS, "s", world.steps);
  }
};

const TYPES: Readonly<Record<number, string>> = {
  1: "proposals",
  2: "votes",
  3: "certificates",
  4: "status",
  10: "batches",
  16: "cosignatures",
};

const tell = (name: string, { places }: WorldMap, found: Capacity, measuredS: number): void => {
  const what = `n = ${found.n}, ${places.length} places: `;
  const kb = (bytes: number): number => bytes / 1000;
  report.row(name, `${what}measured`, measuredS, "virtual s", found.views);
  report.row(name, `${what}egress a node and view, mean`, kb(found.egress), "kB", found.views);
  report.row(
    name,
    `${what}egress, most between two blocks`,
    kb(found.egressMax),
    "kB",
    found.views,
  );
  let rest = found.egress;
  for (const [type, text] of Object.entries(TYPES)) {
    const bytes = found.egressByType.get(Number(type)) ?? 0;
    rest -= bytes;
    report.row(name, `${what}  of the mean ${text}`, kb(bytes), "kB", found.views);
  }
  report.row(name, `${what}  of the mean all else`, kb(rest), "kB", found.views);
  report.row(name, `${what}signed a node and view`, found.signed, "", found.views);
  report.row(name, `${what}verified a node and view`, found.verified, "", found.views);
  report.row(name, `${what}views a second`, found.views / measuredS, "/s", found.views);
  const { finalityMs } = found;
  report.row(name, `${what}finality p50`, percentile(finalityMs, 0.5), "ms", finalityMs.length);
  report.row(name, `${what}finality p99`, percentile(finalityMs, 0.99), "ms", finalityMs.length);
  report.row(name, `${what}processor busy, mean`, 100 * found.busy, "%", found.views);
  report.row(name, `${what}processor busy, busiest`, 100 * found.busyMax, "%", found.views);
};

const measuredSeconds = values.measured.split(",").map(Number);
if (!measuredSeconds.every((seconds) => seconds > 0)) {
  throw new RangeError("--measured: expected a number of virtual seconds, or a list of them");
}

const askForCapacity = async (): Promise<void> => {
  const costs = await measureCosts(BODY_BYTES);
  for (const [what, us] of Object.entries(costs)) report.row("cost", what, us, "us", 1);
  for (const [i, n] of sizes.entries()) {
    const measuredS = measuredSeconds[i] ?? measuredSeconds.at(-1) ?? 0;
    for (const map of [THREE, TWELVE]) {
      const found = measureCapacity({
        n,
        rttMs: map.rttMs,
        costs,
        batchesPerSecond: BATCHES_PER_SECOND,
        bodyBytes: BODY_BYTES,
        warmUpMs: Number(values["warm-up"]) * 1000,
        measuredMs: measuredS * 1000,
      });
      tell("capacity", map, found, measuredS);
    }
  }
};

const watched = (batches: number): number => Number(values["batches-per-second"] ?? batches);

if (values.capacity) await askForCapacity();
else if (values["virtual-day"]) watchMemory(24 * 60, 24, watched(DAY_BATCHES_PER_SECOND));
else {
  const seconds = Number(values.seconds);
  if (seconds > 0) {
    measureHash(report);
    measureQueue(report);
    for (const n of sizes) {
      for (const path of ["1 ms", "40 ms"] as const) measureSpeed(n, path, seconds);
    }
  }
  const minutes = Number(values["virtual-minutes"]);
  if (minutes > 0) watchMemory(minutes, 8, watched(BATCHES_PER_SECOND));
}
