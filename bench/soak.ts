/**
 * Four validators under load for minutes or hours, with what real life adds: a node is killed and started again now
 * and then, verified rows are read and backups are made and restored meanwhile. At the end every folder is audited
 * from its genesis and all four are compared; whatever is wrong makes it fail (exit 1), as does a run in which
 * nothing was read, backed up or killed although it was long enough.
 *
 *   npm run soak -- [--minutes N] [--events N] [--batches N] [--kill-seconds N] [--keep]
 */
import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { binPath } from "../src/cli/dev/child.ts";
import { pathsOf } from "../src/cli/dev/create.ts";
import { ApiClient, type ReceiptJson } from "../src/client/api.ts";
import { createClient } from "../src/client/client.ts";
import { toHex } from "../src/crypto/bytes.ts";
import { ERRORS, TetradError } from "../src/errors.ts";
import { sleep } from "../src/node/real-ports.ts";
import { checkNetwork } from "./ledger/check.ts";
import { type Lane, Lanes, type SignedBatch } from "./ledger/lanes.ts";
import { BenchNetwork } from "./ledger/network.ts";
import { residentBytes } from "./ledger/process-stats.ts";
import { SigningPool } from "./ledger/signing.ts";
import { createReport } from "./report.ts";
import { missing } from "./soak-counts.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    /** Events in a batch. */
    events: { type: "string", default: "64" },
    /** Batches that are signed, and then sent, at a time. */
    batches: { type: "string", default: "400" },
    "kill-seconds": { type: "string", default: "40" },
    keep: { type: "boolean", default: false },
  },
});
const IN_FLIGHT_OF_LANE = 16;
const RETRY_MS = 50;
const TRY_MS = 15_000;
const READ_EVERY_MS = 200;
const BACKUP_EVERY_MS = 45_000;
const BATCH_MS_MAX = 180_000;
const MIB = 2 ** 20;
const killMs = Number(values["kill-seconds"]) * 1000;
/** A node is killed after this many times `kill-seconds`, up to one more. */
const KILL_FACTOR_MIN = 0.5;
const KILL_FACTOR_MAX = KILL_FACTOR_MIN + 1;
/** By then a reader has come through its pages once, also where the nodes are behind at first. */
const READS_MS_MAX = 30_000;

const report = createReport("soak");
const endMs = performance.now() + Number(values.minutes) * 60_000;
const isOver = (): boolean => performance.now() >= endMs;
const counts = { events: 0, kills: 0, retries: 0, reads: 0, readsLater: 0, backups: 0 };

/** Keys of rows that are there, and the height that they are there from on. */
const written: { readonly key: string; readonly height: number }[] = [];

/** Answers of a node that has not come so far: the next one, or the same a little later, says more. */
const PASSING: ReadonlySet<string> = new Set([
  "batch.lane-gap",
  "batch.ref-future",
  "batch.unknown-actor",
  "batch.not-found",
  "cli.unreachable",
]);
const passes = (error: unknown): boolean =>
  error instanceof TetradError
    ? PASSING.has(error.code) || ERRORS[error.code].retryable
    : isTimeout(error);
/** What TRY_MS ends: a node that was killed may take the connection and never answer. */
const isTimeout = (error: unknown): boolean =>
  error instanceof DOMException && error.name === "TimeoutError";

/** To one node after the other until one says that it is in the log. */
const deliver = async (apis: readonly ApiClient[], batch: SignedBatch): Promise<ReceiptJson> => {
  const startedMs = performance.now();
  for (let i = batch.lane.node; ; i++) {
    const api = apis[i % apis.length];
    if (api === undefined) throw new Error("no nodes");
    try {
      return await api.submit(batch.bytes, "committed", AbortSignal.timeout(TRY_MS), 10_000);
    } catch (error) {
      // An earlier try got through; the lane's head tells at the end.
      if (error instanceof TetradError && error.code === "batch.lane-replay") return NO_RECEIPT;
      if (!passes(error) || performance.now() - startedMs > BATCH_MS_MAX) throw error;
      counts.retries += 1;
      await sleep(RETRY_MS);
    }
  }
};
const NO_RECEIPT = { level: "committed" } as ReceiptJson;

