/** A sector is given back by the validator whose it is, by the command. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { fits } from "./shape.ts";
import { until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const net = ownNetwork(NAMES);

const give = (...more: readonly string[]) =>
  net.run("--api", net.url("a"), "space", "give-back", ...more, "-o", "json");

beforeAll(async () => {
  // The first epoch lasts for the whole test: the sector is there, admitted or not.
  await net.make("--space", "--epoch-ms", "600000");
  for (const name of NAMES) net.start(name);
  await until("the network runs", async () => {
    const status = await net.run("--api", net.url("a"), "status", "-o", "json");
    return status.code === 0 && /"finalHeight": ?[1-9]/.test(status.stdout);
  });
}, 120_000);

afterAll(() => net.end());

describe("nexus space give-back", () => {
  it("takes a sector back from who has it and from nobody else, once its epoch is over", async () => {
    const foreign = await give("0");
    expect(foreign.code).not.toBe(0);
    expect(foreign.stderr).toMatch(/space\.sector-unknown|event\.forbidden/);
    expect((await give("x")).stderr).toContain("cli.usage");
    const key = join(net.home("c"), "keys", "node.key");
    const tries: string[] = [];
    // The node writes in the same lane.
    await until("c has given it back", async () => {
      const { code, stdout } = await give("0", "--key", key);
      tries.push(stdout);
      return code === 0;
    });
    fits("space give-back", JSON.parse(tries.at(-1) ?? ""));
    const rows = await net.json<{ value: { sectors?: { endEpoch: number }[] } }[]>(
      ...["--api", net.url("a"), "ls", "space"],
    );
    const ends = rows.flatMap(({ value }) => value.sectors ?? []).map(({ endEpoch }) => endEpoch);
    // One ends with the epoch that runs; the others later, admitted or not. The node may have made another.
    expect(ends.filter((epoch) => epoch === 0)).toHaveLength(1);
    expect(ends.length).toBeGreaterThanOrEqual(4);
  }, 120_000);
});
