import { describe, expect, it } from "vitest";
import { createMetrics } from "../../src/node/metrics.ts";

describe("metrics", () => {
  it("prints counters, gauges and histograms for Prometheus, with one prefix", () => {
    const metrics = createMetrics();
    metrics.count("tetrad_blocks_total");
    metrics.count("tetrad_blocks_total", 2);
    metrics.gauge("peers", 3, { kind: "live" });
    metrics.observe("view_ms", 20);
    metrics.observe("view_ms", 2_000_000);
    const page = metrics.page();
    expect(page).toContain("# TYPE tetrad_blocks_total counter\ntetrad_blocks_total 3\n");
    expect(page).toContain('tetrad_peers{kind="live"} 3\n');
    expect(page).toContain('tetrad_view_ms_bucket{le="10"} 0\n');
    expect(page).toContain('tetrad_view_ms_bucket{le="30"} 1\n');
    expect(page).toContain('tetrad_view_ms_bucket{le="+Inf"} 2\n');
    expect(page).toContain("tetrad_view_ms_sum 2000020\ntetrad_view_ms_count 2\n");
    expect(metrics.read("tetrad_blocks_total")).toBe(3);
  });

  it("bounds the number of series, and escapes labels", () => {
    const metrics = createMetrics();
    for (let i = 0; i < 10_000; i++) metrics.count("x_total", 1, { peer: String(i) });
    expect(metrics.page().split("\n").length).toBeLessThan(4200);
    metrics.count("x_total", 1, { peer: "0" });
    expect(metrics.read("x_total", { peer: "0" })).toBe(2);
    const other = createMetrics();
    other.gauge("g", 1, { text: 'a"b\n' });
    expect(other.page()).toContain('tetrad_g{text="a\\"b\\n"} 1');
  });

  it("ignores a name that is none, and a kind that changes", () => {
    const metrics = createMetrics();
    metrics.count("bad name");
    metrics.gauge("n", 1);
    metrics.count("n");
    expect(metrics.page()).toBe("# TYPE tetrad_n gauge\ntetrad_n 1\n");
  });
});
