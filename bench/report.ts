/** How a benchmark says what it measured: a JSON object a row on stdout, a table for people on stderr. */
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

export type Row = {
  /** What kind of figure: rows of one name are comparable. */
  readonly name: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** Samples, operations or seconds that the value stands on; the text of `what` says which. */
  readonly n: number;
};

export type Report = {
  /** What was reported up to now. */
  readonly rows: readonly Row[];
  row(name: string, what: string, value: number, unit: string, n: number): void;
  /** A line for people only. */
  note(text: string): void;
};

/** Three significant digits where there are fewer than three before the point. */
export const rounded = (value: number): number => {
  if (!Number.isFinite(value)) return value;
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 1e-9))));
  const scale = 10 ** Math.min(digits, 6);
  return Math.round(value * scale) / scale;
};

/** The machine in words, without its name. */
export const machineText = (): string => {
  const model = cpus()[0]?.model.trim() ?? "unknown CPU";
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${availableParallelism()} cores ${model}, ${memory} GiB, ${process.platform} ${release()}, Node ${process.versions.node}`;
};

/** Load averages are taken when the report is made: before the benchmark adds its own. */
export const createReport = (bench: string): Report => {
  const machine = machineText();
  const load = loadavg().map(rounded);
  const at = new Date().toISOString();
  process.stderr.write(`${bench}: ${machine}; load ${load.join(" ")} before the run\n`);
  const rows: Row[] = [];
  return {
    rows,
    row(name, what, value, unit, n) {
      const row: Row = { name, what, value: rounded(value), unit, n };
      rows.push(row);
      process.stdout.write(`${JSON.stringify({ bench, ...row, at, machine, load })}\n`);
      process.stderr.write(`${line(row)}\n`);
    },
    note(text) {
      process.stderr.write(`# ${text}\n`);
    },
  };
};

const line = ({ name, what, value, unit, n }: Row): string =>
  `${name.padEnd(12)} ${what.padEnd(52)} ${String(value).padStart(12)} ${unit.padEnd(12)} n=${n}`;

/** The value below which a part of the samples lies (nearest rank); NaN without samples. */
export const percentile = (samples: readonly number[], part: number): number => {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
};
