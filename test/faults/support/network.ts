/** A network of four validators, made by `nexus init` and run as four `nexus start` processes. */
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stays, until } from "./clock.ts";
import { type Endpoint, type Status, statusOf } from "./http.ts";
import { NodeProcess, nexus, readLogFile } from "./processes.ts";

export const NAMES = ["a", "b", "c", "d"] as const;
export type Name = (typeof NAMES)[number];

/** A folder that goes when the test file ends, unless FAULTS_KEEP asks to look at it. */
export const makeFolder = (): { readonly path: string; remove(): void } => {
  const path = mkdtempSync(join(tmpdir(), "tetrad-faults-"));
  return {
    path,
    remove() {
      if (process.env["FAULTS_KEEP"] === undefined) rmSync(path, { recursive: true, force: true });
      else process.stderr.write(`kept ${path}\n`);
    },
  };
};

const tcpIsFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "::1", port, ipv6Only: true }, () => server.close(() => resolve(true)));
  });

const udpIsFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createSocket({ type: "udp6", ipv6Only: true });
    socket.once("error", () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ address: "::1", port }, () => socket.close(() => resolve(true)));
  });

/** The first of `count` free ports in a row. Where the search begins depends on the process. */
export const freePorts = async (count: number): Promise<number> => {
  let first = 12_000 + ((process.pid * 37) % 18_000);
  for (let attempt = 0; attempt < 500; attempt++) {
    const ports = Array.from({ length: count }, (_, i) => first + i);
    const free = await Promise.all(
      ports.map(async (port) => (await tcpIsFree(port)) && (await udpIsFree(port))),
    );
    if (free.every(Boolean)) return first;
    first = first + count > 30_000 ? 12_000 : first + count;
  }
  throw new Error("no free ports");
};

export type NodeOptions = {
  /** What runs the node. */
  readonly prefix?: readonly string[];
  readonly traced?: boolean;
  /** Where the API is asked, where that is not the node's own address. */
  readonly endpoint?: Endpoint;
};

/** One validator: its folder, and at most one process at a time. */
export class NetworkNode {
  readonly name: Name;
  readonly folder: string;
  readonly logPath: string;
  endpoint: Endpoint;
  #process: NodeProcess | undefined;

  constructor(name: Name, dir: string, endpoint: Endpoint) {
    this.name = name;
    this.folder = join(dir, name);
    this.logPath = join(dir, `${name}.out`);
    this.endpoint = endpoint;
  }

  get config(): string {
    return join(this.folder, "node.toml");
  }

