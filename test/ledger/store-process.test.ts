/** The LevelDB store across processes: what is synced when, locks, kill -9, and a full disk. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, type TestContext } from "vitest";
import type { Store } from "../../src/ledger/ports.ts";
import { lockFolder, openLevelStore } from "../../src/ledger/store/level.ts";

const CHILD = fileURLToPath(new URL("fixtures/store-child.ts", import.meta.url));
const logger = { log: (): void => {} };
const run = promisify(execFile);

let folder: string;
let children: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tetrad-process-"));
});
afterEach(async () => {
  for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
  children = [];
  await rm(folder, { recursive: true, force: true });
});

/** What the machine lacks: a failure where the suite must be complete, a skip elsewhere. */
const lacking = (context: TestContext, what: string): void => {
  if (process.env["CI"] === "true") throw new Error(`CI must have it: ${what}`);
  context.skip(what);
};

const startChild = (task: string): { child: ChildProcess; lines: AsyncIterator<string> } => {
  const child = spawn(process.execPath, [CHILD, task, folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const input = child.stdout;
  if (input === null) throw new Error("the child has no output");
  return { child, lines: createInterface({ input })[Symbol.asyncIterator]() };
};

const kill = async (child: ChildProcess): Promise<void> => {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
};

const close = (store: Store): Promise<void> => new Promise((resolve) => store.close(resolve));

type Traced = { readonly call: string; readonly path: string; readonly text: string };

/**
 * Calls of a trace in the order of their completion; those that write to standard output in the order
 * of their begin. A sync that ended before a line was begun had ended before anybody could read it.
 */
function readTrace(trace: string): Traced[] {
  const calls: Traced[] = [];
  const unfinished = new Map<string, Traced>();
  for (const line of trace.split("\n")) {
    const begun = /^(\d+) +(\w+)\((\d+)<([^>]*)>(.*)$/.exec(line);
    const resumed = /^(\d+) +<\.\.\. \w+ resumed>.*= \d+$/.exec(line);
    if (begun !== null) {
      const [, pid = "", call = "", descriptor = "", path = "", text = ""] = begun;
      const traced = { call, path: descriptor === "1" ? "stdout" : path, text };
      if (text.endsWith("<unfinished ...>") && descriptor !== "1") unfinished.set(pid, traced);
      else if (descriptor === "1" || / = \d+$/.test(text)) calls.push(traced);
    } else if (resumed !== null) {
      const traced = unfinished.get(resumed[1] ?? "");
      unfinished.delete(resumed[1] ?? "");
      if (traced !== undefined) calls.push(traced);
    }
  }
  return calls;
}

describe("durability", () => {
  it("has synced the log before a synced write is answered", async (context) => {
    const out = join(folder, "trace");
    const strace = ["-f", "-y", "-s", "4096", "-e", "trace=write,fsync,fdatasync", "-o", out];
    if (spawnSync("strace", [...strace, "true"]).status !== 0) {
      lacking(context, "strace is not installed or not allowed to trace");
      return;
    }
    await run("strace", [...strace, process.execPath, CHILD, "trace", join(folder, "store")]);
    const calls = readTrace(await readFile(out, "utf8"));
    const find = (from: number, test: (call: Traced) => boolean): number =>
      calls.findIndex((call, index) => index > from && test(call));
    const isLog = (call: Traced): boolean => /store\/\d+\.log$/.test(call.path);
    const isSync = (call: Traced): boolean => isLog(call) && /^f(data)?sync$/.test(call.call);
    const places = [1, 2, 3, 4, 5, 6, 7].map((i) => {
      const written = find(-1, (call) => isLog(call) && call.text.includes(`marker-${i}.`));
      const synced = find(written, isSync);
      const told = find(-1, (call) => call.path === "stdout" && call.text.includes(`done-${i}.`));
      expect(written).toBeGreaterThanOrEqual(0);
      expect(told).toBeGreaterThan(written);
      return { written, synced, told };
    });
    for (const i of [1, 2, 3, 4, 5, 7]) {
      const { synced, told } = places[i - 1] ?? { synced: -1, told: -1 };
      expect(synced).toBeGreaterThanOrEqual(0);
      expect(synced).toBeLessThan(told);
    }
    // The sixth was not to be synced, and was not: so the trace can tell. The one behind it had the log
    // synced before it was written itself, so that it can never outlive the sixth.
    const [sixth, seventh] = [places[5], places[6]];
    expect(sixth?.synced).toBeGreaterThan(sixth?.told ?? 0);
    expect(sixth?.synced).toBeLessThan(seventh?.written ?? 0);
  });

  it("loses no answered write to kill -9, and keeps their order", async () => {
    const { child, lines } = startChild("write-on");
    let told = 0;
    while (told < 200) told = Number(/\d+$/.exec((await lines.next()).value ?? "")?.[0]);
    await kill(child);
    const store = await openLevelStore(folder, { logger });
    const has = (i: number): boolean =>
      store.get(new TextEncoder().encode(`key-${i}`)) !== undefined;
    for (let i = 1; i <= told; i++) expect(has(i)).toBe(true);
    let last = told;
    while (has(last + 1)) last += 1;
    for (let i = last + 2; i < last + 50; i++) expect(has(i)).toBe(false);
    await close(store);
  });
});

describe("locks between processes", () => {
  it("refuse a second process on a store and on a folder, and name the first", async () => {
    for (const task of ["hold-store", "hold-folder"]) {
      const { child, lines } = startChild(task);
      expect((await lines.next()).value).toBe("held");
      const second =
        task === "hold-store" ? openLevelStore(folder, { logger }) : lockFolder(folder);
      await expect(second).rejects.toMatchObject({
        code: "folder.locked",
        data: { folder, pid: child.pid },
      });
      await kill(child);
    }
  });

  it("end with the process, however it ends", async () => {
    for (const task of ["hold-store", "hold-folder"]) {
      const { child, lines } = startChild(task);
      expect((await lines.next()).value).toBe("held");
      await kill(child);
    }
    await (await lockFolder(folder)).release();
    await close(await openLevelStore(folder, { logger }));
  });
});

describe("a full disk", () => {
  it("stops the store with `full` and loses nothing that was answered", async (context) => {
    const mount = join(folder, "disk");
    await mkdir(mount);
    // A user namespace of its own may mount a small file system without being root.
    const inside = (script: string): string[] => ["-Urm", "sh", "-ec", script];
    const disk = (bytes: string): string => `mount -t tmpfs -o size=${bytes} none '${mount}'`;
    if (spawnSync("unshare", inside(disk("64k"))).status !== 0) {
      lacking(context, "unshare -Urm cannot mount a tmpfs here");
      return;
    }
    const child = `'${process.execPath}' '${CHILD}'`;
    const store = `'${mount}/store'`;
    const script = [
      disk("3m"),
      `${child} fill ${store}`,
      `mount -o remount,size=32m '${mount}'`,
      `${child} count ${store}`,
    ].join(" && ");
    const { stdout } = await run("unshare", inside(script));
    const lines = stdout.trim().split("\n");
    expect(lines.slice(0, 2)).toEqual(["failed full", "then full"]);
    const written = Number(/^written (\d+)$/.exec(lines[2] ?? "")?.[1]);
    const rows = Number(/^rows (\d+)$/.exec(lines[3] ?? "")?.[1]);
    expect(written).toBeGreaterThan(3);
    // The write that failed may have reached the disk: nobody was told that it had, nor that it had not.
    expect([written, written + 1]).toContain(rows);
    expect(lines.slice(4)).toEqual(["late absent", "more ok"]);
  });
});
