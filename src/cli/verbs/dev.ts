/** `nexus dev`: four validators on this machine, one process each. */
import { existsSync } from "node:fs";
import { ApiClient } from "../../client/api.ts";
import { TetradError } from "../../errors.ts";
import { type FolderLock, lockFolder } from "../../ledger/store/level.ts";
import { LIMITS } from "../../limits.ts";
import { writeFileAtomic } from "../../node/folder.ts";
import { randomHex, realClock } from "../../node/real-ports.ts";
import type { CliContext } from "../context.ts";
import { serveControl } from "../dev/control.ts";
import {
  createNetwork,
  formatJsonFile,
  pathsOf,
  realFolder,
  writeNodeConfig,
} from "../dev/create.ts";
import { Display, type NodeView } from "../dev/display.ts";
import { requirePorts } from "../dev/ports.ts";
import { primeCompileCache } from "../dev/prime.ts";
import { DEV_EPOCH_MS, DEV_PROOFS } from "../dev/proofs.ts";
import { DEV_NODES, type DevNode, type DevRecord, devRecordPath } from "../dev/record.ts";
import { removeNetwork } from "../dev/remove.ts";
import { Supervisor } from "../dev/supervisor.ts";
import { paint } from "../output.ts";
import { pause } from "../watch.ts";

type DevOptions = {
  readonly fresh?: boolean;
  readonly portBase?: number;
  readonly apiBase?: number;
};

const PORT_BASE = 4440;
const API_BASE = 8440;
/** Until the network is ready; then nodes are asked when there is something to show. */
const POLL_MS = 500;
/** Without a final block after this long, people are told where to look. */
const SLOW_MS = 15_000;

export const dev = async (context: CliContext, options: DevOptions): Promise<void> => {
  const { record, isNew, lock } = await prepare(context, options);
  try {
    await requirePorts(record.nodes);
    await runNetwork(context, record, isNew);
  } finally {
    await lock.release();
  }
};

type Prepared = {
  readonly record: DevRecord;
  /** Made just now: it has no block yet. */
  readonly isNew: boolean;
  readonly lock: FolderLock;
};

const prepare = async (context: CliContext, options: DevOptions): Promise<Prepared> => {
  const dir = realFolder(context.dir);
  const known = context.dev();
  if (options.fresh === true && existsSync(dir)) {
    // What would keep the new network from starting is found out while the old one is still there.
    await removeNetwork(dir, known, () => requirePorts(plannedNodes(options)));
  }
  const kept = options.fresh === true ? undefined : known;
  const record = kept ?? (await create(context, dir, options));
  const lock = await lockFolder(dir);
  try {
    // The record has all that they say: one that is gone is no reason to begin a new chain.
    const lost = record.nodes.filter((node) => !existsSync(pathsOf(dir, node).config));
    for (const node of lost) writeNodeConfig(dir, node);
    const isNew = kept === undefined;
    return { record: isNew ? record : withPorts(dir, record, options), isNew, lock };
  } catch (error) {
    await lock.release();
    throw error;
  }
};

const plannedNodes = (options: DevOptions): DevNode[] => {
  const port = options.portBase ?? PORT_BASE;
  const api = options.apiBase ?? API_BASE;
  return DEV_NODES.map((name, i) => ({
    name,
    folder: name,
    listen: `[::1]:${port + i}`,
    api: `[::1]:${api + i}`,
  }));
};

const create = async (
  context: CliContext,
  dir: string,
  options: DevOptions,
): Promise<DevRecord> => {
  const nodes = plannedNodes(options);
  // QUIC ports go into the genesis: a network on taken ones would have to be made anew.
  await requirePorts(nodes);
  context.note(`making a development network in ${context.dir}`);
  await using primer = primeCompileCache();
  const made = await createNetwork(dir, {
    kind: "tetrad-dev",
    chainId: `dev-${randomHex(8)}`,
    nodes,
    issuer: true,
    ...DEV_PROOFS,
    parameters: { epochMs: DEV_EPOCH_MS },
  });
  await primer.done(context.signal);
  return made;
};

/** API ports may change from run to run; QUIC ports are in the genesis. */
const withPorts = (dir: string, record: DevRecord, options: DevOptions): DevRecord => {
  const { portBase, apiBase } = options;
  const first = record.nodes[0]?.listen ?? "";
  if (portBase !== undefined && !first.endsWith(`]:${portBase}`)) {
    throw new TetradError(
      "cli.usage",
      `this network's QUIC ports are in its genesis (first ${first}); --port-base needs --fresh`,
    );
  }
  if (apiBase === undefined) return record;
  const nodes = record.nodes.map((node, i) => ({ ...node, api: `[::1]:${apiBase + i}` }));
  for (const node of nodes) writeNodeConfig(dir, node);
  const changed = { ...record, nodes };
  writeFileAtomic(devRecordPath(dir), formatJsonFile(changed));
  return changed;
};