  get process(): NodeProcess {
    if (this.#process === undefined) throw new Error(`node ${this.name} was never started`);
    return this.#process;
  }

  get running(): boolean {
    return this.#process !== undefined && !this.#process.over;
  }

  start(options: NodeOptions = {}): NodeProcess {
    if (this.running) throw new Error(`node ${this.name} runs already`);
    const { prefix = [], traced = false } = options;
    this.endpoint = options.endpoint ?? this.endpoint;
    const { config, logPath } = this;
    this.#process = new NodeProcess({ config, logPath, prefix, traced });
    return this.#process;
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  status(): Promise<Status | undefined> {
    return statusOf(this.endpoint);
  }

  /** All that its processes have printed. */
  get printed(): string {
    return readLogFile(this.logPath);
  }

  /** The last lines of that, for messages. */
  tail(lines = 12): string {
    const all = this.printed.trimEnd().split("\n");
    return all.slice(-lines).join("\n");
  }
}

export type NetworkOptions = {
  readonly dir: string;
  /** QUIC addresses by index; loopback where not given. */
  readonly listen?: (index: number) => string;
  readonly api?: (index: number) => Endpoint & { readonly host: string; readonly port: number };
};

export class Network {
  readonly dir: string;
  readonly nodes: readonly NetworkNode[];

  private constructor(dir: string, nodes: readonly NetworkNode[]) {
    this.dir = dir;
    this.nodes = nodes;
  }

  /** Makes keys, genesis and four configuration files through the command. */
  static async create(options: NetworkOptions): Promise<Network> {
    const { dir } = options;
    const base = options.listen === undefined ? await freePorts(2 * NAMES.length) : 0;
    const listen = options.listen ?? ((i: number) => `[::1]:${base + i}`);
    const api = options.api ?? ((i: number) => ({ host: "::1", port: base + NAMES.length + i }));
    const plan = NAMES.flatMap((name, i) => {
      const { host, port } = api(i);
      return ["--node", `${name}=${listen(i)},[${host}]:${port}`];
    });
    const made = await nexus(["--dir", dir, "init", "--network", ...plan]);
    if (made.code !== 0) throw new Error(`init: exit ${made.code}\n${made.stderr}`);
    return new Network(
      dir,
      NAMES.map((name, i) => new NetworkNode(name, dir, api(i))),
    );
  }

  get operatorKey(): string {
    return join(this.dir, "operator", "operator.key");
  }

  node(name: Name): NetworkNode {
    const found = this.nodes.find((node) => node.name === name);
    if (found === undefined) throw new Error(`no node ${name}`);
    return found;
  }

  /** Starts all and waits until each of them votes and a block is final. */
  async start(): Promise<void> {
    for (const node of this.nodes) node.start();
    await this.healthy();
  }

  readonly explain = async (): Promise<string> => {
    const parts = await Promise.all(
      this.nodes.map(async (node) => {
        const status = await node.status();
        const line = JSON.stringify(
          status && {
            voting: status.voting,
            view: status.view,
            final: status.finalHeight,
            executed: status.executedHeight,
            peers: status.peers.length,
            problems: status.problems,
          },
        );
        return `--- ${node.name} ${node.running ? "runs" : "is down"} ${line}\n${node.tail()}`;
      }),
    );
    return parts.join("\n");
  };

  /** Waits until every given node runs, votes, sees its peers, and agrees on how far the log is. */
  async healthy(nodes: readonly NetworkNode[] = this.nodes): Promise<void> {
    await until(
      "the nodes vote and have caught up",
      async () => {
        const all = await Promise.all(nodes.map((node) => node.status()));
        if (all.some((status) => status === undefined)) return false;
        const known = all.filter((status) => status !== undefined);
        const heights = known.map((status) => status.finalHeight);
        return (
          known.every((status) => status.voting === "yes" && status.problems.length === 0) &&
          Math.min(...heights) >= 1 &&
          Math.max(...heights) - Math.min(...heights) <= 2
        );
      },
      { limitMs: 120_000, explain: this.explain },
    );
  }

  /** Waits until every node has executed what was acknowledged: one of them may have told so before the others knew. */
  async holds(acknowledged: readonly { readonly height: number }[]): Promise<void> {
    const height = Math.max(0, ...acknowledged.map((batch) => batch.height));
    await until(
      `height ${height} executed on every node`,
      async () => {
        const all = await Promise.all(this.nodes.map((node) => node.status()));
        return all.every((status) => (status?.executedHeight ?? -1) >= height);
      },
      { limitMs: 90_000, explain: this.explain },
    );
  }

  /** Waits until `by` more heights are final on the node, counted from now. */
  async progress(node: NetworkNode, by: number, limitMs = 90_000): Promise<void> {
    const from = await until(`${node.name} answers`, () => node.status());
    await until(
      `${by} more heights on ${node.name}`,
      async () => {
        const now = await node.status();
        return now !== undefined && now.finalHeight >= from.finalHeight + by;
      },
      { limitMs, explain: this.explain },
    );
  }

  /**
   * Checks that nothing becomes final on the nodes for a time. What was under way may still become final:
   * waits for that first, a second without a change.
   */
  async stands(nodes: readonly NetworkNode[], forMs: number): Promise<void> {
    const heights = async (): Promise<string> => {
      const all = await Promise.all(nodes.map((node) => node.status()));
      return JSON.stringify(all.map((status) => status?.finalHeight));
    };
    let since = Date.now();
    let last = await heights();
    await until(
      "what was under way is done",
      async () => {
        const now = await heights();
        if (now !== last) since = Date.now();
        last = now;
        return Date.now() - since > 1_500;
      },
      { limitMs: 30_000, explain: this.explain },
    );
    await stays(`no height beyond ${last} is final`, forMs, async () => (await heights()) === last);
  }

  /** Asks nodes in order to stop; their exit codes. */
  async stop(): Promise<(number | null)[]> {
    const running = this.nodes.filter((node) => node.running);
    const ended = await Promise.all(running.map((node) => node.process.stop()));
    return ended.map(({ code }) => code);
  }

  async killAll(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
  }
}
