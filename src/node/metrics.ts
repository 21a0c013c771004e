/**
 * A metrics registry behind the Metrics port: counters, gauges and histograms in memory, read as a
 * Prometheus text page (exposition format 0.0.4). The number of series is bounded: a label that takes
 * its value from the network must not fill the memory.
 */
import type { Metrics } from "../ledger/ports.ts";
import { METRICS, type MetricSpec } from "./metrics-catalogue.ts";

const SERIES_MAX = 4096;

/** Upper bounds of a histogram that the catalogue does not know. */
const BUCKETS: readonly number[] = [
  0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 100_000, 1_000_000,
];

type Labels = Readonly<Record<string, string>>;
type Histogram = { readonly counts: number[]; sum: number; count: number };
type Kind = "counter" | "gauge" | "histogram";
type Family = {
  readonly kind: Kind;
  readonly buckets: readonly number[];
  readonly help: string | undefined;
  readonly series: Map<string, number | Histogram>;
};

export type MetricsRegistry = Metrics & {
  /** Sets a counter that is kept elsewhere. */
  total(name: string, value: number, labels?: Labels): void;
  /** Takes all series of one name off the page. */
  forget(name: string): void;
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

const histogramLines = (
  name: string,
  labels: string,
  histogram: Histogram,
  buckets: readonly number[],
): string[] => {
  const lines: string[] = [];
  const before = labels === "" ? "" : `${labels},`;
  let total = 0;
  for (const [i, bound] of buckets.entries()) {
    total += histogram.counts[i] ?? 0;
    lines.push(`${name}_bucket{${before}le="${bound}"} ${total}`);
  }
  lines.push(`${name}_bucket{${before}le="+Inf"} ${histogram.count}`);
  const plain = labels === "" ? "" : `{${labels}}`;
  lines.push(`${name}_sum${plain} ${histogram.sum}`, `${name}_count${plain} ${histogram.count}`);
  return lines;
};

/** Names of the product have one prefix, whether whoever counts says it or not. */
const fullName = (name: string): string => (name.startsWith("tetrad_") ? name : `tetrad_${name}`);

/** In HELP a backslash and a line end are escaped (exposition format 0.0.4). */
const helpText = (text: string): string => text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");

const familyOf = (spec: MetricSpec): Family => ({
  kind: spec.kind,
  buckets: spec.buckets ?? BUCKETS,
  help: spec.about,
  // A counter that is absent until it counts cannot be seen to begin.
  series: new Map(spec.kind === "counter" && spec.labels === undefined ? [["", 0]] : []),
});

/** A fresh registry of the catalogue's metrics, and of any other that is counted. */
export const createMetrics = (
  catalogue: Readonly<Record<string, MetricSpec>> = METRICS,
): MetricsRegistry => {
  const families = new Map(
    Object.entries(catalogue).map(([name, spec]) => [name, familyOf(spec)] as const),
  );
  let seriesCount = 0;

  const familyFor = (name: string, kind: Kind): Family | undefined => {
    const full = fullName(name);
    const known = families.get(full);
    if (known !== undefined) return known.kind === kind ? known : undefined;
    if (!NAME.test(full)) return undefined;
    const family = { kind, buckets: BUCKETS, help: undefined, series: new Map() };
    families.set(full, family);
    return family;
  };

  const seriesOf = (family: Family | undefined, key: string): Family["series"] | undefined => {
    if (family === undefined || family.series.has(key)) return family?.series;
    if (seriesCount >= SERIES_MAX) return undefined;
    seriesCount += 1;
    return family.series;
  };

  return {
    count(name, by = 1, labels) {
      const key = labelText(labels);
      const series = seriesOf(familyFor(name, "counter"), key);
      const value = series?.get(key) ?? 0;
      if (typeof value === "number") series?.set(key, value + by);
    },
    total(name, value, labels) {
      const key = labelText(labels);
      seriesOf(familyFor(name, "counter"), key)?.set(key, value);
    },
    forget(name) {
      const series = families.get(fullName(name))?.series;
      seriesCount -= series?.size ?? 0;
      series?.clear();
    },
    gauge(name, value, labels) {
      const key = labelText(labels);
      seriesOf(familyFor(name, "gauge"), key)?.set(key, value);
    },
    observe(name, value, labels) {
      const key = labelText(labels);
      const family = familyFor(name, "histogram");
      const series = seriesOf(family, key);
      if (family === undefined || series === undefined) return;
      const { buckets } = family;
      const known = series.get(key);
      const histogram: Histogram =
        typeof known === "object" ? known : { counts: buckets.map(() => 0), sum: 0, count: 0 };
      const bucket = buckets.findIndex((bound) => value <= bound);
      if (bucket >= 0) histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
      histogram.sum += value;
      histogram.count += 1;
      series.set(key, histogram);
    },
    page() {
      const lines: string[] = [];
      for (const [name, { kind, buckets, help, series }] of families) {
        if (help !== undefined) lines.push(`# HELP ${name} ${helpText(help)}`);
        lines.push(`# TYPE ${name} ${kind}`);
        for (const [labels, value] of series) {
          if (typeof value === "object")
            lines.push(...histogramLines(name, labels, value, buckets));
          else lines.push(`${name}${labels === "" ? "" : `{${labels}}`} ${value}`);
        }
      }
      return `${lines.join("\n")}\n`;
    },
    read(name, labels) {
      const value = families.get(fullName(name))?.series.get(labelText(labels));
      return typeof value === "number" ? value : 0;
    },
  };
};
