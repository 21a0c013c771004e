/**
 * All nodes of a chain that asks for every proof are away over several ends of an epoch, as on a laptop that sleeps:
 * stopped and started again, and then standing still. Nobody has shown anything meanwhile, and the chain goes on.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { type Background, until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const EPOCH_MS = 15_000;
const LIMIT_MS = 120_000;
const net = ownNetwork(NAMES);

type Status = {
  readonly epoch: number;
  readonly finalHeight: number;
  readonly voting: string;
  readonly stake: { readonly degraded: boolean; readonly power: string };
};

/** Of node a; undefined while it does not answer. */
const statusNow = async (): Promise<Status | undefined> => {
  const signal = AbortSignal.timeout(2_000);
  const response = await fetch(`${net.url("a")}/v1/status`, { signal }).catch(() => undefined);
  return (await response?.json().catch(() => undefined)) as Status | undefined;
};

const goesOnFrom = (before: Status | undefined): Promise<void> =>
  until(
    "it goes on from the same height",
    async () => ((await statusNow())?.finalHeight ?? 0) > (before?.finalHeight ?? 0) + 2,
    LIMIT_MS,
  );

const startAll = (): Background[] => NAMES.map((name) => net.start(name));
let nodes: readonly Background[] = [];

beforeAll(async () => {
  const parts = ["--space", "--stake", "--time", "dev", "--work", "dev"];
  await net.make(...parts, "--epoch-ms", String(EPOCH_MS));
  nodes = startAll();
  await until("it votes", async () => (await statusNow())?.voting === "yes", LIMIT_MS);
}, 360_000);

afterAll(() => net.end());

describe("a chain whose nodes all sleep over several epochs", () => {
  it("goes on when they were stopped and are started again", async () => {
    await goesOnFrom(await statusNow());
    const before = await statusNow();
    await Promise.all(NAMES.map((name) => net.stop(name)));
    await pause(2 * EPOCH_MS + 2_000);
    nodes = startAll();
    await goesOnFrom(before);
    const written = await net.run("--api", net.url("a"), "append", "asleep/one", "text");
    expect(written.code, written.stderr).toBe(0);
  }, 300_000);

  it("goes on when they stood still", async () => {
    const before = await statusNow();
    for (const { child } of nodes) child.kill("SIGSTOP");
    await pause(2 * EPOCH_MS + 2_000);
    for (const { child } of nodes) child.kill("SIGCONT");
    await goesOnFrom(before);
    const written = await net.run("--api", net.url("b"), "append", "asleep/two", "text");
    expect(written.code, written.stderr).toBe(0);
  }, 300_000);

  it("keeps the powers of before where proofs are missing, and says so", async () => {
    // Of the epoch that was slept through hardly anything was shown: the floor rule keeps everybody.
    const slept = (await statusNow())?.epoch ?? 0;
    await until(
      "two epochs later",
      async () => ((await statusNow())?.epoch ?? 0) >= slept + 2,
      LIMIT_MS,
    );
    const all = await net.json<readonly { power: string }[]>(
      "--api",
      net.url("a"),
      "validator",
      "status",
    );
    expect(all.filter(({ power }) => power === "1000").length).toBeGreaterThanOrEqual(3);
    const audit = await net.run("--api", net.url("a"), "audit");
    expect(audit.code, audit.stderr + audit.stdout).toBe(0);
  }, 300_000);
});
