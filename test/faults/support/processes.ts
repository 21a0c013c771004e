/** Processes of a test: started by it, ended by it by their ids, whatever happens. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
export const bin: string = join(root, "bin", "nexus.js");

const started = new Set<ChildProcess>();

const isOver = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null;

/** SIGKILL also ends what is stopped by SIGSTOP. */
export const killAll = (): void => {
  for (const child of started) if (!isOver(child)) child.kill("SIGKILL");
};
process.once("exit", killAll);

const watched = (child: ChildProcess): ChildProcess => {
  started.add(child);
  child.on("error", () => {});
  child.once("exit", () => started.delete(child));
  return child;
};

/** The caller's NEXUS_* must not leak into what is tested. */
const cleanEnv = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("NEXUS_")));

export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type Run = Ended & { readonly stdout: string; readonly stderr: string };

/** Runs a program to its end. */
export const run = (
  command: readonly string[],
  options: { readonly cwd?: string; readonly limitMs?: number } = {},
): Promise<Run> =>
  new Promise((resolve, reject) => {
    const [program = "", ...args] = command;
    const child = watched(
      spawn(program, args, {
        cwd: options.cwd ?? root,
        env: cleanEnv(),
        stdio: ["ignore", "pipe", "pipe"],
      }),
    );
    let stdout = "";
    let stderr = "";
    child.stdout?.on("data", (piece) => {
      stdout += piece;
    });
    child.stderr?.on("data", (piece) => {
      stderr += piece;
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), options.limitMs ?? 120_000);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr });
    });
  });

/** Runs a program that has to succeed; gives what it printed. */
export const must = async (command: readonly string[]): Promise<string> => {
  const done = await run(command);
  if (done.code !== 0) {
    throw new Error(`${command.join(" ")}: ${done.code ?? done.signal}\n${done.stderr}`);
  }
  return done.stdout;
};

export const nexus = (args: readonly string[], prefix: readonly string[] = []): Promise<Run> =>
  run([...prefix, process.execPath, bin, ...args]);

/** A program that does nothing but hold namespaces open. It ends when this process does: its input closes. */
export const hold = (command: readonly string[]): ChildProcess => {
  const [program = "", ...args] = command;
  return watched(spawn(program, args, { env: cleanEnv(), stdio: ["pipe", "pipe", "pipe"] }));
};

export const readLogFile = (path: string): string =>
  existsSync(path) ? readFileSync(path, "utf8") : "";

export type NodeStart = {
  readonly config: string;
  readonly logPath: string;
  /** What runs the node: a tracer, or the way into a namespace. */
  readonly prefix?: readonly string[];
  /** Set when the prefix stays as the parent of the node. */
  readonly traced?: boolean;
};

/** One `nexus start`. Its output goes to a file, which outlives a SIGKILL and never blocks the node. */
export class NodeProcess {
  readonly #child: ChildProcess;
  readonly #traced: boolean;
  readonly #logPath: string;
  readonly #logFrom: number;
  readonly ended: Promise<Ended>;

  constructor(start: NodeStart) {
    this.#logPath = start.logPath;
    this.#logFrom = readLogFile(start.logPath).length;
    this.#traced = start.traced === true;
    const log = openSync(start.logPath, "a");
    const command = [
      ...(start.prefix ?? []),
      process.execPath,
      bin,
      "start",
      "--config",
      start.config,
    ];
    const [program = "", ...args] = command;
    // The channel: should this process be killed, the node sees it close and stops.
    this.#child = watched(
      spawn(program, args, { cwd: root, env: cleanEnv(), stdio: ["ignore", log, log, "ipc"] }),
    );
    this.#child.on("message", () => {});
    closeSync(log);
    this.ended = new Promise((resolve) => {
      this.#child.once("error", () => resolve({ code: null, signal: null }));
      this.#child.once("exit", (code, signal) => resolve({ code, signal }));
    });
  }

  get over(): boolean {
    return isOver(this.#child);
  }

  /** What this run has printed so far. */
  get output(): string {
    return readLogFile(this.#logPath).slice(this.#logFrom);
  }

  /** The node's own process id, also under a tracer; undefined before it runs. */
  get pid(): number | undefined {
    const { pid } = this.#child;
    if (!this.#traced || pid === undefined) return pid;
    const children = readLogFile(`/proc/${pid}/task/${pid}/children`).trim();
    return /^\d+$/.test(children) ? Number(children) : undefined;
  }

  signal(name: NodeJS.Signals): void {
    const { pid } = this;
    if (pid === undefined || this.over) return;
    process.kill(pid, name);
  }

  async kill(): Promise<void> {
    if (this.over) return;
    this.signal("SIGKILL");
    await this.ended;
  }

  /** Stops it in order; by force after the limit. */
  async stop(limitMs = 40_000): Promise<Ended> {
    if (!this.over) this.signal("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), limitMs);
    const ended = await this.ended;
    clearTimeout(timer);
    return ended;
  }
}
