/**
 * Four processes of a chain that asks for space, stake, work, time and a beacon, as that of `nexus dev` does, with
 * epochs of less than a minute: everybody shows everything in each of them, and powers follow from it. Then all
 * nodes are away for more than two epochs, as on a laptop that sleeps, and the chain goes on where it was.
 */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const EPOCH_MS = 45_000;
/** For what takes one epoch, or two on a machine that is busy. */
const LIMIT_MS = 180_000;
const net = ownNetwork(NAMES);

type Status = {
  readonly epoch: number;
  readonly finalHeight: number;
  readonly voting: string;
  readonly stake: { readonly degraded: boolean; readonly power: string };
};
type Claimed = { readonly name: string; readonly claim: Claim | null };
type Claim = { readonly epoch: number; readonly state: string; readonly settledEpoch: number };
type Validator = { readonly name: string; readonly state: string; readonly power: string };

const json = async <T>(...args: readonly string[]): Promise<T> =>
  net.json<T>("--api", net.url("a"), ...args);

/** Of node a, also while it is down. */
const statusNow = async (): Promise<Status | undefined> => {
  const response = await fetch(`${net.url("a")}/v1/status`).catch(() => undefined);
  return (await response?.json()) as Status | undefined;
};

const inEpoch = (epoch: number): Promise<void> =>
  until(`epoch ${epoch}`, async () => ((await statusNow())?.epoch ?? -1) >= epoch, LIMIT_MS);

const isProven = async (part: "time" | "work", epoch: number): Promise<boolean> => {
  const all = await json<readonly Claimed[]>(part, "status");
  return (
    all.length === NAMES.length &&
    all.every(({ claim }) => claim?.state === "proven" && claim.settledEpoch >= epoch)
  );
};

const isAnswered = async (epoch: number): Promise<boolean> => {
  const folders = NAMES.map((name) => join(net.dir, name, "space"));
  const shown = await Promise.all(
    folders.map((folder) =>
      json<readonly { onChain: { answeredEpoch: number } | null }[]>("space", "ls", folder),
    ),
  );
  return shown.every(([sector]) => (sector?.onChain?.answeredEpoch ?? -1) >= epoch);
};

/** All that the running epoch asks of everybody is on the chain. */
const allShown = async (epoch: number): Promise<void> => {
  await until(`time of epoch ${epoch}`, () => isProven("time", epoch), LIMIT_MS);
  await until(`shares of epoch ${epoch}`, () => isProven("work", epoch), LIMIT_MS);
  await until(`space of epoch ${epoch}`, () => isAnswered(epoch), LIMIT_MS);
};

const startAll = (): void => {
  for (const name of NAMES) net.start(name);
};

beforeAll(async () => {
  const parts = ["--space", "--stake", "--time", "dev", "--work", "dev"];
  await net.make(...parts, "--epoch-ms", String(EPOCH_MS));
  startAll();
  await until("the network votes", async () => (await statusNow())?.voting === "yes", LIMIT_MS);
}, 2 * LIMIT_MS);

afterAll(() => net.end());

describe("a chain that asks for all proofs", () => {
  it(
    "has them of everybody in every epoch, and gives power for them",
    async () => {
      await inEpoch(1);
      await allShown(1);
      // What epoch 0 has shown is the set of epoch 2; a machine that was late for it has the next one.
      await until(
        "a set that the proofs of everybody have made",
        async () => {
          const now = await statusNow();
          return (
            (now?.epoch ?? 0) >= 2 && now?.stake.degraded === false && now.stake.power === "4000"
          );
        },
        LIMIT_MS,
      );
      const validators = await json<readonly Validator[]>("validator", "status");
      expect(validators.map(({ name, state, power }) => [name, state, power])).toEqual(
        NAMES.map((name) => [name, "active", "1000"]),
      );
      const table = await net.run("--api", net.url("a"), "validator", "status");
      expect(table.stderr).toMatch(/epoch [0-9]+: power 4000\n/);
    },
    5 * LIMIT_MS,
  );

  it("takes events, and shows the proofs of each", async () => {
    const [receipt] = await json<readonly { firstIndex: number }[]>("append", "all/one", "text");
    const index = String(receipt?.firstIndex);
    const { proofs } = await json<{ proofs: Record<string, string> }>("explain", index);
    expect(proofs["stake"]).toMatch(/^the proposer has 1000 .*powers follow stake and proofs/);
    expect(proofs["space"]).toMatch(
      /^an opening of a sector of host .* the proposer opened its own/,
    );
    expect(proofs["work"]).toMatch(/^effort 1, equihash-96-5 .*: right, checked here in/);
    expect(proofs["time"]).toMatch(/^after height [0-9]+, which the batch names/);
    expect(proofs["beacon"]).toMatch(/^the proposer revealed its value of height/);
  });

  it(
    "goes on when all nodes were away over two ends of an epoch, says so, and recovers",
    async () => {
      const before = await statusNow();
      await Promise.all(NAMES.map((name) => net.stop(name)));
      await pause(2 * EPOCH_MS + 5_000);
      startAll();
      await until(
        "it goes on from the same height",
        async () => {
          const now = await statusNow();
          return (now?.finalHeight ?? 0) > (before?.finalHeight ?? 0) + 2;
        },
        LIMIT_MS,
      );
      // Ledger time stood still: one epoch has become longer, and the next one is whole.
      const slept = before?.epoch ?? 0;
      await inEpoch(slept + 1);
      await allShown(slept + 1);
      const written = await net.run("--api", net.url("a"), "append", "all/two", "text");
      expect(written.code, written.stderr).toBe(0);
      expect((await statusNow())?.stake.power).toBe("4000");
      const audit = await net.run("--api", net.url("a"), "audit");
      expect(audit.code, audit.stderr + audit.stdout).toBe(0);
    },
    5 * LIMIT_MS,
  );
});
