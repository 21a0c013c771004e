/** What the verbs of the simulator decide without running one. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { scenario, simulate } from "../../sim/index.ts";
import { duration } from "../../src/cli/sim-commands.ts";
import {
  checkFile,
  checkFolder,
  fileName,
  folderFor,
  lineWriter,
  reportFailure,
} from "../../src/cli/simulator/files.ts";
import { type Keeper, type Kept, keepShortest, openKeeper } from "../../src/cli/simulator/kept.ts";
import { nearest } from "../../src/cli/simulator/load.ts";
import { shrinkFailure } from "../../src/cli/simulator/shrinking.ts";
import { fakeContext } from "./fake-context.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-simulator-"));
afterAll(() => rmSync(folder, { recursive: true }));

const one = (seed: number, steps: number | null, invariant = "I1", detail = ""): Kept => ({
  ...{ seed, steps, invariant, outcome: "correctness", detail, virtualMs: 1 },
  file: `${invariant}/seed-${seed}.json`,
});

describe("what a swarm keeps", () => {
  const limits = (ofFailure: number, ofInvariant = 9) => ({ ofFailure, ofInvariant });

  it("is of each invariant those with the least work, a seed once", () => {
    let list: readonly Kept[] = [];
    for (const [seed, steps] of [
      [1, 50],
      [2, 10],
      [3, 30],
      [2, 10],
      [4, 20],
    ] as const) {
      list = keepShortest(list, one(seed, steps), limits(3));
    }
    expect(list.map(({ seed }) => seed)).toEqual([2, 4, 3]);
    list = keepShortest(list, one(9, 99, "L1"), limits(3));
    expect(list.map(({ invariant }) => invariant)).toEqual(["I1", "I1", "I1", "L1"]);
  });

  it("has what nobody could measure last, and takes nothing measured away for it", () => {
    const all = [one(1, null, "L0"), one(2, 5_000, "L0"), one(3, null, "L0")];
    const add = (list: readonly Kept[], item: Kept): readonly Kept[] =>
      keepShortest(list, item, limits(2));
    const list = all.reduce(add, []);
    expect(list.map(({ seed }) => seed)).toEqual([2, 1, 3]);
    expect(add(list, one(4, null, "L0")).map(({ seed }) => seed)).toEqual([2, 1, 3]);
    // Nor is a run without an end lost among those that were ended for their many steps.
    const more = [one(5, 6_000, "L0"), one(6, 7_000, "L0")].reduce(add, list);
    expect(more.map(({ seed }) => seed)).toEqual([2, 5, 1, 3]);
  });

  it("is of what was thrown some of each message, up to a limit, the first of each before others", () => {
    const thrown = (seed: number, steps: number, what: string): Kept =>
      one(seed, steps, "exception", `n${seed}: ${what}\n    at ${seed}`);
    const list = [
      thrown(1, 900, "RangeError: 7 is too much"),
      ...[2, 3, 4, 5].map((seed) => thrown(seed, seed, "TypeError: no such row")),
    ].reduce<readonly Kept[]>((sum, item) => keepShortest(sum, item, limits(3, 4)), []);
    expect(list.map(({ seed }) => seed)).toEqual([2, 3, 4, 1]);
    const other = keepShortest(list, thrown(6, 5_000, "Error: other"), limits(3, 4));
    expect(other.map(({ seed }) => seed)).toEqual([2, 3, 1, 6]);
  });

  it("says what cannot be written, and stays as it was", () => {
    const place = join(folder, "taken");
    const { file: _, ...rest } = one(1, 1);
    const keeper = openKeeper(place, limits(2));
    writeFileSync(place, "a file");
    expect(() => keeper.keep(rest, scenario("kept", {}))).toThrow(/^.*taken.* cannot be written/);
    expect(keeper.list()).toEqual([]);
    rmSync(place);
    keeper.keep(rest, scenario("kept", {}));
    expect(keeper.list()).toMatchObject([{ seed: 1, file: "I1/seed-1.json" }]);
    // What comes after it has no place in the list: the scenario that has one is still there.
    mkdirSync(join(place, `failures.json.new-${process.pid}`));
    expect(() => keeper.keep({ ...rest, seed: 2 }, scenario("kept", {}))).toThrow("failures.json");
    expect(keeper.list()).toMatchObject([{ seed: 1 }]);
    expect(existsSync(join(place, "I1", "seed-1.json"))).toBe(true);
  });

  it("is first what it has found itself: what was there before has what room is left", () => {
    const place = join(folder, "again");
    const put = (keeper: Keeper, seed: number, steps: number, detail = ""): void => {
      const { file: _, ...rest } = one(seed, steps, "exception", detail);
      keeper.keep(rest, scenario("kept", { seed }));
    };
    const seedsOf = (keeper: Keeper, isEarlier: boolean): number[] =>
      keeper
        .list()
        .filter((item) => keeper.isEarlier(item) === isEarlier)
        .map(({ seed }) => seed);
    const first = openKeeper(place, limits(3, 4));
    for (const seed of [1, 2, 3]) put(first, seed, seed, "Error: one");
    put(first, 4, 4, "Error: other");
    expect([seedsOf(first, false), seedsOf(first, true)]).toEqual([[1, 2, 3, 4], []]);
    const second = openKeeper(place, limits(3, 4));
    expect([seedsOf(second, false), seedsOf(second, true)]).toEqual([[], [1, 2, 3, 4]]);
    put(second, 5, 900, "Error: one");
    expect([seedsOf(second, false), seedsOf(second, true)]).toEqual([[5], [1, 2, 4]]);
    // Found again it is its own.
    put(second, 2, 2, "Error: one");
    expect([seedsOf(second, false), seedsOf(second, true)]).toEqual([
      [2, 5],
      [1, 4],
    ]);
    for (const seed of [6, 7]) put(second, seed, 700 + seed, "Error: one");
    expect([seedsOf(second, false), seedsOf(second, true)]).toEqual([[2, 6, 7], [4]]);
    put(second, 8, 800, "Error: other");
    expect([seedsOf(second, false), seedsOf(second, true)]).toEqual([[2, 6, 7, 8], []]);
    expect(readdirSync(join(place, "exception")).sort()).toEqual(
      [2, 6, 7, 8].map((seed) => `seed-${seed}.json`),
    );
  });

  it("is in a folder, which another swarm goes on with; a list that is broken counts for none", () => {
    const place = join(folder, "abc");
    let keeper = openKeeper(place, limits(2));
    const put = (seed: number, steps: number | null): void => {
      const { file: _, ...rest } = one(seed, steps);
      keeper.keep(rest, scenario("kept", { seed }));
    };
    expect(existsSync(place)).toBe(false);
    put(1, 30);
    put(2, 20);
    expect(readdirSync(join(place, "I1")).sort()).toEqual(["seed-1.json", "seed-2.json"]);
    put(3, 10);
    put(4, 40);
    expect(readdirSync(join(place, "I1")).sort()).toEqual(["seed-2.json", "seed-3.json"]);
    expect(JSON.parse(readFileSync(join(place, "I1", "seed-3.json"), "utf8"))).toMatchObject({
      name: "kept",
      seed: 3,
    });
    keeper = openKeeper(place, limits(2));
    put(5, null);
    expect(openKeeper(place, limits(2)).list()).toMatchObject([
      { seed: 3, steps: 10 },
      { seed: 2, steps: 20 },
      { seed: 5, steps: null },
    ]);
    const above = { ...one(1, 1), file: "../seed-1.json" };
    writeFileSync(join(place, "failures.json"), JSON.stringify([above, 7]));
    expect(openKeeper(place, limits(2)).list()).toEqual([]);
    writeFileSync(join(place, "failures.json"), "{");
    expect(openKeeper(place, limits(2)).list()).toEqual([]);
  });
});

describe("the file of a timeline", () => {
  it("ends at its limit, and says how much is missing", () => {
    const path = join(folder, "timeline.txt");
    const write = (count: number): string => {
      const writer = lineWriter(path, 3);
      for (let i = 0; i < count; i++) writer.line(`line ${i}`);
      writer.close();
      return readFileSync(path, "utf8");
    };
    expect(write(3)).toBe("line 0\nline 1\nline 2\n");
    expect(write(5)).toBe("line 0\nline 1\nline 2\n... 2 more events are left out\n");
  });
});

describe("what cannot be written", () => {
  const plain = join(folder, "plain");
  writeFileSync(plain, "a file");

  it("is said before anything is run", () => {
    expect(() => checkFolder(join(folder, "not", "yet", "there"))).not.toThrow();
    expect(existsSync(join(folder, "not"))).toBe(false);
    for (const path of [plain, join(plain, "below", "it")]) {
      expect(() => checkFolder(path)).toThrow(/plain.* cannot be written/);
    }
    expect(() => checkFile(join(folder, "small.json"))).not.toThrow();
    expect(() => checkFile(plain)).not.toThrow();
    expect(() => checkFile("/dev/null")).not.toThrow();
    expect(() => checkFile(folder)).toThrow("is a folder");
    for (const path of [join(folder, "missing", "small.json"), join(plain, "small.json")]) {
      expect(() => checkFile(path)).toThrow(/small\.json cannot be written/);
    }
  });

  it("leaves a timeline as it is, and is said at its end", () => {
    const writer = lineWriter("/dev/full", 5_000);
    for (let i = 0; i < 3_000; i++) writer.line(`line ${i}`);
    expect(writer.close()?.code).toBe("store.full");
    const nowhere = lineWriter(join(plain, "timeline.txt"), 3);
    nowhere.line("one");
    expect(nowhere.close()?.code).toBe("cli.usage");
  });

  it("takes nothing from the report of a failure", async () => {
    const { context } = fakeContext({});
    // Nothing becomes final, which is what the scenario forbids: L1.
    const silent = scenario("silent", {
      healMs: 100,
      adversaries: [0, 1].map((node) => ({
        ...{ node, strategy: "silent" as const, fromMs: 0, untilMs: 1e9 },
      })),
      expect: { finalWithinMs: 500 },
    });
    const plan = { own: {}, with: undefined, commit: "c", shrunkFrom: undefined, replay: "again" };
    const broken = await reportFailure(context, silent, { ...plan, folder: join(plain, "L1") });
    expect(broken?.report).toMatchObject({ invariant: "L1", replay: "again" });
    expect(broken?.files).toEqual({});
    expect(broken?.unwritten).toMatch(/plain.* cannot be written/);
    const whole = await reportFailure(context, silent, { ...plan, folder: join(folder, "L1") });
    expect(whole?.unwritten).toBeUndefined();
    expect(Object.keys(whole?.files ?? {}).sort()).toEqual([
      "picture",
      "report",
      "scenario",
      "timeline",
    ]);
    expect(readdirSync(join(folder, "L1")).length).toBe(4);
    // Another scenario: the command that was printed before runs what it has run.
    const before = readFileSync(join(folder, "L1", "scenario.json"), "utf8");
    const next = { ...silent, seed: 5 };
    const other = await reportFailure(context, next, { ...plan, folder: join(folder, "L1") });
    expect(other?.report.replay).toMatch(/L1-[0-9a-f]{8}\/scenario\.json$/);
    expect(readFileSync(join(folder, "L1", "scenario.json"), "utf8")).toBe(before);
    expect(folderFor(join(folder, "L1"), before)).toBe(join(folder, "L1"));
    expect(folderFor(join(folder, "L1"), `${before} `)).not.toBe(folderFor(join(folder, "L1"), ""));
    expect(whole?.report.replay).toMatch(/^nexus sim run .*L1\/scenario\.json$/);
    // One that cannot be written costs what comes after it, and not what is there.
    const half = join(folder, "half");
    mkdirSync(join(half, "report.txt"), { recursive: true });
    const part = await reportFailure(context, silent, { ...plan, folder: half });
    expect(Object.keys(part?.files ?? {}).sort()).toEqual(["scenario", "timeline"]);
    expect(part?.unwritten).toContain("report.txt cannot be written");
  });
});

describe("what a command shrinks", () => {
  const { context } = fakeContext({ quiet: true });
  const limits = { runs: 3, ms: 60_000 };
  const calm = scenario("calm", { n: 1, healMs: 400 });

  it("is a run without an end at the limit of the run itself, and not beyond it", () => {
    const own = { maxSteps: 50 };
    const result = simulate(calm, own);
    expect(result.violation?.id).toBe("L0");
    const small = shrinkFailure(context, result, own, limits);
    expect(small?.result.violation?.id).toBe("L0");
    expect(small?.result.steps).toBeLessThan(200_000);
  });

  it("fails as the run that was found has, or is not shrunk", () => {
    const own = { property: () => "this" };
    const result = simulate(calm, own);
    expect(shrinkFailure(context, result, own, limits)?.result.violation?.id).toBe("property");
    const violation = { id: "L0", detail: "", atMs: 0 };
    expect(shrinkFailure(context, { ...result, violation }, own, limits)).toBeUndefined();
  });
});

describe("words", () => {
  it("for times are seconds, minutes and hours", () => {
    expect(["90", "90s", "10m", "8h"].map(duration)).toEqual([90e3, 90e3, 600e3, 28_800e3]);
    for (const text of ["0m", "1d", "-1", "", "1.5h", "99999999s"]) {
      expect(() => duration(text)).toThrow("such as 90s");
    }
  });

  it("become names of files, and are taken for the nearest known one", () => {
    expect(fileName("../swarm 7: <x>")).toBe("swarm-7-x");
    expect(fileName("///")).toBe("scenario");
    expect(nearest("leader-isolatd", ["leader-isolated", "all-restart"])).toBe("leader-isolated");
    expect(nearest("something", ["leader-isolated", "all-restart"])).toBeUndefined();
  });
});
