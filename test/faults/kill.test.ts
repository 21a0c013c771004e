/**
 * kill -9 under load: of one node after the other, then of all four at once. What a client was told is
 * committed is in the log once, on all nodes, at the same place; nobody ever contradicted himself.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  expectAllThere,
  expectHonestSigners,
  expectSameChain,
  expectWholeLog,
  readNode,
} from "./support/audit.ts";
import { pause, SHORT, until } from "./support/clock.ts";
import { type Entry, readLog } from "./support/http.ts";
import { Load } from "./support/load.ts";
import { makeFolder, Network, type NetworkNode } from "./support/network.ts";
import { killAll } from "./support/processes.ts";
import { VoteRecorder } from "./support/vote-recorder.ts";

const FOR_MS = SHORT ? 15_000 : 60_000;
const LANES = 4;
const EVENTS_PER_BATCH = 8;

const folder = makeFolder();
let network: Network;
let recorder: VoteRecorder;
let load: Load;
let kills = 0;

beforeAll(async () => {
  network = await Network.create({ dir: join(folder.path, "net") });
  recorder = new VoteRecorder(network, join(folder.path, "votes"));
  await network.start();
  load = await Load.open(network, LANES);
});
afterAll(() => {
  killAll();
  folder.remove();
});

/** Every node once, in an order that is another one in every round and run. */
const shuffled = (): NetworkNode[] => {
  const order = new Map(network.nodes.map((node) => [node, Math.random()]));
  return [...network.nodes].sort((one, two) => (order.get(one) ?? 0) - (order.get(two) ?? 0));
};

/** At any moment: it is not the same from run to run, and the message says which node it was. */
const killOne = async (node: NetworkNode): Promise<void> => {
  const before = load.acknowledged.length;
  await node.kill();
  kills += 1;
  await pause(Math.random() * 1_000);
  // Three nodes are a quorum: load goes on while the fourth is down.
  await until(`batches are committed while ${node.name} is down`, () => {
    if (load.failure !== undefined) throw load.failure;
    return load.acknowledged.length > before;
  });
  node.start();
  await network.healthy();
};

const quiet = (): Promise<Entry[][]> =>
  until(
    "all nodes show the same log",
    async () => {
      const all = await Promise.all(network.nodes.map((node) => node.status()));
      if (new Set(all.map((status) => status?.logSize)).size !== 1) return false;
      return Promise.all(network.nodes.map((node) => readLog(node.endpoint)));
    },
    { explain: network.explain },
  );

describe("kill -9 under load", () => {
  it("of any one node: the others go on, and it comes back", async () => {
    load.start(EVENTS_PER_BATCH);
    const end = Date.now() + FOR_MS;
    let next: NetworkNode[] = [];
    // However slow the machine, every node has its turn.
    while (kills < network.nodes.length || Date.now() < end) {
      if (next.length === 0) next = shuffled();
      await pause(500 + Math.random() * 1_500);
      await killOne(next.shift() as NetworkNode);
    }
  });

  it("of all four at once: the network comes back by itself", async () => {
    await load.served();
    await network.killAll();
    kills += 4;
    for (const node of network.nodes) node.start();
    await load.served();
    await network.healthy();
    await load.stop();
    expect(load.acknowledged.length).toBeGreaterThan(LANES * 3);
  });

  it("leaves every batch that was answered `committed` in the log once, on all nodes", async () => {
    const [first = [], ...others] = await quiet();
    for (const other of others) expect(other).toEqual(first);
    const byBatch = Map.groupBy(first, (entry) => entry.batchId);
    for (const { batchId, height, payloads } of load.acknowledged) {
      const entries = byBatch.get(batchId) ?? [];
      expect(entries.map(({ payload }) => payload)).toEqual(payloads);
      expect(new Set(entries.map((entry) => entry.height))).toEqual(new Set([height]));
      expect(entries.every(({ outcome }) => outcome.kind === "accepted")).toBe(true);
    }
  });

  it("leaves one chain, one log and one state in the folders, and no contradiction signed", async () => {
    await network.holds(load.acknowledged);
    expect(await network.stop()).toEqual([0, 0, 0, 0]);
    const recorded = recorder.finish();
    const nodes = await Promise.all(network.nodes.map(readNode));
    expectSameChain(nodes);
    for (const node of nodes) {
      expectWholeLog(node);
      expectAllThere(node, load.acknowledged);
    }
    const audit = expectHonestSigners(nodes, recorded);
    // A third witness beside what was written down and what was certified: those whom the votes reached.
    for (const node of network.nodes) expect(node.printed).not.toContain("conflicting statements");
    expect(audit.statements).toBeGreaterThan(50);
    expect(audit.certified).toBeGreaterThan(50);
    process.stderr.write(
      `${kills} kills, ${load.acknowledged.length} batches acknowledged, ` +
        `${audit.statements} statements signed, ${audit.certified} of them seen in certificates\n`,
    );
  });
});
