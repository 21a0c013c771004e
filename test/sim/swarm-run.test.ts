/** The threads of a swarm: what dies or hangs is a failure of its seed, and the others go on. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runSwarm, type SeedResult, threadsOf } from "../../sim/swarm-run.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-swarm-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Short runs. */
const FROM = 2;

const own = (name: string, body: string): string => {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, `export const property = () => { ${body} };\n`);
  return path;
};

const swarm = async (
  module: string | undefined,
  seeds: number,
  more: { readonly runMsMax?: number; readonly signal?: AbortSignal } = {},
): Promise<{ readonly results: SeedResult[]; readonly next: number }> => {
  const results: SeedResult[] = [];
  const next = await runSwarm({
    ...{ from: FROM, seeds, workers: 2, twiceEvery: 2, own: module, budgetMs: 100_000 },
    runMsMax: more.runMsMax ?? 100_000,
    signal: more.signal ?? new AbortController().signal,
    nowMs: () => performance.now(),
    onResult: (result) => results.push(result),
  });
  return { results, next };
};

describe("a swarm", () => {
  it("runs each seed once, and hands on where to go on", async () => {
    const { results, next } = await swarm(undefined, 2);
    expect(results.map(({ seed }) => seed).sort()).toEqual([FROM, FROM + 1]);
    expect(results.map(({ outcome }) => outcome)).toEqual(["ok", "ok"]);
    expect(results.every(({ scenario }) => scenario === undefined)).toBe(true);
    expect(next).toBe(FROM + 2);
  }, 100_000);

  it("has no thread without a seed or a core of its own, and one at least", () => {
    expect(threadsOf(64, 8, 1)).toBe(1);
    expect(threadsOf(64, 8)).toBe(8);
    expect(threadsOf(2, 8, 1_000)).toBe(2);
    expect(threadsOf(2, 1, 1_000)).toBe(1);
    expect(threadsOf(2, 0, 0)).toBe(1);
  });

  it("starts no more threads than it has seeds", async () => {
    let started = 0;
    const onWorker = (): void => {
      started += 1;
    };
    process.on("worker", onWorker);
    const results: SeedResult[] = [];
    await runSwarm({
      ...{ from: FROM, seeds: 1, workers: 64, twiceEvery: 0, runMsMax: 100_000 },
      signal: new AbortController().signal,
      nowMs: () => performance.now(),
      onResult: (result) => results.push(result),
    });
    process.off("worker", onWorker);
    expect(results).toHaveLength(1);
    expect(started).toBe(1);
  }, 100_000);

  it("takes a thread that dies for a crash of its seed", async () => {
    const { results } = await swarm(own("dies", "process.exit(3)"), 2);
    expect(results.map(({ seed }) => seed).sort()).toEqual([FROM, FROM + 1]);
    for (const { outcome, id, detail, scenario } of results) {
      expect([outcome, id]).toEqual(["crash", "exception"]);
      expect(detail).toContain("exit code 3");
      expect(scenario?.n).toBeGreaterThan(0);
    }
  }, 100_000);

  it("outlives what a module that is async rejects with, and accuses no node", async () => {
    const path = join(folder, "async.mjs");
    writeFileSync(path, "export const property = async () => { throw new Error('late'); };\n");
    const { results } = await swarm(path, 4);
    expect(results.map(({ seed }) => seed).sort()).toEqual([FROM, FROM + 1, FROM + 2, FROM + 3]);
    for (const { outcome, id, detail } of results) {
      expect([outcome, id]).toEqual(["module", "mistake"]);
      expect(detail).toMatch(/must not be async$/);
    }
  }, 100_000);

  it("takes a run without an end for a loss of liveness", async () => {
    const { results } = await swarm(own("hangs", "for (;;);"), 1, { runMsMax: 8_000 });
    expect(results).toMatchObject([{ seed: FROM, outcome: "liveness", id: "L0", steps: null }]);
    expect(results[0]?.detail).toContain("no end within 8000 ms");
  }, 100_000);

  it("ends at a signal without blaming the seeds that were running", async () => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 1_500);
    const module = own("waits", "for (;;);");
    expect((await swarm(module, 9, { signal: abort.signal })).results).toEqual([]);
  }, 100_000);

  it("ends with what its listener throws, and leaves no thread behind", async () => {
    let told = 0;
    const swarming = runSwarm({
      ...{ from: FROM, workers: 2, twiceEvery: 0, runMsMax: 100_000 },
      signal: new AbortController().signal,
      nowMs: () => performance.now(),
      onResult: () => {
        told += 1;
        throw new RangeError("no room");
      },
    });
    await expect(swarming).rejects.toThrow("no room");
    const before = told;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(told).toBe(before);
  }, 100_000);

  it("says what is wrong with a module instead of trying it on every seed", async () => {
    const path = join(folder, "broken.mjs");
    writeFileSync(path, "export const property = 7;\n");
    await expect(swarm(path, 3)).rejects.toThrow(/has not started: .*property: a function/);
  }, 100_000);
});
