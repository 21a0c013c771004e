/** The night's replay: it follows what the model gives, and tells of what a core does not follow. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type NamedTrace, replayTraces } from "./replay-traces.ts";

const read = (name: string): NamedTrace => {
  const file = new URL(`../../model/traces/${name}.itf.json`, import.meta.url);
  return { name, text: readFileSync(file, "utf8") };
};

describe("traces that nobody has looked at", () => {
  it("are replayed one by one, and counted", async () => {
    const told: string[] = [];
    const traces = [read("straight"), read("withheld"), read("status")];
    const counts = await replayTraces(traces, ({ name }) => told.push(name));
    expect(counts).toMatchObject({ traces: 3, failed: 0 });
    expect(counts.steps).toBeGreaterThan(50);
    expect(told).toEqual([]);
  });

  it("are told of where a core does not follow, and the rest is replayed all the same", async () => {
    const { name, text } = read("withheld");
    // The F that the core withholds, since it saw the leader's other proposal, given to the model.
    const wrong = text.replace('"twice":{"#set":["0:4"]}', '"twice":{"#set":[]}');
    const told: string[] = [];
    const traces = [{ name, text: wrong }, { name: "no trace", text: "{}" }, read("causes")];
    const counts = await replayTraces(traces, (one) => told.push(`${one.name}: ${one.mismatch}`));
    expect(counts).toMatchObject({ traces: 3, failed: 2 });
    expect(told[0]).toMatch(
      /^withheld: step \d+ \(hear\), node 0, twice: the model \[\], the core \["0:4"\]$/,
    );
    expect(told[1]).toMatch(/^no trace: cannot be replayed: Error: model trace: #meta/);
  });

  it("come from the model by seed, and are left nowhere when a core follows them", () => {
    const script = fileURLToPath(new URL("../../scripts/model.mjs", import.meta.url));
    const folder = join(mkdtempSync(join(tmpdir(), "model-")), "failures");
    const env = { ...process.env, MODEL_SEED: "3", MODEL_TRACES: "4", MODEL_FAILURES: folder };
    const done = spawnSync(process.execPath, [script, "replay"], { env, encoding: "utf8" });
    expect(done.stdout).toMatch(
      /^4 traces, \d{2,} steps, \d cut short: every core is where the model is/m,
    );
    expect(done.status).toBe(0);
    expect(existsSync(folder)).toBe(false);
  }, 300_000);

  it("are as many as they may be", () => {
    const script = fileURLToPath(new URL("../../scripts/model.mjs", import.meta.url));
    for (const count of ["0", "1.5", "10001", "many"]) {
      const env = { ...process.env, MODEL_TRACES: count };
      const done = spawnSync(process.execPath, [script, "replay"], { env, encoding: "utf8" });
      expect(done.stderr).toContain("MODEL_TRACES: expected a number of 1 to 10000");
      expect(done.status).toBe(1);
    }
  }, 60_000);
});
