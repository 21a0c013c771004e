/** The network model: it repeats itself, and follows the map and the costs that it is given. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { THREE } from "../../bench/sim/world-map.ts";
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
    // N and F, of 1,332 bytes each, and a proposal with the hashes of its batches where it leads.
    const votes = (first.egressByType.get(1) ?? 0) + (first.egressByType.get(2) ?? 0);
    expect(votes).toBeLessThan(1.15 * 6 * 1332);
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

/** A row of the table in docs/scale.md, by the names of its columns. */
const documented = (n: number, places: number): ReadonlyMap<string, number> => {
  const page = readFileSync(new URL("../../docs/scale.md", import.meta.url), "utf8");
  const rows = page.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  const names = rows.find((row) => row[1] === "n") ?? [];
  const row = rows.find((cells) => cells[1] === `${n}` && cells[2] === `${places}`) ?? [];
  return new Map(names.map((name, i) => [name, Number(row[i])]));
};

describe("what four nodes in three places send", () => {
  const row = documented(4, 3);
  const { rttMs } = THREE;
  const asked = { ...DOCUMENTED_LOAD, n: 4, rttMs, measuredMs: 4_000 };
  const measured = measureCapacity(asked);
  const kilobytes = (type: number): number => (measured.egressByType.get(type) ?? 0) / 1000;
  /** Half as long a run as the one of the page gives figures a little apart from its. */
  const isNear = (value: number, column: string): void => {
    const figure = row.get(column) ?? Number.NaN;
    expect(value, column).toBeGreaterThan(0.8 * figure);
    expect(value, column).toBeLessThan(1.25 * figure);
  };

  it("is what docs/scale.md says, not less and not more", () => {
    isNear(measured.egress / 1000, "egress, kB");
    isNear(kilobytes(2), "of it votes");
    isNear(kilobytes(1), "proposals");
    isNear(measured.signed, "signed");
    isNear(measured.views / 4, "views a second");
  });

  it("is no certificate and no STATUS, where nothing is missing", () => {
    expect([kilobytes(3), kilobytes(4)]).toEqual([0, 0]);
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
