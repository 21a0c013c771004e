/**
 * Four hosts, as far as one machine has them: network namespaces with an IPv6 address each, joined by a
 * bridge. The APIs all listen on [::1]:8440, which is another place in each of them. Needs root.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Background,
  background,
  killAll,
  nexus,
  nexusJson,
  type Run,
  tempFolder,
  until,
} from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
type Name = (typeof NAMES)[number];

const folder = tempFolder();
const tag = `tt${process.pid}`;
const space = (name: string): string => `${tag}-${name}`;
const addressOf = (name: Name): string => `fd7e:7a3d::${name}`;
const ip = (...args: readonly string[]): void => {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
};

const isRoot = process.getuid?.() === 0;
const nodes = new Map<Name, Background>();

const at = (name: Name, args: readonly string[]): Promise<Run> =>
  nexus(args, { through: ["ip", "netns", "exec", space(name)] });

type Status = { finalHeight: number; voting: string; peers: string[] };

const statusOf = async (name: Name): Promise<Status | undefined> => {
  const run = await at(name, ["status", "-o", "json", "--dir", folder.path]);
  return run.code === 0 ? (JSON.parse(run.stdout) as Status[])[0] : undefined;
};

const start = (name: Name): void => {
  const config = join(folder.path, name, "node.toml");
  const through = ["ip", "netns", "exec", space(name)];
  nodes.set(name, background(["start", "--config", config], { through }));
};

const makeHosts = (): void => {
  const hub = space("hub");
  ip("netns", "add", hub);
  ip("-n", hub, "link", "add", "br0", "type", "bridge");
  ip("-n", hub, "link", "set", "br0", "up");
  for (const name of NAMES) {
    ip("netns", "add", space(name));
    ip("-n", space(name), "link", "set", "lo", "up");
    ip(
      "link",
      "add",
      "eth0",
      "netns",
      space(name),
      "type",
      "veth",
      "peer",
      "name",
      `p${name}`,
      "netns",
      hub,
    );
    ip("-n", hub, "link", "set", `p${name}`, "master", "br0", "up");
    // Without duplicate address detection, which would keep the address unusable for a second.
    ip("-n", space(name), "addr", "add", `${addressOf(name)}/64`, "dev", "eth0", "nodad");
    ip("-n", space(name), "link", "set", "eth0", "up");
  }
};

const removeHosts = (): void => {
  for (const name of ["hub", ...NAMES]) {
    try {
      ip("netns", "del", space(name));
    } catch {
      // It was not made.
    }
  }
};

describe.skipIf(!isRoot)("four hosts with an IPv6 address each", () => {
  beforeAll(async () => {
    makeHosts();
    const ops = await nexus([
      "--dir",
      join(folder.path, "ops"),
      "init",
      "--name",
      "ops",
      "--actor",
    ]);
    expect(ops.code, ops.stderr).toBe(0);
    const identities: string[] = [];
    for (const name of NAMES) {
      const dir = join(folder.path, name);
      const listen = `[${addressOf(name)}]:4440`;
      await nexusJson(["--dir", dir, "init", "--name", name, "--listen", listen]);
      identities.push(join(dir, "identity.json"));
    }
    const genesis = join(folder.path, "genesis.json");
    const files = [...identities, join(folder.path, "ops", "ops.json")];
    await nexusJson(["init", "--join", ...files, "--chain-id", "hosts-1", "--out", genesis]);
    for (const name of NAMES) copyFileSync(genesis, join(folder.path, name, "genesis.json"));
    for (const name of NAMES) start(name);
  });
  afterAll(async () => {
    await Promise.all([...nodes.values()].map((node) => node.stop("SIGTERM")));
    killAll();
    removeHosts();
    folder.remove();
  });

  const allHave = (what: string, check: (status: Status) => boolean): Promise<void> =>
    until(what, async () => {
      const all = await Promise.all(NAMES.map(statusOf));
      return all.every((status) => status !== undefined && check(status));
    });

  it("form one network and agree", async () => {
    await allHave("all nodes have three peers and final blocks", (status) => {
      return status.peers.length === 3 && status.finalHeight > 0;
    });
    const key = join(folder.path, "ops", "keys", "ops.key");
    const wrote = await at("c", ["append", "--key", key, "hosts/first", "hello"]);
    expect(wrote.code, wrote.stderr).toBe(0);
    for (const name of NAMES) {
      await until(`${name} has the record`, async () =>
        (await at(name, ["get", "records", "hosts/first"])).stdout.includes("hello"),
      );
    }
  });

  it("go on without one whose cable is pulled, and take it back", async () => {
    ip("-n", space("hub"), "link", "set", "pd", "down");
    const before = (await statusOf("a"))?.finalHeight ?? 0;
    await until("a goes on", async () => ((await statusOf("a"))?.finalHeight ?? 0) > before + 3);
    const cut = (await statusOf("d"))?.finalHeight ?? 0;
    ip("-n", space("hub"), "link", "set", "pd", "up");
    await until("d has caught up", async () => {
      const [a, d] = await Promise.all([statusOf("a"), statusOf("d")]);
      return (d?.finalHeight ?? 0) > cut + 3 && (d?.finalHeight ?? 0) >= (a?.finalHeight ?? 0) - 2;
    });
  });
});

it("runs as root where it must not be skipped", () => {
  expect(isRoot || process.env["CI"] !== "true").toBe(true);
});
