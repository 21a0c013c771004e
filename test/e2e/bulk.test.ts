/** Objects between two nodes through the bin, over the connections of their bulk workers: and when one is killed. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { type Background, until } from "./support.ts";

const NAMES = ["a", "b"] as const;
type Name = (typeof NAMES)[number];
const net = ownNetwork(NAMES);
const MIB = 1024 * 1024;
const nodes = new Map<Name, Background>();

type Line = {
  readonly msg: string;
  readonly pid?: number;
  readonly driver?: string;
  readonly reason?: string;
};

const linesOf = (name: Name): readonly Line[] =>
  (nodes.get(name)?.stdout() ?? "")
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line) as Line);

const workers = (name: Name): readonly number[] =>
  linesOf(name).flatMap(({ msg, pid }) =>
    msg === "a bulk worker listens" && pid !== undefined ? [pid] : [],
  );

/** The one sample of a counter with these labels; 0 where there is none. */
const counted = async (name: Name, sample: string): Promise<number> => {
  const page = await (await fetch(`${net.url(name)}/metrics`)).text();
  const line = page.split("\n").find((text) => text.startsWith(`${sample} `));
  return Number(line?.split(" ").at(-1) ?? 0);
};

const fetched = (path: string): Promise<number> =>
  counted("b", `tetrad_bulk_bytes_total{direction="fetched",path="${path}"}`);

const at = async (name: Name, ...args: readonly string[]): Promise<string> => {
  const run = await net.run("--api", net.url(name), ...args);
  expect(run.code, run.stderr).toBe(0);
  return run.stdout;
};

type Put = { readonly root: string; readonly path: string };

const put = async (mib: number): Promise<Put> => {
  const path = join(net.folder, `${mib}`);
  writeFileSync(path, randomBytes(mib * MIB));
  const { root } = JSON.parse(await at("a", "object", "put", path, "-o", "json")) as {
    root: string;
  };
  return { root, path };
};

type Peer = { readonly sealed: unknown; readonly bulkBy: string | null };

const peerOfB = async (): Promise<Peer | undefined> => {
  const answer = await fetch(`${net.url("b")}/v1/peers`).catch(() => undefined);
  const body = (await answer?.json().catch(() => undefined)) as { items: Peer[] } | undefined;
  return body?.items[0];
};

/** Both are there before the first is asked for: a worker that nobody needs is ended after a while. */
let first: Put;
let second: Put;

beforeAll(async () => {
  await net.make();
  for (const name of NAMES) nodes.set(name, net.start(name, "--log-level", "debug"));
  await until("the sessions are complete", async () => {
    const peer = await peerOfB();
    return peer !== undefined && peer.sealed !== null;
  });
  first = await put(24);
  second = await put(72);
}, 300_000);

afterAll(() => net.end());

describe("connections for objects", () => {
  it("have the driver that the trial at the start chose, and the log says why", async () => {
    await until("both nodes have tried", async () =>
      NAMES.every((name) => linesOf(name).some(({ msg }) => msg === "driver for bulk")),
    );
    const line = linesOf("a").find(({ msg }) => msg === "driver for bulk");
    expect(line?.driver).toBe("reactor");
    expect(line?.reason).toMatch(/^reactor carried bytes over \[::1\] in \d+ ms$/);
  });

  it("carry an object from node to node, and are shown with the peer", async () => {
    const { root, path } = first;
    const copy = join(net.folder, "copy");
    await at("b", "object", "get", root, "-f", copy);
    expect(readFileSync(copy).equals(readFileSync(path))).toBe(true);
    // On a busy machine a small object may be there before the connections are; they come all the same.
    await until("connections are up", async () => (await peerOfB())?.bulkBy === "reactor");
    expect(await at("b", "peers")).toMatch(/BULK_BY/);
  }, 300_000);

  it("may end in the middle of an object: it goes on over the session, and the nodes go on", async () => {
    const { root, path } = second;
    const copy = join(net.folder, "copy of more");
    const before = { session: await fetched("session"), reactor: await fetched("reactor") };
    const getting = at("b", "object", "get", root, "-f", copy);
    let killed: number | undefined;
    await until("a worker of b is killed in the middle", async () => {
      if ((await fetched("reactor")) < before.reactor + 2 * MIB) return false;
      killed = workers("b").at(-1);
      if (killed !== undefined) process.kill(killed, "SIGKILL");
      return true;
    });
    await getting;
    expect(readFileSync(copy).equals(readFileSync(path))).toBe(true);
    await until("the end of the worker is seen", async () =>
      linesOf("b").some(({ msg }) => msg.includes("its worker has ended")),
    );
    expect(existsSync(`/proc/${killed}`)).toBe(false);
    expect(await fetched("session")).toBeGreaterThan(before.session);
    for (const name of NAMES) {
      expect(nodes.get(name)?.child.exitCode, name).toBeNull();
      expect((await fetch(`${net.url(name)}/livez`)).ok, name).toBe(true);
    }
  }, 300_000);
});
