/**
 * A metrics registry behind the Metrics port: counters, gauges and histograms in memory, read as a
 * Prometheus text page (exposition format 0.0.4). The number of series is bounded: a label that takes
 * its value from the network must not fill the memory.
 */
import type { Metrics } from "../ledger/ports.ts";

const SERIES_MAX = 4096;

/** Upper bounds in the unit of the metric; observations are milliseconds, bytes or counts. */
const BUCKETS: readonly number[] = [
  0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 100_000, 1_000_000,
];

type Labels = Readonly<Record<string, string>>;
type Histogram = { readonly counts: number[]; sum: number; count: number };
type Kind = "counter" | "gauge" | "histogram";
type Family = { readonly kind: Kind; readonly series: Map<string, number | Histogram> };

export type MetricsRegistry = Metrics & {
  /** The Prometheus text page. */
  page(): string;
  /** Value of one counter or gauge, 0 when it has never been set: for status pages and tests. */
  read(name: string, labels?: Labels): number;
};

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

const labelText = (labels: Labels | undefined): string =>
  Object.entries(labels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join(",");

const histogramLines = (name: string, labels: string, histogram: Histogram): string[] => {
  const lines: string[] = [];
  const before = labels === "" ? "" : `${labels},`;
  let total = 0;
  for (const [i, bound] of BUCKETS.entries()) {
    total += histogram.counts[i] ?? 0;
    lines.push(`${name}_bucket{${before}le="${bound}"} ${total}`);
  }
  lines.push(`${name}_bucket{${before}le="+Inf"} ${histogram.count}`);
  const plain = labels === "" ? "" : `{${labels}}`;
  lines.push(`${name}_sum${plain} ${histogram.sum}`, `${name}_count${plain} ${histogram.count}`);
  return lines;
};

/** A fresh registry; every name gets the prefix `tetrad_`. */
export const createMetrics = (): MetricsRegistry => {
  const families = new Map<string, Family>();
  let seriesCount = 0;

  const seriesOf = (name: string, kind: Kind, key: string): Family["series"] | undefined => {
    let family = families.get(name);
    if (family === undefined) {
      if (!NAME.test(name)) return undefined;
      family = { kind, series: new Map() };
      families.set(name, family);
    }
    if (family.kind !== kind) return undefined;
    if (!family.series.has(key)) {
      if (seriesCount >= SERIES_MAX) return undefined;
      seriesCount += 1;
    }
    return family.series;
  };

  return {
    count(name, by = 1, labels) {
      const key = labelText(labels);
      const series = seriesOf(name, "counter", key);
      const value = series?.get(key) ?? 0;
      if (typeof value === "number") series?.set(key, value + by);
    },
    gauge(name, value, labels) {
      const key = labelText(labels);
      seriesOf(name, "gauge", key)?.set(key, value);
    },
    observe(name, value, labels) {
      const key = labelText(labels);
      const series = seriesOf(name, "histogram", key);
      if (series === undefined) return;
      const known = series.get(key);
      const histogram: Histogram =
        typeof known === "object" ? known : { counts: BUCKETS.map(() => 0), sum: 0, count: 0 };
      const bucket = BUCKETS.findIndex((bound) => value <= bound);
      if (bucket >= 0) histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
      histogram.sum += value;
      histogram.count += 1;
      series.set(key, histogram);
    },
    page() {
      const lines: string[] = [];
      for (const [name, family] of families) {
        const full = name.startsWith("tetrad_") ? name : `tetrad_${name}`;
        lines.push(`# TYPE ${full} ${family.kind}`);
        for (const [labels, value] of family.series) {
          if (typeof value === "object") lines.push(...histogramLines(full, labels, value));
          else lines.push(`${full}${labels === "" ? "" : `{${labels}}`} ${value}`);
        }
      }
      return `${lines.join("\n")}\n`;
    },
    read(name, labels) {
      const value = families.get(name)?.series.get(labelText(labels));
      return typeof value === "number" ? value : 0;
    },
  };
};
