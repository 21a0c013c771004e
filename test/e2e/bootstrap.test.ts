/**
 * A newcomer that finds the network by one member alone, and that one is not in the genesis. The validator of the
 * genesis, `a`, has handed the network over: `e` joined later, holds three quarters of the stake and so a quorum, and
 * `a` is gone for good. So the address in the genesis leads nowhere, and all that `f` is told is the line of `e` in its
 * setting `peers`.
 */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { type Background, background, freePorts, nexus, until } from "./support.ts";

/** What takes a second or two, and much longer where the machine is busy. */
const LIMIT_MS = 180_000;
const net = ownNetwork(["a"]);

type Status = {
  readonly epoch: number;
  readonly finalHeight: number;
  readonly executedHeight: number;
  readonly logSize: number;
  readonly voting: string;
};
type Line = { readonly name: string; readonly state: string; readonly power: string };

/** A node that is not in the genesis: its folder and the address of its API. */
type Newcomer = { readonly home: string; readonly api: string };

const statusAt = async (api: string): Promise<Status | undefined> => {
  const response = await fetch(`${api}/v1/status`).catch(() => undefined);
  return (await response?.json()) as Status | undefined;
};

/** Runs a verb against one node, with the operator's key of the network; its standard output. */
const ok = async (api: string, ...args: readonly string[]): Promise<string> => {
  const run = await net.run("--api", api, ...args);
  expect(run.code, `${args.join(" ")}\n${run.stderr}`).toBe(0);
  return run.stdout;
};

const newcomer = async (name: string): Promise<Newcomer> => {
  const home = join(net.folder, name);
  const [quic, port] = [await freePorts(1), await freePorts(1)];
  const listen = ["--listen", `[::1]:${quic}`, "--api-listen", `[::1]:${port}`];
  const made = await nexus(["--dir", home, "init", "--name", name, ...listen]);
  expect(made.code, made.stderr).toBe(0);
  copyFileSync(net.genesis, join(home, "genesis.json"));
  return { home, api: `http://[::1]:${port}` };
};

const start = ({ home }: Newcomer, peers?: string): Background =>
  background(["start", "--config", join(home, "node.toml")], {
    env: peers === undefined ? {} : { NEXUS_PEERS: peers },
  });

const lineOf = async (api: string, name: string): Promise<Line | undefined> => {
  const lines = JSON.parse(await ok(api, "validator", "status", "-o", "json")) as Line[];
  return lines.find((line) => line.name === name);
};

let [e, f]: Newcomer[] = [];
/** The one line that f is given. */
let peers = "";

beforeAll(async () => {
  await net.make("--stake", "--no-epoch-keys", "--epoch-ms", "4000");
  net.start("a");
  const a = net.url("a");
  await until("a votes", async () => (await statusAt(a))?.voting === "yes", LIMIT_MS);
  [e, f] = [await newcomer("e"), await newcomer("f")];

  const actors = JSON.parse(await ok(a, "ls", "actors", "-o", "json")) as {
    readonly key: string;
    readonly value: { readonly name: string };
  }[];
  const operator = actors.find(({ value }) => value.name === "operator")?.key ?? "";
  await ok(a, "validator", "grant", operator, "4000");
  await ok(a, "validator", "join", e.home, "--bond", "3000");
  start(e);
  // 1,000 of 4,000 are no quorum, and 3,000 are: from here on e alone decides.
  await until("e is in the set", async () => (await lineOf(a, "e"))?.power === "3000", LIMIT_MS);
  const { api } = e;
  await until("e votes", async () => (await statusAt(api))?.voting === "yes", LIMIT_MS);
  await ok(a, "append", "before/one", "while a was there");
  await net.stop("a");

  await ok(e.api, "append", "after/one", "when a was gone");
  // Nobody is let in who is not registered, so f is, by whoever runs the network now.
  await ok(e.api, "validator", "join", f.home, "--bond", "500");
  const members = JSON.parse(await ok(e.api, "validator", "peers", "-o", "json")) as {
    readonly name: string;
    readonly peer: string;
  }[];
  peers = members.find(({ name }) => name === "e")?.peer ?? "";
  expect(peers).toMatch(/^[0-9a-f]{64}@\[::1\]:[0-9]+#[0-9a-f]{64}$/);
}, 600_000);

afterAll(() => net.end());

describe("a node that is told of one member which joined after genesis", () => {
  it("finds nobody by its genesis alone", async () => {
    if (f === undefined) throw new Error("there is no f");
    const { api } = f;
    const alone = start(f);
    await until("f answers", async () => (await statusAt(api)) !== undefined, LIMIT_MS);
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    expect((await statusAt(api))?.finalHeight).toBe(0);
    await alone.stop("SIGTERM");
  }, 300_000);

  it("finds the network, has all of its log, and serves it", async () => {
    if (e === undefined || f === undefined) throw new Error("there is no network");
    const { api } = f;
    start(f, peers);
    const height = (await statusAt(e.api))?.finalHeight ?? 0;
    expect(height).toBeGreaterThan(0);
    const hasAll = async (): Promise<boolean> =>
      ((await statusAt(api))?.executedHeight ?? 0) >= height;
    await until("f has what e had", hasAll, LIMIT_MS);
    // What it serves is proven from the genesis, over the epochs in which a was there and those in which it was not.
    for (const [record, text] of [
      ["before/one", "while a was there"],
      ["after/one", "when a was gone"],
    ] as const) {
      expect(await ok(api, "get", "records", record)).toContain(text);
      const proof = join(net.folder, "proof.json");
      await ok(api, "proof", "get", "records", record, "--trust", net.genesis, "--out", proof);
    }
  }, 300_000);

  it("takes what is written to it, and votes once its stake counts", async () => {
    if (e === undefined || f === undefined) throw new Error("there is no network");
    const [{ api }, other] = [f, e.api];
    await ok(api, "append", "through/f", "written to f");
    expect(await ok(other, "get", "records", "through/f")).toContain("written to f");
    await until("f is in the set", async () => (await lineOf(api, "f"))?.power === "500", LIMIT_MS);
    await until("f votes", async () => (await statusAt(api))?.voting === "yes", LIMIT_MS);
  }, 420_000);
});
