/** The table of docs/scale.md says on how many batches its percentiles stand. */
import { describe, expect, it } from "vitest";
import { figureOf, readNetworks, scaleTable } from "../../bench/sim/scale-table.ts";

const SAID = [
  "measured",
  "egress a node and view, mean",
  ...["votes", "proposals", "batches", "cosignatures", "all else"].map(
    (of) => `  of the mean ${of}`,
  ),
  "signed a node and view",
  "verified a node and view",
  "views a second",
  "finality p50",
  "finality p99",
  "processor busy, mean",
];

/** Rows as the bench writes them; each value is the number of its row. */
const rowsOf = (n: number, places: number, batches: number): string[] =>
  SAID.map((text, i) =>
    JSON.stringify({
      ...{ bench: "sim", name: "capacity", what: `n = ${n}, ${places} places: ${text}` },
      ...{ value: i, unit: "", n: text.startsWith("finality") ? batches : 9 },
    }),
  );

const cells = (table: string, n: number): readonly string[] =>
  table
    .split("\n")
    .find((line) => line.startsWith(`| ${n} |`))
    ?.split("|")
    .map((cell) => cell.trim()) ?? [];

describe("the table of the network model", () => {
  const rows = [...rowsOf(100, 3, 99), ...rowsOf(4, 3, 100), '{"name":"cost","what":"sign"}', ""];
  const table = scaleTable(readNetworks(rows.join("\n")));

  it("has the smaller network first, and the batches behind its percentiles", () => {
    expect(readNetworks(rows.join("\n")).map(({ n }) => n)).toEqual([4, 100]);
    const at = cells(table.replace("| n |", "| 0 |"), 0).indexOf("batches final");
    expect([cells(table, 4)[at], cells(table, 100)[at]]).toEqual(["100", "99"]);
  });

  it("calls the slowest batch what it is where there are fewer than a hundred", () => {
    expect(cells(table, 4)).toContain("11");
    expect(cells(table, 100)).toContain("11 (slowest)");
  });

  it("refuses rows of a bench that did not say how long it measured", () => {
    const old = rowsOf(4, 3, 160).slice(1);
    expect(() => scaleTable(readNetworks(old.join("\n")))).toThrow(
      'n = 4, 3 places: no row says "measured"',
    );
    const [network] = readNetworks(rows.join("\n"));
    expect(network === undefined ? undefined : figureOf(network, "views a second")).toBe(9);
  });
});
