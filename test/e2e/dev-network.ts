/** A development network for one test file: four validators in a folder and on ports of their own. */
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
