/** The first two minutes of a user, on a real network: start, write, read, follow, stop, go on. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { devNetwork } from "./dev-network.ts";
import { nexus, nexusJson } from "./support.ts";

const net = devNetwork();
const { dir } = net;

beforeAll(net.start);
afterAll(net.end);

type Status = {
  name: string;
  finalHeight: number;
  logSize: number;
  voting: string;
  chainId: string;
  down?: boolean;
};

const statuses = async (): Promise<Status[]> =>
  (await nexusJson(["--dir", dir, "status"])) as Status[];

describe("a development network", () => {
  it("says that it is ready, where, and what to try next", () => {
    expect(net.dev().stdout()).toContain(net.url());
    expect(net.dev().stdout()).toContain("append notes/first");
    expect(net.dev().stdout()).toContain("ls records");
    expect(net.dev().stdout()).toContain("tail");
  });

  it("has four nodes that vote", async () => {
    const all = await statuses();
    expect(all.map((node) => node.name)).toEqual(["a", "b", "c", "d"]);
    expect(all.filter((node) => node.voting === "yes").length).toBeGreaterThanOrEqual(3);
    const table = await nexus(["--dir", dir, "status"]);
    expect(table.stdout.split("\n")[0]).toMatch(/^NODE +API +VOTING +HEIGHT/);
    expect(table.stdout.split("\n")).toHaveLength(6);
  });

  it("takes an event at one node and shows it at all", async () => {
    const done = await nexus(["--dir", dir, "append", "notes/first", "hello"]);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toMatch(/record\.put +accepted/);
    for (let i = 0; i < 4; i++) {
      const url = net.url(i);
      await expect
        .poll(() => nexus(["--api", url, "get", "records", "notes/first", "-o", "json"]), {
          timeout: 20_000,
        })
        .toMatchObject({ code: 0, stdout: expect.stringContaining('"text": "hello"') });
    }
  });

  it("stops in order on Ctrl-C, and goes on from the same height with the same chain", async () => {
    const before = await statuses();
    expect(await net.stop()).toBe(0);
    expect(net.dev().stderr()).toContain("stopped");
    const down = await nexus(["--dir", dir, "status"]);
    expect(down.code).toBe(4);
    await net.start();
    const after = await statuses();
    for (const [i, node] of after.entries()) {
      expect(node.chainId).toBe(before[i]?.chainId);
      expect(node.finalHeight).toBeGreaterThanOrEqual(before[i]?.finalHeight ?? 0);
      expect(node.logSize).toBeGreaterThanOrEqual(before[i]?.logSize ?? 0);
    }
    const row = await nexus(["--dir", dir, "get", "records", "notes/first"]);
    expect(row.stdout).toContain("hello");
  });

  it("keeps its keys to itself", () => {
    const log = readFileSync(join(dir, "a", "node.log"), "utf8");
    const passphrase = readFileSync(join(dir, "a", "keys", "passphrase"), "utf8").trim();
    expect(passphrase.length).toBeGreaterThan(30);
    expect(log).not.toContain(passphrase);
  });
});
