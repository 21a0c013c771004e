/** Network location with real processes: measured over live sessions, certified once an epoch, shown, audited. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { itemFits } from "./shape.ts";
import { nexus, type Run, until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const EPOCH_MS = 30_000;
const net = ownNetwork(NAMES);
/** This one says nothing of its own place. */
const SILENT = "d";

type Bound = { readonly witness: string; readonly name: string; readonly rttUs: number };
type Shown = {
  readonly id: string;
  readonly name: string;
  readonly epoch: number | null;
  readonly zone: string | null;
  readonly bounds: readonly Bound[] | null;
  readonly withinKm: number | null;
};

const location = (...args: readonly string[]): Promise<Run> =>
  nexus(["--api", net.url("a"), "location", "show", ...args]);

const shown = async (...args: readonly string[]): Promise<readonly Shown[]> => {
  const done = await location(...args, "-o", "json");
  expect(done.code, done.stderr).toBe(0);
  return JSON.parse(done.stdout) as Shown[];
};

beforeAll(async () => {
  await net.make("--space", "--location", "--epoch-ms", String(EPOCH_MS));
  appendFileSync(net.config(SILENT), "\nlocation = false\n");
  for (const name of NAMES) net.start(name);
  const certified = async (): Promise<boolean> => {
    const done = await location("-o", "json");
    const items = done.code === 0 ? (JSON.parse(done.stdout) as Shown[]) : [];
    return items.filter(({ epoch }) => epoch !== null).length >= 3;
  };
  // Some epochs, on a machine that is busy with other tests.
  await until("three validators are certified", certified, 200_000);
}, 360_000);

afterAll(() => net.end());

describe("nexus location", () => {
  it("shows of every validator that asked whom it is near, and of no other", async () => {
    const items = await shown();
    expect(items.map(({ name }) => name).sort()).toEqual([...NAMES]);
    for (const item of items) {
      itemFits("location show", item);
      if (item.name === SILENT) {
        expect(item).toMatchObject({ epoch: null, zone: null, bounds: null, withinKm: null });
        continue;
      }
      // Two of the others are the least that hold more than a third.
      expect(item.bounds?.length).toBeGreaterThanOrEqual(2);
      for (const { witness, name, rttUs } of item.bounds ?? []) {
        expect(witness).not.toBe(item.id);
        expect(NAMES).toContain(name);
        expect(rttUs).toBeGreaterThan(0);
      }
      expect(item.withinKm).toBeGreaterThan(0);
    }
  });

  it("shows a table, and only a zone where one is asked for", async () => {
    const table = await location();
    expect(table.stdout).toMatch(/^NAME +EPOCH +ZONE +WITNESSES +LEAST_MS +MOST_MS +WITHIN_KM/im);
    expect(table.stderr).toContain("a bound is no place");
    const far = await shown("--zone", "world");
    expect(far.map(({ name }) => name).sort()).toEqual(["a", "b", "c"]);
    const near = await shown("--zone", "metro");
    expect(near.every(({ zone }) => zone === "metro")).toBe(true);
  });

  it("refuses a zone that the chain does not have, and a chain that has none", async () => {
    const unknown = await location("--zone", "moon");
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain("location.zone-unknown");
    const dir = join(net.folder, "other");
    const node = "x=[::1]:5001";
    const alone = await nexus(["--dir", dir, "init", "--network", "--node", node, "--location"]);
    expect(alone.code).toBe(1);
    expect(alone.stderr).toContain("give it with --space");
  });

  it("is the same to whoever works all of it out again", async () => {
    const audit = await nexus(["audit", "--api", net.url("b"), "--genesis", net.genesis]);
    expect(audit.code, audit.stdout + audit.stderr).toBe(0);
  }, 120_000);
});
