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
import { DEV_PROOFS } from "../../src/cli/dev/proofs.ts";
import { type DevRecord, operatorFolder, operatorKeyPath } from "../../src/cli/dev/record.ts";
import { ApiClient, type StatusJson } from "../../src/client/api.ts";
import type { FalconKeyPair } from "../../src/crypto/falcon.ts";
import { loadKeyFile } from "../../src/node/keys/key-file.ts";
import { readPassphrase } from "../../src/node/keys/passphrase.ts";
import { randomHex, sleep } from "../../src/node/real-ports.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 60_000;
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

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

/** Networks that end, and whose folders are removed, when a signal ends this process. */
const running = new Set<BenchNetwork>();
let listening = false;

/**
 * Validators end when this process does, in whatever way: by their channel to it. A signal is told here so that it
 * ends as it would anyway, but for the folders, which are removed when the nodes have stopped.
 */
const onSignal = (signal: NodeJS.Signals): void => {
  const ending = [...running].map(async (network) => {
    await network.stop();
    if (!network.kept) network.remove();
  });
  void Promise.allSettled(ending).then(() => {
    process.kill(process.pid, signal);
  });
};

export class BenchNetwork {
  readonly dir: string;
  readonly record: DevRecord;
  readonly operator: FalconKeyPair;
  /** Its folder is to be left. */
  kept = false;
  #nodes: readonly BenchNode[] = [];

  private constructor(dir: string, record: DevRecord, operator: FalconKeyPair) {
    this.dir = dir;
    this.record = record;
    this.operator = operator;
  }

  /** `withProofs`: of a chain that asks for all four proofs, as that of `nexus dev` does. */
  static async create(withProofs = false): Promise<BenchNetwork> {
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
      ...(withProofs ? DEV_PROOFS : {}),
    });
    const passphrase = await readPassphrase(operatorFolder(dir), {});
    const operator = await loadKeyFile(operatorKeyPath(dir), passphrase);
    const network = new BenchNetwork(dir, record, operator);
    if (!listening) for (const name of ENDING) process.once(name, onSignal);
    listening = true;
    running.add(network);
    return network;
  }

  get nodes(): readonly BenchNode[] {
    return this.#nodes;
  }

  /** Resolves when every node votes, all are connected and a block has become final meanwhile. */
  async start(options: StartOptions = {}): Promise<void> {
    this.#nodes = this.record.nodes.map((node) => this.#spawn(node, options));
    await Promise.all(this.#nodes.map((node) => this.ready(node)));
  }

  #spawn(node: DevRecord["nodes"][number], { nodeFlags = [] }: StartOptions = {}): BenchNode {
    const folder = join(this.dir, node.name);
    mkdirSync(folder, { recursive: true });
    const log = openSync(join(folder, "node.log"), "a");
    const args = ["start", "--config", pathsOf(this.dir, node).config];
    const flags = [...SHARED_MACHINE_FLAGS, ...nodeFlags];
    // The channel: should this process be killed, the node sees it close and stops.
    const child = spawn(process.execPath, [...flags, binPath(), ...args], {
      stdio: ["ignore", log, log, "ipc"],
      env: cleanEnv(),
    });
    child.on("message", () => {});
    closeSync(log);
    const api = new ApiClient(`http://${node.api}`);
    return { name: node.name, pid: child.pid ?? -1, api, process: child };
  }

  /** SIGKILL, and a start after a pause: resolves when the node is ready again. Milliseconds of the start. */
  async killAndRestart(name: string, downMs: number): Promise<number> {
    const node = this.#nodes.find((one) => one.name === name);
    const record = this.record.nodes.find((one) => one.name === name);
    if (node === undefined || record === undefined) throw new Error(`no node ${name} runs`);
    const exited = new Promise<void>((resolve) => node.process.once("exit", () => resolve()));
    node.process.kill("SIGKILL");
    await exited;
    await sleep(downMs);
    // Stopped meanwhile.
    if (!this.#nodes.includes(node)) return 0;
    const again = this.#spawn(record);
    this.#nodes = this.#nodes.map((one) => (one === node ? again : one));
    return this.ready(again);
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

  /** Of the first node that answers. */
  async status(): Promise<StatusJson> {
    let failure: unknown = new Error("no node runs");
    for (const { api } of this.#nodes) {
      try {
        return await api.status();
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async stop(): Promise<void> {
    const nodes = this.#nodes;
    this.#nodes = [];
    await Promise.all(nodes.map((node) => endProcess(node.process)));
  }

  remove(): void {
    running.delete(this);
    rmSync(join(this.dir, ".."), { recursive: true, force: true });
  }

  log(node: BenchNode): string {
    const path = join(this.dir, node.name, "node.log");
    return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(-6).join("\n") : "";
  }
}

/** Asks a process to end, and ends it by force when it does not. */
export const endProcess = async (child: ChildProcess): Promise<void> => {
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
