/** A network for one test file, in a folder and on ports of its own: as one process, or as one for each node. */
import { join } from "node:path";
import {
  type Background,
  background,
  freePorts,
  killAll,
  nexus,
  nexusJson,
  type Run,
  tempFolder,
} from "./support.ts";

export type DevNetwork = {
  /** Where the test may write; the network is in `dir`, below it. Gone after `end`. */
  readonly folder: string;
  readonly dir: string;
  readonly genesis: string;
  /** Starts the network, on the ports of the first start, and waits until it is ready. */
  start(): Promise<void>;
  /** As Ctrl-C does; the exit code. */
  stop(): Promise<number | null>;
  /** Stops it, ends every process that the test left, and takes the folder away. */
  end(): Promise<void>;
  /** The process of the last start. */
  dev(): Background;
  /** The address of the i-th node's API. */
  url(node?: number): string;
  /** Runs the command on this network. */
  run(...args: readonly string[]): Promise<Run>;
  /** Its -o json, after checking that it succeeded. */
  json<T = unknown>(...args: readonly string[]): Promise<T>;
};

/** Takes no port and starts nothing before `start`. */
export const devNetwork = (): DevNetwork => {
  const folder = tempFolder();
  const dir = join(folder.path, "net");
  let api: number | undefined;
  let started = false;
  let process: Background | undefined;
  const running = (): Background => {
    if (process === undefined) throw new Error("the network was not started");
    return process;
  };
  return {
    folder: folder.path,
    dir,
    genesis: join(dir, "genesis.json"),
    async start() {
      api ??= await freePorts(4);
      // The folder keeps the ports of the validators from the first start on.
      const ports = started ? [] : ["--port-base", String(await freePorts(4))];
      process = background(["--dir", dir, "dev", "--api-base", String(api), ...ports]);
      started = true;
      await process.sees(/^ready after/m);
    },
    stop: () => running().stop(),
    async end() {
      await process?.stop();
      killAll();
      folder.remove();
    },
    dev: running,
    url(node = 0) {
      if (api === undefined) throw new Error("the network was not started");
      return `http://[::1]:${api + node}`;
    },
    run: (...args) => nexus(["--dir", dir, ...args]),
    json: <T>(...args: readonly string[]) => nexusJson(["--dir", dir, ...args]) as Promise<T>,
  };
};

export type OwnNetwork = Pick<DevNetwork, "folder" | "dir" | "genesis" | "run" | "json"> & {
  /** `nexus init --network`, with more options. */
  make(...more: readonly string[]): Promise<void>;
  /** The folder and the configuration file of a node. */
  home(name: string): string;
  config(name: string): string;
  /** The address of a node's API. */
  url(name: string): string;
  /** Starts one node, with more options; nothing is waited for. */
  start(name: string, ...more: readonly string[]): Background;
  /** Ends it as a supervisor does, or by another signal; undefined where it was not started. */
  stop(name: string, signal?: NodeJS.Signals): Promise<number | null | undefined>;
  /** Ends every process that the test left, and takes the folder away. */
  end(): Promise<void>;
};

/** Keys, sectors and puzzles of a whole network take seconds, and minutes where the machine is busy. */
const MAKE_MS = 240_000;

/** Nodes that are started and stopped one by one. Takes no port and makes nothing before `make`. */
export const ownNetwork = (names: readonly string[]): OwnNetwork => {
  const folder = tempFolder();
  const dir = join(folder.path, "net");
  const nodes = new Map<string, Background>();
  let api: number | undefined;
  const config = (name: string): string => join(dir, name, "node.toml");
  const stop = async (
    name: string,
    signal: NodeJS.Signals = "SIGTERM",
  ): Promise<number | null | undefined> => {
    const node = nodes.get(name);
    nodes.delete(name);
    return node?.stop(signal);
  };
  return {
    folder: folder.path,
    dir,
    genesis: join(dir, "genesis.json"),
    async make(...more) {
      const [quic, first] = [await freePorts(names.length), await freePorts(names.length)];
      api = first;
      const plan = names.map((name, i) => `${name}=[::1]:${quic + i},[::1]:${first + i}`);
      const words = ["--dir", dir, "init", "--network", ...more, "--node", ...plan];
      const made = await nexus(words, { timeoutMs: MAKE_MS });
      if (made.code !== 0) throw new Error(`init: exit ${made.code}\n${made.stderr}`);
    },
    home: (name) => join(dir, name),
    config,
    url(name) {
      if (api === undefined) throw new Error("the network was not made");
      return `http://[::1]:${api + names.indexOf(name)}`;
    },
    start(name, ...more) {
      const node = background(["start", "--config", config(name), ...more]);
      nodes.set(name, node);
      return node;
    },
    stop,
    async end() {
      await Promise.all([...nodes.keys()].map((name) => stop(name)));
      killAll();
      folder.remove();
    },
    run: (...args) => nexus(["--dir", dir, ...args]),
    json: <T>(...args: readonly string[]) => nexusJson(["--dir", dir, ...args]) as Promise<T>,
  };
};
