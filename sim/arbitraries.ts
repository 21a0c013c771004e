/**
 * fast-check arbitraries of scenarios: for properties over one's own projections, and so that a failing
 * scenario shrinks fault by fault.
 */
import fc from "fast-check";
import { CALM, DEFAULT_EXPECT, type Fault, type Scenario, STRATEGIES } from "./scenario.ts";

const span = (healMs: number): fc.Arbitrary<{ atMs: number; untilMs: number }> =>
  fc
    .tuple(fc.nat(healMs - 1), fc.integer({ min: 20, max: 5_000 }))
    .map(([atMs, length]) => ({ atMs, untilMs: Math.min(healMs, atMs + length) }));

const node = (n: number): fc.Arbitrary<number> => fc.nat(n - 1);

const down = (
  n: number,
  healMs: number,
): fc.Arbitrary<{ atMs: number; node: number; downMs: number }> =>
  fc.record({ atMs: fc.nat(healMs - 1), node: node(n), downMs: fc.nat(4_000) });

/** One fault of any kind but twins and lost votes, which need expectations of their own. */
export const faultArbitrary = (n: number, healMs: number): fc.Arbitrary<Fault> =>
  fc.oneof(
    fc
      .tuple(span(healMs), fc.array(fc.boolean(), { minLength: n, maxLength: n }))
      .map(([times, sides]): Fault => {
        const slots = Array.from({ length: n }, (_, i) => i);
        const groups = [slots.filter((i) => sides[i]), slots.filter((i) => !sides[i])];
        return { kind: "partition", ...times, groups };
      }),
    fc
      .tuple(span(healMs), node(n))
      .map(([times, which]): Fault => ({ kind: "isolate", ...times, node: which })),
    fc
      .tuple(
        span(healMs),
        fc.constantFrom(
          "loss" as const,
          "duplicate" as const,
          "reorder" as const,
          "corrupt" as const,
        ),
        fc.integer({ min: 1_000, max: 400_000 }),
      )
      .map(([times, kind, ppm]): Fault => ({ kind, ...times, ppm })),
    fc
      .tuple(down(n, healMs), fc.boolean())
      .map(([times, power]): Fault => ({ kind: "crash", ...times, power })),
    fc
      .tuple(
        down(n, healMs),
        fc.constantFrom(
          "sign" as const,
          "signed" as const,
          "write" as const,
          "synced" as const,
          "send" as const,
        ),
        fc.integer({ min: 1, max: 20 }),
        fc.boolean(),
      )
      .map(
        ([times, point, nth, power]): Fault => ({ kind: "crash-at", ...times, point, nth, power }),
      ),
    down(n, healMs).map((times): Fault => ({ kind: "wipe", ...times, votes: false })),
    fc
      .tuple(span(healMs), node(n))
      .map(([times, which]): Fault => ({ kind: "pause", ...times, node: which })),
    fc
      .tuple(span(healMs), node(n))
      .map(([times, which]): Fault => ({ kind: "disk-full", ...times, node: which })),
    fc
      .tuple(span(healMs), node(n), fc.integer({ min: -5_000, max: 5_000 }))
      .map(
        ([times, which, offsetMs]): Fault => ({ kind: "clock", ...times, node: which, offsetMs }),
      ),
  );

/** Scenarios of n nodes of equal weight with at most one adversary (n = 4 and up). */
export const scenarioArbitrary = (n = 4, healMs = 8_000): fc.Arbitrary<Scenario> =>
  fc
    .record({
      seed: fc.nat(),
      faults: fc.array(faultArbitrary(n, healMs), { maxLength: 8 }),
      strategy: fc.option(fc.constantFrom(...STRATEGIES), { nil: undefined }),
      culprit: node(n),
      clients: fc.integer({ min: 1, max: 4 }),
    })
    .map(({ seed, faults, strategy, culprit, clients }) => ({
      name: "arbitrary",
      seed,
      n,
      weights: new Array<number>(n).fill(1),
      epochMs: 3_600_000,
      knobs: CALM,
      workload: {
        clients,
        batchesPerSecond: 6,
        eventsPerBatch: 2,
        bodyBytes: 32,
        untilMs: Number.MAX_SAFE_INTEGER,
      },
      faults: [...faults].sort((a, b) => a.atMs - b.atMs),
      adversaries:
        strategy === undefined || n < 4
          ? []
          : [{ node: culprit, strategy, fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER }],
      healMs,
      expect: DEFAULT_EXPECT,
    }));
