/** What the page of metrics says of peers: those that there are, up to the limit, and nothing of those that went. */
import { describe, expect, it } from "vitest";
import type { PeerFigures } from "../../src/ledger/ports.ts";
import { LIMITS } from "../../src/limits.ts";
import { createMetrics } from "../../src/node/metrics.ts";
import { METRICS } from "../../src/node/metrics-catalogue.ts";
import { PEER_METRICS, readPeers } from "../../src/node/peer-metrics.ts";
import { fakePeers } from "./fake-ledger.ts";

const [up, away] = fakePeers;
if (up === undefined || away === undefined) throw new RangeError("two peers");

const numbered = (n: number): PeerFigures => ({
  ...up,
  id: n.toString(16).padStart(16, "0").padEnd(64, "f"),
});

const seriesOf = (page: string): number =>
  page.split("\n").filter((line) => /^tetrad_(peer_|transport_driver)/.test(line)).length;

describe("metrics of peers", () => {
  it("are those of the sessions, by peer and class", () => {
    const metrics = createMetrics();
    readPeers(metrics, fakePeers);
    const peer = "1".repeat(16);
    const read = (name: string, labels: Record<string, string> = {}): number =>
      metrics.read(name, { peer, ...labels });
    expect(read("tetrad_peer_session", { driver: "quiche" })).toBe(1);
    expect(metrics.read("tetrad_peer_session", { peer: "2".repeat(16), driver: "none" })).toBe(0);
    expect(read("tetrad_peer_bytes_sent_total", { class: "consensus" })).toBe(1);
    expect(read("tetrad_peer_bytes_received_total", { class: "consensus" })).toBe(2);
    expect(read("tetrad_peer_queued_bytes", { class: "consensus" })).toBe(7);
    expect(read("tetrad_peer_rtt_seconds")).toBe(0.002);
    expect(read("tetrad_peer_packets_sent_total")).toBe(40);
    expect(read("tetrad_peer_packets_lost_total")).toBe(2);
    expect(read("tetrad_peer_handshake_seconds", { kind: "tls" })).toBe(0.0125);
    expect(read("tetrad_peer_handshake_seconds", { kind: "pq" })).toBe(0.0095);
    for (const name of PEER_METRICS) expect(METRICS[name]).toBeDefined();
  });

  it("say over which driver each class goes now, and nothing of the one before", () => {
    const metrics = createMetrics();
    const drivers = (): readonly string[] =>
      metrics
        .page()
        .split("\n")
        .filter((line) => line.startsWith("tetrad_transport_driver{"))
        .map((line) => `${/class="(\w+)"/.exec(line)?.[1]} ${/driver="(\w+)"/.exec(line)?.[1]}`);
    const others = ["consensus", "mempool", "sync", "control"].map((name) => `${name} quiche`);
    readPeers(metrics, [{ ...up, bulk: "reactor" }, away]);
    expect(drivers()).toEqual([...others, "bulk reactor"]);
    for (const bulk of ["session", undefined] as const) {
      readPeers(metrics, [{ ...up, bulk }, away]);
      expect(drivers()).toEqual([...others, "bulk quiche"]);
    }
    readPeers(metrics, [away]);
    expect(drivers()).toEqual([]);
  });

  it("forget who is gone", () => {
    const metrics = createMetrics();
    readPeers(metrics, fakePeers);
    readPeers(metrics, [away]);
    expect(seriesOf(metrics.page())).toBe(1);
    readPeers(metrics, []);
    expect(seriesOf(metrics.page())).toBe(0);
  });

  it("are of as many peers as the limit and no more, over any number of readings", () => {
    const metrics = createMetrics();
    const many = Array.from({ length: LIMITS.metricsPeersMax + 1 }, (_, i) => numbered(i));
    readPeers(metrics, many.slice(1));
    const full = seriesOf(metrics.page());
    expect(full).toBe(LIMITS.metricsPeersMax * 26);
    for (let i = 0; i < 10; i++) readPeers(metrics, many);
    expect(seriesOf(metrics.page())).toBe(full);
    // What is counted for peers leaves room for everything else.
    metrics.gauge("other", 5, { any: "label" });
    expect(metrics.read("other", { any: "label" })).toBe(5);
  });
});