const load = async (network: BenchNetwork, lanes: Lanes): Promise<void> => {
  const apis = network.record.nodes.map(({ api }) => new ApiClient(`http://${api}`));
  const events = Number(values.events);
  while (!isOver()) {
    const batches = await lanes.prepare(network, Number(values.batches), events);
    const byLane = [...Map.groupBy(batches, ({ lane }) => lane).values()];
    await Promise.all(
      byLane.flatMap((queue) => {
        let next = 0;
        return Array.from({ length: IN_FLIGHT_OF_LANE }, async () => {
          for (;;) {
            const batch = queue[next++];
            if (batch === undefined) return;
            const { height } = await deliver(apis, batch);
            counts.events += events;
            if (height === undefined) continue;
            const at = batch.lane.written - 1 - Math.floor(Math.random() * events);
            const name = `${batch.lane.name}-${String(Math.max(0, at)).padStart(9, "0")}`;
            if (queue.at(-1) === batch) written.push({ key: `bench/${name}`, height });
          }
        });
      }),
    );
  }
};

/**
 * Of a node that is down, `nexus backup` reads the folder and so locks it against the start: a node is not killed
 * while it is backed up, nor backed up while it is down.
 */
let backedUp: string | undefined;
let down: string | undefined;

const killNowAndThen = async (network: BenchNetwork): Promise<void> => {
  while (!isOver()) {
    await sleepUntilEnd(killMs * (KILL_FACTOR_MIN + Math.random()));
    if (isOver()) return;
    const node = pick(network.nodes.filter(({ name }) => name !== backedUp));
    down = node.name;
    const ms = await network.killAndRestart(node.name, Math.random() * 8_000);
    down = undefined;
    counts.kills += 1;
    report.note(`killed ${node.name}: ready ${Math.round(ms)} ms after its start`);
  }
};

const pick = <T>(list: readonly T[]): T => {
  const one = list[Math.floor(Math.random() * list.length)];
  if (one === undefined) throw new Error("nothing to pick from");
  return one;
};

const sleepUntilEnd = (ms: number): Promise<void> =>
  sleep(Math.max(0, Math.min(ms, endMs - performance.now())));

/** Rows with their proofs, verified against the genesis: from any node, while it executes. */
const readRows = async (network: BenchNetwork): Promise<void> => {
  const genesis = readFileSync(join(network.dir, "genesis.json"), "utf8");
  const clients = network.record.nodes.map(({ api }) =>
    createClient({ baseUrl: `http://${api}`, trust: { genesis } }),
  );
  while (!isOver()) {
    await sleepUntilEnd(READ_EVERY_MS);
    const [client, wanted] = [pick(clients), written.at(-1 - Math.floor(Math.random() * 8))];
    try {
      if (wanted !== undefined) {
        const row = await client.row("records", wanted.key, { minHeight: wanted.height });
        if (row.value === undefined || !row.verified) throw new Error(`no row ${wanted.key}`);
      }
      let rows = 0;
      for await (const row of client.rows("records")) {
        if (!row.verified) throw new Error(`row ${row.key} is not verified`);
        rows += 1;
        if (rows >= 300) break;
      }
      counts.reads += 1 + rows;
    } catch (error) {
      if (!mayReadLater(error)) throw error;
      counts.readsLater += 1;
    }
  }
};

/** The node is down or behind, or its state has moved on in the middle of the pages. */
const LATER: ReadonlySet<string> = new Set(["http.height-gone", "cli.unreachable", "trust.behind"]);
const mayReadLater = (error: unknown): boolean =>
  error instanceof TetradError && (LATER.has(error.code) || ERRORS[error.code].retryable);

const nexus = (
  args: readonly string[],
): Promise<{ readonly code: number; readonly text: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [binPath(), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const end = (): void => void child.kill("SIGKILL");
    process.once("exit", end);
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (piece) => {
        text += String(piece);
      });
    }
    child.once("error", reject);
    child.once("close", (code) => {
      process.off("exit", end);
      resolve({ code: code ?? -1, text });
    });
  });

