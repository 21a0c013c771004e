/** Figures of a running node that are read when somebody asks, or looked at now and then. */
import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { LedgerHandle } from "../ledger/handle.ts";
import type { PeerFigures } from "../ledger/ports.ts";
import type { NodePaths } from "./folder.ts";
import type { MetricsRegistry } from "./metrics.ts";
import { readPeers } from "./peer-metrics.ts";
import type { NodeSigner, NodeVerifier } from "./signing/types.ts";

export type NodeMetricsOptions = {
  readonly metrics: MetricsRegistry;
  readonly handle: LedgerHandle;
  readonly signer: NodeSigner;
  readonly verifier: NodeVerifier;
  readonly paths: NodePaths;
  readonly version: string;
  readonly objects: () => ObjectFigures;
  readonly peerFigures: () => readonly PeerFigures[];
};

/** Of the objects of the node. */
export type ObjectFigures = {
  readonly objects: number;
  /** Of their whole sizes. */
  readonly bytes: number;
  /** Since the start. */
  readonly evicted: number;
  readonly fetches: number;
};

export type NodeMetrics = {
  /** The text of GET /metrics. */
  page(): string;
  close(): void;
};

const LOOK_AT_DISK_MS = 30_000;
/** Each look wakes the process: at 10 ms that alone was 0.4 % of a core, of a node that does nothing else. */
const LOOP_RESOLUTION_MS = 200;
const NANOSECONDS = 1e9;

export const createNodeMetrics = (options: NodeMetricsOptions): NodeMetrics => {
  const { metrics, handle } = options;
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  delay.enable();
  metrics.gauge("tetrad_build_info", 1, { version: options.version, node: process.version });
  metrics.gauge("tetrad_start_time_seconds", Date.now() / 1000 - process.uptime());
  let view = handle.status().view;
  const unsubscribe = handle.onExecuted(() => {
    const status = handle.status();
    if (status.view === view || status.viewTimeMs <= 0) return;
    view = status.view;
    metrics.observe("tetrad_view_seconds", status.viewTimeMs / 1000);
  });
  const look = (): void => void lookAtDisk(options);
  look();
  const timer = setInterval(look, LOOK_AT_DISK_MS);
  timer.unref();
  return {
    page() {
      readLedger(options);
      readObjects(options);
      readProcess(options);
      readPeers(metrics, options.peerFigures());
      // Nothing was measured yet where the page is read twice at once.
      const late = delay.count === 0 ? 0 : delay.percentile(99) / NANOSECONDS;
      metrics.gauge("tetrad_event_loop_delay_seconds", late);
      delay.reset();
      return metrics.page();
    },
    close() {
      unsubscribe();
      clearInterval(timer);
      delay.disable();
    },
  };
};

const readLedger = ({ metrics, handle }: NodeMetricsOptions): void => {
  const status = handle.status();
  metrics.gauge("tetrad_view", status.view);
  metrics.gauge("tetrad_epoch", status.epoch);
  metrics.gauge("tetrad_final_height", status.finalHeight);
  metrics.gauge("tetrad_executed_height", status.executedHeight);
  metrics.gauge("tetrad_projection_lag_heights", status.finalHeight - status.executedHeight);
  metrics.total("tetrad_committed_events_total", status.logSize);
  metrics.gauge("tetrad_peers", status.peers.length);
  metrics.gauge("tetrad_mempool_bytes", status.mempoolBytes);
  metrics.gauge("tetrad_mempool_batches", status.mempoolBatches);
  metrics.gauge("tetrad_voting", status.voting === "yes" ? 1 : 0);
  if (status.checkpoint !== undefined) {
    const { size, timeS } = status.checkpoint;
    metrics.gauge("tetrad_checkpoint_size", size);
    metrics.gauge("tetrad_checkpoint_age_seconds", Date.now() / 1000 - timeS);
  }
  metrics.gauge("tetrad_problems", status.problems.length);
  metrics.gauge("tetrad_ready", handle.ready().ready ? 1 : 0);
};

const readObjects = ({ metrics, objects }: NodeMetricsOptions): void => {
  const figures = objects();
  metrics.gauge("tetrad_objects", figures.objects);
  metrics.gauge("tetrad_object_bytes", figures.bytes);
  metrics.gauge("tetrad_object_fetches_open", figures.fetches);
  metrics.total("tetrad_objects_evicted_total", figures.evicted);
};

const readProcess = ({ metrics, signer, verifier }: NodeMetricsOptions): void => {
  metrics.total("tetrad_sign_cpu_seconds_total", signer.cpuMs() / 1000);
  metrics.gauge("tetrad_sign_fallback", signer.implementation() === "noble" ? 1 : 0);
  metrics.total("tetrad_verify_cpu_seconds_total", verifier.cpuMs() / 1000);
  metrics.gauge("tetrad_verify_queue_jobs", verifier.pending());
  const { rss, heapUsed } = process.memoryUsage();
  metrics.gauge("tetrad_resident_bytes", rss);
  metrics.gauge("tetrad_heap_bytes", heapUsed);
  const { user, system } = process.cpuUsage();
  metrics.total("tetrad_process_cpu_seconds_total", (user + system) / 1e6);
};

/** Nothing here may end a node: a folder that cannot be looked at has no figure. */
const lookAtDisk = async ({ metrics, paths }: NodeMetricsOptions): Promise<void> => {
  try {
    const { bavail, bsize } = await statfs(paths.folder);
    metrics.gauge("tetrad_disk_free_bytes", bavail * bsize);
    for (const [part, folder] of [
      ["db", paths.db],
      ["votes", paths.votes],
    ] as const) {
      metrics.gauge("tetrad_folder_bytes", await sizeOf(folder), { part });
    }
  } catch {}
};

const sizeOf = async (folder: string): Promise<number> => {
  let bytes = 0;
  for (const name of await readdir(folder)) {
    // LevelDB deletes files at any time.
    const info = await stat(join(folder, name)).catch(() => undefined);
    if (info?.isFile() === true) bytes += info.size;
  }
  return bytes;
};