const runNetwork = async (
  context: CliContext,
  record: DevRecord,
  isNew: boolean,
): Promise<void> => {
  const display = new Display(context.terminal, realClock.monotonicMs);
  const failure = Promise.withResolvers<TetradError>();
  const supervisor = new Supervisor(context.dir, record, {
    report: (text) => display.say(() => context.terminal.err(`${text}\n`)),
    failed: (error) => failure.resolve(error),
  });
  supervisor.start();
  const endControl = serveControl(realFolder(context.dir), (request) =>
    supervisor.control(request),
  );
  try {
    const failed = await Promise.race([
      failure.promise,
      watch(context, record, isNew, display).then(() => undefined),
    ]);
    if (failed !== undefined) throw failed;
  } finally {
    endControl();
    display.say(() => context.note("stopping the nodes"));
    await supervisor.stop();
    context.note("stopped; `npm start` goes on from the same height");
  }
};

type Sample = { readonly atMs: number; readonly logSize: number };

/** Polls the nodes and shows them until the signal; says once that the network is ready. */
const watch = async (
  context: CliContext,
  record: DevRecord,
  isNew: boolean,
  display: Display,
): Promise<void> => {
  const samples = new Map<string, Sample>();
  const nodesBeganMs = realClock.monotonicMs();
  let firstHeight = isNew ? 0 : undefined;
  let ready = false;
  let toldSlow = false;
  while (!context.signal.aborted) {
    const views = await Promise.all(record.nodes.map((node) => look(node, samples)));
    if (context.signal.aborted) return;
    const heights = views.flatMap(({ status }) => (status === undefined ? [] : status.finalHeight));
    firstHeight ??= heights.length === 0 ? undefined : Math.max(...heights);
    const voting = views.filter(({ status }) => status?.voting === "yes").length;
    const quorum = Math.floor((2 * record.nodes.length) / 3) + 1;
    // Since this process began: a network that had to be made took its time as well.
    const tookMs = realClock.monotonicMs();
    const isSlow = tookMs - nodesBeganMs > SLOW_MS;
    // What is announced is the first node's address; the others make a quorum without it.
    const answers = views[0]?.status !== undefined || isSlow;
    if (!ready && answers && voting >= quorum && Math.max(...heights) > (firstHeight ?? 0)) {
      ready = true;
      display.say(() => announce(context, record, tookMs));
    } else if (!ready && !toldSlow && isSlow) {
      toldSlow = true;
      display.say(() => context.note(`no block is final yet; see ${context.dir}/*/node.log`));
    }
    display.show(views);
    await pause(ready ? display.pauseMs : POLL_MS, context.signal);
  }
};

const look = async (
  node: DevRecord["nodes"][number],
  samples: Map<string, Sample>,
): Promise<NodeView> => {
  const api = `http://${node.api}`;
  try {
    const status = await new ApiClient(api).status(AbortSignal.timeout(LIMITS.cliStatusMsMax));
    const now = { atMs: realClock.monotonicMs(), logSize: status.logSize };
    const before = samples.get(node.name) ?? now;
    samples.set(node.name, now);
    const spentMs = now.atMs - before.atMs;
    const eventsPerSecond = spentMs > 0 ? ((now.logSize - before.logSize) * 1000) / spentMs : 0;
    return { name: node.name, api, status, starting: false, eventsPerSecond };
  } catch {
    const starting = !samples.has(node.name);
    return { name: node.name, api, status: undefined, starting, eventsPerSecond: 0 };
  }
};

const announce = (context: CliContext, record: DevRecord, tookMs: number): void => {
  const { terminal } = context;
  const first = `http://${record.nodes[0]?.api}`;
  const dir = context.options.dir === undefined ? "" : ` --dir ${context.options.dir}`;
  const nexus = `npx nexus${dir}`;
  const bold = (text: string): string => paint(terminal.colorOut, "bold", text);
  terminal.out(
    [
      `${paint(terminal.colorOut, "green", "ready")} after ${(tookMs / 1000).toFixed(1)} s: ${first} (chain ${record.chainId})`,
      "try, in another terminal:",
      `  ${bold(`${nexus} append notes/first "hello"`)}`,
      `  ${bold(`${nexus} ls records`)}`,
      `  ${bold(`${nexus} tail`)}`,
      "",
    ].join("\n"),
  );
};
