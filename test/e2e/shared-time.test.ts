/**
 * One run of a proof of sequential work for several validators, as processes. `a` computes for itself, `b` and `c`
 * (`time_members` in its configuration); those compute nothing and say each epoch that they share its run
 * (`time_shared_with`). `d` would like to, and is no member: the run was not begun for it, so it shows nothing and its
 * power is gone, which tells that time decides and that sharing is what `b` and `c` have their power by.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
/**
 * A run has to have a sixteenth of an epoch, or the profile's most, which a core has in four seconds: in two minutes
 * that leaves room where a machine is busy.
 */
const EPOCH_MS = 120_000;
/** Three epochs until a set follows from proofs, and as many again for one that was missed. */
const LIMIT_MS = 7 * EPOCH_MS;
const net = ownNetwork(NAMES);

type Status = { readonly epoch: number; readonly voting: string };
type Run = {
  readonly state: string;
  readonly epoch: number;
  readonly members: readonly string[];
};
type Line = { readonly name: string; readonly id: string; readonly power: string };
type Event = {
  readonly index: number;
  readonly outcome: { readonly kind: string };
  readonly data: { readonly timekeeper: string; readonly epoch: number };
};

const statusNow = async (): Promise<Status | undefined> => {
  const response = await fetch(`${net.url("a")}/v1/status`).catch(() => undefined);
  return (await response?.json()) as Status | undefined;
};

/** Runs by the validator that has committed to them. */
const runsNow = async (): Promise<ReadonlyMap<string, readonly Run[]>> => {
  const response = await fetch(`${net.url("a")}/v1/projections/time?limit=20`);
  type Page = { readonly items: readonly { key: string; value: { runs: readonly Run[] } }[] };
  const { items } = (await response.json()) as Page;
  return new Map(items.map(({ key, value }) => [key, value.runs]));
};

const run = async (...args: readonly string[]): Promise<string> => {
  const done = await net.run("--api", net.url("a"), ...args);
  expect(done.code, `${args.join(" ")}\n${done.stderr}`).toBe(0);
  return done.stdout;
};

const lines = async (): Promise<ReadonlyMap<string, Line>> => {
  const all = JSON.parse(await run("validator", "status", "-o", "json")) as Line[];
  return new Map(all.map((line) => [line.name, line]));
};

const ids = new Map<string, string>();
const idOf = (name: string): string => ids.get(name) ?? "nobody";

/** What members have said, as the log has it. */
const sharedEvents = async (): Promise<readonly Event[]> => {
  const all = ["tail", "--from", "0", "--no-follow", "--type", "time.run.shared", "-o", "ndjson"];
  const text = (await run(...all)).trim();
  return text === "" ? [] : text.split("\n").map((line) => JSON.parse(line) as Event);
};

/** Who has signed an event, by a proof from the genesis. */
const authorOf = async ({ index }: Event): Promise<string> => {
  const file = join(net.folder, `event-${index}.json`);
  await run("proof", "get", String(index), "--out", file);
  const { proven } = JSON.parse(await run("proof", "verify", file, "-o", "json")) as {
    readonly proven: { readonly who: string };
  };
  return proven.who.replace(/^actor /, "");
};

beforeAll(async () => {
  await net.make("--stake", "--time", "dev", "--epoch-ms", String(EPOCH_MS));
  appendFileSync(net.config("a"), '\ntime_members = "b,c"\ntime_duty = 100\n');
  for (const name of ["b", "c", "d"]) {
    appendFileSync(net.config(name), '\ntime_shared_with = "a"\n');
  }
  for (const name of NAMES) net.start(name);
  await until("it votes", async () => (await statusNow())?.voting === "yes", 240_000);
  for (const { name, id } of (await lines()).values()) ids.set(name, id);
}, 600_000);

afterAll(() => net.end());

describe("a run of time that is shared", () => {
  it("is computed by one, for the members that it names", async () => {
    const proven = async (): Promise<Run | undefined> =>
      (await runsNow()).get(idOf("a"))?.find(({ state }) => state === "proven");
    await until("a has proven a run", async () => (await proven()) !== undefined, LIMIT_MS);
    const members = [...((await proven())?.members ?? [])].sort();
    expect(members).toEqual([idOf("b"), idOf("c")].sort());
  }, 900_000);

  it("is accepted from each member, by an event of its own", async () => {
    const authors = new Set<string>();
    const seen = new Set<number>();
    await until(
      "b and c have said that they share",
      async () => {
        for (const event of await sharedEvents()) {
          if (event.outcome.kind !== "accepted" || seen.has(event.index)) continue;
          expect(event.data.timekeeper).toBe(idOf("a"));
          seen.add(event.index);
          authors.add(await authorOf(event));
        }
        return authors.has(idOf("b")) && authors.has(idOf("c"));
      },
      LIMIT_MS,
    );
    expect([...authors].sort()).toEqual([idOf("b"), idOf("c")].sort());
  }, 900_000);

  it("gives its members their power, and nobody else any", async () => {
    await until("d has no power", async () => (await lines()).get("d")?.power === "0", LIMIT_MS);
    await until(
      "a, b and c have theirs",
      async () => {
        const all = await lines();
        return ["a", "b", "c"].every((name) => all.get(name)?.power === "1000");
      },
      LIMIT_MS,
    );
    const status = (await (await fetch(`${net.url("a")}/v1/status`)).json()) as {
      readonly stake: { readonly degraded: boolean; readonly power: string };
    };
    expect(status.stake).toMatchObject({ degraded: false, power: "3000" });
    // Nobody but a has ever computed a run: power of b and c is by what they share.
    expect([...(await runsNow()).keys()]).toEqual([idOf("a")]);
  }, 1_800_000);
});
