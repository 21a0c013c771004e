/**
 * Bulk between two nodes as they do it: their session, a worker for each, chunks of 1 MiB from files, by driver and
 * number of connections, as `driver = "auto"` has it, and over the session alone. Each node is a process, and so are
 * their workers.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "../../src/node/real-ports.ts";
import type { DriverSetting } from "../../src/transport/bulk/choose.ts";
import {
  type BulkNodeRequest,
  type BulkNodeWord,
  type BulkPull,
  CHUNK_BYTES,
  CHUNKS,
} from "./bulk-node.ts";
import type { TransportOptions } from "./options.ts";
import type { Job, Reading } from "./rounds.ts";

const PARALLEL = 16;
const ANSWER_MS = 45_000;

type Way = {
  readonly name: string;
  readonly setting: DriverSetting;
  readonly connections: number;
  readonly hasWorker: boolean;
  readonly quick: boolean;
};

const WAYS: readonly Way[] = [
  { name: "session", setting: "quiche", connections: 1, hasWorker: false, quick: true },
  ...[1, 2, 4].flatMap((connections) =>
    (["quiche", "reactor", "auto"] as const).map((setting) => ({
      ...{ name: `${setting}, ${connections} connections`, setting, connections },
      hasWorker: true,
      quick: setting === "auto" && connections !== 2,
    })),
  ),
];

const heard = async <K extends BulkNodeWord["kind"]>(
  child: ChildProcess,
  kind: K,
): Promise<Extract<BulkNodeWord, { readonly kind: K }>> => {
  const expired = sleep(ANSWER_MS).then((): never => {
    throw new Error(`no answer in ${ANSWER_MS} ms`);
  });
  const ended = once(child, "exit").then((): never => {
    throw new Error("a node has ended");
  });
  for (;;) {
    const [word] = (await Promise.race([once(child, "message"), expired, ended])) as [BulkNodeWord];
    if (word.kind === "failed") throw new Error(word.reason);
    if (word.kind === kind) return word as Extract<BulkNodeWord, { readonly kind: K }>;
  }
};

const ask = async <K extends BulkNodeWord["kind"]>(
  child: ChildProcess,
  request: BulkNodeRequest,
  kind: K,
): Promise<Extract<BulkNodeWord, { readonly kind: K }>> => {
  const answer = heard(child, kind);
  child.send(request);
  return answer;
};

const cpuOf = async (nodes: readonly ChildProcess[]): Promise<number> => {
  const all = await Promise.all(nodes.map((node) => ask(node, { kind: "cpu" }, "cpu")));
  return all.reduce((sum, { seconds }) => sum + seconds, 0);
};

const measure = async (folder: string, way: Way, seconds: number): Promise<readonly Reading[]> => {
  const start = (): ChildProcess =>
    fork(new URL("./bulk-node.ts", import.meta.url), {
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
  const [asker, server] = [start(), start()] as const;
  try {
    const { setting, connections, hasWorker } = way;
    const [a, b] = await Promise.all(
      [asker, server].map((node, index) => {
        const order = { index, folder, setting, connections, hasWorker };
        return ask(node, { kind: "open", order }, "ready");
      }),
    );
    if (a === undefined || b === undefined) throw new Error("two nodes");
    asker.send({ kind: "meet", end: b.end } satisfies BulkNodeRequest);
    server.send({ kind: "meet", end: a.end } satisfies BulkNodeRequest);
    const over = hasWorker ? "worker" : "session";
    const pull: BulkPull = { peer: b.end.id, seconds, parallel: PARALLEL, over };
    await ask(asker, { kind: "warm", pull }, "warm");
    const before = await cpuOf([asker, server]);
    const { bytes, ms, path } = await ask(asker, { kind: "pull", pull }, "pulled");
    const cpu = (await cpuOf([asker, server])) - before;
    const name = `bulk, ${way.name}`;
    // `auto` says here what it took.
    const took = setting === "auto" ? `, by the ${path}` : "";
    const reading = (what: string, unit: string, value: number): Reading => ({
      ...{ name, what: `${what}${took}`, unit, part: 0.5 },
      values: [value],
    });
    return [
      reading("goodput of chunks of 1 MiB", "Gbit/s", (bytes * 8) / 1e6 / ms),
      reading("CPU of both nodes and their workers", "s/GiB", cpu / (bytes / 2 ** 30)),
    ];
  } finally {
    for (const node of [asker, server]) if (node.connected) node.disconnect();
  }
};

export type BulkJobs = { readonly jobs: readonly Job[]; close(): void };

export const bulkJobs = ({ seconds, quick }: TransportOptions): BulkJobs => {
  const folder = mkdtempSync(join(tmpdir(), "bench-bulk-"));
  for (let i = 0; i < CHUNKS; i++) {
    writeFileSync(join(folder, String(i)), new Uint8Array(CHUNK_BYTES).fill(i));
  }
  const ways = WAYS.filter((way) => way.quick || !quick);
  return {
    jobs: ways.map((way) => ({
      text: `bulk, ${way.name}`,
      run: () => measure(folder, way, seconds),
    })),
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
};
