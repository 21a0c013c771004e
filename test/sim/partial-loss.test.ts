/** A disk that lied and lost some of it: what checkers are told is what lies there now. */
import { describe, expect, it } from "vitest";
import { createNetwork } from "../../sim/network.ts";
import { scenario } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";
import { toHex, verdict } from "./support.ts";

/** Keys in hex: those that are there, and those that checkers have been told of since something was lost. */
type Loss = {
  readonly wasLost: boolean;
  readonly kept: readonly string[];
  readonly told: readonly string[];
};

/** Runs four nodes, of which the first loses power after its disk has lied, while its process runs or is down. */
const lossOf = (seed: number, disk: "data" | "votes", isDown: boolean): Loss => {
  const told = new Set<string>();
  let wasLost = false;
  const network = createNetwork(scenario("partial", { seed, healMs: 60_000 }), {
    ...SYSTEM,
    checkers: [
      () => ({
        id: "test",
        title: "remembers what is durable",
        durable: (slot, name, puts) => {
          if (slot !== 0 || name !== disk) return;
          for (const { key } of puts) told.add(toHex(key));
        },
        diskLost: (slot, name) => {
          if (slot !== 0 || name !== disk) return;
          wasLost = true;
          told.clear();
        },
      }),
    ],
  });
  const [node] = network.nodes;
  if (node === undefined) throw new Error("no nodes");
  for (const one of network.nodes) one.start();
  network.world.runUntil(2_000_000);
  node[disk].lie(() => undefined);
  network.world.runUntil(3_000_000);
  if (isDown) {
    expect(node.crash(false, "killed", 1_000)).toBe(true);
    expect(wasLost).toBe(false);
    network.world.runUntil(3_500_000);
  }
  expect(node.crash(true, "test", 1_000)).toBe(!isDown);
  const kept = node[disk].dump().map(([key]) => toHex(key));
  network.memory.close();
  return { wasLost, kept: kept.sort(), told: [...told].sort() };
};

describe.each(["data", "votes"] as const)(
  "a disk of %s that has lost its newest writes",
  (disk) => {
    it.each([false, true])("is still known to hold the older ones (process down: %s)", (isDown) => {
      const losses = [1, 2, 3, 4]
        .map((seed) => lossOf(seed, disk, isDown))
        .filter((one) => one.wasLost);
      expect(losses.length).toBeGreaterThan(0);
      for (const { kept, told } of losses) {
        expect(kept.length).toBeGreaterThan(0);
        expect(told).toEqual(kept);
      }
    });
  },
);

describe("a node that has lost its newest blocks", () => {
  it("may answer for those that it has kept to whom nobody else has answered", () => {
    // Clients of node 1 ask again after their patience is over, some of them node 0. Seed 5 was I11 once.
    const faults = [
      { kind: "crash", node: 1, power: false, atMs: 2_000, downMs: 60_000 },
      { kind: "lost-writes", node: 0, disk: "data", atMs: 2_300, untilMs: 3_000 },
      { kind: "crash", node: 0, power: true, atMs: 2_600, downMs: 100 },
    ] as const;
    const workload = {
      ...{ clients: 8, batchesPerSecond: 40, eventsPerBatch: 2, bodyBytes: 200 },
      untilMs: 3_000,
    };
    const result = simulate(scenario("kept", { seed: 5, workload, faults, healMs: 8_000 }), SYSTEM);
    expect(result.marks.get("synced write lost")).toBe(1);
    expect(verdict(result)).toBe("ok");
  }, 30_000);
});
