/**
 * Mounts and networks of a test's own, in namespaces that a helper process holds open: what was made there
 * is gone when that process ends, and it ends with the test, also when the test is killed. Needs root, or a
 * kernel that lets anybody make user namespaces.
 */
import type { ChildProcess } from "node:child_process";
import { readlinkSync } from "node:fs";
import { until } from "./clock.ts";
import { hold, must, run } from "./processes.ts";

export type SandboxKind = "mounts" | "networks";

const isRoot = process.getuid?.() === 0;
const USER_FLAGS = isRoot ? [] : ["--user", "--map-root-user"];
const ENTER_USER = isRoot ? [] : ["--user", "--preserve-credentials"];

const namespaceFlags = (kind: SandboxKind): readonly string[] =>
  kind === "mounts" ? ["--mount"] : ["--mount", "--net"];

/** Why such a sandbox cannot be had here; undefined when it can. */
export const sandboxProblem = async (kind: SandboxKind): Promise<string | undefined> => {
  const probe =
    kind === "mounts"
      ? "mount -t tmpfs -o size=1m tmpfs /mnt"
      : "ip link set lo up && ip link add tetrad0 type bridge";
  try {
    const done = await run(["unshare", ...USER_FLAGS, ...namespaceFlags(kind), "sh", "-c", probe]);
    return done.code === 0 ? undefined : done.stderr.trim() || `exit ${done.code}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

/** A test that cannot run here is skipped with its reason, but fails where CI=true. */
export const skipUnlessCi = (
  context: { skip(note?: string): never },
  problem: string | undefined,
): void => {
  if (problem === undefined) return;
  if (process.env["CI"] === "true") {
    throw new Error(`CI has to be able to run this test, and cannot: ${problem}`);
  }
  context.skip(problem);
};

export class Sandbox {
  readonly #holder: ChildProcess;
  readonly #pid: number;
  readonly #kind: SandboxKind;
  readonly #parts: Sandbox[] = [];

  private constructor(holder: ChildProcess, pid: number, kind: SandboxKind) {
    this.#holder = holder;
    this.#pid = pid;
    this.#kind = kind;
  }

  static async open(kind: SandboxKind): Promise<Sandbox> {
    const holder = hold(["unshare", ...USER_FLAGS, ...namespaceFlags(kind), "cat"]);
    return Sandbox.#ready(holder, kind, process.pid);
  }

  /** The holder has its namespaces once it has become `cat`, which happens after they are made. */
  static async #ready(holder: ChildProcess, kind: SandboxKind, other: number): Promise<Sandbox> {
    const pid = holder.pid;
    if (pid === undefined) throw new Error("unshare cannot be started");
    const namespace = kind === "mounts" ? "mnt" : "net";
    const outside = readlinkSync(`/proc/${other}/ns/${namespace}`);
    await until("the namespaces are made", () => {
      if (holder.exitCode !== null) throw new Error(`unshare ended with ${holder.exitCode}`);
      return (
        readlinkSync(`/proc/${pid}/ns/${namespace}`) !== outside &&
        readlinkSync(`/proc/${pid}/exe`).endsWith("cat")
      );
    });
    return new Sandbox(holder, pid, kind);
  }

  /** What to put before a command so that it runs in here. */
  get prefix(): readonly string[] {
    const net = this.#kind === "networks" ? ["--net"] : [];
    return ["nsenter", "--target", String(this.#pid), ...ENTER_USER, "--mount", ...net, "--"];
  }

  /** For `ip link … netns`. */
  get pid(): number {
    return this.#pid;
  }

  shell(script: string): Promise<string> {
    return must([...this.prefix, "sh", "-euc", script]);
  }

  /** Another network, which sees the same mounts and ends with this one. */
  async addNetwork(): Promise<Sandbox> {
    const holder = hold([...this.prefix, "unshare", "--net", "cat"]);
    const part = await Sandbox.#ready(holder, "networks", this.#pid);
    this.#parts.push(part);
    return part;
  }

  /** Processes in here must have ended before. */
  async close(): Promise<void> {
    for (const part of this.#parts) await part.close();
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const ended = new Promise((resolve) => {
      this.#holder.once("exit", resolve);
    });
    this.#holder.stdin?.end();
    await ended;
  }
}