/** A backup of a node that runs, and a folder from it: `restore` compares its rows with signed roots. */
const backUp = async (network: BenchNetwork): Promise<void> => {
  const file = join(network.dir, "soak-backup");
  const folder = join(network.dir, "soak-restored");
  const genesis = join(network.dir, "genesis.json");
  while (!isOver()) {
    await sleepUntilEnd(BACKUP_EVERY_MS);
    const node = pick(network.record.nodes.filter(({ name }) => name !== down));
    backedUp = node.name;
    const { config } = pathsOf(network.dir, node);
    const made = await nexus(["backup", "--config", config, "--to", file]);
    backedUp = undefined;
    if (made.code !== 0) throw new Error(`no backup of node ${node.name} was made: ${made.text}`);
    const restored = await nexus(["restore", file, "--to", folder, "--genesis", genesis]);
    if (restored.code !== 0) throw new Error(`a backup is bad: ${restored.text}`);
    counts.backups += 1;
    for (const path of [file, folder]) rmSync(path, { recursive: true, force: true });
  }
};

/** All batches of a lane name the one before, so its head on a node stands for all. */
const waitForHeads = async (network: BenchNetwork, lanes: readonly Lane[]): Promise<void> => {
  const deadline = performance.now() + BATCH_MS_MAX;
  for (const { api, name } of network.nodes) {
    for (const lane of lanes) {
      const path = `/v1/lanes/${toHex(lane.actor)}`;
      for (;;) {
        const head = await api.get(path).catch(() => undefined);
        if (head?.["laneSeq"] === lane.seq && head["batchId"] === toHex(lane.head)) break;
        if (performance.now() > deadline) {
          const text = JSON.stringify(head);
          throw new Error(`lane ${lane.name} ends at ${lane.seq}, on node ${name} at ${text}`);
        }
        await sleep(RETRY_MS);
      }
    }
  }
};

const network = await BenchNetwork.create();
network.kept = values.keep;
const pool = new SigningPool();
try {
  await network.start();
  const lanes = await Lanes.open(network, pool);
  const startedMs = performance.now();
  const progress = setInterval(() => {
    const mib = network.nodes.map(({ pid }) => Math.round(rssOf(pid) / MIB));
    report.note(`${JSON.stringify(counts)}, RSS ${mib.join(" ")} MiB`);
  }, 15_000);
  await Promise.all([
    load(network, lanes),
    killNowAndThen(network),
    readRows(network),
    backUp(network),
  ]).finally(() => clearInterval(progress));
  const seconds = (performance.now() - startedMs) / 1000;
  await waitForHeads(network, lanes.all);
  report.row("soak", "events committed", counts.events, "events", seconds);
  report.row("soak", "kills", counts.kills, "kills", seconds);
  report.row("soak", "rows read and verified", counts.reads, "rows", counts.readsLater);
  report.row("soak", "backups made and restored", counts.backups, "backups", seconds);
  const rss = Math.max(...network.nodes.map(({ pid }) => rssOf(pid)));
  report.row("soak", "RSS of the largest node", rss / MIB, "MiB", counts.kills);
  await network.stop();
  const names = network.record.nodes.map(({ name }) => name);
  await checkNetwork(network, names, report);
  const none = missing(counts, endMs - startedMs, {
    reads: READS_MS_MAX,
    // The first begins after this time and takes some seconds.
    backups: 2 * BACKUP_EVERY_MS,
    kills: KILL_FACTOR_MAX * killMs,
  });
  if (none.length > 0) throw new Error(`the run had no ${none.join(" and no ")}`);
} finally {
  await pool.close();
  await network.stop();
  if (values.keep) report.note(`kept ${network.dir}`);
  else network.remove();
}

function rssOf(pid: number): number {
  try {
    return residentBytes(pid).now;
  } catch {
    // It has just been killed.
    return 0;
  }
}
