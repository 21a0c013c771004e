/** I10: the log replayed from the genesis gives what live nodes have, and whatever else a disk holds is found. */
import { beforeAll, describe, expect, it } from "vitest";
import { createNetwork, type NetworkOptions, type SimNetwork } from "../../sim/network.ts";
import { Prng } from "../../sim/prng.ts";
import { type ReplayDisk, type Replayed, replayFromGenesis } from "../../sim/replay.ts";
import { scenario } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM, systemWith } from "../../sim/system.ts";
import { startWorkload } from "../../sim/workload.ts";
import { listenTo, type Projection } from "../../src/ledger/projection.ts";
import { toHex, verdict } from "./support.ts";

const quiet = scenario("replayed", { seed: 5, healMs: 6_000 });

let network: SimNetwork;

beforeAll(() => {
  network = createNetwork(quiet, SYSTEM);
  const { world, chain, scheme, nodes } = network;
  for (const node of nodes) node.start();
  const workload = { ...quiet.workload, untilMs: 5_000 };
  const ignored = { submitted: () => undefined, acknowledged: () => undefined };
  startWorkload({ world, chain, nodes, scheme, workload, ...ignored });
  world.runUntil(6_000_000);
});

type Change = (key: Uint8Array, value: Uint8Array) => Uint8Array | undefined;

/** What a node's disk shows, but for the rows that `change` has another value for, or none. */
const shown = (slot: number, change: Change): ReplayDisk => ({
  entriesOf: (range) => {
    const all = network.nodes[slot]?.data.entriesOf(range) ?? [];
    return all.flatMap(([key, value]) => {
      const now = change(key, value);
      return now === undefined ? [] : [[key, now] as const];
    });
  },
});

const same: Change = (_, value) => value;

/** A replay in which the disk of n1 is not as the node has written it. */
const replayed = (change: Change): Replayed =>
  replayFromGenesis({
    rules: network.rules,
    disks: [0, 1, 2].map((slot) => ({ slot, disk: shown(slot, slot === 1 ? change : same) })),
    random: new Prng(1, "replay"),
  });

const startsWith = (key: Uint8Array, text: string): boolean =>
  Buffer.from(key).subarray(0, text.length).toString("latin1") === text;

/** Turns the last bit of the first row under a prefix. */
const turned = (prefix: string): Change => {
  const [first] = (network.nodes[1]?.data.dump() ?? []).filter(([key]) => startsWith(key, prefix));
  const name = toHex(first?.[0] ?? new Uint8Array(0));
  return (key, value) => {
    if (toHex(key) !== name) return value;
    const other = value.slice();
    other[other.length - 1] = (other[other.length - 1] ?? 0) ^ 1;
    return other;
  };
};

describe("the log replayed from the genesis", () => {
  it("gives what every disk holds, also where executors are replaced on the way", () => {
    const { heights, restarts, fault } = replayed(same);
    expect(fault).toBeUndefined();
    expect(heights).toBeGreaterThan(20);
    expect(restarts).toBeGreaterThan(2);
  });

  it.each([
    [
      "r/records/",
      /^n1 at height \d+: (height \d+, )?row records \S+: .* is not what the log gives/,
    ],
    ["r/actors/", /^n1 at height \d+: (height \d+, )?row actors \S+: .* is not what the log gives/],
    ["n/records/", /^n1 at height \d+: tree node records \S+: .* is not what the log gives/],
    ["s/", /^n1 at height \d+: validator set \S+: /],
    ["e/", /^n1: height \d+, outcomes \S+: /],
    ["i/", /^n1: height \d+, batch index \S+: /],
    ["t/", /^n1 at height \d+: log tile \S+: /],
  ])("finds a row under %s with another value", (prefix, words) => {
    expect(replayed(turned(prefix)).fault).toMatch(words);
  });

  it("names the first height and the projection whose root a node has recorded otherwise", () => {
    const seen = new Map<string, number>();
    const change: Change = (key, value) => {
      if (!startsWith(key, "x/")) return value;
      const height = Number(Buffer.from(key).readBigUInt64BE(2));
      const at = Buffer.from(value).indexOf("records");
      if (height < 5 || at < 0) return value;
      seen.set("height", Math.min(seen.get("height") ?? height, height));
      const other = value.slice();
      // The root stands behind the name.
      other[at + 7] = (other[at + 7] ?? 0) ^ 1;
      return other;
    };
    const { fault, heights } = replayed(change);
    expect(fault).toMatch(
      /^n1: height 5, execution record records: .*records comes out differently/,
    );
    expect(heights).toBe(5);
  });

  it("finds a row that is missing, and one that nothing in the log gives", () => {
    const [first] = (network.nodes[1]?.data.dump() ?? []).filter(([key]) =>
      startsWith(key, "r/records/"),
    );
    const name = toHex(first?.[0] ?? new Uint8Array(0));
    expect(replayed((key, value) => (toHex(key) === name ? undefined : value)).fault).toMatch(
      /row records \S+: the stored row is missing/,
    );
    const more: ReplayDisk = {
      entriesOf: (range) => {
        const all = network.nodes[1]?.data.entriesOf(range) ?? [];
        const isRows = Buffer.from(range.gte).toString("latin1") === "r/";
        const key = Buffer.from("r/zzz/x", "latin1");
        return isRows ? [...all, [key, new Uint8Array(9)] as const] : all;
      },
    };
    const { fault } = replayFromGenesis({
      rules: network.rules,
      disks: [{ slot: 1, disk: more }],
      random: new Prng(1, "replay"),
    });
    expect(fault).toMatch(/row zzz x: the stored row is there, and nothing in the log gives it/);
  });
});

/** Writes how many requests its process has seen: of all that is in its rows nothing follows from the log. */
const tally = (): Projection => {
  let seen = 0;
  return {
    name: "tally",
    schemaVersion: 1,
    owns: [],
    listens: [
      listenTo("ca.certificate.requested", (tx) => {
        seen += 1;
        tx.put(new Uint8Array(1), Uint8Array.of(seen & 255, seen >>> 8));
      }),
    ],
  };
};

describe("a run whose executors remember what is in no row", () => {
  const remembering: NetworkOptions = {
    ...SYSTEM,
    createSystem: (chain, scheme) => {
      const fresh = () => systemWith([tally()]).createSystem(chain, scheme);
      return {
        ...fresh(),
        boot: (...args) => fresh().boot(...args),
        rules: () => fresh().rules(),
      };
    },
  };

  it("breaks I10 although all nodes have the same rows, and no process was started again", () => {
    const found = verdict(simulate(quiet, remembering));
    expect(found).toMatch(/^correctness I10: the log replayed from the genesis, /);
    expect(found).toMatch(/: n0: height \d+, execution record tally: /);
    expect(found).toMatch(/; its row 00 came out as \S+, and n0 has \S+ at the end$/);
    expect(verdict(simulate(quiet, SYSTEM))).toBe("ok");
  });
});
