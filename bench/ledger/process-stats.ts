/**
 * What the kernel knows of a process: CPU time of each thread, resident memory, bytes written. Linux
 * only (/proc). Threads are told apart by name, so the split costs the measured process nothing.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** USER_HZ: the unit of times in /proc, 100 a second on every Linux that Node supports. */
const TICK_MS = 10;
const PAGE_BYTES = 4096;

/** CPU milliseconds (user and system), by what the thread does. */
export type ThreadCpu = ReadonlyMap<string, number>;

const ROLES: readonly (readonly [RegExp, string])[] = [
  [/^tetrad-signer/, "sign"],
  [/^tetrad-verif/, "verify thread"],
  [/^libuv-worker/, "disk threads"],
  [/^(work-\d+|timekeeper|space)$/, "proofs of the epoch"],
  [/^(V8Worker|DelayedTask|SignalInspect)/, "V8 threads (gc, compiler)"],
];

const roleOf = (name: string, isMain: boolean): string => {
  if (isMain) return "main";
  return ROLES.find(([pattern]) => pattern.test(name))?.[1] ?? `thread ${name}`;
};

type Stat = { readonly name: string; readonly cpuMs: number };

const readStat = (path: string): Stat | undefined => {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // The thread has ended between the listing and now.
    return undefined;
  }
  const close = text.lastIndexOf(")");
  const fields = text.slice(close + 2).split(" ");
  const cpuMs = (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  return { name: text.slice(text.indexOf("(") + 1, close), cpuMs };
};

export const threadCpu = (pid: number): ThreadCpu => {
  const byRole = new Map<string, number>();
  const tasks = join("/proc", String(pid), "task");
  let sum = 0;
  for (const tid of readdirSync(tasks)) {
    const stat = readStat(join(tasks, tid, "stat"));
    if (stat === undefined) continue;
    const role = roleOf(stat.name, tid === String(pid));
    byRole.set(role, (byRole.get(role) ?? 0) + stat.cpuMs);
    sum += stat.cpuMs;
  }
  // Threads that have ended are in the account of the process only.
  const whole = readStat(join("/proc", String(pid), "stat"))?.cpuMs ?? sum;
  byRole.set("ended threads", Math.max(0, whole - sum));
  return byRole;
};

export const cpuSince = (before: ThreadCpu, after: ThreadCpu): Map<string, number> => {
  const difference = new Map<string, number>();
  for (const [role, ms] of after) difference.set(role, ms - (before.get(role) ?? 0));
  return difference;
};

export const totalCpuMs = (cpu: ThreadCpu): number => [...cpu.values()].reduce((a, b) => a + b, 0);

/** How often the main thread of the process has slept so far, and so was woken. */
export const wakeUps = (pid: number): number => {
  const text = readFileSync(join("/proc", String(pid), "status"), "utf8");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(text)?.[1] ?? 0);
};

/** Processes that the process has started and that run. */
export const childrenOf = (pid: number): readonly number[] =>
  readFileSync(join("/proc", String(pid), "task", String(pid), "children"), "latin1")
    .split(" ")
    .filter((text) => text.trim() !== "")
    .map(Number);

/** Resident bytes now and at most so far. */
export const residentBytes = (pid: number): { readonly now: number; readonly peak: number } => {
  const text = readFileSync(join("/proc", String(pid), "status"), "utf8");
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
  return { now: field("VmRSS"), peak: field("VmHWM") };
};

/** Resident bytes by kind: anonymous memory is the heap, files are the binary and mapped tables. */
export const residentKinds = (
  pid: number,
): { readonly anonymous: number; readonly file: number } => {
  const fields = readFileSync(join("/proc", String(pid), "statm"), "utf8")
    .split(" ")
    .map(Number);
  const file = (fields[2] ?? 0) * PAGE_BYTES;
  return { anonymous: (fields[1] ?? 0) * PAGE_BYTES - file, file };
};

/** Bytes that the process has caused to be written to storage; 0 where that is not told. */
export const writtenBytes = (pid: number): number => {
  try {
    const text = readFileSync(join("/proc", String(pid), "io"), "utf8");
    return Number(/^write_bytes: (\d+)$/m.exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
};
