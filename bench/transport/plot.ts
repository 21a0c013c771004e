/** Goodput and CPU by driver and size of datagrams, drawn from the benchmark's rows (docs/transport.svg). */
import { drawPanels, type Line, type Panel, type Point } from "../plot/panels.ts";
import type { Row } from "../report.ts";
import { cpuText, DATAGRAM_BYTES, FLOW_CASES, type FlowCase, goodputText } from "./cases.ts";

export type PlotRow = Pick<Row, "name" | "what" | "value">;

const SERIES = [
  { subject: "quiche", label: "quiche", name: "one" },
  { subject: "reactor", label: "reactor, portable", name: "two" },
  { subject: "reactor-fast", label: "reactor, fast", name: "three" },
  { subject: "shipped", label: "shipped stream layer", name: "four" },
] as const;

/** TCP has no datagrams: a line across, to compare with. */
const ACROSS = [
  { subject: "tcp", label: "TCP", name: "bound" },
  { subject: "tls", label: "TLS 1.3 over TCP", name: "bound thin" },
] as const;

const X = { low: 1_200, high: 75_000, ticks: [1_472, 8_900, 16_000, 60_000] };
const GOODPUT = { low: 0.01, high: 30, ticks: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30] };
const CPU = { low: 0.5, high: 1_000, ticks: [1, 3, 10, 30, 100, 300, 1_000] };

/** One stream on one connection over a loopback that loses nothing, by size. */
const SIZES: readonly FlowCase[] = FLOW_CASES.filter(
  ({ streams, connections, loss }) => streams === 1 && connections === 1 && loss === "none",
);

/** A value that an axis does not hold is drawn at its end. */
const within = (value: number, { low, high }: { low: number; high: number }): number =>
  Math.min(high, Math.max(low, value));

type Text = (one: FlowCase) => string;

const pointsOf = (rows: readonly PlotRow[], subject: string, text: Text): readonly Point[] =>
  SIZES.flatMap((one): readonly Point[] => {
    // The last row counts: a file may hold more than one run.
    const found = rows.findLast(({ name, what }) => name === subject && what === text(one));
    return found === undefined ? [] : [[one.datagramBytes, found.value]];
  });

const linesOf = (rows: readonly PlotRow[], text: Text, y: Panel["y"]): readonly Line[] => {
  const series = SERIES.map(({ subject, label, name }) => ({
    ...{ label, name },
    points: pointsOf(rows, subject, text).map(([x, value]): Point => [x, within(value, y)]),
  }));
  const across = ACROSS.flatMap(({ subject, label, name }): readonly Line[] => {
    const value = pointsOf(rows, subject, text).find(([x]) => x === DATAGRAM_BYTES)?.[1];
    if (value === undefined) return [];
    const points = [X.low, X.high].map((x): Point => [x, within(value, y)]);
    return [{ label, name, points }];
  });
  return [...series.filter(({ points }) => points.length > 0), ...across];
};

/** Throws a RangeError where no row says what a driver moved: an empty plot would pass for one. */
export const transportPlot = (rows: readonly PlotRow[]): string => {
  const goodput = linesOf(rows, goodputText, GOODPUT);
  if (!goodput.some(({ name }) => !name.startsWith("bound"))) {
    throw new RangeError("no row of a driver's goodput to draw");
  }
  const panels: readonly Panel[] = [
    {
      title: "Goodput, one stream, Gbit/s",
      caption: "UDP payload of a datagram, bytes",
      x: X,
      y: GOODPUT,
      lines: goodput,
      legend: "above",
    },
    {
      title: "CPU of both ends, seconds a GiB",
      caption: "UDP payload of a datagram, bytes",
      x: X,
      y: CPU,
      lines: linesOf(rows, cpuText, CPU),
      legend: "above",
    },
  ];
  return drawPanels("Goodput and CPU by driver and size of datagrams", panels);
};

/** The rows of a file of JSON lines; what is no row of this benchmark is passed over. */
export const parseRows = (text: string): readonly PlotRow[] =>
  text.split("\n").flatMap((line): readonly PlotRow[] => {
    if (line === "") return [];
    const row = JSON.parse(line) as Partial<PlotRow> & { readonly bench?: string };
    const { bench, name, what, value } = row;
    if (bench !== "transport" || name === undefined) return [];
    if (what === undefined || typeof value !== "number") return [];
    return [{ name, what, value }];
  });
