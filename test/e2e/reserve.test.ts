/** A node whose QUIC library fails while it runs: its sessions move to the other driver, and it goes on voting. */
import { existsSync, mkdirSync, readdirSync, statSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { type Background, background, root, until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const net = ownNetwork(NAMES);
const breaks = join(net.folder, "break");
/** Where the library puts the TLS key in the moment of a dial. */
const keys = join(net.home("b"), "tls-tmp");
let b: Background;

type Status = {
  readonly voting: string;
  readonly finalHeight: number;
  readonly driver: { readonly driver: string; readonly state: string; readonly restarts: number };
};
type Peer = { readonly id: string; readonly state: string; readonly driver: string | null };

const read = async <T>(name: string, path: string): Promise<T | undefined> => {
  const response = await fetch(`${net.url(name)}/v1/${path}`).catch(() => undefined);
  return (await response?.json().catch(() => undefined)) as T | undefined;
};

const status = (name: string) => read<Status>(name, "status");
const peersOf = async (name: string): Promise<readonly Peer[]> =>
  (await read<{ readonly items: readonly Peer[] }>(name, "peers"))?.items ?? [];

const allOn = async (name: string, driver: string): Promise<boolean> => {
  const peers = await peersOf(name);
  return peers.length === 3 && peers.every((peer) => peer.state === "up" && peer.driver === driver);
};

beforeAll(async () => {
  await net.make();
  for (const name of ["a", "c", "d"]) net.start(name);
  // As if the process had been killed in such a moment.
  mkdirSync(keys);
  writeFileSync(join(keys, "key.pem"), "left");
  const patch = pathToFileURL(join(root, "test", "e2e", "break-quiche.mjs")).href;
  b = background(["start", "--config", net.config("b")], {
    env: { NODE_OPTIONS: `--import ${patch}`, TETRAD_TEST_BREAK: breaks },
  });
  await until("all sessions of b are up", () => allOn("b", "quiche"));
  await until("b votes", async () => (await status("b"))?.voting === "yes");
}, 300_000);

afterAll(() => net.end());

describe("a node whose QUIC library fails", () => {
  it("has no key lying about from before its start", () => {
    expect(existsSync(keys)).toBe(false);
  });

  it("has its sessions on the other driver, in the same process", async () => {
    const { pid } = b.child;
    writeFileSync(breaks, "");
    await until("all sessions of b are on the reactor", () => allOn("b", "reactor"));
    expect(await status("b")).toMatchObject({
      ...{ voting: "yes", driver: { driver: "reactor", state: "up", restarts: 2 } },
    });
    expect([b.child.pid, b.child.exitCode]).toEqual([pid, null]);
    expect(await allOn("a", "quiche")).toBe(true);
    expect([statSync(keys).mode & 0o777, readdirSync(keys)]).toEqual([0o700, []]);
    const run = await net.run("--api", net.url("b"), "peers");
    expect(run.stdout).toMatch(/reactor/);
    const findings = (await net.run("--api", net.url("b"), "doctor")).stdout;
    expect(findings).toMatch(/session driver.*reactor/);
  }, 240_000);

  it("votes: without it there would be no quorum", async () => {
    expect(await net.stop("d")).toBe(0);
    const before = (await status("b"))?.finalHeight ?? 0;
    for (const name of ["a", "b", "c"]) {
      const run = await net.run("--api", net.url(name), "append", `at/${name}`, "on the reserve");
      expect(run.code, run.stderr).toBe(0);
    }
    await until("b has more", async () => ((await status("b"))?.finalHeight ?? 0) > before + 2);
    expect(await peersOf("b")).toMatchObject(
      expect.arrayContaining([expect.objectContaining({ driver: "reactor", state: "up" })]),
    );
  }, 240_000);

  it("reaches one that comes back, and its key goes through its own folder and does not stay", async () => {
    const seen: string[] = [];
    const watching = watch(keys, (_event, name) => void seen.push(name ?? ""));
    net.start("d");
    await until("d is there for b", () => allOn("b", "reactor"));
    watching.close();
    expect(seen).not.toEqual([]);
    expect(readdirSync(keys)).toEqual([]);
    await until("d votes", async () => (await status("d"))?.voting === "yes");
  }, 240_000);
});
