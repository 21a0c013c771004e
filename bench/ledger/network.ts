/**
 * Four validators in four processes: made and configured as `nexus dev` does it, started as it starts
 * them, but without its supervisor, whose polling would be measured with them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binPath, SHARED_MACHINE_ENV, SHARED_MACHINE_FLAGS } from "../../src/cli/dev/child.ts";
import { createNetwork, pathsOf } from "../../src/cli/dev/create.ts";
import { type DevRecord, operatorFolder, operatorKeyPath } from "../../src/cli/dev/record.ts";
import { ApiClient, type StatusJson } from "../../src/client/api.ts";
import type { FalconKeyPair } from "../../src/crypto/falcon.ts";
import { loadKeyFile } from "../../src/node/keys/key-file.ts";
import { readPassphrase } from "../../src/node/keys/passphrase.ts";
import { randomHex, sleep } from "../../src/node/real-ports.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 60_000;

export type BenchNode = {
  readonly name: string;
  readonly pid: number;
  readonly api: ApiClient;
  readonly process: ChildProcess;
};

export type StartOptions = {
  /** Flags of Node before the script. */
  readonly nodeFlags?: readonly string[];
};

export class BenchNetwork {
  readonly dir: string;
  readonly record: DevRecord;
  readonly operator: FalconKeyPair;
  #nodes: readonly BenchNode[] = [];

  private constructor(dir: string, record: DevRecord, operator: FalconKeyPair) {
    this.dir = dir;
    this.record = record;
    this.operator = operator;
  }

  static async create(): Promise<BenchNetwork> {
    const base = mkdtempSync(join(tmpdir(), "tetrad-bench-"));
    const dir = join(base, "net");
    const ports = await freePorts(2 * NAMES.length);
    const record = await createNetwork(dir, {
      kind: "tetrad-dev",
      chainId: `bench-${randomHex(8)}`,
      nodes: NAMES.map((name, i) => ({
        name,
        listen: `[::1]:${ports[2 * i]}`,
        api: `[::1]:${ports[2 * i + 1]}`,
      })),
    });
    const passphrase = await readPassphrase(operatorFolder(dir), {});
    return new BenchNetwork(dir, record, await loadKeyFile(operatorKeyPath(dir), passphrase));
  }

  get nodes(): readonly BenchNode[] {
    return this.#nodes;
  }

  /** Resolves when every node votes, all are connected and a block has become final meanwhile. */
  async start(options: StartOptions = {}): Promise<void> {
    this.#nodes = this.record.nodes.map((node) => {
      const folder = join(this.dir, node.name);
      mkdirSync(folder, { recursive: true });
      const log = openSync(join(folder, "node.log"), "a");
      const flags = [...SHARED_MACHINE_FLAGS, ...(options.nodeFlags ?? [])];
      const args = ["start", "--config", pathsOf(this.dir, node).config];
      const child = spawn(process.execPath, [...flags, binPath(), ...args], {
        stdio: ["ignore", log, log],
        env: cleanEnv(),
      });
      closeSync(log);
      const api = new ApiClient(`http://${node.api}`);
      return { name: node.name, pid: child.pid ?? -1, api, process: child };
    });
    await Promise.all(this.#nodes.map((node) => this.ready(node)));
  }

  /** Milliseconds until the node votes with all its peers and stands at the height of the others. */
  async ready(node: BenchNode): Promise<number> {
    const started = performance.now();
    let first: number | undefined;
    while (performance.now() - started < READY_MS_MAX) {
      if (node.process.exitCode !== null)
        throw new Error(`node ${node.name} ended: ${this.log(node)}`);
      const status = await node.api.status(AbortSignal.timeout(5_000)).catch(() => undefined);
      const up = status?.voting === "yes" && status.peers.length === NAMES.length - 1;
      if (up) first ??= status.executedHeight;
      if (up && status.executedHeight > (first ?? 0)) return performance.now() - started;
      await sleep(20);
    }
    throw new Error(`node ${node.name} is not ready: ${this.log(node)}`);
  }

  async status(): Promise<StatusJson> {
    const node = this.#nodes[0];
    if (node === undefined) throw new Error("no node runs");
    return node.api.status();
  }

  async stop(): Promise<void> {
    const nodes = this.#nodes;
    this.#nodes = [];
    await Promise.all(nodes.map((node) => end(node.process)));
  }

  remove(): void {
    rmSync(join(this.dir, ".."), { recursive: true, force: true });
  }

  log(node: BenchNode): string {
    const path = join(this.dir, node.name, "node.log");
    return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(-6).join("\n") : "";
  }
}

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
  await exited;
  clearTimeout(force);
};

/** Settings of the caller's own node must not reach these. */
const cleanEnv = (): NodeJS.ProcessEnv =>
  Object.fromEntries([
    ...Object.entries(SHARED_MACHINE_ENV),
    ...Object.entries(process.env).filter(([name]) => !name.startsWith("NEXUS_")),
  ]);

/** Ports that are free for UDP and TCP on [::1] at this moment. */
const freePorts = async (count: number): Promise<number[]> => {
  const held = await Promise.all(Array.from({ length: count }, holdPort));
  for (const { free } of held) free();
  return held.map(({ port }) => port);
};

const holdPort = (): Promise<{ readonly port: number; free(): void }> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host: "::1", port: 0 }, () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      const socket = createSocket({ type: "udp6", ipv6Only: true });
      socket.once("error", reject);
      socket.bind({ address: "::1", port }, () =>
        resolve({
          port,
          free() {
            socket.close();
            server.close();
          },
        }),
      );
    });
  });
