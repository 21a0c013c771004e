/**
 * One validator as a child process of `nexus dev`. It is in a process group of its own, so that Ctrl-C
 * reaches it through the parent only; when the parent dies the channel between them closes and the child
 * ends in order.
 */
import { type ChildProcess, fork } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CONFIG_KEYS } from "../../node/config-keys.ts";
import type { ChildMessage } from "../verbs/start.ts";

export type ChildEnd = {
  readonly name: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What the child said before it ended, when it could. */
  readonly reason: { readonly code: string; readonly detail: string } | undefined;
  /** It had come up before it ended. */
  readonly wasUp: boolean;
};

export type Child = {
  readonly name: string;
  readonly pid: number | undefined;
  /** Asks it to stop, and ends it by force when it has not after the limit. */
  stop(limitMs: number): Promise<void>;
  /** Ends it at once and without a word, as a crash does. */
  kill(): Promise<void>;
};

/**
 * Flags of V8 for validators that share a machine: helper threads of the collector wait for each other
 * busily and keep young generations of their own, which saves nothing where there are fewer cores than
 * validators: a node takes 620 MiB under load without these flags, and 530 with them
 * (docs/benchmarks.md). A validator that has a machine to itself is better off without.
 */
export const SHARED_MACHINE_FLAGS: readonly string[] = [
  "--single-threaded-gc",
  "--max-semi-space-size=16",
];

/** Fewer arenas of glibc's allocator, for the same reason; other C libraries ignore it. */
export const SHARED_MACHINE_ENV: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: "2" };

/** A log that has grown beyond this is put aside when the node starts; one old one is kept. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;

/** bin/nexus.js, from wherever this module runs: src/ in a checkout, dist/src/ when built. */
export const binPath = (): string => {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const candidate = join(folder, "bin", "nexus.js");
    if (existsSync(candidate)) return candidate;
    const parent = dirname(folder);
    if (parent === folder) throw new Error("bin/nexus.js is not there");
    folder = parent;
  }
};

/** Settings of the caller's own environment must not reach four nodes that have their own. */
const childEnv = (): NodeJS.ProcessEnv => {
  const drop = new Set(Object.values(CONFIG_KEYS).map((key): string => key.env));
  drop.delete(CONFIG_KEYS.logLevel.env);
  drop.add("NEXUS_PASSPHRASE");
  drop.add("CREDENTIALS_DIRECTORY");
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !drop.has(name)));
  return { ...SHARED_MACHINE_ENV, ...own };
};

const openLog = (path: string): number => {
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path) && statSync(path).size > LOG_BYTES_MAX) renameSync(path, `${path}.1`);
  return openSync(path, "a");
};

const isMessage = (value: unknown): value is ChildMessage =>
  typeof value === "object" && value !== null && "kind" in value;

export const startChild = (
  name: string,
  config: string,
  logPath: string,
  onUp: () => void,
  onEnd: (end: ChildEnd) => void,
): Child => {
  const log = openLog(logPath);
  const child: ChildProcess = fork(binPath(), ["start", "--config", config], {
    stdio: ["ignore", log, log, "ipc"],
    detached: true,
    execArgv: [...process.execArgv, ...SHARED_MACHINE_FLAGS],
    env: childEnv(),
  });
  closeSync(log);
  let reason: ChildEnd["reason"];
  let wasUp = false;
  const exited = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      resolve();
      onEnd({ name, code, signal, reason, wasUp });
    });
  });
  child.on("error", () => {});
  child.on("message", (message: unknown) => {
    if (!isMessage(message)) return;
    if (message.kind === "started") {
      wasUp = true;
      onUp();
    } else reason = { code: message.code, detail: message.detail };
  });
  return {
    name,
    pid: child.pid,
    async stop(limitMs) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const force = setTimeout(() => child.kill("SIGKILL"), limitMs);
      await exited;
      clearTimeout(force);
    },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
};

/** The last lines of a log, for a report of why its node ended. */
export const lastLines = (path: string, count: number): string[] => {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  return lines.slice(-count);
};
