/** A network as real members make it: keys apart, identities joined, four configuration files. */
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type Background,
  background,
  freePorts,
  killAll,
  nexus,
  nexusJson,
  tempFolder,
  until,
} from "./support.ts";

const folder = tempFolder();
const NAMES = ["alpha", "beta", "gamma", "delta"] as const;
let quic: number;
let api: number;
let nodes: Background[] = [];

const home = (name: string): string => join(folder.path, name);
const url = (i: number): string => `http://[::1]:${api + i}`;

type Status = { finalHeight: number; voting: string; stateRoot: string; logSize: number };

const statusOf = async (i: number): Promise<Status | undefined> => {
  const run = await nexus(["--api", url(i), "status", "-o", "json"]);
  return run.code === 0 ? (JSON.parse(run.stdout) as Status[])[0] : undefined;
};

const startAll = (configs: readonly string[]): void => {
  nodes = configs.map((config) => background(["start", "--config", config]));
};

const stopAll = async (): Promise<(number | null)[]> => {
  const codes = await Promise.all(nodes.map((node) => node.stop("SIGTERM")));
  nodes = [];
  return codes;
};

const allAtHeight = (height: number): Promise<void> =>
  until(`all nodes reach height ${height}`, async () => {
    const all = await Promise.all(NAMES.map((_, i) => statusOf(i)));
    return all.every((status) => (status?.finalHeight ?? 0) >= height);
  });

beforeAll(async () => {
  quic = await freePorts(4);
  api = await freePorts(4);
});
afterEach(async () => {
  await stopAll();
});
afterAll(() => {
  killAll();
  folder.remove();
});

