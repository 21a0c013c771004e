/** The plot of docs/transport.svg shows what the rows say, and nothing where they say nothing. */
import { expect, it } from "vitest";
import { cpuText, FLOW_CASES, goodputText } from "../../bench/transport/cases.ts";
import { type PlotRow, parseRows, transportPlot } from "../../bench/transport/plot.ts";

const sizes = FLOW_CASES.filter(
  ({ streams, connections, loss }) => streams === 1 && connections === 1 && loss === "none",
);

const rowsOf = (name: string, goodput: number): readonly PlotRow[] =>
  sizes.flatMap((one) => [
    { name, what: goodputText(one), value: goodput },
    { name, what: cpuText(one), value: 10 / goodput },
  ]);

const line = (row: PlotRow): string =>
  JSON.stringify({ bench: "transport", unit: "", n: 1, ...row });

const marks = (svg: string, name: string): readonly number[] =>
  [...svg.matchAll(new RegExp(`<circle class="${name}" cx="[\\d.]+" cy="([\\d.]+)"`, "g"))].map(
    ([, y]) => Number(y),
  );

it("draws a driver's goodput higher where its row says more", () => {
  const rows = [...rowsOf("quiche", 1), ...rowsOf("reactor", 4), ...rowsOf("tcp", 11)];
  const svg = transportPlot(parseRows(rows.map(line).join("\n")));
  const [quiche, reactor] = [marks(svg, "one"), marks(svg, "two")];
  // A mark for each size in each of the two panels.
  expect(sizes.length).toBe(4);
  expect([quiche.length, reactor.length]).toEqual([8, 8]);
  // Above is less in the plane of an SVG; in the right panel it is CPU, and the other way round.
  for (const i of [0, 1, 2, 3]) expect(reactor[i]).toBeLessThan(quiche[i] ?? 0);
  for (const i of [4, 5, 6, 7]) expect(reactor[i]).toBeGreaterThan(quiche[i] ?? 0);
  // Where it stands is the logarithm of the value between the ends of the axis.
  expect(quiche[0]).toBeCloseTo(70 + 260 - (Math.log(1 / 0.01) / Math.log(30 / 0.01)) * 260, 1);
});

it("names who has rows, TCP as a line across, and nobody else", () => {
  const svg = transportPlot([...rowsOf("quiche", 1), ...rowsOf("tls", 9)]);
  expect(svg).toContain(">quiche<");
  expect(svg).toContain(">TLS 1.3 over TCP<");
  expect(svg).not.toContain("reactor");
  expect(svg).not.toContain(">TCP<");
});

it("takes the newest of two rows of one case", () => {
  const newer = transportPlot([...rowsOf("quiche", 1), ...rowsOf("quiche", 2)]);
  expect(newer).toBe(transportPlot(rowsOf("quiche", 2)));
  expect(newer).not.toBe(transportPlot(rowsOf("quiche", 1)));
});

it("can be read on light and dark, and loads nothing", () => {
  const svg = transportPlot(rowsOf("quiche", 1));
  expect(svg).toContain("prefers-color-scheme: dark");
  expect(svg).not.toMatch(/href|url\(|<script|@import/);
});

it("refuses to draw nothing", () => {
  expect(() => transportPlot([])).toThrow(RangeError);
  expect(() => transportPlot(rowsOf("tcp", 11))).toThrow(RangeError);
  // Rows of another benchmark are none.
  const other = rowsOf("quiche", 1).map((row) => JSON.stringify({ bench: "ledger", ...row }));
  expect(() => transportPlot(parseRows(other.join("\n")))).toThrow(RangeError);
});
