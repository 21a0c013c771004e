/** The network model: it repeats itself, and follows the map and the costs that it is given. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  type CapacityOptions,
  DOCUMENTED_LOAD,
  EGRESS_MAX,
  measureCapacity,
} from "../../sim/capacity.ts";

const FREE = { sign: 0, verify: 0, hashKiB: 0, execute: 0, writeRow: 0 };
const near: CapacityOptions = {
  n: 4,
  rttMs: [
    [1, 40],
    [40, 1],
  ],
  costs: { ...FREE, sign: 700, verify: 100 },
  batchesPerSecond: 10,
  bodyBytes: 100,
  warmUpMs: 1_500,
  measuredMs: 2_000,
};
const median = (samples: readonly number[]): number =>
  [...samples].sort((a, b) => a - b)[samples.length >> 1] ?? Number.NaN;

describe("the network model", () => {
  const first = measureCapacity(near);

  it("gives the same for the same question", () => {
    expect(measureCapacity(near)).toEqual(first);
  });

  it("counts the votes of a view: two signatures of each node, sent to three others", () => {
    expect(first.views).toBeGreaterThan(10);
    expect(first.signed).toBeGreaterThan(1.9);
    expect(first.verified).toBeGreaterThan(4);
    expect(first.egress).toBeGreaterThan(6 * 1280);
    expect(first.egressMax).toBeGreaterThan(first.egress);
    const sum = [...first.egressByType.values()].reduce((total, bytes) => total + bytes, 0);
    expect(sum).toBeCloseTo(first.egress, 3);
  });

  it("takes as long as the map is wide", () => {
    const rttMs = near.rttMs.map((row) => row.map((ms) => 4 * ms));
    const far = measureCapacity({ ...near, rttMs });
    expect(median(far.finalityMs)).toBeGreaterThan(2 * median(first.finalityMs));
  });

  it("keeps one processor a node busy with what is asked of it, and waits for it", () => {
    const slow = measureCapacity({ ...near, costs: { ...near.costs, sign: 20_000 } });
    expect(slow.busy).toBeGreaterThan(2 * first.busy);
    expect(slow.busyMax).toBeLessThanOrEqual(1.05);
    expect(median(slow.finalityMs)).toBeGreaterThan(median(first.finalityMs) + 30);
  });
});

describe("the check of each night", () => {
  it("asks with the load, the costs and the bound that are documented", () => {
    const page = readFileSync(new URL("../../docs/scale.md", import.meta.url), "utf8");
    const { costs, batchesPerSecond, bodyBytes } = DOCUMENTED_LOAD;
    for (const us of Object.values(costs)) expect(page).toContain(`| ${us} |\n`);
    expect(page.replaceAll("\n", " ")).toContain(
      `Load: ${batchesPerSecond} batches a second with one record of ${bodyBytes} bytes each`,
    );
    expect(page).toContain(`${EGRESS_MAX / 1000} kB (I20)`);
  });
});