describe("members that make a network", () => {
  it("make keys and identities, each in a folder of its own", async () => {
    for (const [i, name] of NAMES.entries()) {
      const made = await nexus([
        ...["--dir", home(name), "init", "--name", name, "--chain-id", "acme-1"],
        ...["--listen", `[::1]:${quic + i}`, "--api-listen", `[::1]:${api + i}`],
      ]);
      expect(made.code, made.stderr).toBe(0);
      const identity = readFileSync(join(home(name), "identity.json"), "utf8");
      expect(JSON.parse(identity)).toMatchObject({ name, address: `[::1]:${quic + i}` });
    }
    const again = await nexus([
      "--dir",
      home("alpha"),
      "init",
      "--name",
      "alpha",
      "--listen",
      "[::1]:1",
    ]);
    expect(again.code).not.toBe(0);
    expect(again.stderr).toContain("key.exists");
    const ops = await nexus(["--dir", home("ops"), "init", "--name", "ops", "--actor"]);
    expect(ops.code, ops.stderr).toBe(0);
  });

  it("join the identities to one genesis, whose hash does not depend on their order", async () => {
    const files = [
      ...NAMES.map((name) => join(home(name), "identity.json")),
      join(home("ops"), "ops.json"),
    ];
    const out = join(folder.path, "genesis.json");
    const made = (await nexusJson([
      ...["init", "--join", ...files, "--chain-id", "acme-1", "--out", out],
    ])) as { hash: string; validators: number };
    expect(made).toMatchObject({ validators: 4 });
    expect(JSON.parse(readFileSync(out, "utf8"))).toMatchObject({
      format: 2,
      proofs: { beacon: { depth: 16 } },
    });
    const over = await nexus(["init", "--join", ...files, "--chain-id", "acme-1", "--out", out]);
    expect(over.code).toBe(1);
    for (const name of NAMES) copyFileSync(out, join(home(name), "genesis.json"));
  });

  it("refuse what does not make a network", async () => {
    const bad = join(folder.path, "bad.json");
    writeFileSync(bad, '{"format":1,"name":"x"}');
    const broken = await nexus(["init", "--join", bad, "--chain-id", "x-1", "--out", `${bad}.out`]);
    expect(broken.code).toBe(1);
    const alpha = join(home("alpha"), "identity.json");
    const twice = await nexus([
      "init",
      "--join",
      alpha,
      alpha,
      "--chain-id",
      "x-1",
      "--out",
      `${bad}.out`,
    ]);
    expect(twice.code).toBe(1);
    expect(twice.stderr).toContain("alpha");
    expect(existsSync(`${bad}.out`)).toBe(false);
    const nowhere = join(folder.path, "none", "x.json");
    const lost = await nexus(["init", "--join", alpha, "--chain-id", "x-1", "--out", nowhere]);
    expect(lost.code).toBe(1);
    expect(lost.stderr).toContain(`${nowhere} cannot be written`);
    const wrong = ["127.0.0.1:5000", "[::ffff:127.0.0.1]:5000", "::1:5000", "[::1]:0", "[::]:5000"];
    for (const listen of wrong) {
      const v4 = await nexus(["--dir", home("v4"), "init", "--name", "v4", "--listen", listen]);
      expect(v4.code, listen).toBe(1);
      expect(v4.stderr, listen).toContain("transport.");
      expect(existsSync(join(home("v4"), "keys"))).toBe(false);
    }
  });

  it("start from four configuration files and agree", async () => {
    startAll(NAMES.map((name) => join(home(name), "node.toml")));
    await allAtHeight(1);
    const key = join(home("ops"), "keys", "ops.key");
    const wrote = await nexus(["--api", url(0), "append", "--key", key, "net/first", "hello"]);
    expect(wrote.code, wrote.stderr).toBe(0);
    await until("every node has the record", async () => {
      const rows = await Promise.all(
        NAMES.map((_, i) => nexus(["--api", url(i), "get", "records", "net/first"])),
      );
      return rows.every((row) => row.stdout.includes("hello"));
    });
    expect(await stopAll()).toEqual([0, 0, 0, 0]);
  });

  it("are told when a node stops by a signal, in JSON, with nothing left open", async () => {
    startAll(NAMES.map((name) => join(home(name), "node.toml")));
    await allAtHeight(2);
    const log = nodes[0]?.stdout() ?? "";
    for (const line of log.trimEnd().split("\n")) expect(JSON.parse(line)).toHaveProperty("msg");
    expect(await stopAll()).toEqual([0, 0, 0, 0]);
  });

  it("rebuild the projections of a stopped node, byte for byte, and of no running one", async () => {
    const config = join(home("beta"), "node.toml");
    const rebuilt = await nexus(["rebuild", "--config", config, "-o", "json"]);
    expect(rebuilt.code, rebuilt.stderr).toBe(0);
    expect(JSON.parse(rebuilt.stdout)).toMatchObject({ node: "beta", events: 1, equal: true });
    startAll(NAMES.map((name) => join(home(name), "node.toml")));
    await allAtHeight(1);
    const running = await nexus(["rebuild", "--config", config]);
    expect(running.code).toBe(5);
    expect(running.stderr).toContain("folder.locked");
    const roots = await Promise.all(
      NAMES.map(async (_, i) => {
        const run = await nexus(["--api", url(i), "get", "records", "net/first", "-o", "json"]);
        return run.stdout;
      }),
    );
    expect(new Set(roots).size).toBe(1);
  });

  it("refuse a key without its vote store, and say so", async () => {
    rmSync(join(home("gamma"), "keys", "votes"), { recursive: true });
    startAll(NAMES.map((name) => join(home(name), "node.toml")));
    await allAtHeight(1);
    await until("gamma refuses to vote", async () => (await statusOf(2))?.voting === "refused");
    const status = await nexus(["--api", url(2), "status"]);
    expect(status.stderr).toContain("votes.missing");
    const ready = await fetch(`${url(2)}/readyz`);
    expect(ready.status).toBe(503);
  });

  it("refuse a folder whose genesis is another", async () => {
    const other = join(home("delta"), "genesis.json");
    const text = readFileSync(other, "utf8");
    writeFileSync(other, text.replace('"acme-1"', '"acme-2"'));
    const run = await nexus(["start", "--config", join(home("delta"), "node.toml")]);
    writeFileSync(other, text);
    expect(run.code).not.toBe(0);
    expect(run.stderr).toMatch(/folder\.foreign|votes\.missing/);
  });

  it("refuse unknown settings and an API off loopback", async () => {
    const config = join(home("alpha"), "node.toml");
    const text = readFileSync(config, "utf8");
    writeFileSync(config, text.replace(/^listen /m, "lisen "));
    const typo = await nexus(["start", "--config", config]);
    writeFileSync(config, text);
    expect(typo.code).toBe(1);
    expect(typo.stderr).toContain('did you mean "listen"?');
    const open = await nexus(["start", "--config", config, "--api-listen", `[::]:${api}`]);
    expect(open.code).toBe(1);
    expect(open.stderr).toContain("--api-insecure-bind");
  });
});

describe("nexus init --network", () => {
  it("makes four folders that start as one network", async () => {
    const dir = home("at-once");
    const specs = NAMES.map((name, i) => `${name}=[::1]:${quic + i},[::1]:${api + i}`);
    const made = (await nexusJson(["--dir", dir, "init", "--network", "--node", ...specs])) as {
      configs: string[];
    };
    startAll(made.configs);
    await allAtHeight(1);
    const wrote = await nexus(["--dir", dir, "append", "net/second", "hello"]);
    expect(wrote.code, wrote.stderr).toBe(0);
    const fresh = await nexus(["--dir", dir, "dev", "--fresh"]);
    expect(fresh.stderr).toContain("folder.foreign");
    expect(existsSync(join(dir, "genesis.json"))).toBe(true);
  });
});
