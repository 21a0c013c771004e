/** The transport benchmark takes turns, keeps to its time and reports what it has. */
import { describe, expect, it } from "vitest";
import type { Report, Row } from "../../bench/report.ts";
import { readOptions } from "../../bench/transport/options.ts";
import { type Job, type Reading, runRounds } from "../../bench/transport/rounds.ts";

const recorder = () => {
  const rows: Row[] = [];
  const notes: string[] = [];
  const report: Report = {
    rows,
    row: (name, what, value, unit, n) => void rows.push({ name, what, value, unit, n }),
    note: (text) => void notes.push(text),
  };
  return { report, rows, notes };
};

const reading = (name: string, values: readonly number[], part = 0.5): Reading => ({
  ...{ name, what: "goodput", unit: "Gbit/s", part, values },
});

/** Time passes only while jobs run. */
const world = () => {
  const state = { nowMs: 0 };
  const ran: string[] = [];
  const job = (name: string, ms: number, values: () => readonly number[], part = 0.5): Job => ({
    text: name,
    run: async () => {
      state.nowMs += ms;
      ran.push(name);
      return [reading(name, values(), part)];
    },
  });
  return { state, ran, job, nowMs: () => state.nowMs };
};

const quiet = (): void => {};

describe("rounds", () => {
  it("has every job once a round, by turns, and makes one row of all rounds", async () => {
    const { ran, job, nowMs } = world();
    const { report, rows } = recorder();
    let next = 0;
    const jobs = [job("a", 10, () => [next++]), job("b", 10, () => [1, 9, 2, 8], 0.99)];
    const options = { rounds: 4, budgetMs: 1e6, nowMs, progress: quiet };
    expect(await runRounds(report, jobs, options)).toBe(true);
    expect(ran).toEqual(["a", "b", "a", "b", "a", "b", "a", "b"]);
    // Of 0, 1, 2, 3 the middle is between two of them.
    expect(rows[0]).toMatchObject({ name: "a", value: 1.5, n: 4 });
    expect(rows[1]).toMatchObject({ name: "b", value: 9, n: 16 });
  });

  it("begins nothing that the time left does not hold, and reports what it has", async () => {
    const { ran, job, nowMs } = world();
    const { report, rows, notes } = recorder();
    const jobs = [job("a", 4_000, () => [1]), job("b", 4_000, () => [2])];
    const options = { rounds: 5, budgetMs: 17_000, nowMs, progress: quiet };
    expect(await runRounds(report, jobs, options)).toBe(false);
    expect(ran).toEqual(["a", "b", "a", "b"]);
    expect(nowMs()).toBeLessThanOrEqual(17_000);
    expect(rows.map(({ n }) => n)).toEqual([2, 2]);
    expect(notes.at(-1)).toContain("4 of 10");
  });

  it("goes on where a job fails, and says so", async () => {
    const { job, nowMs } = world();
    const { report, rows, notes } = recorder();
    const broken: Job = { text: "broken", run: () => Promise.reject(new Error("nothing arrived")) };
    const options = { rounds: 1, budgetMs: 1e6, nowMs, progress: quiet };
    await runRounds(report, [broken, job("a", 1, () => [3])], options);
    expect(notes).toEqual(["broken: nothing arrived"]);
    expect(rows.map(({ name }) => name)).toEqual(["a"]);
  });
});

describe("options", () => {
  const subjects = ["tcp", "quiche"];

  it("are bounded in time by default, and shorter with --quick", () => {
    expect(readOptions([], subjects)).toMatchObject({ rounds: 2, seconds: 1, minutes: 8 });
    expect(readOptions(["--quick"], subjects)).toMatchObject({ rounds: 1, seconds: 0.5 });
  });

  it.each([
    [["--seconds", "0"]],
    [["--rounds", "x"]],
    [["--minutes", "-1"]],
    [["--parts", "streams,nothing"]],
    [["--only", "udp"]],
    [["--rows", "file"]],
    [["--unknown"]],
  ])("refuses %j", (args) => {
    expect(() => readOptions(args, subjects)).toThrow();
  });
});
