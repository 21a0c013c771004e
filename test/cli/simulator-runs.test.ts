/** What `nexus sim swarm` and `run` say of what they have found. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { simMutants } from "../../src/cli/simulator/mutants.ts";
import { simRun } from "../../src/cli/simulator/run.ts";
import { simSwarm } from "../../src/cli/simulator/swarm.ts";
import { fakeContext } from "./fake-context.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-simulator-runs-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Breaks in every run, at its first moment. */
const own = join(folder, "own.mjs");
writeFileSync(
  own,
  `export const checkers = [(context) => ({
    id: "mine", title: "", booted: (slot) => context.report("mine", "n" + slot + " has begun"),
  })];\n`,
);

describe("what a swarm says of its failures", () => {
  const keep = join(folder, "kept");
  const swarm = (from: number, seeds: number) => ({
    ...{ from, seeds, workers: 1, twice: 0, keep, with: own },
  });

  type Item = { readonly seed: number; readonly earlier: boolean };
  const jsonOf = async (from: number, seeds: number) => {
    const { context, said } = fakeContext({ output: "json", quiet: true });
    await expect(simSwarm(context, swarm(from, seeds))).rejects.toThrow(/seeds failed: mine/);
    const value = JSON.parse(said.out) as {
      readonly failures: object;
      readonly firstFailing: object;
      readonly kept: readonly Item[];
    };
    const seedsOf = (isEarlier: boolean): number[] =>
      value.kept.filter(({ earlier }) => earlier === isEarlier).map(({ seed }) => seed);
    return { ...value, own: seedsOf(false), earlier: seedsOf(true) };
  };

  it("is of its own seeds, whatever lies in the folder", async () => {
    const first = await jsonOf(1, 6);
    expect(first).toMatchObject({ failures: { mine: 6 }, firstFailing: { mine: 1 } });
    expect([first.own.length, first.earlier]).toEqual([5, []]);
    // The one that was too much work to be kept among the others is kept when it fails alone.
    const [left = 0] = [1, 2, 3, 4, 5, 6].filter((seed) => !first.own.includes(seed));
    const again = await jsonOf(left, 1);
    expect(again).toMatchObject({ failures: { mine: 1 }, firstFailing: { mine: left } });
    expect(again.own).toEqual([left]);
    expect(again.earlier).toEqual(first.own.slice(0, 4));
    // A person is shown and told to run what this swarm has found.
    const [other = 0] = first.own;
    const { context, said } = fakeContext({}, true);
    await expect(simSwarm(context, swarm(other, 1))).rejects.toThrow("1 of 1 seeds failed");
    expect(said.out).toMatch(new RegExp(`^first +mine at seed ${other}$`, "m"));
    expect(said.out.match(/seed-\d+\.json$/gm)).toEqual([`seed-${other}.json`]);
    expect(said.err).toMatch(new RegExp(`next: nexus sim run .*/mine/seed-${other}\\.json`));
    expect(said.err).toContain("has 4 more that failed in earlier swarms on this commit");
    const [commit = ""] = readdirSync(keep);
    expect(readdirSync(join(keep, commit, "mine"))).toHaveLength(5);
  }, 60_000);
});

/** Half of the weight says nothing, for ever: L1. */
const silent = join(folder, "silent.json");
writeFileSync(
  silent,
  JSON.stringify({
    ...{ name: "silent", n: 2, healMs: 500, expect: { finalWithinMs: 500 } },
    adversaries: [{ node: 0, strategy: "silent", fromMs: 0, untilMs: 1e9 }],
  }),
);

describe("a run that is stuck", () => {
  const why =
    /no vote of n0( n1)? \(faulty: n0\) has ever reached another node: the others are \d of 2/;
  const options = { once: true, shrink: false, out: folder };

  it("says why to whoever has run it, and in the files that it leaves", async () => {
    const { context, said } = fakeContext({ output: "table", quiet: true });
    await expect(simRun(context, { ...options, files: true }, silent)).rejects.toThrow("L1");
    const [section = ""] = /^Why it is stuck\n( {2}.*\n|\n)+/m.exec(said.out) ?? [];
    expect(section).toMatch(why);
    expect(section).toMatch(/^ {4}n0 \(faulty\) +1 +0 .* never$/m);
    const fileOf = (name: string): string => {
      const [, path = ""] = new RegExp(`^${name} +(\\S+)$`, "m").exec(said.out) ?? [];
      return readFileSync(resolve("/", path), "utf8");
    };
    expect(fileOf("report")).toContain(section);
    const page = fileOf("picture");
    expect(page).toMatch(why);
    expect(page).toContain('<details id="stuckbox" open>');
  });

  it("says it to machines, and nothing of the kind of what has failed otherwise", async () => {
    const reportOf = async (file: string, more: object): Promise<unknown> => {
      const { context, said } = fakeContext({ output: "json", quiet: true });
      await expect(simRun(context, { ...options, ...more, files: false }, file)).rejects.toThrow();
      const [{ report }] = JSON.parse(said.out) as [
        { readonly report: { readonly stuck: unknown } },
      ];
      return report.stuck;
    };
    expect(await reportOf(silent, {})).toMatchObject({
      causes: ["a quorum is 2 of 2; up are n0 n1, which have 2", expect.stringMatching(why)],
      tables: [{ title: "Where each node stands", rows: [expect.anything(), expect.anything()] }],
    });
    expect(await reportOf(silent, { with: own })).toBeNull();
  });
});

describe("runs that are interrupted", () => {
  it("say what they have found, and begin no more", async () => {
    for (const output of ["json", "ndjson", "table"] as const) {
      const interrupt = new AbortController();
      const { context, said } = fakeContext({ output }, false, interrupt.signal);
      const reason = new Error("SIGINT");
      // Heard when the first run is over.
      setImmediate(() => interrupt.abort(reason));
      const options = { once: true, out: folder, files: false };
      await expect(simRun(context, options, silent, silent)).rejects.toBe(reason);
      if (output === "table") expect(said.out.match(/^FAIL liveness L1 at /gm)).toHaveLength(1);
      else {
        const value: unknown = JSON.parse(said.out);
        expect(output === "json" ? value : [value]).toMatchObject([{ outcome: "liveness" }]);
      }
      expect(said.err).toMatch(/^1 run, .*, interrupted$/m);
    }
  });

  it("say so of mutants too", async () => {
    const interrupt = new AbortController();
    const { context, said } = fakeContext({ output: "json" }, false, interrupt.signal);
    const reason = new Error("SIGINT");
    const ended = simMutants(context, { types: false }, "quorum-minus-one");
    interrupt.abort(reason);
    await expect(ended).rejects.toBe(reason);
    expect(JSON.parse(said.out)).toEqual([]);
  });
});
