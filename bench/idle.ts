/**
 * What a network costs that nothing is asked of: `nexus dev` as a user starts it, with its four validators and
 * all four proofs, beside a Node.js process with nothing but a timer of a second. CPU by what the threads do,
 * how often the main thread wakes up, and memory. `--seconds` of measuring, after `--warm` of them. Linux only.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { binPath, lastLines } from "../src/cli/dev/child.ts";
import { portProblems } from "../src/cli/dev/ports.ts";
import { DEV_NODES } from "../src/cli/dev/record.ts";
import { ApiClient } from "../src/client/api.ts";
import { sleep } from "../src/node/real-ports.ts";
import { endProcess } from "./ledger/network.ts";
import {
  childrenOf,
  cpuSince,
  residentBytes,
  type ThreadCpu,
  threadCpu,
  totalCpuMs,
  wakeUps,
} from "./ledger/process-stats.ts";
import { createReport, type Report } from "./report.ts";

const READY_MS_MAX = 300_000;
/** First ports that are tried, so that a network of the user's may run beside. */
const PORTS_FROM = 14_440;
const PORTS_TRIED = 20;
const MIB = 2 ** 20;

type Subject = { readonly name: string; readonly pid: number };
type Look = {
  readonly cpu: ThreadCpu;
  readonly wakeUps: number;
  readonly rss: number;
};

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "30" },
    // The proofs of the first epoch are spread over its first minute.
    warm: { type: "string", default: "50" },
  },
});

const positive = (text: string, name: string): number => {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0)
    throw new Error(`--${name} takes seconds, not ${text}`);
  return value;
};

/** The least that a process of this Node.js costs which is awake once a second, as a block is. */
const startPeer = (): ChildProcess =>
  spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });

const logOf = (folder: string): string => join(folder, "dev.log");

const startNetwork = (folder: string, port: number): ChildProcess => {
  const log = openSync(logOf(folder), "a");
  const child = spawn(
    process.execPath,
    [
      binPath(),
      ...["--dir", join(folder, "net"), "dev"],
      ...["--port-base", `${port}`, "--api-base", `${port + DEV_NODES.length}`],
    ],
    { stdio: ["ignore", log, log], env: { ...process.env, HOME: folder } },
  );
  closeSync(log);
  return child;
};

const addressesAt = (base: number): readonly { readonly listen: string; readonly api: string }[] =>
  DEV_NODES.map((_, i) => ({
    listen: `[::1]:${base + i}`,
    api: `[::1]:${base + DEV_NODES.length + i}`,
  }));

const freeBase = async (): Promise<number> => {
  for (let tried = 0; tried < PORTS_TRIED; tried++) {
    const base = PORTS_FROM + tried * 2 * DEV_NODES.length;
    if ((await portProblems(addressesAt(base))).length === 0) return base;
  }
  throw new Error(`no ${2 * DEV_NODES.length} free ports in a row from ${PORTS_FROM} on`);
};

const apisOf = (port: number): readonly ApiClient[] =>
  addressesAt(port).map(({ api }) => new ApiClient(`http://${api}`));

/** Until every node votes with all others and has a block. */
const ready = async (apis: readonly ApiClient[], network: ChildProcess): Promise<void> => {
  const startedMs = performance.now();
  while (performance.now() - startedMs < READY_MS_MAX) {
    if (network.exitCode !== null) throw new Error("nexus dev has ended");
    const answers = await Promise.all(
      apis.map((api) => api.status(AbortSignal.timeout(2_000)).catch(() => undefined)),
    );
    const areUp = answers.every(
      (status) =>
        status?.voting === "yes" &&
        status.executedHeight > 0 &&
        status.peers.length === DEV_NODES.length - 1,
    );
    if (areUp) return;
    await sleep(500);
  }
  throw new Error("the network is not ready in time");
};

const heightOf = async (apis: readonly ApiClient[]): Promise<number> =>
  (await apis[0]?.status())?.finalHeight ?? 0;

/** The validators by the names of their configurations, which stand on their command lines. */
const nodesOf = (pid: number): readonly Subject[] =>
  childrenOf(pid).flatMap((child) => {
    const line = readFileSync(join("/proc", `${child}`, "cmdline"), "latin1");
    const name = /\/([^/]+)\/node\.toml/.exec(line)?.[1];
    return name === undefined ? [] : [{ name: `node ${name}`, pid: child }];
  });

const look = ({ pid }: Subject): Look => ({
  cpu: threadCpu(pid),
  wakeUps: wakeUps(pid),
  rss: residentBytes(pid).now,
});

const tell = (report: Report, name: string, before: Look, after: Look, seconds: number): number => {
  const cpu = cpuSince(before.cpu, after.cpu);
  const all = totalCpuMs(cpu);
  const row = (what: string, value: number, unit: string): void =>
    report.row(name, what, value, unit, seconds);
  row("CPU", all / seconds, "ms/s");
  for (const [role, ms] of [...cpu].sort((a, b) => b[1] - a[1])) {
    if (ms > 0) row(`  of it: ${role}`, ms / seconds, "ms/s");
  }
  row("wake-ups of the main thread", (after.wakeUps - before.wakeUps) / seconds, "/s");
  row("RSS at the end", after.rss / MIB, "MiB");
  row("RSS, more than at the beginning", (after.rss - before.rss) / MIB, "MiB");
  return all / seconds;
};

const measure = async (folder: string, report: Report): Promise<void> => {
  const [seconds, warm] = [positive(values.seconds, "seconds"), positive(values.warm, "warm")];
  const port = await freeBase();
  const peer = startPeer();
  const network = startNetwork(folder, port);
  try {
    const apis = apisOf(port);
    await ready(apis, network);
    // What a start leaves behind, compilers and first collections, is not idleness.
    await sleep(warm * 1000);
    const nodes = nodesOf(network.pid ?? -1);
    if (nodes.length !== DEV_NODES.length) throw new Error(`${nodes.length} validators run`);
    const subjects: readonly Subject[] = [
      ...nodes,
      { name: "nexus dev", pid: network.pid ?? -1 },
      { name: "peer", pid: peer.pid ?? -1 },
    ];
    const height = await heightOf(apis);
    const before = subjects.map(look);
    const fromMs = performance.now();
    await sleep(seconds * 1000);
    const after = subjects.map(look);
    const tookS = (performance.now() - fromMs) / 1000;
    const blocks = (await heightOf(apis)) - height;
    let all = 0;
    subjects.forEach(({ name }, i) => {
      const [first, last] = [before[i], after[i]];
      if (first === undefined || last === undefined) return;
      const cpuMs = tell(report, name, first, last, tookS);
      if (i < nodes.length) all += cpuMs;
    });
    report.row("all", "CPU of four validators, part of one core", all / 10, "%", tookS);
    report.row("all", "blocks", blocks / tookS, "/s", tookS);
  } finally {
    await Promise.all([endProcess(network), endProcess(peer)]);
  }
};

const folder = mkdtempSync(join(tmpdir(), "tetrad-idle-"));
try {
  await measure(folder, createReport("idle"));
} catch (error) {
  process.stderr.write(`${lastLines(logOf(folder), 20).join("\n")}\n`);
  throw error;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
