import { describe, expect, it } from "vitest";
import {
  type ByzantineRow,
  kindsTable,
  latestRows,
  readRows,
  rowLine,
  runKey,
  settledKeys,
  sizesTable,
} from "../../sim/byzantine-results.ts";

const row: ByzantineRow = {
  name: "byzantine-4-silent",
  seed: 1,
  n: 4,
  weights: "equal",
  kind: "silent",
  share: "under",
  commit: "c0ffee",
  verdict: "holds",
  why: "",
  virtualMs: 14_200,
  heights: 120,
  wallMs: 3_100,
};

describe("the results of the Byzantine matrix", () => {
  it("are read as they were written", () => {
    const rows = [row, { ...row, seed: 2 }];
    expect(readRows(rows.map(rowLine).join(""))).toEqual(rows);
    expect(readRows("")).toEqual([]);
  });

  it("may end in half a line, and have no other line that is not a result", () => {
    const half = rowLine(row).slice(0, 40);
    expect(readRows(rowLine(row) + half)).toEqual([row]);
    expect(() => readRows(`${half}\n${rowLine(row)}`)).toThrow("line 1 is not a result");
    expect(() => readRows(`{}\n${rowLine(row)}`)).toThrow("line 1 is not a result");
  });

  it("settle what they hold, but for what failed: that is run again, and counts once then", () => {
    const keyOf = ({ name, seed, commit }: ByzantineRow): string => runKey(name, seed, commit);
    const failed: ByzantineRow = { ...row, seed: 2, verdict: "FAILED", why: "I1" };
    const [one, two] = [row, failed].map(keyOf);
    expect([...settledKeys([row, failed], keyOf)]).toEqual([one]);
    expect(settledKeys([{ ...row, commit: "c0ffee-changed" }], keyOf).size).toBe(0);
    const mended: ByzantineRow = { ...failed, verdict: "holds", why: "" };
    expect([...settledKeys([row, failed, mended], keyOf)]).toEqual([one, two]);
    expect(latestRows([failed, row, mended])).toEqual([row, mended]);
    expect(latestRows([failed, { ...mended, commit: "another" }])).toHaveLength(2);
  });

  it("are a line a size, share and kind, or a line a size and share", () => {
    const rows: ByzantineRow[] = [
      { ...row, n: 7, kind: "two-faced", share: "over", verdict: "forked" },
      { ...row, n: 7, kind: "two-faced", share: "over", verdict: "halted", seed: 2 },
      { ...row, kind: "mix" },
      row,
      { ...row, seed: 2, weights: "unequal" },
    ];
    const cells = (table: string): string[][] =>
      table
        .split("\n")
        .slice(2)
        .map((line) => line.split("|").map((cell) => cell.trim()));
    expect(cells(kindsTable(rows)).map((line) => line.slice(1, 9))).toEqual([
      ["4", "< 1/3", "mix", "1", "1", "14.2", "120", "holds"],
      ["4", "< 1/3", "silent", "2", "2", "28.4", "240", "holds"],
      ["7", "≥ 1/3", "two-faced", "2", "2", "28.4", "240", "forked 1, halted 1"],
    ]);
    expect(cells(sizesTable(rows)).map((line) => line.slice(1, 5))).toEqual([
      ["4", "< 1/3", "2 kinds", "3"],
      ["7", "≥ 1/3", "two-faced", "2"],
    ]);
  });
});
