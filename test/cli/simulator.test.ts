/** What the verbs of the simulator decide without running one. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { scenario } from "../../sim/index.ts";
import { duration } from "../../src/cli/sim-commands.ts";
import { fileName, lineWriter } from "../../src/cli/simulator/files.ts";
import { type Kept, keepShortest, openKeeper } from "../../src/cli/simulator/kept.ts";
import { nearest } from "../../src/cli/simulator/load.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-simulator-"));
afterAll(() => rmSync(folder, { recursive: true }));

const one = (seed: number, steps: number, invariant = "I1"): Kept => ({
  ...{ seed, steps, invariant, outcome: "correctness", detail: "", virtualMs: 1 },
  file: `${invariant}/seed-${seed}.json`,
});

describe("what a swarm keeps", () => {
  it("is of each invariant those with the least work, a seed once", () => {
    let list: readonly Kept[] = [];
    for (const [seed, steps] of [
      [1, 50],
      [2, 10],
      [3, 30],
      [2, 10],
      [4, 20],
    ] as const) {
      list = keepShortest(list, one(seed, steps), 3);
    }
    expect(list.map(({ seed }) => seed)).toEqual([2, 4, 3]);
    list = keepShortest(list, one(9, 99, "L1"), 3);
    expect(list.map(({ invariant }) => invariant)).toEqual(["I1", "I1", "I1", "L1"]);
  });

  it("is in a folder, which another swarm goes on with; a list that is broken counts for none", () => {
    const place = join(folder, "abc");
    const put = (seed: number, steps: number): void => {
      const { file: _, ...rest } = one(seed, steps);
      openKeeper(place, 2).keep(rest, scenario("kept", { seed }));
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
    const above = { ...one(1, 1), file: "../seed-1.json" };
    writeFileSync(join(place, "failures.json"), JSON.stringify([above, 7]));
    expect(openKeeper(place, 2).list()).toEqual([]);
    writeFileSync(join(place, "failures.json"), "{");
    expect(openKeeper(place, 2).list()).toEqual([]);
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
