/** A validator that is down is jailed without anybody's event, and comes back, as processes and by the command. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const net = ownNetwork(NAMES);

type Line = {
  readonly name: string;
  readonly state: string;
  readonly power: string;
  readonly bonded: string;
  readonly slashedBps: number;
};

const line = async (name: string): Promise<Line | undefined> =>
  ((await net.json("validator", "status")) as Line[]).find((one) => one.name === name);

const statusAt = async (url: string) => {
  const response = await fetch(`${url}/v1/status`).catch(() => undefined);
  return (await response?.json()) as
    | { readonly voting: string; readonly stake: { readonly degraded: boolean } }
    | undefined;
};

/** Turns are judged by six, of which four must be led: a start that is a little late misses one. */
const judgeSoon = (file: string): void => {
  const genesis = JSON.parse(readFileSync(file, "utf8"));
  Object.assign(genesis.proofs.stake, { windowBlocks: 6, votedBpsMin: "6000" });
  writeFileSync(file, JSON.stringify(genesis));
};

beforeAll(async () => {
  await net.make("--stake", "--epoch-ms", "2500");
  judgeSoon(net.genesis);
  for (const name of NAMES) net.start(name);
  await until("the network votes", async () => (await statusAt(net.url("a")))?.voting === "yes");
}, 120_000);

afterAll(() => net.end());

describe("a validator that is down", () => {
  const key = join(net.home("b"), "keys", "node.key");

  it("is jailed when it has missed its turns, and loses its power and no stake", async () => {
    expect(await line("b")).toMatchObject({ state: "active", power: "1000" });
    expect(await net.stop("b")).toBe(0);
    await until("b is jailed", async () => (await line("b"))?.state === "jailed", 200_000);
    await until("b has no power", async () => (await line("b"))?.power === "0", 60_000);
    expect(await line("b")).toMatchObject({ bonded: "1000", slashedBps: 0 });
    expect((await statusAt(net.url("a")))?.stake.degraded).toBe(false);
    const others = await Promise.all(["a", "c", "d"].map((name) => line(name)));
    expect(others.map((one) => one?.state)).toEqual(["active", "active", "active"]);
  }, 300_000);

  it("follows as an observer when it runs again, until its owner says that it is back", async () => {
    net.start("b");
    const isObserver = async () => (await statusAt(net.url("b")))?.voting === "observer";
    await until("b observes", isObserver, 60_000);
    const back = async () => (await net.run("validator", "rejoin", "b", "--key", key)).code === 0;
    await until("b may rejoin", back, 60_000);
    await until("b is active", async () => (await line("b"))?.state === "active", 60_000);
    await until("b votes", async () => (await statusAt(net.url("b")))?.voting === "yes", 60_000);
    expect(await line("b")).toMatchObject({ power: "1000", bonded: "1000" });
    expect((await net.run("append", "back/again", "with b")).code).toBe(0);
  }, 240_000);
});
