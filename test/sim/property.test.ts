/** Properties of one's own over projections of one's own: the example of docs/projections.md, simulated. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scenarioArbitrary } from "../../sim/arbitraries.ts";
import { type Property, scenario, simulate, simulateTwice } from "../../sim/index.ts";
import { recordPut } from "../../src/ledger/projections/events.ts";
import { seatLeft, seats, seatTaken } from "../ledger/example-projection.ts";

const events = (random: { below(bound: number): number }) => {
  const seat = { room: "red", seat: random.below(3) };
  return [(random.below(3) === 0 ? seatLeft : seatTaken).encode(seat)];
};
const quiet = scenario("seats", { healMs: 4_000 });

/** Who sits where, as the log says, must be what the rows say. */
const rowsFollowTheLog: Property = (nodes) => {
  for (const node of nodes) {
    const taken = new Set<number>();
    for (const { type, value, refusedWith } of node.events) {
      if (refusedWith !== "") continue;
      const { seat } = value as { seat: number };
      if (type === "seat.taken") taken.add(seat);
      if (type === "seat.left") taken.delete(seat);
    }
    const rows = node.rows("seats").map(({ json }) => (json as { seat: number }).seat);
    const expected = [...taken].sort((a, b) => a - b);
    if (rows.join() !== expected.join()) return `n${node.slot} has ${rows}, the log ${expected}`;
  }
  return undefined;
};

describe("a property of one's own", () => {
  it("sees the rows and events of every honest node, and twice the same", () => {
    const seen: number[] = [];
    const property: Property = (nodes) => {
      seen.push(nodes.length, nodes[0]?.rows("seats").length ?? 0);
      return rowsFollowTheLog(nodes);
    };
    const result = simulateTwice(quiet, { projections: [seats], events, property });
    expect(result.violation).toBeUndefined();
    expect(seen[0]).toBe(4);
    expect(seen[1]).toBeGreaterThan(0);
    expect(seen.slice(0, 2)).toEqual(seen.slice(2));
  });

  it("sees all rows where there are more than a page of them", () => {
    let written = 0;
    const many = () =>
      Array.from({ length: 400 }, () => {
        written += 1;
        return recordPut.encode({ topic: "many", key: `${written}`, body: new Uint8Array(1) });
      });
    const seen: number[][] = [];
    const property: Property = (nodes) => {
      for (const node of nodes) {
        const puts = node.events.filter(({ type }) => type === "record.put");
        const keys = new Set(node.rows("records").map(({ key }) => Buffer.from(key).toString()));
        seen.push([puts.length, keys.size]);
      }
      return undefined;
    };
    const { workload, ...calm } = quiet;
    const few = { ...workload, clients: 1, batchesPerSecond: 1 };
    const result = simulate({ ...calm, workload: few }, { events: many, property });
    expect(result.violation).toBeUndefined();
    expect(seen.length).toBe(4);
    for (const [puts = 0, rows] of seen) {
      expect(puts).toBeGreaterThan(2_000);
      expect(rows).toBe(puts);
    }
  });

  it("ends a run that breaks it with what it says", () => {
    const result = simulate(quiet, {
      projections: [seats],
      events,
      property: (nodes) =>
        nodes.some((node) => node.events.some(({ refusedWith }) => refusedWith !== ""))
          ? "somebody was refused a seat"
          : undefined,
    });
    expect(result.outcome).toBe("correctness");
    expect(result.violation).toMatchObject({
      id: "property",
      detail: "somebody was refused a seat",
    });
  });

  it("holds under faults of every kind that scenarioArbitrary draws", () => {
    fc.assert(
      fc.property(scenarioArbitrary({ healMs: 2_500, faultsMax: 4 }), (drawn) => {
        const result = simulate(drawn, {
          projections: [seats],
          events,
          property: rowsFollowTheLog,
        });
        expect(result.violation).toBeUndefined();
      }),
      { numRuns: 8, seed: 7 },
    );
  }, 60_000);
});
