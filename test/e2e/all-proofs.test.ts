/**
 * Four processes of a chain that asks for space, stake, work, time and a beacon, as that of `nexus dev` does, with
 * epochs of a minute: everybody shows everything in each of them, and powers follow from it.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const EPOCH_MS = 60_000;
/** For what takes an epoch, or two and more on a machine that is busy. */
const LIMIT_MS = 240_000;
const net = ownNetwork(NAMES);

type Status = {
  readonly epoch: number;
  readonly voting: string;
  readonly stake: { readonly degraded: boolean; readonly power: string };
};
type Claim = { readonly state: string; readonly countsForEpoch: number | null };
type Value = {
  readonly runs?: readonly Claim[];
  readonly shares?: readonly Claim[];
  readonly provenEpoch?: number;
};
type Validator = { readonly name: string; readonly state: string; readonly power: string };

const json = async <T>(...args: readonly string[]): Promise<T> =>
  net.json<T>("--api", net.url("a"), ...args);

// By the API, as it is asked for all the time: a command is a process.
const statusNow = async (): Promise<Status | undefined> => {
  const response = await fetch(`${net.url("a")}/v1/status`).catch(() => undefined);
  return (await response?.json()) as Status | undefined;
};

const rowsOf = async (name: string): Promise<readonly Value[]> => {
  const response = await fetch(`${net.url("a")}/v1/projections/${name}?limit=20`);
  const { items } = (await response.json()) as { readonly items: readonly { value: Value }[] };
  return items.map(({ value }) => value);
};

const isOfAll = (shown: readonly boolean[]): boolean =>
  shown.filter(Boolean).length === NAMES.length;

const isProven = async (part: "time" | "work", epoch: number): Promise<boolean> => {
  const rows = await rowsOf(part);
  const isIn = ({ state, countsForEpoch }: Claim): boolean =>
    state === "proven" && (countsForEpoch ?? -1) >= epoch;
  return isOfAll(rows.map(({ runs, shares }) => (runs ?? shares ?? []).some(isIn)));
};

const isAnswered = async (epoch: number): Promise<boolean> =>
  isOfAll((await rowsOf("space")).map(({ provenEpoch }) => (provenEpoch ?? 0) >= epoch));

/** All that an epoch asks of everybody is on the chain. */
const allShown = async (epoch: number): Promise<void> => {
  await until(`space of epoch ${epoch}`, () => isAnswered(epoch), LIMIT_MS);
  await until(`time of epoch ${epoch}`, () => isProven("time", epoch), LIMIT_MS);
  await until(`shares of epoch ${epoch}`, () => isProven("work", epoch), LIMIT_MS);
};

beforeAll(async () => {
  const parts = ["--space", "--stake", "--time", "dev", "--work", "dev"];
  await net.make(...parts, "--epoch-ms", String(EPOCH_MS));
  for (const name of NAMES) net.start(name);
  await until("it votes", async () => (await statusNow())?.voting === "yes", LIMIT_MS);
}, LIMIT_MS);

afterAll(() => net.end());

describe("a chain that asks for all proofs", () => {
  it("has them of everybody in every epoch, and gives power for them", async () => {
    await allShown(1);
    // What epoch 0 has shown is the set of epoch 2; a machine that was late for it has the next one.
    const isEarned = ({ epoch, stake }: Status): boolean =>
      epoch >= 2 && !stake.degraded && stake.power === "4000";
    await until(
      "a set that the proofs of everybody have made",
      async () => {
        const now = await statusNow();
        return now !== undefined && isEarned(now);
      },
      LIMIT_MS,
    );
    const validators = await json<readonly Validator[]>("validator", "status");
    expect(validators.map(({ name, state, power }) => [name, state, power])).toEqual(
      NAMES.map((name) => [name, "active", "1000"]),
    );
    for (const part of ["time", "work"]) {
      const table = await net.run("--api", net.url("a"), part, "status");
      expect(table.stdout).toContain("proven");
    }
  }, 900_000);

  it(
    "takes events, shows the proofs of each, and is found right by an audit",
    async () => {
      const [receipt] = await json<readonly { firstIndex: number }[]>("append", "all/one", "text");
      const index = String(receipt?.firstIndex);
      const { proofs } = await json<{ proofs: Record<string, string> }>("explain", index);
      expect(proofs["stake"]).toMatch(
        /^signed by the author's key.* powers follow stake and proofs/,
      );
      expect(proofs["space"]).toMatch(
        /^an opening of a sector of host .*the proposer opened its own/,
      );
      expect(proofs["work"]).toMatch(/^effort 1.*, equihash-96-5 .*: right, checked here in/);
      expect(proofs["time"]).toMatch(/^after height [0-9]+, which the batch names/);
      expect(proofs["beacon"]).toMatch(
        /^the proposer revealed its value of height .*: right by the proposer's key/,
      );
      const audit = await net.run("--api", net.url("a"), "audit");
      expect(audit.code, audit.stderr + audit.stdout).toBe(0);
    },
    LIMIT_MS,
  );
});
