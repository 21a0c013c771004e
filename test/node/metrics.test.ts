import { describe, expect, it } from "vitest";
import { createMetrics } from "../../src/node/metrics.ts";
import { METRICS } from "../../src/node/metrics-catalogue.ts";

describe("metrics", () => {
  it("prints counters, gauges and histograms for Prometheus, with one prefix", () => {
    const metrics = createMetrics();
    metrics.count("tetrad_blocks_total");
    metrics.count("tetrad_blocks_total", 2);
    metrics.gauge("friends", 3, { kind: "live" });
    metrics.observe("spent_ms", 20);
    metrics.observe("spent_ms", 2_000_000);
    const page = metrics.page();
    expect(page).toContain("# TYPE tetrad_blocks_total counter\ntetrad_blocks_total 3\n");
    expect(page).toContain('tetrad_friends{kind="live"} 3\n');
    expect(page).toContain('tetrad_spent_ms_bucket{le="10"} 0\n');
    expect(page).toContain('tetrad_spent_ms_bucket{le="30"} 1\n');
    expect(page).toContain('tetrad_spent_ms_bucket{le="+Inf"} 2\n');
    expect(page).toContain("tetrad_spent_ms_sum 2000020\ntetrad_spent_ms_count 2\n");
    expect(metrics.read("tetrad_blocks_total")).toBe(3);
  });

  it("bounds the number of series, and escapes labels", () => {
    const metrics = createMetrics({});
    for (let i = 0; i < 10_000; i++) metrics.count("x_total", 1, { peer: String(i) });
    expect(metrics.page().split("\n").length).toBeLessThan(4200);
    metrics.count("x_total", 1, { peer: "0" });
    expect(metrics.read("x_total", { peer: "0" })).toBe(2);
    const other = createMetrics({});
    other.gauge("g", 1, { text: 'a"b\n' });
    expect(other.page()).toContain('tetrad_g{text="a\\"b\\n"} 1');
  });

  it("follows the catalogue: help, kind, buckets, and counters that begin at 0", () => {
    const metrics = createMetrics();
    metrics.observe("tetrad_view_seconds", 0.2);
    metrics.gauge("tetrad_equivocations_total", 5);
    metrics.total("tetrad_committed_events_total", 7);
    const page = metrics.page();
    for (const [name, { kind, about }] of Object.entries(METRICS)) {
      expect(page).toContain(`# HELP ${name} ${about}\n# TYPE ${name} ${kind}\n`);
    }
    expect(page).toContain('tetrad_view_seconds_bucket{le="0.1"} 0\n');
    expect(page).toContain('tetrad_view_seconds_bucket{le="0.25"} 1\n');
    expect(page).toContain("\ntetrad_equivocations_total 0\n");
    expect(page).toContain("\ntetrad_committed_events_total 7\n");
  });

  it("names units as Prometheus has it", () => {
    for (const [name, { kind, unit }] of Object.entries(METRICS)) {
      expect(name.endsWith("_total"), name).toBe(kind === "counter");
      if (unit === "seconds" || unit === "bytes") expect(name).toContain(`_${unit.slice(0, 5)}`);
    }
  });

  it("ignores a name that is none, and a kind that changes", () => {
    const metrics = createMetrics({});
    metrics.count("bad name");
    metrics.gauge("n", 1);
    metrics.count("n");
    expect(metrics.page()).toBe("# TYPE tetrad_n gauge\ntetrad_n 1\n");
  });
});
