/**
 * Sectors that cannot be admitted lapse with epoch 1. One node makes another by itself before anything is lost; one
 * that may not loses its power, is told why, and has it back once it may.
 */
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { fits } from "./shape.ts";
import { until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const EPOCH_MS = 20_000;
/** What takes a few epochs, and a sealing: where the machine is busy an epoch is as long as its blocks take. */
const LIMIT_MS = 30 * EPOCH_MS;
const net = ownNetwork(NAMES);

type Line = {
  readonly name: string;
  readonly state: string;
  readonly power: string;
  readonly lacks: readonly {
    readonly proof: string;
    readonly what: string;
    readonly todo: string;
  }[];
};
type Finding = { readonly check: string; readonly state: string; readonly found: string };

const fileOf = (name: string, number: number): string =>
  join(net.home(name), "space", `${number}.sector`);

const lineOf = async (name: string): Promise<Line | undefined> => {
  const run = await net.run("--api", net.url("a"), "validator", "status", "-o", "json");
  if (run.code !== 0) return undefined;
  const all = JSON.parse(run.stdout) as Line[];
  fits("validator status", all);
  return all.find((line) => line.name === name);
};

const metric = async (node: string, name: string): Promise<number | undefined> => {
  const page = await (await fetch(`${net.url(node)}/metrics`)).text();
  const found = new RegExp(`^${name} ([0-9.]+)$`, "m").exec(page)?.[1];
  return found === undefined ? undefined : Number(found);
};

const doctorOf = async (node: string): Promise<Finding | undefined> => {
  const run = await net.run("doctor", "--config", net.config(node), "-o", "json");
  return (JSON.parse(run.stdout) as Finding[]).find(({ check }) => check === "space");
};

beforeAll(async () => {
  await net.make("--space", "--stake", "--epoch-ms", String(EPOCH_MS));
  for (const name of ["c", "d"]) {
    rmSync(`${fileOf(name, 0)}.layers`, { recursive: true });
  }
  appendFileSync(net.config("c"), "\nspace_sectors = 0\n");
  for (const name of NAMES) net.start(name);
}, 360_000);

afterAll(() => net.end());

describe("a sector that cannot be admitted", () => {
  it(
    "is replaced by its node, without anybody's doing",
    async () => {
      await until("d has made one", async () => existsSync(fileOf("d", 1)), LIMIT_MS);
      await until(
        "the chain has admitted it",
        async () => (await metric("d", "tetrad_space_sectors_missing")) === 0,
        LIMIT_MS,
      );
      expect(await metric("d", "tetrad_space_renewals_total")).toBe(1);
      expect(await metric("c", "tetrad_space_renewals_total")).toBe(0);
    },
    2 * LIMIT_MS,
  );

  it(
    "takes the power of who does not replace it, and is said to",
    async () => {
      await until("c has no power", async () => (await lineOf("c"))?.power === "0", LIMIT_MS);
      const line = await lineOf("c");
      expect(line?.lacks[0]).toMatchObject({
        proof: "space",
        what: expect.stringContaining("sector 0 counts no more"),
      });
      const table = await net.run("--api", net.url("a"), "validator", "status");
      expect(table.stdout).toMatch(/^c .* space(, keys)?$/m);
      expect(table.stdout).toMatch(/^c space: sector 0 counts no more.*\n {2}→ .*space_sectors/m);
      expect(await doctorOf("c")).toMatchObject({ state: "warn" });
      // Who has replaced it has lost nothing.
      const other = await lineOf("d");
      expect(other).toMatchObject({ state: "active", power: "1000" });
      expect(other?.lacks.filter(({ proof }) => proof !== "keys")).toEqual([]);
      expect(await doctorOf("d")).toMatchObject({ state: "ok" });
      // What counts no more makes room.
      await until("d has removed the old one", async () => !existsSync(fileOf("d", 0)), LIMIT_MS);
      expect(existsSync(fileOf("c", 0))).toBe(true);
    },
    2 * LIMIT_MS,
  );

  it(
    "gives the power back some epochs after the node may make another",
    async () => {
      await net.stop("c");
      const config = readFileSync(net.config("c"), "utf8");
      writeFileSync(net.config("c"), config.replace("space_sectors = 0", "space_sectors = 1"));
      net.start("c");
      await until("c has its power", async () => (await lineOf("c"))?.power === "1000", LIMIT_MS);
      const isWhole = async (): Promise<boolean> =>
        (await lineOf("c"))?.lacks.every(({ proof }) => proof === "keys") === true;
      await until("nothing is missing", isWhole, LIMIT_MS);
      expect(existsSync(fileOf("c", 1))).toBe(true);
    },
    2 * LIMIT_MS,
  );
});
