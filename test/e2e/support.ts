/** Runs the command as a user would: as a process, through bin/nexus.js. */
import { type ChildProcess, spawn } from "node:child_process";
import { linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
export const bin: string = join(root, "bin", "nexus.js");

/** CI runs the short form of a file that has one; the night all of it. What is left out is not there at all. */
export const SHORT: boolean = process.env["E2E"] === "ci";

/** How long a command may take, or a process to say what is waited for, where a test names no other limit. */
export const COMMAND_MS_MAX = 120_000;

export type Run = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type RunOptions = {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly timeoutMs?: number;
  /** Another copy of bin/nexus.js than the checkout's. */
  readonly bin?: string;
  /** A command that runs ours, such as `ip netns exec NAME`. */
  readonly through?: readonly string[];
};

const started = new Set<ChildProcess>();

/** The caller's NEXUS_* must not leak into what is tested. */
const cleanEnv = (extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("NEXUS_"));
  return { ...Object.fromEntries(kept), ...extra };
};

export const spawnNexus = (args: readonly string[], options: RunOptions = {}): ChildProcess => {
  const entry = options.bin ?? bin;
  const [command = process.execPath, ...more] = [
    ...(options.through ?? []),
    process.execPath,
    entry,
  ];
  const child = spawn(command, [...more, ...args], {
    cwd: options.cwd ?? root,
    env: cleanEnv(options.env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  started.add(child);
  child.once("exit", () => started.delete(child));
  return child;
};

/** Runs a command to its end. */
export const nexus = (args: readonly string[], options: RunOptions = {}): Promise<Run> =>
  new Promise((resolve) => {
    const child = spawnNexus(args, options);
    let stdout = "";
    let stderr = "";
    child.stdout?.on("data", (piece) => {
      stdout += piece;
    });
    child.stderr?.on("data", (piece) => {
      stderr += piece;
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? COMMAND_MS_MAX);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr });
    });
    child.stdin?.end(options.input ?? "");
  });

/** The command's -o json, after checking that it succeeded. */
export const nexusJson = async (
  args: readonly string[],
  options: RunOptions = {},
): Promise<unknown> => {
  const run = await nexus([...args, "-o", "json"], options);
  if (run.code !== 0) throw new Error(`nexus ${args.join(" ")}: exit ${run.code}\n${run.stderr}`);
  return JSON.parse(run.stdout);
};

export type Background = {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Waits until stdout or stderr has the text; throws with all output when the process ends before. */
  sees(text: string | RegExp, timeoutMs?: number): Promise<void>;
  /** Sends the signal and waits for the end; the exit code, null when a signal killed it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  readonly exited: Promise<number | null>;
};

export const background = (args: readonly string[], options: RunOptions = {}): Background => {
  const child = spawnNexus(args, options);
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (piece) => {
    stdout += piece;
  });
  child.stderr?.on("data", (piece) => {
    stderr += piece;
  });
  const exited = new Promise<number | null>((resolve) => {
    child.once("close", (code) => resolve(code));
  });
  const has = (text: string | RegExp): boolean => {
    const all = stdout + stderr;
    return typeof text === "string" ? all.includes(text) : text.test(all);
  };
  return {
    child,
    exited,
    stdout: () => stdout,
    stderr: () => stderr,
    async sees(text, timeoutMs = COMMAND_MS_MAX) {
      const end = Date.now() + timeoutMs;
      while (!has(text)) {
        const ended = child.exitCode !== null || child.signalCode !== null;
        if (ended || Date.now() > end) {
          const why = ended ? `exit ${child.exitCode} ${child.signalCode}` : "timeout";
          throw new Error(`"${text}" was not seen (${why})\n${stdout}\n${stderr}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async stop(signal = "SIGINT") {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      return exited;
    },
  };
};

/** Ends what a failed test left behind. */
export const killAll = (): void => {
  for (const child of started) child.kill("SIGKILL");
};

export const tempFolder = (): { readonly path: string; remove(): void } => {
  const path = mkdtempSync(join(tmpdir(), "tetrad-e2e-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
};

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "::1", port, ipv6Only: true }, () => server.close(() => resolve(true)));
  });

/** Where the ports of this worker begin: two files that run at one time must not choose the same. */
const PORTS = 10_000;
const FIRST_PORT = PORTS * (1 + (Number(process.env["VITEST_POOL_ID"] ?? "0") % 2));

/** The first of `count` ports in a row that are free now, below the range that the system gives out. */
export const freePorts = async (count: number): Promise<number> => {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const first = FIRST_PORT + Math.floor(Math.random() * (PORTS - count));
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
  throw new Error("no free ports");
};

/** Who holds the build; "nobody" where the file does not say, and undefined where there is none. */
const holderOf = (path: string): number | "nobody" | undefined => {
  try {
    const text = readFileSync(path, "utf8");
    return /^[0-9]+$/.test(text) ? Number(text) : "nobody";
  } catch {
    return undefined;
  }
};

/**
 * Waits until no other file uses the build of the checkout, which each that makes it takes away at first. What it
 * returns lets the next one have it.
 */
export const holdBuild = async (): Promise<() => void> => {
  const path = join(root, "node_modules", ".e2e-build");
  const release = (): void => rmSync(path, { force: true });
  const own = `${path}-${process.pid}`;
  await until(
    "nobody else uses dist/",
    () => {
      try {
        // It has its holder's id from the first moment on: nothing empty is left by one that is killed meanwhile.
        writeFileSync(own, String(process.pid));
        linkSync(own, path);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        // A run that was killed has left it.
        const holder = holderOf(path);
        if (holder === "nobody" || (holder !== undefined && !isAlive(holder))) release();
        return false;
      } finally {
        rmSync(own, { force: true });
      }
    },
    300_000,
  );
  return release;
};

/** Whether a process is there. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Asks until the answer is true; throws after the limit with what was waited for. */
export const until = async (
  what: string,
  check: () => Promise<boolean> | boolean,
  limitMs = 60_000,
): Promise<void> => {
  const end = Date.now() + limitMs;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};
