import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createNetwork, type NetworkPlan } from "../../src/cli/dev/create.ts";
import { readDevRecord } from "../../src/cli/dev/record.ts";

let folder: string;
let dir: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-create-"));
  dir = join(folder, "net");
});
afterEach(() => rmSync(folder, { recursive: true }));

const plan = (chainId: string): NetworkPlan => ({
  kind: "tetrad-dev",
  chainId,
  nodes: [{ name: "a", listen: "[::1]:4440", api: "[::1]:8440" }],
});

describe("making a network", () => {
  it("fills a folder that is empty", async () => {
    mkdirSync(dir);
    await createNetwork(dir, plan("one-1"));
    expect(readDevRecord(dir)?.chainId).toBe("one-1");
    expect(readdirSync(folder)).toEqual(["net"]);
  });

  it("of two that begin together, the second leaves the first one's alone", async () => {
    const both = await Promise.allSettled([
      createNetwork(dir, plan("one-1")),
      createNetwork(dir, plan("two-2")),
    ]);
    const made = both.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(made).toHaveLength(1);
    expect(both.find((one) => one.status === "rejected")).toMatchObject({
      reason: { code: "folder.foreign" },
    });
    expect(readDevRecord(dir)?.chainId).toBe(made[0]?.chainId);
    expect(readdirSync(folder)).toEqual(["net"]);
  });

  it("deletes nothing that appears in the folder while it works", async () => {
    const making = createNetwork(dir, plan("one-1"));
    mkdirSync(dir);
    writeFileSync(join(dir, "thesis.txt"), "years of work");
    await expect(making).rejects.toMatchObject({ code: "folder.foreign" });
    expect(readFileSync(join(dir, "thesis.txt"), "utf8")).toBe("years of work");
    expect(readdirSync(folder)).toEqual(["net"]);
  });
});
