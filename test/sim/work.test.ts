/** I24's own arithmetic beside the product's, and the small chain that it watches. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { effortAt, priceBehind } from "../../sim/checkers/work.ts";
import { simulate } from "../../sim/index.ts";
import { SIM_WORK } from "../../sim/proofs.ts";
import { CALM, DEFAULT_WORKLOAD, scenario } from "../../sim/scenario.ts";
import { nextPrice, requiredEffort, workParameterFault } from "../../src/proofs/work/index.ts";

const terms = { memoryKiB: 8, ...SIM_WORK.price };
const { priceMin, priceMax } = SIM_WORK.price;
const prices = fc.bigInt({ min: priceMin, max: priceMax });
const units = fc.oneof(fc.bigInt({ min: 0n, max: 8_000n }), fc.bigInt({ min: 0n, max: 1n << 40n }));

describe("the oracle of work", () => {
  it("comes to the prices of the product by a way of its own", () => {
    fc.assert(
      fc.property(prices, units, (price, used) => {
        expect(priceBehind(terms, price, used)).toBe(nextPrice(SIM_WORK.price, price, used));
      }),
      { numRuns: 1000 },
    );
  });

  it("and to its efforts", () => {
    fc.assert(
      fc.property(prices, units, (price, counted) => {
        const effort = requiredEffort(SIM_WORK.price, price, counted);
        expect(effortAt(terms, price, counted)).toBe(BigInt(effort));
      }),
      { numRuns: 1000 },
    );
  });
});

it("the simulated chain has parameters that a genesis may have", () => {
  expect(workParameterFault(SIM_WORK)).toBeUndefined();
});

describe("clients of a chain that asks for work", () => {
  it("wait for a node that can say how much: on slow disks and links none can at first", () => {
    const net = { ...CALM.net, latencyMeanUs: 12_698, lossPpm: 1_000, linkBytesPerMs: 1_000 };
    const disk = { ...CALM.disk, syncMeanUs: 4_739 };
    const slow = scenario("slow", {
      seed: 2_147_483_646,
      proofs: ["work"],
      knobs: { ...CALM, net, disk },
      healMs: 500,
      workload: { ...DEFAULT_WORKLOAD, clients: 1, eventsPerBatch: 1 },
    });
    expect(simulate(slow).violation).toBeUndefined();
  });
});
