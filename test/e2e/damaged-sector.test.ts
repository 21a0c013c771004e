/**
 * A sector of one node is damaged while the network runs: its owner's check finds it, the chain has no answer for
 * the next epoch, and after the second one the validator has no power, while the others go on without it. Its node
 * makes another sector, and the power returns.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const EPOCH_MS = 30_000;
const net = ownNetwork(NAMES);
const fileOf = (name: string): string => join(net.dir, name, "space", "0.sector");

type OnChain = {
  readonly state: string;
  readonly epoch: number;
  readonly admission: readonly [number, number];
  readonly answeredEpoch: number;
};
type Validator = { readonly name: string; readonly state: string; readonly power: string };

/** Last epoch that each validator has answered, by the API: a command is a process. */
const answered = async (): Promise<readonly number[]> => {
  const asked = fetch(`${net.url("a")}/v1/projections/space?limit=20`);
  const response = await asked.catch(() => undefined);
  if (response?.ok !== true) return [];
  const { items } = (await response.json()) as {
    readonly items: readonly { readonly value: { readonly provenEpoch?: number } }[];
  };
  return items.flatMap(({ value }) => value.provenEpoch ?? []);
};

const json = async <T>(...args: readonly string[]): Promise<T> =>
  net.json<T>("--api", net.url("a"), ...args);

const onChain = async (name: string): Promise<OnChain | undefined> => {
  const folder = join(net.dir, name, "space");
  const [sector] = await json<readonly { onChain: OnChain | null }[]>("space", "ls", folder);
  return sector?.onChain ?? undefined;
};

const powers = async (): Promise<readonly (readonly [string, string, string])[]> => {
  const all = await json<readonly Validator[]>("validator", "status");
  return all.map(({ name, state, power }) => [name, state, power]);
};

beforeAll(async () => {
  await net.make("--space", "--stake", "--epoch-ms", String(EPOCH_MS));
  for (const name of NAMES) net.start(name);
}, 120_000);

afterAll(() => net.end());

describe("a network whose nodes prove space", () => {
  it("admits the sectors of its genesis, and has answers for its epochs", async () => {
    await until(
      "an epoch is answered by everybody",
      async () => (await answered()).filter((epoch) => epoch > 0).length === NAMES.length,
      4 * EPOCH_MS + 60_000,
    );
    for (const name of NAMES) {
      const said = await onChain(name);
      expect(said?.admission[0]).toBe(said?.admission[1]);
    }
    expect(await powers()).toEqual(NAMES.map((name) => [name, "active", "1000"]));
  }, 180_000);

  it(
    "finds a damaged one: by the check, by the epochs after it, and in the powers",
    async () => {
      const file = fileOf("d");
      const fd = openSync(file, "r+");
      writeSync(fd, new Uint8Array(112 * 1024), 0, 112 * 1024, 8192);
      closeSync(fd);
      const damagedIn = (await onChain("a"))?.epoch ?? 0;
      const checked = await net.run("--api", net.url("a"), "space", "check", file);
      expect(checked.code).toBe(2);
      expect(checked.stderr).toContain("space.damaged");
      expect(checked.stdout).toMatch(/the chain says +admitted/);
      await until(
        "the next epoch is answered by three of four",
        async () => (await answered()).filter((epoch) => epoch > damagedIn).length === 3,
        4 * EPOCH_MS,
      );
      expect((await onChain("d"))?.answeredEpoch).toBeLessThanOrEqual(damagedIn);
      const folder = join(net.dir, "d", "space");
      const table = await net.run("--api", net.url("a"), "space", "ls", folder);
      expect(table.stdout).toMatch(/not answered|counts no more/);
      await until(
        "d has no power",
        async () => {
          await pause(2_000);
          return (await powers()).some(([name, state]) => name === "d" && state === "waiting");
        },
        8 * EPOCH_MS,
      );
      expect(await powers()).toEqual([
        ...NAMES.slice(0, 3).map((name) => [name, "active", "1000"]),
        ["d", "waiting", "0"],
      ]);
    },
    12 * EPOCH_MS,
  );

  it(
    "comes back by itself: its node gives the sector back and makes another",
    async () => {
      await until(
        "d has its power",
        async () => {
          await pause(2_000);
          return (await powers()).some(([name, , power]) => name === "d" && power === "1000");
        },
        8 * EPOCH_MS,
      );
      const folder = join(net.dir, "d", "space");
      const made = await json<readonly { sector: number; onChain: OnChain | null }[]>(
        ...["space", "ls", folder],
      );
      expect(made.find(({ sector }) => sector === 1)?.onChain?.state).toBe("live");
    },
    10 * EPOCH_MS,
  );

  it("goes on without it, and with the other", async () => {
    const written = await net.run("--api", net.url("b"), "append", "space/one", "text");
    expect(written.code, written.stderr).toBe(0);
    const audit = await net.run("--api", net.url("a"), "audit");
    expect(audit.code, audit.stderr + audit.stdout).toBe(0);
  }, 120_000);
});
