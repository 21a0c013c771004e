/** `nexus dev` under everything that happens to it: deaths, taken ports, foreign folders, fresh starts. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ERRORS } from "../../src/errors.ts";
import {
  type Background,
  background,
  freePorts,
  isAlive,
  killAll,
  nexus,
  nexusJson,
  tempFolder,
  until,
} from "./support.ts";

const folder = tempFolder();
const dir = join(folder.path, "net");
let quic: number;
let api: number;
let dev: Background | undefined;

const start = (...more: readonly string[]): Background => {
  dev = background(["--dir", dir, "dev", "--api-base", String(api), ...more]);
  return dev;
};

const chainId = (): string => JSON.parse(readFileSync(join(dir, "dev.json"), "utf8")).chainId;

const commandLine = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
};

/** Process ids of the nodes, by the configuration file that each was started with. */
const pids = (): number[] => {
  const all = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
  return ["a", "b", "c", "d"].map((name) => {
    const config = join(dir, name, "node.toml");
    return Number(all.find((pid) => commandLine(pid).split("\0").includes(config)) ?? 0);
  });
};

beforeAll(async () => {
  quic = await freePorts(4);
  api = await freePorts(4);
});
afterEach(async () => {
  await dev?.stop("SIGTERM");
});
afterAll(() => {
  killAll();
  folder.remove();
});

