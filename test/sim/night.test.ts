/** Which seeds and parts a night has, and that no part hides another one. */
import { describe, expect, it } from "vitest";
import { byzantineMatrix } from "../../sim/byzantine.ts";
import {
  dayOf,
  MATRIX_NIGHTS,
  NIGHT_DAY_MAX,
  nightOf,
  nightTable,
  runNight,
  worstOf,
} from "../../sim/night.ts";
import { PROOF_SEEDS_FROM, STAKE_SEEDS_FROM } from "../../sim/swarm.ts";
import { LIMITS } from "../../src/limits.ts";

/** What follows an option of a part. */
const optionOf = (day: number, script: string, name: string): string => {
  const args = nightOf(day).find((one) => one.script === script)?.args ?? [];
  return args[args.indexOf(name) + 1] ?? "";
};

describe("a night", () => {
  it("is of a day in UTC, and the same whenever it is run again", () => {
    expect(dayOf(Date.UTC(2026, 10, 26, 23, 59, 59))).toBe(20_783);
    expect(dayOf(Date.UTC(2026, 10, 27))).toBe(20_784);
    expect(nightOf(20_784)).toEqual(nightOf(20_784));
  });

  it("has random seeds that no other night has", () => {
    let next = Number(optionOf(0, "sim:nightly", "--from"));
    expect(next).toBe(1);
    for (const day of [0, 1, 2, 3]) {
      expect(Number(optionOf(day, "sim:nightly", "--from"))).toBe(next);
      next += Number(optionOf(day, "sim:nightly", "--seeds"));
      const model = nightOf(day).filter(({ script }) => script.startsWith("model"));
      expect(model[0]?.env["MODEL_MORE_SEED"]).toBe(String(day + 1));
      expect(model[1]).toMatchObject({
        script: "model:replay",
        env: { MODEL_SEED: String(day + 1) },
      });
    }
    const last = Number(optionOf(NIGHT_DAY_MAX, "sim:nightly", "--from"));
    expect(last + 1_000).toBeLessThan(STAKE_SEEDS_FROM);
    const most = (name: string): number => last + Number(optionOf(0, "sim:nightly", name));
    expect(STAKE_SEEDS_FROM + most("--stake")).toBeLessThan(PROOF_SEEDS_FROM);
    expect(PROOF_SEEDS_FROM + most("--proofs")).toBeLessThan(LIMITS.simSeedsMax);
    expect(optionOf(NIGHT_DAY_MAX, "sim:byzantine", "--seed")).toMatch(/^[0-9]{1,9}$/);
  });

  it("has every run of the matrix once in so many nights, those of n = 100 too", () => {
    const firstDay = 2_598 * MATRIX_NIGHTS;
    const cases = [...byzantineMatrix()];
    const run = new Set<number>();
    for (let day = firstDay; day < firstDay + MATRIX_NIGHTS; day++) {
      expect(optionOf(day, "sim:byzantine", "--seed")).toBe("2599");
      const [part = 0, parts = 0] = optionOf(day, "sim:byzantine", "--part").split("/").map(Number);
      const mine = [...cases.keys()].filter((i) => i % parts === part - 1);
      expect(mine.some((i) => cases[i]?.n === 100)).toBe(true);
      for (const i of mine) {
        expect(run.has(i)).toBe(false);
        run.add(i);
      }
    }
    expect(run.size).toBe(cases.length);
    expect(optionOf(firstDay + MATRIX_NIGHTS, "sim:byzantine", "--seed")).toBe("2600");
  });

  it("refuses what is no day", () => {
    for (const day of [-1, 0.5, NIGHT_DAY_MAX + 1, Number.NaN]) {
      expect(() => nightOf(day)).toThrow(RangeError);
    }
    expect(nightOf(NIGHT_DAY_MAX)).toHaveLength(nightOf(0).length);
  });

  it("goes on after a part that failed, and gives the worst code", () => {
    const asked: string[] = [];
    let nowMs = 0;
    const results = runNight(
      nightOf(5),
      ({ script }) => {
        asked.push(script);
        nowMs += 90_000;
        return script === "e2e" ? 12 : script === "mutants" ? 2 : 0;
      },
      () => nowMs,
    );
    expect(asked).toEqual(nightOf(5).map(({ script }) => script));
    expect(worstOf(results)).toBe(12);
    expect(worstOf([])).toBe(0);
    const lines = nightTable(results).split("\n");
    expect(lines[0]).toBe("part           minutes  result");
    expect(lines).toContain("e2e                1.5  failed, exit code 12");
    expect(lines).toContain("sim:nightly        1.5  ok");
  });
});