describe("nexus dev", () => {
  it("makes a private folder, and a fresh chain on --fresh only", async () => {
    await start("--port-base", String(quic)).sees(/^ready after/m);
    const first = chainId();
    expect(first).toMatch(/^dev-[0-9a-f]{8}$/);
    await dev?.stop();
    await start().sees(/^ready after/m);
    expect(chainId()).toBe(first);
    const tail = background(["--dir", dir, "tail", "--from", "0"]);
    await nexus(["--dir", dir, "append", "a/b", "of the first chain"]);
    await tail.sees("record.put");
    await dev?.stop();
    await start("--fresh", "--port-base", String(quic)).sees(/^ready after/m);
    expect(chainId()).not.toBe(first);
    // A position of the first chain means nothing on this one.
    expect(await tail.exited).toBe(5);
    expect(tail.stderr()).toContain("serves another chain");
    expect(await nexusJson(["--dir", dir, "ls", "records"])).toEqual([]);
  });

  it("refuses a second one on the folder, and --fresh under a running one", async () => {
    await start().sees(/^ready after/m);
    const second = await nexus(["--dir", dir, "dev"]);
    expect(second.code).toBe(5);
    expect(second.stderr).toContain("folder.locked");
    const fresh = await nexus(["--dir", dir, "dev", "--fresh"]);
    expect(fresh.code).toBe(5);
    expect(fresh.stderr).toContain("folder.locked");
    const node = await nexus(["start", "--config", join(dir, "a", "node.toml")]);
    expect(node.code).toBe(5);
    expect(node.stderr + node.stdout).toContain("folder.locked");
  });

  it("leaves the folder of a node that runs by itself", async () => {
    const before = chainId();
    const node = background(["start", "--config", join(dir, "a", "node.toml")]);
    await node.sees("node started");
    const run = await nexus(["--dir", dir, "dev", "--fresh"]);
    expect(run.code).toBe(5);
    expect(run.stderr).toContain("folder.locked");
    expect(await node.stop("SIGTERM")).toBe(0);
    expect(chainId()).toBe(before);
    expect(existsSync(join(dir, "a", "keys", "node.key"))).toBe(true);
  });

  it("of two starts on a new folder, the second leaves the first one alone", async () => {
    const fresh = join(folder.path, "two");
    const ports = await freePorts(16);
    const begin = (i: number): Background => {
      const bases = ["--port-base", String(ports + i), "--api-base", String(ports + i + 4)];
      return background(["--dir", fresh, "dev", ...bases]);
    };
    const both = [begin(0), begin(8)];
    const over = await Promise.race(both.map(async (one) => ({ one, code: await one.exited })));
    expect(over.code).toBe(5);
    expect(over.one.stderr()).toMatch(/folder\.(foreign|locked)/);
    const other = both.find((one) => one !== over.one);
    await other?.sees(/^ready after/m);
    expect(await other?.stop("SIGTERM")).toBe(0);
    expect(existsSync(join(fresh, "d", "keys", "node.key"))).toBe(true);
  });

  it("does not delete what it has not made", async () => {
    const foreign = join(folder.path, "precious");
    mkdirSync(foreign);
    writeFileSync(join(foreign, "thesis.txt"), "years of work");
    for (const flags of [["--fresh"], []]) {
      const run = await nexus(["--dir", foreign, "dev", ...flags]);
      expect(run.code).toBe(5);
      expect(run.stderr).toContain("folder.foreign");
    }
    expect(readFileSync(join(foreign, "thesis.txt"), "utf8")).toBe("years of work");
    expect(existsSync(join(foreign, "dev.json"))).toBe(false);
  });

  it("names a port that is taken and the flag that changes it", async () => {
    const server: Server = createServer();
    await new Promise<void>((done) => {
      server.listen({ host: "::1", port: api + 2, ipv6Only: true }, done);
    });
    const run = await nexus(["--dir", dir, "dev", "--api-base", String(api)]);
    await new Promise((done) => {
      server.close(done);
    });
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(`[::1]:${api + 2}/tcp`);
    expect(run.stderr).toContain("--api-base");
  });

  it("keeps the old network when the new one would find its ports taken", async () => {
    const before = chainId();
    const server: Server = createServer();
    await new Promise<void>((done) => {
      server.listen({ host: "::1", port: api + 2, ipv6Only: true }, done);
    });
    const ports = ["--api-base", String(api), "--port-base", String(quic)];
    const run = await nexus(["--dir", dir, "dev", "--fresh", ...ports]);
    await new Promise((done) => {
      server.close(done);
    });
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(`[::1]:${api + 2}/tcp`);
    expect(chainId()).toBe(before);
  });

  it("keeps QUIC ports that are in the genesis", async () => {
    const run = await nexus(["--dir", dir, "dev", "--port-base", String(quic + 1)]);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain("--port-base needs --fresh");
  });

  it("reports a node that was killed, starts it again, and the node takes part again", async () => {
    await start().sees(/^ready after/m);
    const victim = pids()[1] ?? 0;
    process.kill(victim, "SIGKILL");
    await dev?.sees("node b ended: it was killed by SIGKILL; starting it again");
    await until("node b votes again", async () => {
      const all = (await nexusJson(["--dir", dir, "status"])) as {
        name: string;
        voting?: string;
      }[];
      return all.find((node) => node.name === "b")?.voting === "yes";
    });
    expect(pids()[1]).not.toBe(victim);
  });

  it("keeps a batch that is not decided in time, within the time, and tells of it later", async () => {
    await start().sees(/^ready after/m);
    const halted = pids().slice(2);
    for (const pid of halted) process.kill(pid, "SIGSTOP");
    const started = performance.now();
    const late = await nexus(["--dir", dir, "append", "time/kept", "x", "--timeout", "3"]);
    const tookMs = performance.now() - started;
    for (const pid of halted) process.kill(pid, "SIGCONT");
    expect(late.code).toBe(ERRORS["http.timeout"].exitCode);
    expect(late.stderr).toContain("the batch is kept");
    expect(tookMs).toBeLessThan(10_000);
    const next = (await nexusJson(["--dir", dir, "append", "time/next", "y"])) as object[];
    expect(next).toMatchObject([
      { level: "projected", outcomes: [{ kind: "accepted" }] },
      { level: "projected", outcomes: [{ kind: "accepted" }], kept: true },
    ]);
  });

  it("lets a tail resume over the death of its node, without a gap or a repeat", async () => {
    await start().sees(/^ready after/m);
    const write = (key: string) => nexus(["--dir", dir, "append", `resume/${key}`, "x"]);
    const url = `http://[::1]:${api + 2}`;
    const tail = background([
      "--api",
      url,
      "tail",
      "--from",
      "0",
      "--type",
      "record.*",
      "-o",
      "ndjson",
    ]);
    expect((await write("1")).code).toBe(0);
    await tail.sees('"key":"1"');
    process.kill(pids()[2] ?? 0, "SIGKILL");
    expect((await write("2")).code).toBe(0);
    await tail.sees("resuming");
    await tail.sees('"key":"2"');
    expect((await write("3")).code).toBe(0);
    await tail.sees('"key":"3"');
    await tail.stop();
    const seen = tail
      .stdout()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { index: number; data: { topic: string; key: string } });
    const indexes = seen.map((event) => event.index);
    expect(indexes).toEqual([...new Set(indexes)].sort((a, b) => a - b));
    const keys = seen.filter(({ data }) => data.topic === "resume").map(({ data }) => data.key);
    expect(keys).toEqual(["1", "2", "3"]);
  });

  it("leaves no node behind when it is killed itself", async () => {
    await start().sees(/^ready after/m);
    const children = pids();
    expect(children.every(isAlive)).toBe(true);
    expect(await dev?.stop("SIGKILL")).toBeNull();
    await until("the nodes end", () => children.every((pid) => !isAlive(pid)), 30_000);
    await start().sees(/^ready after/m);
  });

  it("leaves no node behind when it is killed while they start", async () => {
    const network = start();
    await until("the nodes are there", () => pids().every((pid) => pid > 0));
    const children = pids();
    // They have loaded and open their keys now; none is up.
    await new Promise((done) => setTimeout(done, 500));
    expect(await network.stop("SIGKILL")).toBeNull();
    await until("the nodes end", () => children.every((pid) => !isAlive(pid)), 30_000);
    await start().sees(/^ready after/m);
  });
});
